"""Compaction: a policy chooses segments, and one transaction replaces them by one merged segment.

The policy is tiered, as in log-structured merge trees (`choose_segments`); docs/adr/0014-compaction-policy.md.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vsearch_core.index.commit import advance_generation, sweep
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.parts import GRAPH, NewSegment, open_former, write_parts
from vsearch_core.index.progress import Observer, StoppedError
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.vacuum import reclaim_space, rewrite_catalog


@dataclass(frozen=True, slots=True)
class CompactionSummary:
    """Counts of a compaction: `segments` merged, `dropped` deleted rows, and the index's bytes before and after."""

    index: Path
    segments: int
    rows: int
    dropped: int
    bytes_before: int
    bytes_after: int
    seconds: float


def compact_index(
    index: Path,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    limits: IndexLimits = DEFAULT_LIMITS,
) -> CompactionSummary:
    """Merge all segments into one without deleted rows, whatever the policy says, and rewrite the catalog without gaps.

    Raises IndexNotFoundError, IndexLockedError, IndexVersionError, IndexCorruptError, StorageError, and StoppedError if
    the observer stops it while a graph is built, which leaves the index as it was.
    """
    started = time.perf_counter()
    with storage_errors(index), writer_lock(index):
        before = _bytes_on_disk(index)
        with closing(Catalog.open_to_write(index)) as catalog:
            sweep(catalog)
            segments = catalog.segments()
            live, stored = sum(segment.live_rows for segment in segments), sum(segment.rows for segment in segments)
            is_compact = len(segments) == 1 and stored == live and not lacking_graphs(segments, limits)
            merged = [] if is_compact else segments
            if merged:
                merge_segments(catalog, merged, observer, limits)
            sweep(catalog)
            rewrite_catalog(catalog)
        after, seconds = _bytes_on_disk(index), time.perf_counter() - started
        return CompactionSummary(index, len(merged), live, stored - live, before, after, seconds)


def _bytes_on_disk(index: Path) -> int:
    return sum(path.stat().st_size for path in index.rglob("*") if path.is_file())


def choose_segments(segments: Sequence[SegmentRecord], limits: IndexLimits = DEFAULT_LIMITS) -> list[SegmentRecord]:
    """Return the segments to merge into one now, oldest first; none if nothing is to be done.

    A single segment is rewritten without its deleted rows, or with a graph. A tier never keeps `segments_per_tier`
    segments, and each merge moves its rows to a larger tier; within the smallest tier fewer than `smallest_tier_rows`
    rows are rewritten by `segments_per_tier` - 1 commits together. A merge includes smaller segments, which repeat its
    vocabulary, as long as they have no more rows than it has.
    """
    worn = [segment for segment in segments if segment.live_rows < (1 - limits.dead_share) * segment.rows]
    tiers: dict[int, list[SegmentRecord]] = {}
    for segment in segments:
        tiers.setdefault(_tier(segment.live_rows, limits), []).append(segment)
    full = next((tier for _, tier in sorted(tiers.items()) if len(tier) >= limits.segments_per_tier), [])
    return _with_smaller(worn or full or lacking_graphs(segments, limits), segments)


def _with_smaller(chosen: Sequence[SegmentRecord], segments: Sequence[SegmentRecord]) -> list[SegmentRecord]:
    """Return the chosen segments and the smallest of the others that have no more rows than these together."""
    chosen_ids = {segment.id for segment in chosen}
    room = sum(segment.live_rows for segment in chosen)
    for segment in sorted(segments, key=lambda other: other.live_rows):
        if segment.id not in chosen_ids and segment.live_rows <= room:
            chosen_ids.add(segment.id)
            room -= segment.live_rows
    return [segment for segment in segments if segment.id in chosen_ids]


def compact(
    catalog: Catalog,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    limits: IndexLimits = DEFAULT_LIMITS,
) -> int:
    """Merge what the policy chooses until it chooses nothing. Return the number of segments that were merged.

    Raises StoppedError if the observer stops it; the merges before are committed.
    """
    merged = 0
    while chosen := choose_segments(catalog.segments(), limits):
        if observer.should_stop():
            raise StoppedError
        merge_segments(catalog, chosen, observer, limits)
        merged += len(chosen)
    return merged


def compact_until_stopped(catalog: Catalog, observer: Observer, limits: IndexLimits = DEFAULT_LIMITS) -> bool:
    """Compact at the end of a run, and give space back. Return False if the observer stopped it."""
    try:
        compact(catalog, observer, limits)
    except StoppedError:
        return False
    reclaim_space(catalog)
    return True


def merge_segments(
    catalog: Catalog,
    chosen: Sequence[SegmentRecord],
    observer: Observer = Observer(),  # noqa: B008 - frozen
    limits: IndexLimits = DEFAULT_LIMITS,
) -> None:
    """Replace segments by one that holds their live rows in the same order, with a graph if they are many.

    The new segment is complete before the transaction that swaps them. Takes memory for the merged ids, postings and
    graph, not for the vectors. Raises IndexCorruptError, and StoppedError, which leaves the index as it was.
    """
    former = [open_former(catalog.index, record) for record in chosen]
    segment = NewSegment.merge(catalog, former, observer, limits)
    rows = len(segment.chunk_ids)
    written = write_parts(segment, catalog.settings()) if rows else None
    with catalog.transaction():
        catalog.drop_segments(record.id for record in chosen)
        if written is not None:
            catalog.add_segment(written[0], rows, written[1])
        advance_generation(catalog)


def lacking_graphs(segments: Sequence[SegmentRecord], limits: IndexLimits) -> list[SegmentRecord]:
    """Return the segments without a graph if they are large enough for one together, else none."""
    without = [segment for segment in segments if not GRAPH.is_in(segment.manifest)]
    return without if sum(segment.live_rows for segment in without) >= limits.graph_rows else []


def _tier(rows: int, limits: IndexLimits) -> int:
    tier, limit = 0, limits.smallest_tier_rows
    while rows >= limit:
        tier, limit = tier + 1, limit * limits.tier_growth
    return tier
