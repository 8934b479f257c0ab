"""Remove files and folders from an index. Updates leave them out until they are named again."""
# ruff: noqa: PTH118 - 10,000 files: strings are several times faster

import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from vsearch_core.errors import InputError
from vsearch_core.index.commit import advance_generation, sweep, tombstone_files
from vsearch_core.index.compaction import compact_until_stopped
from vsearch_core.index.kept_documents import delete_documents
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.progress import Observer
from vsearch_core.index.sources import (
    Source,
    catalog_sources,
    documents_folder,
    is_within,
    source_to_json,
    stored_path,
)
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.skipped import clear_skipped, skipped_paths


@dataclass(frozen=True, slots=True)
class RemovalSummary:
    """The result of a removal: the number of `removed` files, and of the `files` and `chunks` that are left.

    `left_out` are the removed paths inside indexed folders, as stored. Updates leave them out until they are named
    again. If `uncompacted` is True, the files are removed, but the merging of segments was stopped.
    """

    index: Path | str
    removed: int
    files: int
    chunks: int
    left_out: tuple[str, ...]
    uncompacted: bool
    seconds: float


def remove_paths(
    index: Path,
    paths: Sequence[Path],
    observer: Observer = Observer(),  # noqa: B008 - frozen
    limits: IndexLimits = DEFAULT_LIMITS,
) -> RemovalSummary:
    """Remove everything at or below the absolute paths from the index. The paths need not exist on disk.

    The files of documents that the index keeps itself are deleted, too. Such a document's name alone counts as its
    path, relative to the index's parent folder.

    Removing a path again is no error if it is inside an indexed folder. Raises InputError, before anything is changed,
    if the index has nothing at a path; and IndexLockedError, IndexNotFoundError, IndexVersionError, IndexCorruptError,
    StorageError.
    """
    started = time.perf_counter()
    with storage_errors(index), writer_lock(index), closing(Catalog.open_to_write(index)) as catalog:
        before = catalog.files(live=True)
        left_out = _remove(catalog, paths)
        uncompacted = not compact_until_stopped(catalog, observer, limits)
        sweep(catalog)
        after = catalog.files(live=True)
        return RemovalSummary(
            index=index,
            removed=len(before) - len(after),
            files=len(after),
            chunks=sum(record.chunks for record in after.values()),
            left_out=left_out,
            uncompacted=uncompacted,
            seconds=time.perf_counter() - started,
        )


def _remove(catalog: Catalog, paths: Sequence[Path]) -> tuple[str, ...]:
    """Remove the paths in one transaction. Return the stored paths that updates must leave out."""
    root = catalog.index.parent
    records = [*catalog.files(live=True).values(), *catalog.files(live=False).values()]
    in_index = [(os.path.join(root, record.path), record) for record in records]
    sources = catalog_sources(root, catalog)
    known = [path for path, _ in in_index] + [str(source.path) for source in sources]
    documents = documents_folder(catalog.index)
    paths = [_as_kept(_as_indexed(path, known), root, documents, known) for path in paths]
    folders = [str(path) for path in paths]
    left_out_before = [os.path.normpath(source.path) for source in sources if source.options is None]
    for folder in folders:
        walked = (os.path.normpath(source.path) for source in sources if source.options is not None)
        if is_within(folder, left_out_before):  # for example after a run that was killed after its commit
            continue
        if not any(is_within(each, [folder]) for each in (*walked, *(file for file, _ in in_index))):
            raise InputError(folder, "is not in the index", "nothing-to-remove")
    dropped = [source for source in sources if is_within(os.path.normpath(source.path), folders)]
    remaining = [source for source in sources if source not in dropped]
    on_disk = [path for path in paths if not is_within(str(path), [str(documents)])]
    left_out = [path for path in on_disk if _would_come_back(path, remaining)]
    removed = [record for path, record in in_index if is_within(path, folders)]
    with catalog.transaction():
        for source in dropped:
            catalog.drop_source(stored_path(root, source.path))
        for path in left_out:
            catalog.put_source(stored_path(root, path), source_to_json(Source(path, None)))
        skipped = [path for path in skipped_paths(catalog) if is_within(os.path.join(root, path), folders)]
        clear_skipped(catalog, skipped)
        tombstone_files(catalog, [record.id for record in removed])
        advance_generation(catalog)
    kept = [Path(path) for path in known if is_within(path, folders) and is_within(path, [str(documents)])]
    delete_documents(catalog.index, [path for path in kept if path != documents])
    return tuple(stored_path(root, path) for path in left_out)


def _as_indexed(path: Path, known: Sequence[str]) -> Path:
    """Return the path as one of the known paths, or the start of one, if it only differs in Unicode composition."""
    if str(path).isascii() or any(is_within(each, [str(path)]) for each in known):
        return path
    composed = normalize("NFC", str(path))
    depth = len(path.parts)
    starts = (Path(*Path(each).parts[:depth]) for each in known if not each.isascii())
    return next((start for start in starts if normalize("NFC", str(start)) == composed), path)


def _as_kept(path: Path, root: Path, documents: Path, known: Sequence[str]) -> Path:
    """Return the path of a kept document if the path is its name, and nothing else has that path."""
    if any(is_within(each, [str(path)]) for each in known) or not path.is_relative_to(root):
        return path
    kept = documents / path.relative_to(root)
    return kept if any(is_within(each, [str(kept)]) for each in known) else path


def _would_come_back(path: Path, sources: Sequence[Source]) -> bool:
    """Return True if an update would index the path again: the innermost source around it is walked."""
    around = [source for source in sources if source.path in path.parents]
    innermost = max(around, key=lambda source: len(source.path.parts), default=None)
    return innermost is not None and innermost.options is not None
