"""Copy an index to another place or engine, with its vectors: nothing is embedded.

A copy is a synchronisation: files that the target has already, equal in all their chunks and vectors, are skipped. So a
copy that was stopped is continued by the same call, and one of an index that has changed is brought up to date.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

import numpy as np

from vsearch_core.errors import InputError, StorageError
from vsearch_core.index.commit import Removals, commit_staged
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.parts import vectors_name
from vsearch_core.index.pictures import IMAGE_MODEL, PICTURE_SCALE
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.server_writing import COPIED_FROM, shared_settings
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.raw_rows import CHUNK_FACTS, FILE_FACTS, Row, chunk_rows, file_rows, insert_staged
from vsearch_core.store.records import Record
from vsearch_core.store.server.reading import ServerCatalog
from vsearch_core.store.tables import LINEAGE

_CTIME = FILE_FACTS.index("ctime_ns") - 1  # in `CopiedFile.facts`
FILES_AT_ONCE = 256  # files that are read from a server at a time


@dataclass(frozen=True, slots=True)
class CopySummary:
    """The result of a copy: the numbers of all `files` and `chunks`, of `copied` and `removed` files, and the time.

    `interrupted` is True if the copy was stopped: the same call continues it. `target` is the copy's folder or address.
    """

    files: int
    chunks: int
    copied: int
    removed: int
    interrupted: bool
    seconds: float
    target: str = ""


class CopiedFile(NamedTuple):
    """A file as indexes store it: FILE_FACTS without the id, CHUNK_FACTS of its chunks, and their records."""

    facts: Row
    chunks: Sequence[Row]
    records: Sequence[bytes]

    @property
    def path(self) -> str:
        """Return the stored path."""
        return str(self.facts[0])

    @property
    def digest(self) -> bytes:
        """Return a hash of all values but the time of the last change (ctime), which says nothing about a copy.

        Texts that engines store differently count as equal.
        """
        found = blake2b(digest_size=16)
        facts = (*self.facts[:_CTIME], *self.facts[_CTIME + 1 :])
        for row in (facts, *self.chunks):
            for value in row:
                stored = value.replace("\0", "\ufffd") if isinstance(value, str) else value
                found.update(repr(bytes(stored) if isinstance(stored, memoryview) else stored).encode())
        for record in self.records:
            found.update(record)
        return found.digest()


class CopySource(Protocol):
    """An open generation of an index, to be copied."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Return the settings of the index."""

    @property
    def count(self) -> int:
        """Return the number of files."""

    def copied_files(self) -> Iterator[CopiedFile]:
        """Yield all files, in the order in which they were indexed."""


class LocalCopySource:
    """The files of a local index. Raises IndexCorruptError if they are damaged."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Read the files of the snapshot. Raises InputError if its vectors are interim ones."""
        if snapshot.settings.coming is not None:
            raise InputError(str(snapshot.catalog.index), "it has only interim vectors yet", "not-embedded")
        self._snapshot = snapshot
        self.settings: Mapping[str, str] = snapshot.catalog.settings()
        self._ids = sorted(record.id for record in snapshot.catalog.files(live=True).values())
        self.count = len(self._ids)

    def copied_files(self) -> Iterator[CopiedFile]:
        """Yield all files, in the order in which they were indexed."""
        catalog = self._snapshot.catalog
        for segment in self._snapshot.segments:
            damaged = next((name for name in segment.arrays if not segment.checksum_ok(name)), None)
            if damaged is not None:
                raise catalog.damaged(f"{damaged} of segment {segment.name} are damaged")
        places = {
            int(number): (segment, int(row))
            for segment in self._snapshot.segments
            for row, number in zip(np.flatnonzero(segment.alive), segment.chunk_ids[segment.alive], strict=True)
        }
        for facts in file_rows(catalog, self._ids):
            rows = chunk_rows(catalog, facts[0])
            records = []
            for number, _ in rows:
                if number not in places:
                    raise catalog.damaged(f"chunk {number} is in no segment")
                segment, row = places[number]
                if not segment.has_vectors:
                    raise InputError(str(catalog.index), "some chunks have no vectors yet", "not-embedded")
                if segment.coded is not None:
                    raise InputError(str(catalog.index), "it keeps no vectors, which a copy needs", "vectors-missing")
                vector = segment.arrays[vectors_name()][row].tobytes()
                records.append(Record(vector, segment.window_codes(row)).to_bytes())
            yield CopiedFile(facts[1:], [row for _, row in rows], records)


class ServerCopySource:
    """The files of an index on a server."""

    def __init__(self, catalog: ServerCatalog) -> None:
        """Read the files of the open catalog."""
        self._catalog = catalog
        self.settings: Mapping[str, str] = catalog.settings()
        self.count = len(catalog.files.ids)

    def copied_files(self) -> Iterator[CopiedFile]:
        """Yield all files, in the order in which they were indexed."""
        ids = np.sort(self._catalog.files.ids).tolist()
        for start in range(0, len(ids), FILES_AT_ONCE):
            yield from self._some(ids[start : start + FILES_AT_ONCE])

    def _some(self, ids: Sequence[int]) -> Iterator[CopiedFile]:
        chunks: dict[int, list[Row]] = {}
        records: dict[int, list[bytes]] = {}
        for number, file_id, facts, windows, vector in self._catalog.whole_chunks(ids):
            chunks.setdefault(file_id, []).append(facts)
            records.setdefault(file_id, []).append(Record(vector.tobytes(), windows).to_bytes())
            if len(facts) != len(CHUNK_FACTS):
                raise self._catalog.damaged(f"the row of chunk {number} is damaged")
        for facts in self._catalog.file_facts_of(ids):
            found = CopiedFile(facts[1:], chunks.get(facts[0], []), records.get(facts[0], []))
            if len(found.chunks) != facts[FILE_FACTS.index("chunks")]:
                raise self._catalog.damaged(f"chunks of {found.path} are missing")
            yield found


def check_copy_target(settings: Mapping[str, str], source: CopySource, label: str) -> None:
    """Raise InputError if an index that exists is not a copy of the source."""
    if settings.get(COPIED_FROM) != source.settings[LINEAGE]:
        raise InputError(label, "there is an index already, which is not a copy of this one", "copy-target-exists")


def copied_settings(source: CopySource) -> dict[str, str]:
    """Return the settings of a new copy."""
    return {**shared_settings(source.settings), COPIED_FROM: source.settings[LINEAGE]}


def copy_files(
    source: CopySource,
    target: CopySource | None,
    catalog: Catalog,
    commit: Callable[[Catalog], object],
    observer: Observer,
    limits: IndexLimits = DEFAULT_LIMITS,
) -> CopySummary:
    """Stage the source's files in the catalog and commit them there; call `commit` after each commit.

    `target` is what has been copied before. Files that it has and the source lacks are removed. Raises the errors of
    the source and of `commit`.
    """
    started = time.perf_counter()
    present = {} if target is None else {file.path: file.digest for file in target.copied_files()}
    paths: set[str] = set()
    files = chunks = copied = uncommitted = 0
    waiting: list[CopiedFile] = []
    with catalog.transaction():
        catalog.delete_files([record.id for record in catalog.files(live=False).values()])  # of a copy that was killed
        for key in (IMAGE_MODEL, PICTURE_SCALE):  # the files have vectors of this model
            if catalog.settings().get(key, "") != source.settings.get(key, ""):
                catalog.put_setting(key, source.settings.get(key, ""))
    for file in source.copied_files():
        if observer.should_stop():
            _stage(catalog, waiting)
            commit_staged(catalog, limits=limits)
            commit(catalog)
            return CopySummary(files, chunks, copied, 0, True, time.perf_counter() - started)
        files, chunks = files + 1, chunks + len(file.chunks)
        paths.add(file.path)
        if present.get(file.path) == file.digest:
            continue
        waiting.append(file)
        copied, uncommitted = copied + 1, uncommitted + len(file.chunks) + 1
        if len(waiting) == limits.files_per_transaction or uncommitted >= limits.chunks_per_commit:
            _stage(catalog, waiting)
            waiting = []
        if uncommitted >= limits.chunks_per_commit:
            commit_staged(catalog, limits=limits)
            commit(catalog)
            uncommitted = 0
            observer.progress(Progress("copying", files, source.count))
    _stage(catalog, waiting)
    removed = [record for path, record in catalog.files(live=True).items() if path not in paths]
    commit_staged(catalog, Removals(removed), last=True, limits=limits)
    commit(catalog)
    return CopySummary(files, chunks, copied, len(removed), False, time.perf_counter() - started)


def _stage(catalog: Catalog, files: Sequence[CopiedFile]) -> None:
    with catalog.transaction():
        for file in files:
            insert_staged(catalog, file.facts, file.chunks, file.records)


def verify_copy(source: CopySource, target: CopySource, label: str) -> None:
    """Compare all files, texts and vectors of both. Raises StorageError about the first difference."""
    left = {file.path: file.digest for file in target.copied_files()}
    for file in source.copied_files():
        if left.pop(file.path, None) != file.digest:
            raise StorageError(label, f"{file.path} differs from the original", "copy-differs", path=file.path)
    if left:
        raise StorageError(label, f"{min(left)} is not in the original", "copy-differs", path=min(left))
