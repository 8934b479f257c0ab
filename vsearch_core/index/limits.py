"""Define the sizes of the steps in which an index is written and merged."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexLimits:
    """Sizes that trade memory, speed and the number of segments. Search results don't depend on them.

    Indexing: an update reads `files_per_transaction` files at a time, and embeds `chunks_per_block` chunks at a time,
    which fill whole requests of remote embedders. It commits every `chunks_per_commit` chunks: more commits make text
    searchable sooner, fewer make fewer segments to merge. An update with more than one block commits all keywords
    before it embeds anything, `chunks_per_keyword_commit` chunks at a time, and fewer at first. A re-embedding embeds
    `chunks_per_re_embedding_block` texts at a time.

    Segments: a segment with at least `graph_rows` rows gets a graph or inverted lists (see `index.ann_policy`); a scan
    of fewer rows takes only a millisecond. A graph is built within about `graph_build_bytes` of memory; the rest of its
    arrays are in temporary files. Unless the user has chosen, a segment with too many rows even for that gets lists. In
    an index that keeps no vectors, `coded_rows` rows are enough to train a codebook.
    Postings are built from `rows_per_postings_block` rows at a time, whose terms take about 200 MB of memory, or from
    fewer rows if these have `terms_per_postings_block` terms: a forged index may have texts of 5 MB each.

    Merging (`index.compaction`): segments are grouped by size into tiers. The first tier ends at `smallest_tier_rows`
    rows, and each other tier at `tier_growth` times the size of the one before. When a tier has `segments_per_tier`
    segments, they are merged. A segment is also rewritten when more than `dead_share` of its rows are deleted, which
    copies at most 24 rows for each deleted one (docs/adr/0014-compaction-policy.md).
    """

    files_per_transaction: int = 256
    chunks_per_block: int = 800
    chunks_per_commit: int = 4096
    chunks_per_keyword_commit: int = 8192
    chunks_per_re_embedding_block: int = 512
    graph_rows: int = 16_384
    graph_build_bytes: int = 4_000_000_000
    coded_rows: int = 1024
    rows_per_postings_block: int = 8192
    terms_per_postings_block: int = 6_000_000
    segments_per_tier: int = 8
    smallest_tier_rows: int = 1024
    tier_growth: int = 4
    dead_share: float = 0.04


DEFAULT_LIMITS = IndexLimits()

_SPARE_BYTES = 32_000_000  # for the texts of few chunks, and for blanks between words
_BYTES_PER_WORD = 480  # a word of MAX_RUN characters of four bytes each, and MAX_SHARE (`text.chunk`)


def most_bytes_of_texts(chunks: int, chunk_words: int) -> int:
    """Return how many bytes the texts of this number of chunks may have together when an index is written.

    The chunker makes shorter ones from any document. A forged index may have 5 MB for each, which take a second of CPU
    for every few chunks.
    """
    return _SPARE_BYTES + chunks * chunk_words * _BYTES_PER_WORD
