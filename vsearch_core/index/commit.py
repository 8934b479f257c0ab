"""Commit staged files: one transaction adds their segment, makes them live and deletes old versions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage

import numpy as np

from vsearch_core.embed.late_windows import code_type
from vsearch_core.errors import StorageError
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.parts import (
    FILE_IDS,
    NO_TERMS,
    NewSegment,
    VectorBlocks,
    is_embedded,
    read_ids,
    window_blocks,
    write_parts,
)
from vsearch_core.index.preparation import TermStore
from vsearch_core.index.settings import IndexSettings
from vsearch_core.model import TEXT
from vsearch_core.store.catalog import Catalog, FileRecord
from vsearch_core.store.records import Record
from vsearch_core.store.segment import SEGMENTS_DIR, sweep_orphans
from vsearch_core.store.tables import LINEAGE, start_lineage
from vsearch_core.store.vectors import delete_vector_file, re_embedding_file


@dataclass(frozen=True, slots=True)
class Removals:
    """Live files, and sources (by stored path), that a commit removes because they no longer exist on disk."""

    files: Sequence[FileRecord] = ()
    sources: Sequence[str] = ()


def commit_staged(
    catalog: Catalog,
    removals: Removals = Removals(),
    *,
    last: bool = False,
    keywords: bool = False,
    limits: IndexLimits = DEFAULT_LIMITS,
    terms: TermStore = NO_TERMS,
) -> None:
    """Write the files whose chunks all have vectors to a new segment, and make those that were staged live.

    With `keywords`, the other staged files become live in a segment without vectors. When all their chunks have staged
    vectors, a later commit moves their rows to a segment with vectors.

    The store `terms` has the terms of some chunks; those of committed chunks are dropped from it.

    The same transaction deletes the former versions of these files. Of the files of `removals`, it deletes those that
    have moved (one of the new live files has the same bytes), and the `last` commit of a run deletes all the others. A
    source is never deleted before its files. So if a run is stopped before its last commit, the next run still finds
    the source in the catalog, and detects that its files no longer exist.
    """
    complete = catalog.complete_files()
    others = sorted(set(catalog.staged_files()) - set(complete)) if keywords else []
    file_ids = [*complete, *others]
    replaced = _replaced_files(catalog, file_ids, removals.files, last=last)
    embedded = catalog.complete_live_files()
    if embedded:
        embedded = sorted(set(embedded) & _files_without_vectors(catalog) - set(replaced))
    moved = {record.path for record in removals.files if record.id in replaced}
    dropped = [path for path in removals.sources if last or path in moved]
    if not file_ids and not replaced and not dropped and not embedded:
        return
    segments = [
        _new_segment(catalog, sorted([*complete, *embedded]), limits, terms),
        _without_vectors(catalog, others, limits, terms),
    ]
    written = [
        (len(segment.chunk_ids), *write_parts(segment, catalog.settings(), quickly=True))
        for segment in segments
        if len(segment.chunk_ids)
    ]
    with catalog.transaction():
        tombstone_files(catalog, replaced)
        _drop_rows_without_vectors(catalog, embedded)
        for rows, name, manifest in written:
            catalog.add_segment(name, rows, manifest)
        catalog.publish_files(file_ids)
        catalog.drop_staged_vectors([*complete, *embedded])
        for path in dropped:
            catalog.drop_source(path)
        advance_generation(catalog)
    for segment in segments:
        terms.drop(segment.chunk_ids.tolist())


def tombstone_files(catalog: Catalog, file_ids: Sequence[int]) -> None:
    """Delete files from the catalog and mark their rows as deleted. Call this in a transaction."""
    if not file_ids:
        return
    for segment in catalog.segments():
        deleted = np.isin(read_ids(catalog.index, segment, FILE_IDS), file_ids)
        if deleted.any():
            catalog.set_tombstones(segment.id, deleted if segment.tombstones is None else segment.tombstones | deleted)
    catalog.delete_files(file_ids)


def _files_without_vectors(catalog: Catalog) -> set[int]:
    """Return the ids of the files that have live rows in segments without vectors."""
    return {
        file_id
        for segment in catalog.segments()
        if not is_embedded(segment.manifest)
        for file_id in np.unique(read_ids(catalog.index, segment, FILE_IDS)[segment.alive]).tolist()
    }


def _drop_rows_without_vectors(catalog: Catalog, file_ids: Sequence[int]) -> None:
    """Delete the rows of files from segments without vectors, because a new segment has them, with vectors.

    A segment that has no row left is dropped. Call this in a transaction.
    """
    for segment in catalog.segments() if file_ids else ():
        if not is_embedded(segment.manifest):
            deleted = ~segment.alive | np.isin(read_ids(catalog.index, segment, FILE_IDS), file_ids)
            if deleted.all():
                catalog.drop_segments([segment.id])
            else:
                catalog.set_tombstones(segment.id, deleted)


def advance_generation(catalog: Catalog) -> None:
    """Increase the number of the generation. Call this in the transaction of each commit."""
    if LINEAGE not in catalog.settings():  # an index of an earlier version
        start_lineage(catalog.connection)
    catalog.put_setting("generation", str(catalog.generation + 1))
    catalog.put_setting("last_commit", datetime.now(UTC).isoformat(timespec="seconds"))


def segments_exist(index: Path, names: Iterable[str]) -> bool:
    """Return True if the folders of all named segments exist.

    One may be missing if the catalog was restored from a backup.
    """
    return all((index / SEGMENTS_DIR / name).is_dir() for name in names)


def sweep(catalog: Catalog) -> None:
    """Delete segment folders that the catalog doesn't list, and the vector file of a committed re-embedding.

    If the folder of a listed segment is missing, no folder is deleted: a repair may find the missing rows in the
    others.
    """
    names = {segment.name for segment in catalog.segments()}
    if segments_exist(catalog.index, names):
        sweep_orphans(catalog.index, names)
    committed = re_embedding_file(catalog.index, catalog.settings())
    if committed.exists():
        delete_vector_file(committed)


def require_free_space(index: Path, needed: int, what: str) -> None:
    """Raise StorageError unless the index's disk has `needed` bytes free for `what`, such as "the archive"."""
    free = disk_usage(index).free
    if needed > free:
        reason = f"not enough free space for {what}: {needed:,} bytes needed, {free:,} free"
        raise StorageError(str(index), reason, "disk-full", needed=needed, free=free)


def _new_segment(catalog: Catalog, file_ids: Iterable[int], limits: IndexLimits, terms: TermStore) -> NewSegment:
    """Return a new segment with the rows of files whose vectors are staged."""
    dimension = IndexSettings.from_catalog(catalog, renewing=True).fingerprint.dimension
    chunk_ids: list[int] = []
    files_of_rows: list[int] = []
    records: list[Record] = []
    for chunk_id, file_id, stored in catalog.staged_rows(file_ids):
        chunk_ids.append(chunk_id)
        files_of_rows.append(file_id)
        record = Record.from_bytes(stored, 2 * dimension)
        if len(record.vector) != 2 * dimension or len(record.windows or b"") % code_type(dimension).itemsize:
            raise catalog.damaged(f"the staged vector of chunk {chunk_id} is damaged")
        records.append(record)
    matrix = np.frombuffer(b"".join(record.vector for record in records), np.int16).reshape(-1, dimension)
    return NewSegment(
        catalog,
        np.array(chunk_ids, np.int64),
        np.array(files_of_rows, np.int64),
        {TEXT: VectorBlocks(matrix.shape, [matrix])},
        limits=limits,
        windows=window_blocks([record.windows for record in records], dimension),
        terms=terms,
    )


def _without_vectors(catalog: Catalog, file_ids: Iterable[int], limits: IndexLimits, terms: TermStore) -> NewSegment:
    """Return a new segment with the rows of the staged files, but without vectors."""
    rows = np.array(list(catalog.chunks_of_files(file_ids)), np.int64).reshape(-1, 2)
    return NewSegment(catalog, rows[:, 0].copy(), rows[:, 1].copy(), {}, limits=limits, terms=terms)


def _replaced_files(
    catalog: Catalog, file_ids: Iterable[int], removed: Sequence[FileRecord], *, last: bool
) -> list[int]:
    """Return the ids of the live files that a commit of the staged files deletes."""
    staged = {record.id: record for record in catalog.files(live=False).values()}
    new = [staged[file_id] for file_id in file_ids]
    hashes = {record.hash for record in new}
    former = catalog.live_files(record.path for record in new)
    former_versions = [former[record.path].id for record in new if record.path in former]
    live_ids = {record.id for record in catalog.live_files(record.path for record in removed).values()}
    return former_versions + [
        record.id for record in removed if record.id in live_ids and (last or record.hash in hashes)
    ]
