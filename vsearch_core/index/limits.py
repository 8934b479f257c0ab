"""Sizes of the steps in which an index is written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexLimits:
    """Sizes that trade memory, speed and the number of segments against one another. They change no search result.

    Indexing: a run reads `files_per_transaction` files and embeds `chunks_per_block` chunks at a time (whole requests
    of the remote embedders), and commits every `chunks_per_commit` chunks: fewer commits make fewer segments to merge,
    more commits make text searchable sooner. A re-embedding embeds `chunks_per_re_embedding_block` texts at a time.

    Segments: a segment of `graph_rows` rows gets a graph; a scan of fewer rows takes a millisecond. Postings are built
    from `rows_per_postings_block` rows at a time, whose terms take up to 200 MB of memory.

    Merging (`index.compaction`): `segments_per_tier` segments of a tier are merged into one of the next. Tiers start at
    `smallest_tier_rows` rows and grow by `tier_growth`. A segment is written again once more than `dead_share` of its
    rows are deleted: 24 rows are copied for each deleted one (docs/adr/0014-compaction-policy.md).
    """

    files_per_transaction: int = 64
    chunks_per_block: int = 800
    chunks_per_commit: int = 4096
    chunks_per_re_embedding_block: int = 512
    graph_rows: int = 16_384
    rows_per_postings_block: int = 8192
    segments_per_tier: int = 8
    smallest_tier_rows: int = 1024
    tier_growth: int = 4
    dead_share: float = 0.04


DEFAULT_LIMITS = IndexLimits()
