"""Fewer, cleaner segments: a pure policy says which to merge, and one transaction swaps them for their merger."""

from collections.abc import Sequence

import numpy as np

from vsearch_core.index.commit import mark_commit, segment_arrays
from vsearch_core.index.graphs import lacks_graph, link
from vsearch_core.index.progress import Observer, StoppedError
from vsearch_core.lexical.postings import Postings, merge
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.segment import open_segment, write_segment

FAN_OUT = 8  # so many segments of one size are merged into one of the next
GROWTH = 4  # how much larger a segment of the next size is
SMALLEST = 1024  # rows: all segments below are of one size
DEAD_SHARE = 0.3  # a segment with more dead rows than this is rewritten


def choose(segments: Sequence[SegmentRecord]) -> list[SegmentRecord]:
    """The segments to merge into one now, oldest first; none when all is well. One alone is written anew.

    Tiered, as in log-structured merge trees: each row is rewritten about log_8(n) times over the index's life, and
    there are never more than FAN_OUT segments a size.
    """
    worn = [segment for segment in segments if segment.live_rows < (1 - DEAD_SHARE) * segment.rows]
    if worn:
        return worn
    tiers: dict[int, list[SegmentRecord]] = {}
    for segment in segments:
        tiers.setdefault(_tier(segment.live_rows), []).append(segment)
    full = next((tier for _, tier in sorted(tiers.items()) if len(tier) >= FAN_OUT), [])
    return full or [segment for segment in segments if lacks_graph(segment)][:1]


def compact(catalog: Catalog, observer: Observer = Observer()) -> int:  # noqa: B008 - frozen
    """Merge what the policy chooses until it chooses nothing. Returns the number of segments that were merged away.

    Raises StoppedError when the observer says stop; the merges up to then are committed.
    """
    merged = 0
    while chosen := choose(catalog.segments()):
        if observer.stop():
            raise StoppedError
        merge_segments(catalog, chosen, observer)
        merged += len(chosen)
    return merged


def merge_segments(
    catalog: Catalog,
    chosen: Sequence[SegmentRecord],
    observer: Observer = Observer(),  # noqa: B008 - frozen
) -> None:
    """Replace segments by one that holds their live rows in the same order, with a graph if they are many.

    Takes memory for the merged segment. Raises StoppedError, and leaves all as it was.
    """
    opened = [open_segment(catalog.index, segment.name, segment.manifest) for segment in chosen]
    kept = [segment.alive for segment in chosen]
    pairs = list(zip(opened, kept, strict=True))
    rows = sum(int(mask.sum()) for mask in kept)
    written = None
    if rows:
        arrays = segment_arrays(
            np.concatenate([arrays["vectors"][mask] for arrays, mask in pairs]),
            np.concatenate([arrays["chunk_ids"][mask] for arrays, mask in pairs]),
            np.concatenate([arrays["file_ids"][mask] for arrays, mask in pairs]),
            merge([Postings.from_arrays(arrays) for arrays in opened], kept),
        )
        written = write_segment(catalog.index, {**arrays, **link(arrays["vectors"], observer)})
    with catalog.transaction():
        catalog.drop_segments(segment.id for segment in chosen)
        if written is not None:
            catalog.add_segment(written[0], rows, written[1])
        mark_commit(catalog)


def _tier(rows: int) -> int:
    tier, limit = 0, SMALLEST
    while rows >= limit:
        tier, limit = tier + 1, limit * GROWTH
    return tier
