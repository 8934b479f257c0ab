"""Check an index for damage without changing it. Faults are returned, not raised."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.parts import part_faults
from vsearch_core.index.pictures import picture_faults
from vsearch_core.index.settings import IndexSettings
from vsearch_core.index.snapshot import SegmentView, Snapshot, vectors_first, view_segment
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.check import (
    MISREAD,
    Fault,
    catalog_faults,
    count_faults,
    segment_faults,
    unopened_catalog_faults,
)
from vsearch_core.store.connections import has_our_header
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.segment import SEGMENTS_DIR
from vsearch_core.store.tables import CATALOG_FILE

MAX_ATTEMPTS = 5  # checks of successive generations, if each finds a fault

RecallCheck = Callable[[Snapshot], Sequence[Fault]]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a check. `faults` is empty if the index is intact; `full` is True after a full check.

    `generation`, `files` and `chunks` describe the generation that was checked. They are None if the catalog can't be
    read.
    """

    index: Path | str
    full: bool
    faults: tuple[Fault, ...]
    generation: int | None
    files: int | None
    chunks: int | None


def check_index(index: Path, *, full: bool = False, recall: RecallCheck | None = None) -> CheckReport:
    """Check one generation of the index for damage. Another process may write to the index meanwhile.

    A quick check verifies that the catalog can be opened, that its settings are complete, that all files of segments
    exist with the right size, and that the numbers of chunks agree. A full check also verifies every byte, and that the
    catalog and the segments agree about each chunk. If `recall` is given, a full check calls it to test that searches
    for stored vectors find them.

    Raises IndexNotFoundError, IndexVersionError, IndexMismatchError, StorageError.
    """
    with storage_errors(index):
        report = _check(index, full=full, recall=recall)
        for _ in range(MAX_ATTEMPTS):
            former = report.generation
            if not report.faults:
                break
            # A compaction may have deleted files after the catalog was read.
            report = _check(index, full=full, recall=recall)
            if report.generation == former:
                break
    return report


def _check(index: Path, *, full: bool, recall: RecallCheck | None) -> CheckReport:
    faults: list[Fault] = []
    if (index / CATALOG_FILE).is_file() and not has_our_header(index):
        faults.append(Fault(str(index / CATALOG_FILE), "its header is damaged"))
    try:
        with storage_errors(index):
            catalog = Catalog.open_to_read(index)
    except IndexCorruptError as error:
        faults.append(Fault(error.subject, error.reason))
        return CheckReport(index, full, (*faults, *(unopened_catalog_faults(index) if full else ())), None, None, None)
    except MISREAD as error:
        faults += [_misread(error), *(unopened_catalog_faults(index) if full else ())]
        return CheckReport(index, full, tuple(faults), None, None, None)
    with closing(catalog):
        if full:
            faults += catalog_faults(catalog.connection)
        try:
            with storage_errors(index):
                faults += _segments(catalog, full=full, recall=None if faults else recall)
                live, _, _ = catalog.counts()
                chunks = sum(record.live_rows for record in catalog.segments())
                return CheckReport(index, full, tuple(faults), catalog.generation, live, chunks)
        except IndexCorruptError as error:
            return CheckReport(index, full, (*faults, Fault(error.subject, error.reason)), None, None, None)
        except MISREAD as error:
            return CheckReport(index, full, (*faults, _misread(error)), None, None, None)


def _misread(error: Exception) -> Fault:
    return Fault("catalog", f"contains invalid values ({type(error).__name__}: {error})")


def _segments(catalog: Catalog, *, full: bool, recall: RecallCheck | None) -> list[Fault]:
    settings = IndexSettings.from_catalog(catalog)
    records = catalog.segments()
    faults: list[Fault] = []
    views: list[SegmentView] = []
    for record in records:
        found = list(segment_faults(catalog.index, record, full=full))
        faults += found
        if full and not found:
            view = view_segment(catalog, record)
            faults += content_faults(catalog.index, record, view, settings)
            views.append(view)
    faults += count_faults(catalog)
    if full:
        faults += [Fault("pictures", reason) for reason in picture_faults(catalog)]
    if full and len(views) == len(records):
        faults += id_faults(catalog, views)
        if recall is not None and not faults:
            faults += recall(Snapshot(catalog, settings, catalog.generation, vectors_first(views)))
    return faults


def content_faults(index: Path, record: SegmentRecord, view: SegmentView, settings: IndexSettings) -> Iterator[Fault]:
    """Yield a fault for each contradiction in a segment's arrays, such as a vector of another length than 1.

    The checksums of the arrays are correct.
    """
    folder = index / SEGMENTS_DIR / record.name
    dimensions = {space: fingerprint.dimension for space, fingerprint in settings.spaces.items()}
    for array, reason in part_faults(view.arrays, dimensions):
        yield Fault(str(folder / f"{array}.npy" if array else folder), reason)


def id_faults(catalog: Catalog, views: Sequence[SegmentView]) -> Iterator[Fault]:
    """Yield a fault if the live chunks and the live rows of the segments don't match.

    Each live chunk must have exactly one live row, and the row must have the id of the chunk's file. It may have
    deleted rows beside it, in segments that its row has moved from.
    """
    chunk_ids, file_ids = catalog.live_chunks()
    rows = [(view.chunk_ids[view.alive], view.file_ids[view.alive]) for view in views]
    found = np.concatenate([np.empty(0, np.int64), *(chunks for chunks, _ in rows)])
    files = np.concatenate([np.empty(0, np.int64), *(files for _, files in rows)])
    order = np.argsort(found, kind="stable")
    found, files = found[order], files[order]
    if (np.diff(found) == 0).any():
        yield Fault("segments", "have two rows for some live chunks")
    elif not np.array_equal(found, chunk_ids):
        missing, unknown = np.isin(chunk_ids, found, invert=True), np.isin(found, chunk_ids, invert=True)
        reason = f"lack {missing.sum()} live chunks and have {unknown.sum()} that the catalog does not know"
        yield Fault("segments", reason)
    elif not np.array_equal(files, file_ids):
        yield Fault("segments", f"give {(files != file_ids).sum()} chunks to other files than the catalog does")
    deleted = [view.chunk_ids[is_live(view, chunk_ids, file_ids) & ~view.alive] for view in views]
    if any(np.isin(ids, found, invert=True).any() for ids in deleted):
        yield Fault("segments", "mark rows of live chunks as deleted")


def is_live(view: SegmentView, chunk_ids: NDArray[np.int64], file_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask (rows,) that is True for the rows of live chunks, whether or not they have a tombstone.

    `chunk_ids` are the ids of all live chunks, ascending, and `file_ids` the ids of their files.
    """
    at = np.searchsorted(chunk_ids, view.chunk_ids)
    live = at < len(chunk_ids)
    at = at[live]
    live[live] = (chunk_ids[at] == view.chunk_ids[live]) & (file_ids[at] == view.file_ids[live])
    return live
