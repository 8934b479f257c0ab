"""Export a generation of an index as an archive, and import an archive into an index."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from vsearch_core.errors import (
    ArchiveError,
    IndexCorruptError,
    IndexMismatchError,
    IndexStateError,
    IndexVersionError,
    InputError,
    StorageError,
    VsearchError,
)
from vsearch_core.index.check import check_index
from vsearch_core.index.commit import require_free_space
from vsearch_core.index.snapshot import open_generation
from vsearch_core.store.archive import ArchiveReader, Contents, Member, Read, Write, pack
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.connections import refuse_lost_catalog
from vsearch_core.store.files import Data, checksum, durable_file, make_folder, read_blocks, sync_folder
from vsearch_core.store.generation import replace_generation
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.segment import (
    SEGMENTS_DIR,
    Arrays,
    file_parts,
    open_segment,
    sweep_orphans,
)
from vsearch_core.store.tables import CATALOG_FILE, LINEAGE, start_lineage

# Errors from values in a catalog that this program did not write.
_UNREADABLE = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class TransferSummary:
    """The result of an export or import.

    It has the numbers of live files, chunks and segments, and the total size of the files in the archive.
    """

    index: Path
    generation: int
    files: int
    chunks: int
    segments: int
    bytes: int
    seconds: float


def export_index(index: Path, scratch: Path, write: Write) -> TransferSummary:
    """Write the current generation of the index as an archive, by calling `write` with blocks of bytes.

    Another process may write to the index meanwhile. `scratch` is an empty folder with space for a copy of the catalog.
    Raises IndexNotFoundError, IndexVersionError, IndexCorruptError, StorageError, and ArchiveError if a file differs
    from its description in the catalog.
    """
    started = time.perf_counter()
    with storage_errors(index):
        catalog, segments = open_generation(index, open_unverified)
    records = [record for record, _ in segments]
    with closing(catalog), storage_errors(scratch.parent):
        with Catalog.new(scratch) as copy:
            replace_generation(copy, catalog)
        with storage_errors(index):
            generation, (files, _, _) = catalog.generation, catalog.counts()
    # The catalog is closed by now: a slow `write` does not make the writers' log grow.
    with storage_errors(scratch.parent):
        contents = Contents(generation, (member_of_file(scratch / CATALOG_FILE), *members_of(records)))
        for piece in pack(contents, {CATALOG_FILE: read_blocks(scratch / CATALOG_FILE), **segment_files(segments)}):
            write(piece)
    return _summary(index, generation, files, contents, records, started)


def import_index(index: Path, name: str, read: Read, *, replace: bool = False) -> TransferSummary:
    """Replace the content of an index by that of an archive, or create a new index from it.

    `read(n)` returns the next n bytes of the archive, and `name` is its name in errors. All files are received,
    verified and durable before one transaction replaces the old content. After an error the index is unchanged, and
    readers of the old content can always continue. An index with files is replaced only if `replace` is true. Its
    sources are kept.

    Raises InputError, IndexNotFoundError if an index has lost its catalog, ArchiveError, IndexLockedError,
    IndexMismatchError, IndexVersionError, StorageError.
    """
    started = time.perf_counter()
    archive = ArchiveReader(name, read)
    contents = archive.contents()
    with storage_errors(index):
        make_folder(index)
        with writer_lock(index):
            _refuse_to_overwrite(index, replace=replace)
            receipt = Receipt(name, "the archive", ArchiveError, contents)
            records = receive(index, receipt, lambda folder: _unpack(index, folder, archive, contents))
    return records.summary(index, contents, started)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Files of an index that are received from elsewhere, as an archive or a snapshot, to replace an index.

    `name` and `what` ("the archive") name their source in errors. `error` is the type of errors about them, with the
    code `damaged_code`. `contents` lists the files. `accept` is called with the received catalog, verified, before the
    index is replaced. `settings` returns further settings for the index, given its new catalog. With `starts_lineage`,
    the index counts as another one from then on.
    """

    name: str
    what: str
    error: type[VsearchError]
    contents: Contents
    damaged_code: str = "archive-damaged"
    accept: Callable[[Catalog], None] = lambda _: None
    settings: Callable[[Catalog], Mapping[str, str]] = lambda _: {}
    starts_lineage: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """The generation of an index after files were received, and its numbers of files, chunks and segments."""

    generation: int
    files: int
    records: Sequence[SegmentRecord]

    def summary(self, index: Path, contents: Contents, started: float) -> TransferSummary:
        """Return the summary of a transfer that began at the time `started` of `time.perf_counter`."""
        return _summary(index, self.generation, self.files, contents, self.records, started)


def receive(index: Path, receipt: Receipt, unpack: Callable[[Path], None]) -> Received:
    """Replace the content of an index by received files. The caller has the writer lock, and its folder exists.

    `unpack` creates a folder and writes the files into it, durable. They are verified before one transaction replaces
    the old content. Raises the errors of `import_index`.
    """
    contents = receipt.contents
    # The catalog is received, and then copied.
    require_free_space(index, contents.bytes + contents.members[0].bytes, receipt.what)
    unpacked = index / SEGMENTS_DIR / uuid4().hex  # a folder that the next writer deletes if no catalog names it
    try:
        unpack(unpacked)
        return _swap_in(index, unpacked, receipt)
    finally:
        sweep_received(index)


def open_unverified(catalog: Catalog, record: SegmentRecord) -> tuple[SegmentRecord, Arrays]:
    """Return the record and the arrays of a segment. `pack` verifies the arrays."""
    return record, open_segment(catalog.index, record.name, record.manifest, unverified=record.manifest)


def members_of(records: Iterable[SegmentRecord]) -> list[Member]:
    """Return the list's entries for the files of segments."""
    return [
        Member(_path(record.name, key), entry.bytes, entry.blake2b)
        for record in records
        for key, entry in record.manifest.items()
    ]


def _path(segment: str, key: str) -> str:
    return f"{SEGMENTS_DIR}/{segment}/{key}.npy"


def segment_files(segments: Iterable[tuple[SegmentRecord, Arrays]]) -> dict[str, Iterable[Data]]:
    """Return the parts of the files of segments, by their names in the list."""
    return {_path(record.name, key): file_parts(array) for record, arrays in segments for key, array in arrays.items()}


def member_of_file(path: Path) -> Member:
    """Return the list's entry for a file."""
    return Member(path.name, path.stat().st_size, checksum(read_blocks(path)))


def _summary(
    index: Path, generation: int, files: int, contents: Contents, records: Sequence[SegmentRecord], started: float
) -> TransferSummary:
    chunks = sum(record.live_rows for record in records)
    seconds = time.perf_counter() - started
    return TransferSummary(index, generation, files, chunks, len(records), contents.bytes, seconds)


# Import


def _refuse_to_overwrite(index: Path, *, replace: bool) -> None:
    if not (index / CATALOG_FILE).exists():
        if not replace:
            refuse_lost_catalog(index)
        return
    with closing(Catalog.open_to_write(index)) as catalog:
        live, staged, _ = catalog.counts()
    if (live or staged) and not replace:
        raise InputError(str(index), "there is an index here already", "index-exists")


def _unpack(index: Path, folder: Path, archive: ArchiveReader, contents: Contents) -> None:
    paths = {member: folder / member.name for member in contents.members}
    folders = sorted({path.parent for path in paths.values()})
    for each in folders:
        make_folder(each, index)
    for member, path in paths.items():
        with durable_file(path, index) as file:
            file.writelines(archive.member(member))
    archive.end()
    for each in folders:
        sync_folder(each)


def _swap_in(index: Path, unpacked: Path, receipt: Receipt) -> Received:
    with _received_errors(receipt):
        received = Catalog.open_to_write(unpacked, label=Path(receipt.name))  # brings an older format up to date
    with closing(received):
        with _received_errors(receipt):
            records = _verified_segments(unpacked, receipt, received)
        receipt.accept(received)
        renamed = {record.name: _move_in(index, unpacked, record.name) for record in records}
        sync_folder(index / SEGMENTS_DIR)
        with _target(index) as target:
            generation = max(receipt.contents.generation, target.generation + 1)  # readers see it grow, never shrink
            former = target.settings().get(LINEAGE)
            replace_generation(target, received, renamed)
            target.put_setting("generation", str(generation))
            for key, value in receipt.settings(target).items():
                target.put_setting(key, value)
            if receipt.starts_lineage or target.settings().get(LINEAGE) in {None, former}:
                start_lineage(target.connection)  # an archive is a backup: since then, ids have got other meanings
        files, _, _ = received.counts()
        return Received(generation, files, records)


def _verified_segments(unpacked: Path, receipt: Receipt, received: Catalog) -> list[SegmentRecord]:
    """Return the received segments. Raises IndexCorruptError if one is damaged or not in the list of contents."""
    for fault in check_index(unpacked, full=True).faults:
        inside = fault.thing.removeprefix(str(unpacked)).lstrip("/")
        raise IndexCorruptError(receipt.name, f"{inside}: {fault.reason}" if inside else fault.reason)
    records = received.segments()
    contents = receipt.contents
    if received.generation != contents.generation or contents.members[1:] != tuple(members_of(records)):
        raise IndexCorruptError(receipt.name, "its catalog and its list of contents name different files")
    return records


def _move_in(index: Path, unpacked: Path, segment: str) -> str:
    """Move a segment's folder to a new name, so that files which readers have mapped are not overwritten."""
    name = uuid4().hex
    (unpacked / SEGMENTS_DIR / segment).rename(index / SEGMENTS_DIR / name)
    return name


@contextmanager
def _received_errors(receipt: Receipt) -> Iterator[None]:
    """Convert errors about received files to errors about their source."""
    name = receipt.name
    try:
        with storage_errors(Path(name)):
            yield
    except (IndexMismatchError, IndexVersionError) as error:
        raise error.about(name) from error
    except IndexCorruptError as error:
        raise receipt.error(name, f"{receipt.what} is damaged: {error.reason}", receipt.damaged_code) from error
    except _UNREADABLE as error:
        reason = f"{receipt.what} is damaged: its catalog can't be understood"
        raise receipt.error(name, reason, receipt.damaged_code) from error


@contextmanager
def _target(index: Path) -> Iterator[Catalog]:
    """Yield the index's catalog in a transaction, or a new catalog, which is complete after the block."""
    if (index / CATALOG_FILE).exists():
        with closing(Catalog.open_to_write(index)) as catalog:
            with catalog.transaction():
                yield catalog
            with suppress(sqlite3.OperationalError):  # the import is done; the next writer gives the space back
                catalog.release_space()
    else:
        with Catalog.new(index) as catalog:
            yield catalog
        Catalog.open_to_write(
            index
        ).close()  # switches its log on, which SQLite may fail to do at creation without an error


def sweep_received(index: Path) -> None:
    """Delete received files that no catalog lists: after an error all, else the archive's catalog."""
    named: set[str] = set()
    with suppress(
        IndexStateError, StorageError, OSError, sqlite3.Error
    ):  # the next writer deletes what can't be deleted now
        if (index / CATALOG_FILE).exists():
            with closing(Catalog.open_to_read(index)) as catalog:
                named = {record.name for record in catalog.segments()}
        sweep_orphans(index, named)
