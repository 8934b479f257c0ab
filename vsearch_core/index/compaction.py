"""Merge segments: a policy chooses segments, and one transaction replaces them by one merged segment.

The policy is tiered compaction, as in log-structured merge trees: see `choose_segments` and
docs/adr/0014-compaction-policy.md.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vsearch_core.index.ann_policy import FLAT, AnnPolicy, policy_of
from vsearch_core.index.commit import advance_generation, sweep
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.parts import (
    CODED,
    NewSegment,
    ann_kind_of,
    is_embedded,
    open_former,
    write_parts,
)
from vsearch_core.index.progress import Observer, StoppedError
from vsearch_core.own_files import folder_bytes
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.vacuum import reclaim_space, rewrite_catalog


@dataclass(frozen=True, slots=True)
class CompactionSummary:
    """The result of a compaction.

    `segments` is the number of segments that were merged, `rows` the number of rows left, and `dropped` the number of
    deleted rows that are gone. `bytes_before` and `bytes_after` are sizes of the index on disk.
    """

    index: Path | str
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
    """Merge all segments into one without deleted rows, and rewrite the catalog without gaps.

    Segments whose chunks have no vectors yet are merged into another one. Segments that the policy would leave alone
    are merged, too. Raises IndexNotFoundError, IndexLockedError,
    IndexVersionError, IndexCorruptError, StorageError, and StoppedError if the observer stops it while a graph is
    built, which leaves the index unchanged.
    """
    started = time.perf_counter()
    with storage_errors(index), writer_lock(index):
        before = folder_bytes(index, within=index)
        with closing(Catalog.open_to_write(index)) as catalog:
            sweep(catalog)
            segments = catalog.segments()
            live, stored = sum(segment.live_rows for segment in segments), sum(segment.rows for segment in segments)
            merged: list[SegmentRecord] = []
            for group in _by_vectors(segments):
                is_whole = len(group) == 1 and group[0].live_rows == group[0].rows
                if group and (not is_whole or unsuited(group, limits, policy_of(catalog))):
                    merge_segments(catalog, group, observer, limits)
                    merged += group
            sweep(catalog)
            rewrite_catalog(catalog)
        after, seconds = folder_bytes(index, within=index), time.perf_counter() - started
        return CompactionSummary(index, len(merged), live, stored - live, before, after, seconds)


def choose_segments(
    segments: Sequence[SegmentRecord],
    limits: IndexLimits = DEFAULT_LIMITS,
    ann: AnnPolicy = AnnPolicy(),  # noqa: B008 - frozen
) -> list[SegmentRecord]:
    """Return the segments to merge into one now, oldest first; an empty list if there is nothing to merge.

    Segments with and without vectors are never merged with one another, and those with vectors are considered first.
    These groups are considered in this order, and the first one that isn't empty is chosen: segments with too many
    deleted rows (`dead_share`); the smallest tier with `segments_per_tier` segments (a tier is a range of sizes, see
    `IndexLimits`); segments that `unsuited` returns. Then smaller segments are added, as
    long as they have no more rows together than the chosen ones, because each segment repeats part of the vocabulary. A
    single segment is rewritten without its deleted rows, or with a graph or inverted lists.
    """
    return next(filter(None, (_choose_alike(group, limits, ann) for group in _by_vectors(segments))), [])


def _by_vectors(segments: Sequence[SegmentRecord]) -> list[list[SegmentRecord]]:
    """Return two lists: the segments with vectors or codes of them, and those without."""
    return [[each for each in segments if is_embedded(each.manifest) == having] for having in (True, False)]


def _choose_alike(segments: Sequence[SegmentRecord], limits: IndexLimits, ann: AnnPolicy) -> list[SegmentRecord]:
    """Choose segments to merge, as `choose_segments` does, from segments that all have vectors, or all have none."""
    worn = [segment for segment in segments if segment.live_rows < (1 - limits.dead_share) * segment.rows]
    tiers: dict[int, list[SegmentRecord]] = {}
    for segment in segments:
        tiers.setdefault(_tier(segment.live_rows, limits), []).append(segment)
    full = next((tier for _, tier in sorted(tiers.items()) if len(tier) >= limits.segments_per_tier), [])
    return _with_smaller(worn or full or unsuited(segments, limits, ann), segments)


def _with_smaller(chosen: Sequence[SegmentRecord], segments: Sequence[SegmentRecord]) -> list[SegmentRecord]:
    """Return the chosen segments, with the smallest others that have no more rows together than these."""
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
    """Merge segments until `choose_segments` finds nothing to merge. Return the number of merged segments.

    Raises StoppedError if the observer stops it. Earlier merges are committed by then.
    """
    merged = 0
    while chosen := choose_segments(catalog.segments(), limits, policy_of(catalog)):
        if observer.should_stop():
            raise StoppedError
        merge_segments(catalog, chosen, observer, limits)
        merged += len(chosen)
    return merged


def compact_until_stopped(catalog: Catalog, observer: Observer, limits: IndexLimits = DEFAULT_LIMITS) -> bool:
    """Compact at the end of a run, and free unused space. Return False if the observer stopped it."""
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
    """Replace segments by one with all their live rows, in the same order. A large one gets a graph or lists.

    The new segment is complete on disk before the transaction that replaces the others. Its ids, postings and graph
    must fit in memory; its vectors need not. Raises IndexCorruptError, and StoppedError, which leaves the index
    unchanged.
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


def unsuited(segments: Sequence[SegmentRecord], limits: IndexLimits, ann: AnnPolicy) -> list[SegmentRecord]:
    """Return the segments that have another way to search vectors than the policy wants.

    These are the segments with a graph that should have inverted lists, or the other way round; if there are none,
    those that have neither, unless they have too few rows together or the policy wants neither. In an index that keeps
    no vectors, they are those that have any, unless they have too few rows for a codebook. Segments without vectors are
    left out.
    """
    segments = [each for each in _by_vectors(segments)[0] if not CODED.is_in(each.manifest)]
    kinds = [ann_kind_of(segment.manifest) for segment in segments]
    wrong = [
        segment
        for segment, kind in zip(segments, kinds, strict=True)
        if kind not in (FLAT, ann.kind(segment.rows, limits))
    ]
    without = [segment for segment, kind in zip(segments, kinds, strict=True) if kind == FLAT]
    if ann.keeps_none:
        return segments if sum(segment.live_rows for segment in segments) >= limits.coded_rows else wrong
    rows = sum(segment.live_rows for segment in without)
    is_enough = rows >= limits.graph_rows and ann.kind(rows, limits) != FLAT
    return wrong or (without if is_enough else [])


def _tier(rows: int, limits: IndexLimits) -> int:
    tier, limit = 0, limits.smallest_tier_rows
    while rows >= limit:
        tier, limit = tier + 1, limit * limits.tier_growth
    return tier
