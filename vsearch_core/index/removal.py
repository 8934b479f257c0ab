"""`vsearch remove`: files and folders leave the index, and stay away until they are named to `index` again."""
# ruff: noqa: PTH118 - 10,000 files: strings are several times faster

import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vsearch_core.errors import InputError
from vsearch_core.index.commit import bury, mark_commit, sweep
from vsearch_core.index.compaction import compact_until_stopped
from vsearch_core.index.progress import Observer
from vsearch_core.index.sources import Source, is_within, source_from_json, source_to_json, stored_path
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.skipped import clear_skipped, skipped_paths


@dataclass(frozen=True, slots=True)
class RemovalSummary:
    """What left the index (`removed` files) and what is in it still.

    `left_out` are those of the paths, as stored, that lie in a source: `index` leaves them out until they are named.
    `uncompacted` says that the run was stopped while it merged segments, after the removal.
    """

    index: Path
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
) -> RemovalSummary:
    """Forget the files and sources at and below the absolute paths, whether they are still there or not.

    Raises InputError, before anything is changed, for a path of which the index holds nothing; IndexLockedError,
    IndexVersionError, IndexCorruptError, StorageError.
    """
    started = time.perf_counter()
    with storage_errors(index), writer_lock(index), closing(Catalog.open_to_write(index)) as catalog:
        before = catalog.files(live=True)
        left_out = _forget(catalog, paths)
        uncompacted = not compact_until_stopped(catalog, observer)
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


def _forget(catalog: Catalog, paths: Sequence[Path]) -> tuple[str, ...]:
    """Forget what the index holds of the paths, in one transaction. Returns which of them it will leave out."""
    root, folders = catalog.index.parent, [str(path) for path in paths]
    records = [*catalog.files(live=True).values(), *catalog.files(live=False).values()]
    held = [(os.path.join(root, record.path), record) for record in records]
    known = [source_from_json(root, path, options) for path, options in catalog.sources().items()]
    for folder in folders:
        named = (str(source.path) for source in known if source.options is not None)
        if not any(is_within(each, [folder]) for each in (*named, *(file for file, _ in held))):
            raise InputError(folder, "the index holds nothing of it", "see what it holds with `vsearch status`")
    dropped = [source for source in known if is_within(str(source.path), folders)]
    left_out = [path for path in paths if _would_come_back(path, [each for each in known if each not in dropped])]
    gone = [record for path, record in held if is_within(path, folders)]
    with catalog.transaction():
        for source in dropped:
            catalog.drop_source(stored_path(root, source.path))
        for path in left_out:
            catalog.put_source(stored_path(root, path), source_to_json(Source(path, None)))
        clear_skipped(
            catalog, [path for path in skipped_paths(catalog) if is_within(os.path.join(root, path), folders)]
        )
        bury(catalog, [record.id for record in gone])
        mark_commit(catalog)
    return tuple(stored_path(root, path) for path in left_out)


def _would_come_back(path: Path, sources: Sequence[Source]) -> bool:
    """Whether the innermost of the sources that hold the path takes files."""
    around = [source for source in sources if source.path in path.parents]
    innermost = max(around, key=lambda source: len(source.path.parts), default=None)
    return innermost is not None and innermost.options is not None
