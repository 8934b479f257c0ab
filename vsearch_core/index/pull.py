"""Pull a snapshot from a store into an index: fetch what the index lacks, verify all of it, then swap it in."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from threading import Lock

from vsearch_core.errors import IndexLockedError, InputError, SnapshotError, VsearchError
from vsearch_core.index.settings import FUSION, IndexSettings
from vsearch_core.index.snapshots import PULLED, SnapshotSummary, find_snapshot, read_manifest, require_history
from vsearch_core.index.transfer import Receipt, members_of, receive, sweep_received
from vsearch_core.own_files import copy_file, delete_file, link_file, open_file
from vsearch_core.store.archive import Member
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.connections import refuse_lost_catalog
from vsearch_core.store.files import checksum, durable_file, make_folder, read_blocks, sync_folder
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.object_store import ObjectStore
from vsearch_core.store.segment import segment_folders
from vsearch_core.store.snapshot_history import BLOCK_BYTES, OBJECTS, SnapshotHistory, SnapshotManifest, StoredSnapshot
from vsearch_core.store.tables import CATALOG_FILE

BLOCKS_FILE = f"{CATALOG_FILE}.blocks"  # the catalog as it was pulled last, so that the next pull fetches less
BLOCKS_AT_ONCE = 256  # in memory: 16 MB
Accept = Callable[[IndexSettings], None]


@dataclass(frozen=True, slots=True)
class PullSummary(SnapshotSummary):
    """The result of a pull.

    `generation` is the one that the index has now. `fetched_bytes` and `fetched_objects` count what the index lacked.
    `is_new` is False if the index had the snapshot already.
    """

    fetched_objects: int
    fetched_bytes: int
    is_new: bool
    seconds: float


def pull_index(
    index: Path,
    store: ObjectStore,
    name: str | None = None,
    *,
    replace: bool = False,
    keep_blocks: bool = False,
    accept: Accept = lambda _: None,
) -> PullSummary:
    """Replace the content of an index by a snapshot, or create a new index from it.

    All files are fetched, verified and durable before one transaction replaces the old content. After an error the
    index is unchanged, and readers of the old content can always continue. An index with changes that no snapshot of
    the store has is replaced only if `replace` is true.

    Args:
        index: The index folder; it need not exist.
        store: The store of snapshots.
        name: The number or tag of the snapshot; by default the current one.
        replace: Allow the loss of changes.
        keep_blocks: Keep the catalog as it was fetched in the file BLOCKS_FILE, so that the next pull reuses it.
        accept: A function that is called with the received settings before they are used; it may raise an error.

    Raises:
        SnapshotError: The snapshot is missing or damaged, or the store fails.
        InputError: The index has changes, and `replace` is false.
    """
    started = time.perf_counter()
    history, _ = require_history(store)
    snapshot = find_snapshot(store, history, name)
    with storage_errors(index):
        local = _local_state(index)
        if local is not None and local.is_at(snapshot):
            if any(folder.name not in local.segments for folder in segment_folders(index)):
                with suppress(IndexLockedError), writer_lock(index, 0):
                    sweep_received(index)  # what a pull has left that was killed after its commit
            counts = (local.generation, snapshot.files, snapshot.chunks, len(local.segments), snapshot.bytes)
            return PullSummary(index, store.url, snapshot.number, *counts, 0, 0, False, time.perf_counter() - started)
    manifest = read_manifest(store, snapshot)
    with storage_errors(index):
        make_folder(index)
        with writer_lock(index):
            _refuse_to_overwrite(index, store, history, replace=replace)
            fetcher = _Fetcher(store, index)
            receipt = Receipt(
                store.url,
                "the snapshot",
                SnapshotError,
                manifest.contents,
                "snapshot-damaged",
                lambda catalog: accept(IndexSettings.from_catalog(catalog, renewing=True)),
                lambda catalog: {PULLED: f"{snapshot.hash} {_state_text(catalog)}"},
                starts_lineage=True,
            )
            received = receive(index, receipt, lambda folder: fetcher.unpack(folder, manifest, keep=keep_blocks))
            if keep_blocks:
                (index / f"{BLOCKS_FILE}.new").replace(index / BLOCKS_FILE)
    chunks = sum(record.live_rows for record in received.records)
    counts = (received.generation, received.files, chunks, len(received.records), manifest.contents.bytes)
    fetched = (fetcher.objects, fetcher.bytes)
    seconds = time.perf_counter() - started
    return PullSummary(index, store.url, snapshot.number, *counts, *fetched, True, seconds)


@dataclass(frozen=True, slots=True)
class _LocalState:
    """The state of an index, and the names of its segments.

    `pulled` is the hash of the snapshot that it still equals, or None.
    """

    lineage: str
    generation: int
    segments: frozenset[str]
    pulled: str | None

    def is_at(self, snapshot: StoredSnapshot) -> bool:
        """Return True if the index equals the snapshot."""
        is_source = bool(self.lineage) and (self.lineage, self.generation) == (snapshot.lineage, snapshot.generation)
        return is_source or self.pulled == snapshot.hash


def _local_state(index: Path) -> _LocalState | None:
    """Return the state of an index, or None if there is none with files."""
    if not (index / CATALOG_FILE).exists():
        return None
    with closing(Catalog.open_to_read(index)) as catalog:
        live, staged, _ = catalog.counts()
        lineage, generation = catalog.state
        pulled, _, then = catalog.settings().get(PULLED, "").partition(" ")
        if not live and not staged and not pulled:
            return None
        segments = frozenset(record.name for record in catalog.segments())
        if staged:  # these are changes, too
            return _LocalState("", generation, segments, None)
        is_unchanged = then == _state_text(catalog)
        return _LocalState(lineage, generation, segments, pulled if is_unchanged else None)


def _state_text(catalog: Catalog) -> str:
    """Return a text that every change of the index changes. Tuning doesn't begin a generation."""
    return f"{catalog.generation} {checksum([catalog.settings().get(FUSION, '').encode()])}"


def _refuse_to_overwrite(index: Path, store: ObjectStore, history: SnapshotHistory, *, replace: bool) -> None:
    """Raise InputError if the index has changes that are in no snapshot of the store."""
    if replace:
        return
    refuse_lost_catalog(index)
    local = _local_state(index)
    if local is not None and local.pulled is None and not any(map(local.is_at, history.snapshots)):
        raise InputError(str(index), f"has changes that are in no snapshot of {store.url}", "changes-not-pushed")


class _Fetcher:
    """Gets the files of a snapshot: from the index itself where it has them, else from the store."""

    def __init__(self, store: ObjectStore, index: Path) -> None:
        """Prepare to fetch into a folder of the index."""
        self.objects = self.bytes = 0
        self._store = store
        self._index = index
        self._lock = Lock()

    def unpack(self, folder: Path, manifest: SnapshotManifest, *, keep: bool) -> None:
        """Write all files of the snapshot into a new folder, verified and durable.

        With `keep`, the catalog is also written to BLOCKS_FILE with the suffix ".new". Raises SnapshotError, OSError.
        """
        catalog, *files = manifest.contents.members
        paths = {file: folder / file.name for file in files}
        folders = sorted({folder, *(path.parent for path in paths.values())})
        for each in folders:
            make_folder(each, self._index)
        self._write_catalog(folder / CATALOG_FILE, catalog, manifest)
        if keep:
            spare = self._index / f"{BLOCKS_FILE}.new"
            with suppress(FileNotFoundError):
                delete_file(spare, within=self._index)  # left by a run that was killed
            copy_file(folder / CATALOG_FILE, spare, within=self._index)
        own = self._own_files()
        keys = dict(zip(files, manifest.objects, strict=True))
        once = {file.blake2b: file for file in files}  # one of each group of equal files
        self._store.in_parallel(
            lambda file: self._write_file(paths[file], file, keys[file], own.get(file.blake2b)), once.values()
        )
        for file in files:
            if once[file.blake2b] is not file:
                link_file(paths[once[file.blake2b]], paths[file], within=self._index)
        for each in folders:
            sync_folder(each)

    def _write_catalog(self, path: Path, catalog: Member, manifest: SnapshotManifest) -> None:
        known = self._own_blocks()
        keys, size = manifest.blocks, catalog.bytes
        with durable_file(path, self._index) as file:
            for start in range(0, len(keys), BLOCKS_AT_ONCE):  # so that few blocks are in memory
                numbers = range(start, min(start + BLOCKS_AT_ONCE, len(keys)))
                sizes = {number: min(BLOCK_BYTES, size - number * BLOCK_BYTES) for number in numbers}
                file.writelines(
                    self._store.in_parallel(lambda number: self._block(keys[number], sizes[number], known), numbers)  # noqa: B023
                )
        if checksum(read_blocks(path, self._index)) != catalog.blake2b:
            raise self._store.damaged("the checksum of its catalog differs")

    def _block(self, key: str, size: int, known: Mapping[str, int]) -> bytes:
        digest = key.partition("/")[2]
        if digest in known:
            with open_file(self._index / BLOCKS_FILE, "rb", within=self._index) as file:
                file.seek(known[digest] * BLOCK_BYTES)
                block = file.read(size)
            if checksum([block]) == digest:
                return block
        return b"".join(self._fetch(key, size))

    def _write_file(self, path: Path, file: Member, key: str, own: Path | None) -> None:
        if own is not None:
            with suppress(FileNotFoundError):
                link_file(own, path, within=self._index)
                if checksum(read_blocks(path, self._index)) == file.blake2b:
                    return
                delete_file(path, within=self._index)  # the index's own file is damaged
        with durable_file(path, self._index) as written:
            written.writelines(self._fetch(key, file.bytes))

    def _fetch(self, key: str, size: int) -> Iterator[bytes]:
        """Yield the bytes of an object. Raises SnapshotError after the last one if they are not what they must be."""
        digest, left = blake2b(digest_size=16), size
        for block in self._store.blocks(f"{OBJECTS}/{key}", size):
            digest.update(block)
            left -= len(block)
            yield block
        if left or digest.hexdigest() != key.partition("/")[2]:
            raise self._store.damaged(f"the checksum of its object {OBJECTS}/{key} differs")
        with self._lock:
            self.objects += 1
            self.bytes += size

    def _own_blocks(self) -> dict[str, int]:
        """Return the numbers of the blocks of the catalog that was pulled last, by their hashes."""
        try:
            blocks = read_blocks(self._index / BLOCKS_FILE, self._index, BLOCK_BYTES)
            return {checksum([block]): number for number, block in enumerate(blocks)}
        except FileNotFoundError:
            return {}

    def _own_files(self) -> dict[str, Path]:
        """Return the files of the index's segments by their hashes; none if its catalog can't be read."""
        with suppress(VsearchError):
            if (self._index / CATALOG_FILE).exists():
                with closing(Catalog.open_to_read(self._index)) as catalog:
                    members = members_of(catalog.segments())
                    return {member.blake2b: self._index / member.name for member in members}
        return {}
