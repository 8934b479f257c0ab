"""Fewer, cleaner segments: a pure policy says which to merge, and one transaction swaps them for their merger."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.commit import mark_commit, sweep
from vsearch_core.index.graphs import lacking_graphs, link
from vsearch_core.index.progress import Observer, StoppedError
from vsearch_core.lexical.postings import Postings, merge
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.segment import Manifest, SegmentWriter, open_segment
from vsearch_core.store.vacuum import reclaim_space, rewrite_catalog

FAN_OUT = 8  # so many segments of one size are merged into one of the next
GROWTH = 4  # how much larger a segment of the next size is
SMALLEST = 1024  # rows: all segments below are of one size
DEAD_SHARE = (
    0.04  # a segment with more dead rows is rewritten: 24 rows for each that died: docs/adr/0014-compaction-policy.md
)
ROWS_A_BLOCK = 4096  # so many are copied at a time


@dataclass(frozen=True, slots=True)
class CompactionSummary:
    """What `compact_index` did. `segments` are those merged away, `dropped` their dead rows, sizes are in bytes."""

    index: Path
    segments: int
    rows: int
    dropped: int
    bytes_before: int
    bytes_after: int
    seconds: float


def compact_index(index: Path, observer: Observer = Observer()) -> CompactionSummary:  # noqa: B008 - frozen
    """Merge all segments into one without dead rows, whatever the policy says, and write the catalog without gaps.

    Raises IndexLockedError, IndexVersionError, IndexCorruptError, StorageError, and StoppedError when the observer says
    stop while a graph is made: everything is as it was then.
    """
    started = time.perf_counter()
    with storage_errors(index), writer_lock(index):
        before = _bytes_on_disk(index)
        with closing(Catalog.open_to_write(index)) as catalog:
            sweep(catalog)
            segments = catalog.segments()
            live, stored = sum(segment.live_rows for segment in segments), sum(segment.rows for segment in segments)
            alone = len(segments) == 1 and stored == live and not lacking_graphs(segments)
            merged = [] if alone else segments
            if merged:
                merge_segments(catalog, merged, observer)
            sweep(catalog)
            rewrite_catalog(catalog)
        after, seconds = _bytes_on_disk(index), time.perf_counter() - started
        return CompactionSummary(index, len(merged), live, stored - live, before, after, seconds)


def _bytes_on_disk(index: Path) -> int:
    return sum(path.stat().st_size for path in index.rglob("*") if path.is_file())


def choose(segments: Sequence[SegmentRecord]) -> list[SegmentRecord]:
    """The segments to merge into one now, oldest first; none when all is well. One alone is written anew.

    Tiered, as in log-structured merge trees: there are fewer than FAN_OUT segments a size, and with each merge a row
    comes into a larger size, but for the smallest: there FAN_OUT - 1 commits together rewrite fewer than SMALLEST rows.
    What is written anyway takes smaller segments along, which repeat its words: at most as many rows again.
    """
    worn = [segment for segment in segments if segment.live_rows < (1 - DEAD_SHARE) * segment.rows]
    tiers: dict[int, list[SegmentRecord]] = {}
    for segment in segments:
        tiers.setdefault(_tier(segment.live_rows), []).append(segment)
    full = next((tier for _, tier in sorted(tiers.items()) if len(tier) >= FAN_OUT), [])
    return _with_smaller(worn or full or lacking_graphs(segments), segments)


def _with_smaller(chosen: Sequence[SegmentRecord], segments: Sequence[SegmentRecord]) -> list[SegmentRecord]:
    """Those chosen, and the smallest of the others as long as together they have no more rows."""
    taken = {segment.id for segment in chosen}
    room = sum(segment.live_rows for segment in chosen)
    for segment in sorted(segments, key=lambda other: other.live_rows):
        if segment.id not in taken and segment.live_rows <= room:
            taken.add(segment.id)
            room -= segment.live_rows
    return [segment for segment in segments if segment.id in taken]


def compact(catalog: Catalog, observer: Observer = Observer()) -> int:  # noqa: B008 - frozen
    """Merge what the policy chooses until it chooses nothing. Returns the number of segments that were merged away.

    Raises StoppedError when the observer says stop; the merges up to then are committed.
    """
    merged = 0
    while chosen := choose(catalog.segments()):
        if observer.should_stop():
            raise StoppedError
        merge_segments(catalog, chosen, observer)
        merged += len(chosen)
    return merged


def compact_until_stopped(catalog: Catalog, observer: Observer) -> bool:
    """What a run does at its end: compact, and give space back. False if the observer stopped that."""
    try:
        compact(catalog, observer)
    except StoppedError:
        return False
    reclaim_space(catalog)
    return True


def merge_segments(
    catalog: Catalog,
    chosen: Sequence[SegmentRecord],
    observer: Observer = Observer(),  # noqa: B008 - frozen
) -> None:
    """Replace segments by one that holds their live rows in the same order, with a graph if they are many.

    It is written aside first. Takes memory for the merged postings and the graph, not for the vectors. Raises
    StoppedError, and leaves all as it was.
    """
    opened = [open_segment(catalog.index, segment.name, segment.manifest) for segment in chosen]
    kept = [segment.alive for segment in chosen]
    rows = sum(int(mask.sum()) for mask in kept)
    vectors = [arrays["vectors"] for arrays in opened]
    shape = (rows, *vectors[0].shape[1:])
    blocks = _kept_blocks(vectors, kept)
    written = write_merged(catalog.index, catalog.settings(), opened, kept, (shape, blocks), observer) if rows else None
    with catalog.transaction():
        catalog.drop_segments(segment.id for segment in chosen)
        if written is not None:
            catalog.add_segment(written[0], rows, written[1])
        mark_commit(catalog)


def write_merged(
    index: Path,
    settings: Mapping[str, str],
    opened: Sequence[Mapping[str, NDArray[Any]]],
    kept: Sequence[NDArray[np.bool_]],
    vectors: tuple[tuple[int, ...], Iterable[NDArray[np.int16]]],
    observer: Observer,
) -> tuple[str, Manifest]:
    """Write the rows that are kept of each segment's arrays as a new segment, with a graph if they are many.

    `vectors` are those rows' vectors: their shape, and they themselves, some at a time. `settings` are those that the
    index will have. Raises StoppedError.
    """
    writer = SegmentWriter(index)
    shape, blocks = vectors
    writer.add("vectors", np.dtype(np.int16), shape, blocks)
    for key in ("chunk_ids", "file_ids"):
        writer.add(key, np.dtype(np.int64), shape[:1], _kept_blocks([arrays[key] for arrays in opened], kept))
    writer.add_arrays(_merged_postings(index, opened, kept).arrays())
    writer.add_arrays(link(writer.map("vectors"), observer))
    return writer.finish(settings)


def _merged_postings(
    index: Path, opened: Sequence[Mapping[str, NDArray[Any]]], kept: Sequence[NDArray[np.bool_]]
) -> Postings:
    try:
        return merge([Postings.from_arrays(arrays) for arrays in opened], kept)
    except (IndexError, KeyError, ValueError) as error:
        raise IndexCorruptError(str(index), f"its postings are damaged ({error})") from error


def _kept_blocks(parts: Sequence[NDArray[Any]], kept: Sequence[NDArray[np.bool_]]) -> Iterator[NDArray[Any]]:
    """The rows of all parts that are kept, some at a time."""
    for part, mask in zip(parts, kept, strict=True):
        for start in range(0, len(part), ROWS_A_BLOCK):
            yield part[start : start + ROWS_A_BLOCK][mask[start : start + ROWS_A_BLOCK]]


def _tier(rows: int) -> int:
    tier, limit = 0, SMALLEST
    while rows >= limit:
        tier, limit = tier + 1, limit * GROWTH
    return tier
