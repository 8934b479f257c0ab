"""Push a generation of an index to a store of snapshots: upload the objects that are new, then replace CURRENT."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from vsearch_core.errors import IndexCorruptError, SnapshotError
from vsearch_core.index.snapshot import open_generation
from vsearch_core.index.snapshots import PULLED, SnapshotSummary, read_history, read_manifest, swap_history
from vsearch_core.index.transfer import member_of_file, members_of, open_unverified, segment_files
from vsearch_core.own_files import open_file
from vsearch_core.store.archive import Contents, Member
from vsearch_core.store.files import Data, checksum, read_blocks
from vsearch_core.store.generation import copy_generation
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.object_store import ObjectStore
from vsearch_core.store.snapshot_history import (
    BLOCK_BYTES,
    LARGEST_MANIFEST,
    MANIFESTS,
    MOST_SNAPSHOTS,
    OBJECTS,
    SnapshotHistory,
    SnapshotManifest,
    StoredSnapshot,
)
from vsearch_core.store.tables import CATALOG_FILE, LINEAGE


@dataclass(frozen=True, slots=True)
class PushSummary(SnapshotSummary):
    """The result of a push.

    `generation` is that of the index. `sent_objects` and `sent_bytes` count what the store didn't have. `is_new` is
    False if the store's current snapshot was the same.
    """

    sent_objects: int
    sent_bytes: int
    is_new: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class _Source:
    """The files of a generation: the copy of its catalog, and functions that return the bytes of each other file."""

    contents: Contents
    block_hashes: tuple[str, ...]
    catalog: Path
    settings: Mapping[str, str]
    files: int
    chunks: int
    segments: int
    readers: Mapping[str, Callable[[], Iterable[Data]]]


def push_index(index: Path, store: ObjectStore, scratch: Path, *, force: bool = False) -> PushSummary:
    """Upload the current generation of the index, and make it the store's current snapshot.

    Another process may write to the index meanwhile. `scratch` is an empty folder with space for a copy of the catalog.
    Nothing that the store had is changed before the last step, which fails if another push was quicker. Raises
    SnapshotError: also if the index doesn't build on the current snapshot, unless `force` is true.
    """
    started = time.perf_counter()
    store.refuse_without_preconditions()
    history, version = read_history(store)
    source = _open_source(index, scratch)
    newest = None if history is None else history.newest
    if newest is not None and not force and not _builds_on(source, newest):
        reason = f"its current snapshot {newest.number} is not part of the history of {index}"
        raise SnapshotError(store.url, reason, "not-built-on", number=newest.number)
    epoch = 1 if history is None else history.epoch
    known = {} if newest is None else read_manifest(store, newest).epochs
    manifest = _manifest(source, known, epoch)
    data = manifest.to_json()
    if len(data) > LARGEST_MANIFEST:
        raise SnapshotError(str(index), "is too large for a store of snapshots", "over-limits")
    is_new = newest is None or newest.hash != checksum([data])
    sent_objects = sent_bytes = 0
    if history is None or newest is None or is_new:
        new = _new_objects(source, manifest, known)
        store.in_parallel(lambda each: store.write_once(f"{OBJECTS}/{each.key}", each.size, each.read()), new)
        key = f"{epoch}/{checksum([data])}"
        store.write_once(f"{MANIFESTS}/{key}", len(data), [data])
        sent_objects, sent_bytes = len(new) + 1, sum(each.size for each in new) + len(data)
        newest = _snapshot(source, key, len(data), history)
        swap_history(store, _extended(history, newest, epoch), version)
    counts = (source.contents.generation, source.files, source.chunks, source.segments, source.contents.bytes)
    seconds = time.perf_counter() - started
    return PushSummary(index, store.url, newest.number, *counts, sent_objects, sent_bytes, is_new, seconds)


def _open_source(index: Path, scratch: Path) -> _Source:
    """Copy the catalog to `scratch`, and return the files of the generation. Raises the errors of `export_index`."""
    with storage_errors(index):
        catalog, segments = open_generation(index, open_unverified)
    records = [record for record, _ in segments]
    with closing(catalog), storage_errors(index):
        generation, settings, (files, _, _) = catalog.generation, dict(catalog.settings()), catalog.counts()
        with storage_errors(scratch):
            copy_generation(catalog, scratch)
    path = scratch / CATALOG_FILE
    with storage_errors(scratch):
        contents = Contents(generation, (member_of_file(path), *members_of(records)))
        hashes = tuple(checksum([block]) for block in read_blocks(path, size=BLOCK_BYTES))
    arrays = segment_files(segments)
    readers = {member.name: _reader(index, member, arrays[member.name]) for member in contents.members[1:]}
    return _Source(contents, hashes, path, settings, files, sum(r.live_rows for r in records), len(records), readers)


def _reader(index: Path, member: Member, parts: Iterable[Data]) -> Callable[[], Iterable[Data]]:
    """Return a function that returns the bytes of a segment's file. It raises IndexCorruptError if they are damaged."""
    blocks = tuple(parts)

    def read() -> Iterable[Data]:
        if checksum(blocks) != member.blake2b:
            path = index / member.name
            raise IndexCorruptError(str(path), "is damaged: its checksum differs")
        return blocks

    return read


@dataclass(frozen=True, slots=True)
class _Upload:
    """An object to write: its "EPOCH/HASH", its size, and a function that returns its bytes."""

    key: str
    size: int
    read: Callable[[], Iterable[Data]]


def _manifest(source: _Source, known: Mapping[str, str], epoch: int) -> SnapshotManifest:
    def key(digest: str) -> str:
        return known.get(digest, f"{epoch}/{digest}")

    blocks = tuple(map(key, source.block_hashes))
    return SnapshotManifest(
        source.contents, blocks, tuple(key(member.blake2b) for member in source.contents.members[1:])
    )


def _new_objects(source: _Source, manifest: SnapshotManifest, known: Mapping[str, str]) -> list[_Upload]:
    """Return the objects of the manifest that are not in `known`, each once."""
    size = source.contents.members[0].bytes
    new: dict[str, _Upload] = {}
    for number, (digest, key) in enumerate(zip(source.block_hashes, manifest.blocks, strict=True)):
        start = number * BLOCK_BYTES
        if digest not in known:
            length = min(BLOCK_BYTES, size - start)
            new[key] = _Upload(key, length, partial(_read_block, source.catalog, start))
    for member, key in zip(source.contents.members[1:], manifest.objects, strict=True):
        if member.blake2b not in known:
            new[key] = _Upload(key, member.bytes, source.readers[member.name])
    return list(new.values())


def _read_block(path: Path, start: int) -> list[Data]:
    with open_file(path, "rb") as file:
        file.seek(start)
        return [file.read(BLOCK_BYTES)]


def _builds_on(source: _Source, newest: StoredSnapshot) -> bool:
    """Return True if the index contains the snapshot, so that pushing it loses nothing.

    That is a generation of this very index, or the snapshot that it was pulled from. Each pulled index has a lineage of
    its own, and so has each new one.
    """
    lineage = source.settings.get(LINEAGE, "")
    is_own = bool(lineage) and newest.lineage == lineage and newest.generation <= source.contents.generation
    return is_own or source.settings.get(PULLED, "").partition(" ")[0] == newest.hash


def _snapshot(source: _Source, key: str, manifest_bytes: int, history: SnapshotHistory | None) -> StoredSnapshot:
    number = 1 if history is None else history.snapshots[-1].number + 1
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lineage, generation = source.settings.get(LINEAGE, ""), source.contents.generation
    counts = (source.files, source.chunks, source.contents.bytes)
    return StoredSnapshot(number, key, manifest_bytes, lineage, generation, *counts, now)


def _extended(history: SnapshotHistory | None, newest: StoredSnapshot, epoch: int) -> SnapshotHistory:
    """Return the list with the new snapshot as the current one. The oldest ones without tags go, if it is full.

    `swap_history` gives it its token.
    """
    former = () if history is None else history.snapshots
    surplus = len(former) + 1 - MOST_SNAPSHOTS
    dropped = {each.number for each in [each for each in former if not each.tags][: max(0, surplus)]}
    kept = tuple(each for each in former if each.number not in dropped)
    return SnapshotHistory("", epoch, newest.number, (*kept, newest))
