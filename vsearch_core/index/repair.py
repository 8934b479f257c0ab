"""`vsearch repair`: what is derived is made again, what can't be saved is set aside, and nothing is dropped unsaid.

Texts, files and settings are the catalog's; vectors are the segments'. Postings and tombstones follow from these. A
repaired segment is written anew, and one transaction puts it in the place of the damaged ones.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from shutil import copy2, copytree

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import non_unit_rows
from vsearch_core.embed.base import Embedder, OpenEmbedder
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.check import content_faults, is_live
from vsearch_core.index.commit import are_there, commit_staged, mark_commit, sweep
from vsearch_core.index.graphs import link
from vsearch_core.index.keywords import passage_postings
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.renewal import renew_keywords
from vsearch_core.index.settings import IndexSettings, refuse_other_model
from vsearch_core.index.snapshot import view_segment
from vsearch_core.index.staging import embed_block
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.check import catalog_faults, segment_faults
from vsearch_core.store.connections import has_our_header
from vsearch_core.store.files import make_folder, sync_file, sync_folder
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.recovery.catalog import delete_recovery_files, recover_catalog
from vsearch_core.store.recovery.segments import orphan_segments
from vsearch_core.store.segment import SEGMENTS_DIR, Manifest, SegmentWriter, salvage_array
from vsearch_core.store.tables import CATALOG_FILE, DAMAGED_DIR, SUFFIXES, reserve_ids

_ROWS = 512  # whose texts, or vectors, are in memory at a time

Vectors = dict[int, NDArray[np.int16]]  # chunk id -> vector


@dataclass(slots=True)
class RepairSummary:
    """What a repair did. `reread` are files that have lost text, `staged` those that have lost vectors: not searched
    until `vsearch index` reads, or embeds, them again. `lost` counts the catalog's rows that are gone, by table, as far
    as can be told: at least so many. `recalled` settings are those of the last segment's commit. `renewed` says that
    the keywords were an earlier analyzer's."""

    index: Path
    rebuilt: int = 0
    rows: int = 0
    catalog: bool = False
    renewed: bool = False
    embedded: int = 0
    pending: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    reread: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    recalled: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)


def repair_index(
    index: Path,
    open_embedder: OpenEmbedder | None = None,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    salvaged: Callable[[RepairSummary], None] = lambda _done: None,
) -> RepairSummary:
    """Make a damaged index sound again; one that is sound is left as it is.

    With `open_embedder`, chunks whose vectors are gone are embedded at once. `salvaged` hears of what a catalog has
    lost as soon as another is in its place. Killed at any point, it can be run again.
    Raises IndexNotFoundError, IndexCorruptError for a catalog beyond saving, IndexLockedError, IndexVersionError,
    IndexMismatchError, ModelError, StorageError, and StoppedError when the observer says stop while a graph is made.
    """
    with storage_errors(index):
        if not (index / CATALOG_FILE).exists():
            Catalog.open_to_read(index)  # raises IndexNotFoundError
        with writer_lock(index):
            aside = _Aside(index)
            done = RepairSummary(index, set_aside=aside.moved)
            _mend_catalog(index, aside, done)
            if done.catalog:
                salvaged(done)
            with closing(Catalog.open_to_write(index)) as catalog:
                settings = IndexSettings.from_catalog(catalog, renewing=True)
                _mend_segments(catalog, settings, aside, done, observer)
                done.renewed = renew_keywords(catalog, settings, observer)
                if open_embedder is not None:
                    done.embedded = _embed(catalog, settings, open_embedder, observer)
                done.pending = catalog.count_unembedded()
                sweep(catalog)
            return done


class _Aside:
    """Where what can't be used any more is kept: a folder of this repair's own, made when something comes."""

    def __init__(self, index: Path) -> None:
        self.index = index
        self.folder = index / DAMAGED_DIR / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.moved: list[str] = []

    def copy(self, path: Path) -> None:
        if path.is_file():
            target = self._place(path)
            copy2(path, target)
            sync_file(target)
            sync_folder(target.parent)

    def link(self, folder: Path) -> None:
        """Keep the folder's files when its own name goes; links take no space, and reading them may fail."""
        if folder.is_dir() and not folder.is_symlink():
            target = self._place(folder)
            copytree(folder, target, symlinks=True, copy_function=_link)
            sync_folder(target)
            sync_folder(target.parent)
        elif folder.exists() or folder.is_symlink():
            _link(str(folder), str(self._place(folder)))

    def _place(self, path: Path) -> Path:
        if self.folder.parent.is_symlink():
            raise IndexCorruptError(str(self.folder.parent), "is a link that leads out of the index", "remove it")
        target = self.folder / path.relative_to(self.index)
        make_folder(target.parent)
        self.moved.append(str(target))
        return target


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # file systems without links are many
        copy2(source, target, follow_symlinks=False)


def _mend_catalog(index: Path, aside: _Aside, done: RepairSummary) -> None:
    """Put what can be read of a damaged catalog in its place."""
    delete_recovery_files(index)
    for suffix in SUFFIXES:
        _refuse_no_file(index / f"{CATALOG_FILE}{suffix}")
    if _catalog_is_sound(index):
        return
    done.catalog = True
    for suffix in ("", "-wal"):
        aside.copy(index / f"{CATALOG_FILE}{suffix}")
    salvaged = recover_catalog(index)
    if salvaged is None:
        reason = f"its catalog is beyond saving; a copy is in {aside.folder}"
        raise IndexCorruptError(
            str(index), reason, "delete the index folder, then index again, or `vsearch import` what you have exported"
        )
    done.lost.update(salvaged.lost)
    done.reread += salvaged.reread
    done.recalled += salvaged.recalled


def _refuse_no_file(path: Path) -> None:
    """Raise IndexCorruptError for what would be read for ever, or shows what lies outside of the index."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise IndexCorruptError(str(path), "is no file, or a link", "put the file itself in its place, or delete it")


def _catalog_is_sound(index: Path) -> bool:
    if not has_our_header(index):
        return False
    try:
        with storage_errors(index), closing(Catalog.open_to_write(index)) as catalog:
            catalog.segments()
            IndexSettings.from_catalog(catalog, renewing=True)
            return next(catalog_faults(catalog.connection), None) is None
    except IndexCorruptError:
        return False


def _mend_segments(
    catalog: Catalog, settings: IndexSettings, aside: _Aside, done: RepairSummary, observer: Observer
) -> None:
    """Replace damaged segments by one of their saved rows; files that lack vectors become staged."""
    dimension = settings.fingerprint.dimension
    healthy: list[SegmentRecord] = []
    damaged: list[SegmentRecord] = []
    for record in catalog.segments():
        (healthy if _is_sound(catalog, record, dimension) else damaged).append(record)
    named = {record.name for record in (*healthy, *damaged)}
    _reserve_ids(catalog, healthy)
    chunk_ids, file_ids = catalog.live_chunks()
    held = np.isin(chunk_ids, _held(catalog, healthy, chunk_ids, file_ids))
    wanted = {*chunk_ids[~held].tolist()}
    # Not for damage alone: what repairs that were killed have left would be looked through by each that follows.
    forgetful = done.catalog or not damaged or not are_there(catalog.index, named)
    sources = [*(_unnamed(catalog, named, aside) if wanted and forgetful else ()), *damaged]
    found = (pair for record in sources for pair in _saved(catalog, record, dimension))
    saved = {number: vector for number, vector in found if number in wanted}
    has_vector = held | np.isin(chunk_ids, np.fromiter(saved, np.int64, len(saved)))
    lacking = np.unique(file_ids[~has_vector])
    lacks = np.isin(file_ids, lacking)
    kept = chunk_ids[~lacks & ~held]
    if not damaged and not wanted and not _bury_again(catalog, healthy, write=False):
        return
    for record in healthy:
        saved |= _some_vectors(catalog, record, chunk_ids[lacks], file_ids[lacks])
    written = (
        _write(catalog, settings, kept, file_ids[np.searchsorted(chunk_ids, kept)], saved, observer)
        if len(kept)
        else None
    )
    for record in damaged:  # before the commit: from then on any writer may sweep them
        aside.link(catalog.index / SEGMENTS_DIR / record.name)
    with catalog.transaction():
        catalog.drop_segments(record.id for record in damaged)
        if written is not None:
            catalog.add_segment(written[0], len(kept), written[1])
        done.staged += catalog.unpublish_files(lacking.tolist())
        again = [number for number in catalog.staged_chunks() if number in saved]
        catalog.stage_vectors(again, np.array([saved[number] for number in again], np.int16).reshape(-1, dimension))
        _bury_again(catalog, healthy, write=True)
        mark_commit(catalog)
    done.rebuilt, done.rows = len(sources), len(kept)


def _is_sound(catalog: Catalog, record: SegmentRecord, dimension: int) -> bool:
    if any(segment_faults(catalog.index, record, full=True)):
        return False
    try:
        view = view_segment(catalog, record)
    except IndexCorruptError:
        return False
    return not any(content_faults(catalog.index, record, view, dimension))


def _reserve_ids(catalog: Catalog, healthy: Sequence[SegmentRecord]) -> None:
    """Never hand out an id that a segment still has rows of, whatever a salvaged catalog remembers."""
    for record in healthy:
        view = view_segment(catalog, record)
        reserve_ids(catalog.connection, "chunks", int(view.chunk_ids.max(initial=0)))
        reserve_ids(catalog.connection, "files", int(view.file_ids.max(initial=0)))


def _unnamed(catalog: Catalog, named: Collection[str], aside: _Aside) -> list[SegmentRecord]:
    """Segments that the catalog does not name though they may have what it lacks: where its list of them is lost, where
    it was put back from a backup, or where a named one is lost and what it was made of is still there. All are kept."""
    usable, folders = orphan_segments(catalog.index, catalog.settings(), named)
    for folder in folders:
        aside.link(folder)
    return usable


def _held(
    catalog: Catalog, healthy: Sequence[SegmentRecord], chunk_ids: NDArray[np.int64], file_ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The live chunks that sound segments have rows for, tombstones or not: those follow from the catalog."""
    views = (view_segment(catalog, record) for record in healthy)
    parts = [view.chunk_ids[is_live(view, chunk_ids, file_ids)] for view in views]
    return np.unique(np.concatenate([np.empty(0, np.int64), *parts]))


def _saved(catalog: Catalog, record: SegmentRecord, dimension: int) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """The chunks and vectors of a damaged segment's rows that are what was written."""
    manifest = record.manifest
    if not {"vectors", "chunk_ids"} <= manifest.keys() or manifest["vectors"].shape != (record.rows, dimension):
        return
    if (manifest["vectors"].dtype, manifest["chunk_ids"].dtype) != ("<i2", "<i8"):
        return
    vectors, sound = salvage_array(catalog.index, record.name, "vectors", manifest["vectors"])
    numbers, known = salvage_array(catalog.index, record.name, "chunk_ids", manifest["chunk_ids"])
    sound &= known
    sound[non_unit_rows(vectors)] = False
    for row in np.flatnonzero(sound).tolist():
        yield int(numbers[row]), vectors[row]


def _some_vectors(
    catalog: Catalog, record: SegmentRecord, chunk_ids: NDArray[np.int64], file_ids: NDArray[np.int64]
) -> Vectors:
    view = view_segment(catalog, record)
    rows = np.flatnonzero(is_live(view, chunk_ids, file_ids)).tolist()
    return {int(view.chunk_ids[row]): np.array(view.vectors[row]) for row in rows}


def _write(
    catalog: Catalog,
    settings: IndexSettings,
    chunk_ids: NDArray[np.int64],
    file_ids: NDArray[np.int64],
    vectors: Vectors,
    observer: Observer,
) -> tuple[str, Manifest]:
    """Write a segment of saved rows, with postings made anew from the texts, and a graph if the rows are many.

    Raises StoppedError.
    """
    writer = SegmentWriter(catalog.index)
    numbers = chunk_ids.tolist()
    blocks = [numbers[start : start + _ROWS] for start in range(0, len(numbers), _ROWS)]
    matrix = (np.stack([vectors[number] for number in block]) for block in blocks)
    writer.add("vectors", np.dtype(np.int16), (len(numbers), settings.fingerprint.dimension), matrix)
    postings = passage_postings(catalog, settings.analysis, numbers)
    writer.add_arrays({"chunk_ids": chunk_ids, "file_ids": file_ids, **postings.arrays()})
    writer.add_arrays(link(writer.map("vectors"), observer))
    return writer.finish(catalog.settings())


def _bury_again(catalog: Catalog, healthy: Sequence[SegmentRecord], *, write: bool) -> bool:
    """Whether tombstones are other than the live chunks say, each of which has one row; with `write`, set them so."""
    differ = False
    chunk_ids, file_ids = catalog.live_chunks()
    claimed = np.empty(0, np.int64)
    for record in reversed(healthy):  # where two segments have a row of a chunk, the newer one counts
        view = view_segment(catalog, record)
        rows = view.chunk_ids
        right = is_live(view, chunk_ids, file_ids)
        first = np.zeros(len(rows), np.bool_)
        first[np.flatnonzero(right)[np.unique(rows[right], return_index=True)[1]]] = True
        alive = first & ~np.isin(rows, claimed)
        claimed = np.concatenate([claimed, rows[alive]])
        if not np.array_equal(alive, record.alive):
            differ = True
            if write:
                catalog.set_tombstones(record.id, ~alive)
    return differ


def _embed(catalog: Catalog, settings: IndexSettings, open_embedder: OpenEmbedder, observer: Observer) -> int:
    """Give all staged chunks vectors and make their files live. Returns how many."""

    @cache
    def embedder() -> Embedder:
        opened = open_embedder(settings.spec)
        refuse_other_model(str(catalog.index), settings, opened.fingerprint)
        return opened

    total, done, after = catalog.count_unembedded(), 0, 0
    while not observer.should_stop():
        block = embed_block(
            catalog,
            embedder,
            after,
            observer,
            lambda part: observer.progress(Progress("embedding", done + part, total)),  # noqa: B023
        )
        if block is None:
            break
        after, done = block.last, done + block.embedded + block.reused
    commit_staged(catalog, settings.analysis)
    return done
