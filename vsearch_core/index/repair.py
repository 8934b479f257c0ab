"""Repair a damaged index: rebuild derived data, keep copies of damaged files, and report all losses.

The catalog has the texts, files and settings, and the segments have the vectors. All other parts of segments, and the
tombstones, can be derived from these. Intact rows of damaged segments are written to a new segment, files that have
lost a vector to a segment without vectors, and one transaction replaces the damaged segments by these.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from pathlib import Path
from shutil import copystat

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.codes import Codebook, CodedVectors, code_bytes
from vsearch_core.ann.flat import non_unit_rows
from vsearch_core.embed.base import Embedder, OpenEmbedder
from vsearch_core.embed.late_windows import code_type
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.check import content_faults, is_live
from vsearch_core.index.commit import advance_generation, commit_staged, segments_exist, sweep
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.parts import (
    CHUNK_IDS,
    CODED,
    CODES_ROWS,
    WINDOW_CODES,
    WINDOW_STOPS,
    NewSegment,
    VectorBlocks,
    is_embedded,
    stored_codes,
    vectors_name,
    window_blocks,
    write_parts,
)
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.renewal import renew_keywords
from vsearch_core.index.settings import IndexSettings, refuse_other_model
from vsearch_core.index.snapshot import view_segment
from vsearch_core.index.staging import embed_block, staged_blocks
from vsearch_core.index.unembedded import (
    count_unembedded,
    text_blocks,
    unembedded_chunks,
)
from vsearch_core.model import TEXT
from vsearch_core.own_files import copy_file, list_folder, refuse_links
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.check import catalog_faults, segment_faults
from vsearch_core.store.connections import has_our_header
from vsearch_core.store.files import make_folder, sync_file, sync_folder
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.records import Record
from vsearch_core.store.recovery.catalog import delete_recovery_files, recover_catalog
from vsearch_core.store.recovery.segments import orphan_segments
from vsearch_core.store.segment import SEGMENTS_DIR, open_segment, recover_array, row_span
from vsearch_core.store.tables import CATALOG_FILE, DAMAGED_DIR, SUFFIXES, reserve_ids

_ROWS_PER_BLOCK = 512  # rows whose vectors are in memory at a time

Ids = NDArray[np.int64]


@dataclass(slots=True)
class RepairSummary:
    """The result of a repair.

    `catalog` is True if the catalog was replaced. In this case, `lost` has the minimum number of lost rows by table,
    and `recalled` the names of lost settings that were taken from a segment. `rebuilt` is the number of segments that
    were replaced by a new one with `rows` rows. `reread` are files that have lost text; the next update must read them
    again. `staged` are files that have lost vectors; only keywords find them until they are embedded again. `renewed`
    is True if keyword postings of an earlier analyzer were rebuilt. `embedded` is the number of chunks that were
    embedded, and `pending` the number without a vector. `feedback_lost` are the bytes that the file of verdicts had
    lost. `set_aside` are the paths of the copies of damaged files.
    """

    index: Path
    rebuilt: int = 0
    rows: int = 0
    catalog: bool = False
    renewed: bool = False
    embedded: int = 0
    pending: int = 0
    feedback_lost: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    reread: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    recalled: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)


def repair_index(
    index: Path,
    open_embedder: OpenEmbedder | None = None,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    report_losses: Callable[[RepairSummary], None] = lambda _summary: None,
    limits: IndexLimits = DEFAULT_LIMITS,
) -> RepairSummary:
    """Repair a damaged index, and return a summary. An intact index is not changed.

    If `open_embedder` is given, chunks that have lost their vectors are embedded. `report_losses` is called with the
    summary so far when a damaged catalog has been replaced, because these losses can't be found out later. A repair
    that was killed can be run again.

    Raises IndexNotFoundError, IndexCorruptError for a catalog that can't be recovered, IndexLockedError,
    IndexVersionError, IndexMismatchError, ModelError, StorageError, and StoppedError if the observer stops it while a
    graph is built.
    """
    with storage_errors(index):
        if not (index / CATALOG_FILE).exists():
            Catalog.open_to_read(index)  # raises IndexNotFoundError
        with writer_lock(index):
            quarantine = _Quarantine(index)
            summary = RepairSummary(index, set_aside=quarantine.paths)
            _repair_catalog(index, quarantine, summary)
            if summary.catalog:
                report_losses(summary)
            with closing(Catalog.open_to_write(index)) as catalog:
                settings = IndexSettings.from_catalog(catalog, renewing=True)
                _SegmentRepair(catalog, settings, quarantine, observer, limits).run(summary)
                summary.renewed = renew_keywords(catalog, settings, observer, limits)
                if open_embedder is not None:
                    summary.embedded = _embed(catalog, settings, open_embedder, observer, limits)
                summary.pending = count_unembedded(catalog)
                sweep(catalog)
            return summary


class _Quarantine:
    """A folder inside the index for copies of damaged files. Each repair has its own.

    The folder is created for its first file. `paths` are the copies.
    """

    def __init__(self, index: Path) -> None:
        self.index = index
        self.folder = index / DAMAGED_DIR / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.paths: list[str] = []

    def copy_file(self, path: Path) -> None:
        """Copy a damaged file to the quarantine folder, if the file exists."""
        if path.is_file():
            target = self._target(path)
            copy_file(path, target, within=self.index)
            copystat(path, target)
            sync_file(target)
            sync_folder(target.parent)

    def keep_folder(self, folder: Path) -> None:
        """Link all files of a folder into the quarantine folder, so that the folder can be deleted.

        Hard links take no space, and the files need not be readable.
        """
        refuse_links(folder.parent, within=self.index)  # the target of a linked folder `segments` is not ours
        if folder.is_dir() and not folder.is_symlink():
            target = self._target(folder)
            self._link_files(folder, target)
            sync_folder(target.parent)
        elif folder.exists() or folder.is_symlink():
            self._link_or_copy(folder, self._target(folder))

    def _link_files(self, folder: Path, target: Path) -> None:
        make_folder(target, self.index)
        for path in list_folder(folder, within=self.index):
            if path.is_dir() and not path.is_symlink():
                self._link_files(path, target / path.name)
            else:
                self._link_or_copy(path, target / path.name)
        sync_folder(target)

    def _link_or_copy(self, source: Path, target: Path) -> None:
        """Link the file, or copy it. A symbolic link is copied as a link, without reading its target."""
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:  # many file systems have no hard links
            if source.is_symlink():
                target.symlink_to(source.readlink())
            elif source.is_file():
                copy_file(source, target, within=self.index)
                copystat(source, target)

    def _target(self, path: Path) -> Path:
        if self.folder.parent.is_symlink():
            raise IndexCorruptError(str(self.folder.parent), "is a link that leads out of the index", "link-in-index")
        target = self.folder / path.relative_to(self.index)
        make_folder(target.parent, self.index)
        self.paths.append(str(target))
        return target


def _repair_catalog(index: Path, quarantine: _Quarantine, summary: RepairSummary) -> None:
    """Replace a damaged catalog by a new one with all intact rows."""
    delete_recovery_files(index)
    for suffix in SUFFIXES:
        _refuse_link(index / f"{CATALOG_FILE}{suffix}")
    if _is_catalog_intact(index):
        return
    summary.catalog = True
    for suffix in ("", "-wal"):
        quarantine.copy_file(index / f"{CATALOG_FILE}{suffix}")
    recovered = recover_catalog(index, quarantine.keep_folder)
    if recovered is None:
        reason = f"its catalog can't be repaired; a copy is in {quarantine.folder}"
        raise IndexCorruptError(str(index), reason, "catalog-beyond-repair")
    summary.lost.update(recovered.lost)
    summary.reread += recovered.reread
    summary.recalled += recovered.recalled


def _refuse_link(path: Path) -> None:
    """Raise IndexCorruptError for a pipe, which would block, or a link, which could lead out of the index."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise IndexCorruptError(str(path), "is a link, or not a regular file", "catalog-not-a-file")


def _is_catalog_intact(index: Path) -> bool:
    if not has_our_header(index):
        return False
    try:
        with storage_errors(index), closing(Catalog.open_to_write(index)) as catalog:
            catalog.segments()
            IndexSettings.from_catalog(catalog, renewing=True)
            return next(catalog_faults(catalog.connection), None) is None
    except IndexCorruptError:
        return False


class _SegmentRepair:
    """Replaces damaged segments by one with their intact rows, and corrects all tombstones."""

    def __init__(
        self,
        catalog: Catalog,
        settings: IndexSettings,
        quarantine: _Quarantine,
        observer: Observer,
        limits: IndexLimits,
    ) -> None:
        self.catalog = catalog
        self.settings = settings
        self.dimension = settings.fingerprint.dimension
        self.quarantine = quarantine
        self.observer = observer
        self.limits = limits
        self.intact: list[SegmentRecord] = []
        self.damaged: list[SegmentRecord] = []
        for record in catalog.segments():
            (self.intact if self._is_intact(record) else self.damaged).append(record)

    def _is_intact(self, record: SegmentRecord) -> bool:
        if any(segment_faults(self.catalog.index, record, full=True)):
            return False
        try:
            view = view_segment(self.catalog, record)
        except IndexCorruptError:
            return False
        return not any(content_faults(self.catalog.index, record, view, self.settings))

    def run(self, summary: RepairSummary) -> None:
        """Repair the segments in one commit. Files that have lost vectors keep their keywords. Raises StoppedError."""
        self._reserve_ids()
        chunk_ids, file_ids = self.catalog.live_chunks()
        with_vectors = np.isin(chunk_ids, self._chunks_of_intact_segments(chunk_ids, file_ids, with_vectors=True))
        in_intact = with_vectors | np.isin(
            chunk_ids, self._chunks_of_intact_segments(chunk_ids, file_ids, with_vectors=False)
        )
        missing = {*chunk_ids[~in_intact].tolist()}
        files = dict(zip(chunk_ids.tolist(), file_ids.tolist(), strict=True))
        sources = [*self._orphans(missing, catalog_replaced=summary.catalog), *self.damaged]
        found = (pair for record in sources for pair in self._intact_records(record))
        records = {chunk_id: kept for chunk_id, kept in found if chunk_id in missing}
        codebook, codes = self._recovered_codes(sources, missing - records.keys())
        recovered = np.array([*records, *codes], np.int64)
        has_vector = in_intact | np.isin(chunk_ids, recovered)
        incomplete_files = np.unique(file_ids[~has_vector])
        in_incomplete = np.isin(file_ids, incomplete_files)
        rebuilt = chunk_ids[~in_incomplete & ~in_intact]
        stripped = chunk_ids[in_incomplete & (with_vectors | ~in_intact)]
        moved = np.concatenate([rebuilt, stripped])
        if not self.damaged and not missing and not self._wrong_tombstones(moved):
            return
        for record in self.intact:
            records |= self._live_records(record, chunk_ids[in_incomplete], file_ids[in_incomplete])
        has_code = np.isin(rebuilt, np.array([*codes], np.int64))
        coded = [codes[each] for each in rebuilt[has_code].tolist()]
        segments = [
            self._segment(rebuilt[~has_code], files, records=records),
            self._segment(rebuilt[has_code], files, coded=CodedVectors(codebook, np.stack(coded)) if coded else None),
            self._segment(stripped, files),
        ]
        written = [
            (len(each.chunk_ids), *write_parts(each, self.catalog.settings()))
            for each in segments
            if len(each.chunk_ids)
        ]
        for record in self.damaged:  # before the commit: from then on any writer may delete them
            self.quarantine.keep_folder(self.catalog.index / SEGMENTS_DIR / record.name)
        with self.catalog.transaction():
            self.catalog.drop_segments(record.id for record in self.damaged)
            for rows, name, manifest in written:
                self.catalog.add_segment(name, rows, manifest)
            summary.staged += sorted(self.catalog.paths_of_files(incomplete_files.tolist()).values())
            known = [chunk_id for chunk_id in chunk_ids[in_incomplete].tolist() if chunk_id in records]
            self.catalog.stage_vectors(known, [records[chunk_id].to_bytes() for chunk_id in known])
            for record, tombstones in self._wrong_tombstones(moved):
                self.catalog.set_tombstones(record.id, tombstones)
            advance_generation(self.catalog)
        summary.rebuilt, summary.rows = len(sources), len(rebuilt)

    def _reserve_ids(self) -> None:
        """Reserve the ids in intact segments, because a recovered catalog might use them for new rows."""
        for record in self.intact:
            view = view_segment(self.catalog, record)
            reserve_ids(self.catalog.connection, "chunks", int(view.chunk_ids.max(initial=0)))
            reserve_ids(self.catalog.connection, "files", int(view.file_ids.max(initial=0)))

    def _chunks_of_intact_segments(self, chunk_ids: Ids, file_ids: Ids, *, with_vectors: bool) -> Ids:
        """Return the live chunks that have a row in an intact segment with or without vectors.

        Rows that are marked as deleted count in segments with vectors only: in the others, they were moved to these.
        """
        views = (view_segment(self.catalog, record) for record in self.intact)
        found = [
            view.chunk_ids[is_live(view, chunk_ids, file_ids) & (with_vectors | view.alive)]
            for view in views
            if view.has_vectors == with_vectors
        ]
        return np.unique(np.concatenate([np.empty(0, np.int64), *found]))

    def _orphans(self, missing: Collection[int], *, catalog_replaced: bool) -> list[SegmentRecord]:
        """Return unlisted segments that may have vectors of missing chunks. Keep copies of all unlisted folders.

        The list of segments may be incomplete: a recovered catalog may have lost it, a catalog from a backup doesn't
        have newer segments, and a lost segment may have been merged from unlisted ones. If segments are only damaged,
        the list is complete, and unlisted folders come from repairs that were killed.
        """
        names = {record.name for record in (*self.intact, *self.damaged)}
        is_list_complete = not catalog_replaced and self.damaged and segments_exist(self.catalog.index, names)
        if not missing or is_list_complete:
            return []
        usable, folders = orphan_segments(self.catalog.index, self.catalog.settings(), names)
        for folder in folders:
            self.quarantine.keep_folder(folder)
        return usable

    def _intact_records(self, record: SegmentRecord) -> Iterator[tuple[int, Record]]:
        """Yield (chunk id, record) for the rows of a damaged segment whose vectors' checksums are right.

        A row whose late windows are damaged has none from now on, and is found by its own vector.
        """
        ids, vectors = record.manifest.get(CHUNK_IDS), record.manifest.get(vectors_name())
        if ids is None or vectors is None or vectors.shape != (record.rows, self.dimension):
            return
        if ids.rows != record.rows:
            return
        matrix, intact = recover_array(self.catalog.index, record.name, vectors_name(), vectors)
        chunk_ids, has_id = recover_array(self.catalog.index, record.name, CHUNK_IDS, ids)
        intact &= has_id
        intact[non_unit_rows(matrix)] = False
        windows = self._intact_windows(record)
        for row in np.flatnonzero(intact).tolist():
            yield int(chunk_ids[row]), Record(matrix[row].tobytes(), windows(row))

    def _intact_windows(self, record: SegmentRecord) -> Callable[[int], bytes | None]:
        """Return a function from a row to its late windows, b"" if they are damaged, None if the segment has none."""
        entries = [record.manifest.get(name) for name in (WINDOW_STOPS, WINDOW_CODES)]
        if entries == [None, None]:
            return lambda _row: None
        width = code_type(self.dimension).itemsize
        if None in entries or [each.dtype for each in entries if each] != ["<i8", "|u1"]:
            return lambda _row: b""
        stops_entry, codes_entry = (each for each in entries if each)
        if stops_entry.shape != (record.rows,) or codes_entry.shape[1:] != (width,):
            return lambda _row: b""
        stops, stops_intact = recover_array(self.catalog.index, record.name, WINDOW_STOPS, stops_entry)
        codes, codes_intact = recover_array(self.catalog.index, record.name, WINDOW_CODES, codes_entry)

        def windows(row: int) -> bytes:
            start, stop = row_span(stops, row)
            is_intact = stops_intact[max(0, row - 1) : row + 1].all() and 0 <= start <= stop <= len(codes)
            return codes[start:stop].tobytes() if is_intact and codes_intact[start:stop].all() else b""

        return windows

    def _live_records(self, record: SegmentRecord, chunk_ids: Ids, file_ids: Ids) -> dict[int, Record]:
        """Return the records, by chunk id, that an intact segment has of these live chunks."""
        view = view_segment(self.catalog, record)
        if not view.has_vectors or view.coded is not None:  # a code is no vector to be staged
            return {}
        rows = np.flatnonzero(is_live(view, chunk_ids, file_ids)).tolist()
        return {int(view.chunk_ids[row]): Record(view.vectors[row].tobytes(), view.window_codes(row)) for row in rows}

    def _recovered_codes(
        self, sources: Sequence[SegmentRecord], missing: Collection[int]
    ) -> tuple[Codebook, dict[int, NDArray[np.uint8]]]:
        """Return the intact codes of missing chunks in damaged segments, by chunk id, and their codebook.

        If the codebook of a segment is damaged, that of an intact segment counts, if it was the same. Codes of another
        codebook than the first one's are left out.
        """
        found: tuple[Codebook, dict[int, NDArray[np.uint8]]] | None = None
        for record in sources if missing else ():
            ids, rows = record.manifest.get(CHUNK_IDS), record.manifest.get(CODES_ROWS)
            if ids is None or rows is None or (ids.shape, rows.dtype) != ((rows.rows,), "|u1"):
                continue
            codebook = self._codebook(record)
            if (
                codebook is None
                or rows.shape[1:] != (codebook.bytes,)
                or not (found or (codebook,))[0].equals(codebook)
            ):
                continue
            found = found or (codebook, {})
            codes, intact = recover_array(self.catalog.index, record.name, CODES_ROWS, rows)
            chunk_ids, has_id = recover_array(self.catalog.index, record.name, CHUNK_IDS, ids)
            kept = np.flatnonzero(intact & has_id)
            found[1].update({number: codes[row] for row, number in zip(kept, chunk_ids[kept].tolist(), strict=True)})
        if found is None:
            return Codebook(np.zeros(0, np.int16), np.zeros((0, 0), np.int16), np.zeros((0, 0), np.float32)), {}
        return found[0], {number: code for number, code in found[1].items() if number in missing}

    def _codebook(self, record: SegmentRecord) -> Codebook | None:
        """Return the codebook of a damaged segment's codes: its own, or the same of an intact one; None if lost."""
        entries = {name: entry for name, entry in record.manifest.items() if CODED.owns(name) and name != CODES_ROWS}
        no_rows = np.empty((0, code_bytes(self.dimension)), np.uint8)
        for source in (record, *self.intact):
            if any(source.manifest.get(name) != entry for name, entry in entries.items()):
                continue
            try:
                arrays = open_segment(self.catalog.index, source.name, entries)
                coded = stored_codes({**arrays, CODES_ROWS: no_rows})
            except (FileNotFoundError, IndexCorruptError, KeyError, ValueError):
                continue
            if coded is not None and len(coded.codebook.centre) == self.dimension:
                return coded.codebook
        return None

    def _segment(
        self,
        chunk_ids: Ids,
        files: Mapping[int, int],
        *,
        records: Mapping[int, Record] | None = None,
        coded: CodedVectors | None = None,
    ) -> NewSegment:
        """Return a new segment of chunks with these records or codes, or one without vectors."""
        numbers = chunk_ids.tolist()
        file_ids = np.array([files[number] for number in numbers], np.int64)
        vectors, windows = {}, None
        if records is not None:
            blocks = (numbers[start : start + _ROWS_PER_BLOCK] for start in range(0, len(numbers), _ROWS_PER_BLOCK))
            matrix = (np.frombuffer(b"".join(records[number].vector for number in block), np.int16) for block in blocks)
            vectors = {TEXT: VectorBlocks((len(numbers), self.dimension), matrix)}
            windows = window_blocks([records[number].windows for number in numbers], self.dimension)
        return NewSegment(
            self.catalog,
            chunk_ids,
            file_ids,
            vectors,
            observer=self.observer,
            limits=self.limits,
            windows=windows,
            coded=coded,
        )

    def _wrong_tombstones(self, moved: Ids) -> Sequence[tuple[SegmentRecord, NDArray[np.bool_]]]:
        """Return the intact segments with wrong tombstones, and the right ones: one row per live chunk.

        New segments have the rows of the chunks `moved`. If two segments have a row of a chunk, the one with vectors
        counts, or else the newer one.
        """
        wrong = []
        chunk_ids, file_ids = self.catalog.live_chunks()
        seen = moved
        for record in sorted(self.intact, key=lambda each: (is_embedded(each.manifest), each.id), reverse=True):
            view = view_segment(self.catalog, record)
            rows = view.chunk_ids
            live = is_live(view, chunk_ids, file_ids)
            first = np.zeros(len(rows), np.bool_)
            first[np.flatnonzero(live)[np.unique(rows[live], return_index=True)[1]]] = True
            alive = first & ~np.isin(rows, seen)
            seen = np.concatenate([seen, rows[alive]])
            if not np.array_equal(alive, record.alive):
                wrong.append((record, ~alive))
        return wrong


def _embed(
    catalog: Catalog,
    settings: IndexSettings,
    open_embedder: OpenEmbedder,
    observer: Observer,
    limits: IndexLimits,
) -> int:
    """Embed all chunks that have no vector, of staged and of live files, and commit them. Return their number."""

    @cache
    def embedder() -> Embedder:
        opened = open_embedder(settings.spec)
        refuse_other_model(str(catalog.index), settings, opened.fingerprint)
        return opened

    total, done = count_unembedded(catalog), 0
    live = text_blocks(catalog, unembedded_chunks(catalog)[0], limits.chunks_per_block)
    for block in chain(live, staged_blocks(catalog, limits.chunks_per_block)):
        if observer.should_stop():
            break
        found = embed_block(
            catalog,
            embedder,
            block,
            observer,
            lambda part: observer.progress(Progress("embedding", done + part, total)),  # noqa: B023
        )
        done += found.embedded + found.reused
    commit_staged(catalog, limits=limits)
    return done
