"""The SQLite catalog: the index's one source of truth.

A file is *staged* (`live = 0`) while its chunks are being embedded and *live* (`live = 1`) once a segment holds them
all; queries see live files only. A commit is one transaction that adds a segment, makes its files live, and deletes
the versions that they replace.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.model import Chunk, JsonValue, KeywordFields
from vsearch_core.own_files import connect_database
from vsearch_core.store import connections
from vsearch_core.store.checksums import checksum_ok, rows_with_bad_checksums, seal, seal_matches
from vsearch_core.store.files import sync_folder
from vsearch_core.store.segment import Manifest, is_segment_name, manifest_from_json, manifest_to_json
from vsearch_core.store.tables import CATALOG_FILE, FORMAT, LINEAGE, CatalogFormat, start_lineage

TEXT_LIMIT = 1 << 26  # bytes of one chunk's text: the most that a forged index can make a reader unpack


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of the catalog. `path` is relative to the project's root, or absolute outside it.

    `ctime_ns` is 0 if unchanged times would not prove unchanged bytes.
    """

    id: int
    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    hash: bytes
    chunks: int

    @property
    def stamp(self) -> tuple[int, int, int]:
        """Return size and times, which are compared to detect a change: see `SourceFile.stamp`."""
        return self.size, self.mtime_ns, self.ctime_ns


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be staged; `hash` is the hash of its bytes."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    hash: bytes
    title: str | None
    language: str | None
    meta: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A committed segment. `tombstones`, shape (rows,), marks the deleted rows; None means that all rows are live."""

    id: int
    name: str
    rows: int
    manifest: Manifest
    tombstones: NDArray[np.bool_] | None

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Return a mask of the live rows, shape (rows,)."""
        return np.ones(self.rows, np.bool_) if self.tombstones is None else ~self.tombstones

    @property
    def live_rows(self) -> int:
        """Return the number of live rows."""
        return self.rows - (0 if self.tombstones is None else int(self.tombstones.sum()))


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as the catalog stores it, with its file's path and its number, from 0, within the file."""

    path: str
    ordinal: int
    chunk: Chunk


class Catalog:
    """A connection to the catalog of the index in the folder `index`; one thread at a time may use it.

    Methods raise IndexCorruptError for damaged rows, naming `label`, and otherwise what SQLite raises; callers turn
    that into StorageError or IndexCorruptError by `storage_errors`. `label` is the index's folder unless the catalog
    belongs to something else in the caller's eyes, such as the archive that it came from.
    """

    def __init__(self, index: Path, connection: sqlite3.Connection, label: Path | None = None) -> None:
        """Wrap an open connection, which `close` closes."""
        self.index = index
        self.connection = connection
        self.label = label or index

    @classmethod
    def create(cls, index: Path, settings: Mapping[str, str], *, label: Path | None = None) -> "Catalog":
        """Create a catalog with these settings where there is none, and open it for writing."""
        with cls.new(index) as catalog:
            catalog.connection.executemany("INSERT INTO settings (key, value) VALUES (?, ?)", settings.items())
            start_lineage(catalog.connection)
        return cls.open_to_write(index, label=label)

    @classmethod
    @contextmanager
    def new(cls, index: Path) -> Iterator["Catalog"]:
        """Yield an empty catalog that the block fills; it appears in `index`, complete, when the block ends."""
        fresh = index / f"{CATALOG_FILE}.new"
        for suffix in ("", "-journal"):  # left by an interrupted creation
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
        connection = connections.begin_catalog(fresh)
        try:
            yield cls(index, connection)
            connections.finish_catalog(connection)
        finally:
            connection.close()
        fresh.rename(index / CATALOG_FILE)
        sync_folder(index)

    @classmethod
    def open_to_write(
        cls, index: Path, catalog_format: CatalogFormat = FORMAT, *, label: Path | None = None
    ) -> "Catalog":
        """Open for writing; the caller holds the writer lock. An older format is migrated."""
        connections.refuse_lost_catalog(index)
        return cls._verified(index, connections.open_to_write(index, catalog_format), label)

    @classmethod
    def open_to_read(
        cls, index: Path, catalog_format: CatalogFormat = FORMAT, *, check_same_thread: bool = True
    ) -> "Catalog":
        """Open in a read transaction: everything that is read belongs to one generation.

        Without `check_same_thread`, the catalog may move between threads, but only one may use it at a time.
        """
        connections.refuse_lost_catalog(index)
        connection = connections.open_to_read(index, catalog_format, check_same_thread=check_same_thread)
        return cls._verified(index, connection, None)

    @classmethod
    def _verified(cls, index: Path, connection: sqlite3.Connection, label: Path | None) -> "Catalog":
        catalog = cls(index, connection, label)
        try:
            if not seal_matches(connection):
                raise catalog.damaged("its settings or its list of segments are damaged")
        except BaseException:
            connection.close()
            raise
        return catalog

    def damaged(self, reason: str) -> IndexCorruptError:
        """Return the error that says what is damaged in this catalog."""
        return IndexCorruptError(str(self.label), reason)

    def close(self) -> None:
        """Close the connection; the last one to close folds the write-ahead log into the catalog."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or roll it back if it raises. Settings and segments change only in here."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            seal(self.connection)
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    # Settings and sources

    def settings(self) -> dict[str, str]:
        """Return all settings."""
        return dict(self.connection.execute("SELECT key, value FROM settings"))

    def put_setting(self, key: str, value: str) -> None:
        """Set one setting."""
        self.connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (key, value))

    @property
    def generation(self) -> int:
        """Return the number of commits so far."""
        return int(self.settings().get("generation", 0))

    @property
    def state(self) -> tuple[str, int]:
        """Return the lineage and the generation: together they differ also where an index was deleted and made anew."""
        settings = self.settings()
        return settings.get(LINEAGE, ""), int(settings.get("generation", 0))

    def sources(self) -> dict[str, dict[str, JsonValue]]:
        """Return the source paths with the options that each is walked with. Raises IndexCorruptError."""
        if rows_with_bad_checksums(self.connection, "sources"):
            raise self.damaged("its list of sources is damaged")
        try:
            query = "SELECT path, options FROM sources"
            return {path: dict(json.loads(options)) for path, options in self.connection.execute(query)}
        except (ValueError, TypeError, RecursionError) as error:
            raise self.damaged("its list of sources is damaged") from error

    def put_source(self, path: str, options: Mapping[str, JsonValue]) -> None:
        """Add a source path, or replace its options."""
        values = (path, json.dumps(options))
        self.connection.execute("INSERT OR REPLACE INTO sources (path, options) VALUES (?, ?)", values)

    def drop_source(self, path: str) -> None:
        """Remove a source path."""
        self.connection.execute("DELETE FROM sources WHERE path = ?", (path,))

    # Files and chunks

    def files(self, *, live: bool) -> dict[str, FileRecord]:
        """Return all live, or all staged, files by path."""
        query = "SELECT id, path, size, mtime_ns, ctime_ns, hash, chunks FROM files WHERE live = ?"
        return {row[1]: FileRecord(*row) for row in self.connection.execute(query, (int(live),))}

    def update_times(self, file_id: int, mtime_ns: int, ctime_ns: int) -> None:
        """Record new times of a file whose bytes are unchanged."""
        values = (mtime_ns, ctime_ns, file_id)
        self.connection.execute("UPDATE files SET mtime_ns = ?, ctime_ns = ? WHERE id = ?", values)

    def stage_file(self, file: NewFile, chunks: Sequence[Chunk]) -> None:
        """Stage a file with its chunks, to be embedded."""
        path = PurePosixPath(file.path)
        folder = "" if path.parent == PurePosixPath() else str(path.parent)
        name = (file.path, path.name, path.suffix.lower().lstrip("."), folder)
        stamp = (file.size, file.mtime_ns, file.ctime_ns, file.hash)
        facts = (_without_surrogates(file.title), _without_surrogates(file.language), json.dumps(file.meta))
        cursor = self.connection.execute(
            "INSERT INTO files (path, name, ext, dir, live, size, mtime_ns, ctime_ns, hash, title, language, meta,"
            " chunks) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*name, *stamp, *facts, len(chunks)),
        )
        file_id = cursor.lastrowid
        self.connection.executemany(
            "INSERT INTO chunks"
            " (file_id, ordinal, start_char, end_char, start_line, end_line, page, heading, hash, text)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (_chunk_row(file_id, number, chunk) for number, chunk in enumerate(chunks)),
        )

    def delete_files(self, file_ids: Iterable[int]) -> None:
        """Delete files, staged or live, with their chunks and staged vectors."""
        for file_id in list(file_ids):
            self.connection.execute(
                "DELETE FROM staged WHERE chunk_id IN (SELECT id FROM chunks WHERE file_id = ?)", (file_id,)
            )
            self.connection.execute("DELETE FROM chunks WHERE file_id = ?", (file_id,))
            self.connection.execute("DELETE FROM files WHERE id = ?", (file_id,))

    def counts(self) -> tuple[int, int, int]:
        """Return the number of live files, of staged files, and of chunks that have no vector yet."""
        live, staged = self.connection.execute(
            "SELECT count(*) FILTER (WHERE live), count(*) FILTER (WHERE NOT live) FROM files"
        ).fetchone()
        return live, staged, self.count_unembedded()

    # Staged vectors

    def count_unembedded(self) -> int:
        """Return the number of staged chunks that have no vector yet."""
        row = self.connection.execute(
            "SELECT (SELECT coalesce(sum(chunks), 0) FROM files WHERE NOT live) - (SELECT count(*) FROM staged)"
        ).fetchone()
        return int(row[0])

    def unembedded(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Return (id, text) of up to `limit` staged chunks without a vector, in the order of ids, above id `after`."""
        rows = self.connection.execute(
            f"SELECT chunks.id, text, {self._ok('chunks')} FROM files JOIN chunks ON file_id = files.id"
            " WHERE NOT live AND chunks.id > ? AND chunks.id NOT IN (SELECT chunk_id FROM staged)"
            " ORDER BY chunks.id LIMIT ?",
            (after, limit),
        )
        return [(chunk_id, self._text(chunk_id, blob, intact)) for chunk_id, blob, intact in rows]

    def find_embedded_copy(self, chunk_id: int) -> tuple[int, bytes | None] | None:
        """Return the id of a chunk with the same text that has a vector, and that vector if it is staged; or None."""
        intact = checksum_ok(self.connection, "chunks", "other")
        row: tuple[int, bytes | None] | None = self.connection.execute(
            "SELECT other.id, vector FROM chunks JOIN chunks AS other"
            f" ON other.hash = chunks.hash AND other.text = chunks.text AND {intact}"
            " JOIN files ON files.id = other.file_id LEFT JOIN staged ON chunk_id = other.id"
            f" WHERE chunks.id = ? AND (vector IS NULL AND live OR {self._ok('staged')}) LIMIT 1",
            (chunk_id,),
        ).fetchone()
        return row

    def stage_vectors(self, chunk_ids: Iterable[int], vectors: NDArray[Any] | Iterable[bytes]) -> None:
        """Store the chunks' vectors, shape (n, dimension), until a segment takes them."""
        rows = zip(chunk_ids, map(bytes, vectors), strict=True)
        self.connection.executemany("INSERT OR REPLACE INTO staged (chunk_id, vector) VALUES (?, ?)", rows)

    def delete_staged_vectors(self) -> None:
        """Delete all staged vectors, so that their chunks are embedded again."""
        self.connection.execute("DELETE FROM staged")

    def complete_files(self) -> list[int]:
        """Return the ids, ascending, of the staged files whose chunks, if any, all have vectors."""
        rows = self.connection.execute(
            "SELECT files.id FROM files WHERE NOT live AND chunks ="
            " (SELECT count(*) FROM chunks JOIN staged ON chunk_id = chunks.id WHERE file_id = files.id) ORDER BY id"
        )
        return [file_id for (file_id,) in rows]

    def staged_rows(self, file_ids: Iterable[int]) -> Iterator[tuple[int, int, bytes]]:
        """Yield (chunk id, file id, vector's bytes) of the files' staged chunks, in the files' order."""
        query = (
            f"SELECT id, vector, {self._ok('chunks')} AND {self._ok('staged')}"
            " FROM chunks JOIN staged ON chunk_id = id WHERE file_id = ? ORDER BY ordinal"
        )
        for file_id in file_ids:
            for chunk_id, vector, intact in self.connection.execute(query, (file_id,)):
                self._require_intact(chunk_id, intact)
                yield chunk_id, file_id, vector

    def publish_files(self, file_ids: Iterable[int]) -> None:
        """Make staged files live. Their former versions must be deleted first."""
        for file_id in file_ids:
            self.connection.execute("UPDATE files SET live = 1 WHERE id = ?", (file_id,))
            self.connection.execute(
                "DELETE FROM staged WHERE chunk_id IN (SELECT id FROM chunks WHERE file_id = ?)", (file_id,)
            )

    def unpublish_files(self, file_ids: Iterable[int]) -> list[str]:
        """Make live files staged again, or delete those that have a staged version. Returns their paths, sorted."""
        paths = []
        for file_id in file_ids:
            (path,) = self.connection.execute("SELECT path FROM files WHERE id = ?", (file_id,)).fetchone()
            paths.append(path)
            if self.connection.execute("SELECT 1 FROM files WHERE path = ? AND NOT live", (path,)).fetchone():
                self.delete_files([file_id])
            else:
                self.connection.execute("UPDATE files SET live = 0 WHERE id = ?", (file_id,))
        return sorted(paths)

    def staged_chunks(self) -> list[int]:
        """Return the ids of all staged files' chunks, ascending."""
        query = "SELECT chunks.id FROM chunks JOIN files ON files.id = file_id WHERE NOT live ORDER BY chunks.id"
        return [number for (number,) in self.connection.execute(query)]

    # Segments

    def segments(self) -> list[SegmentRecord]:
        """Return the committed segments, oldest first. Raises IndexCorruptError."""
        rows = self.connection.execute("SELECT id, name, rows, manifest, dead FROM segments ORDER BY id")
        return [self._segment(*row) for row in rows]

    def _segment(self, number: int, name: str, rows: int, manifest: str, dead: bytes | None) -> SegmentRecord:
        """Check untrusted values: no name may lead out of the index, no shape may claim more than its file holds."""
        try:
            entries = manifest_from_json(json.loads(manifest))
            if not is_segment_name(name) or rows not in {entries["chunk_ids"].rows, entries["file_ids"].rows}:
                raise ValueError(name)
            bits = None if dead is None else np.frombuffer(dead, np.uint8)
            if bits is not None and len(bits) != -(-rows // 8):
                raise ValueError(f"{len(bits)} bytes of tombstones for {rows} rows")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self.damaged(f"what it says of segment {number} is damaged ({error})") from error
        tombstones = None if bits is None else np.unpackbits(bits, count=rows).astype(np.bool_)
        return SegmentRecord(number, name, rows, entries, tombstones)

    def add_segment(self, name: str, rows: int, manifest: Manifest) -> int:
        """Add a segment whose files are on disk. Returns its id."""
        values = (name, rows, json.dumps(manifest_to_json(manifest)))
        added = self.connection.execute("INSERT INTO segments (name, rows, manifest) VALUES (?, ?, ?)", values)
        assert added.lastrowid is not None
        return added.lastrowid

    def set_tombstones(self, segment_id: int, tombstones: NDArray[np.bool_]) -> None:
        """Replace a segment's tombstones, shape (rows,)."""
        packed = np.packbits(tombstones).tobytes()
        self.connection.execute("UPDATE segments SET dead = ? WHERE id = ?", (packed, segment_id))

    def drop_segments(self, segment_ids: Iterable[int]) -> None:
        """Remove segments from the catalog; the next writer deletes their files."""
        self.connection.executemany("DELETE FROM segments WHERE id = ?", ((number,) for number in segment_ids))

    # Chunks by id and by place

    def stored_chunks(self, chunk_ids: Sequence[int]) -> list[StoredChunk]:
        """Return the chunks with their files' paths, in the order of the ids. Raises IndexCorruptError."""
        found = {}
        query = (
            f"SELECT chunks.id, {self._ok('chunks')} AND {self._ok('files')}, text, path, ordinal,"
            " start_char, end_char, start_line, end_line, page, heading"
            " FROM chunks JOIN files ON files.id = file_id WHERE chunks.id = ?"
        )
        for chunk_id in chunk_ids:
            for number, intact, blob, path, ordinal, *place in self.connection.execute(query, (chunk_id,)):
                found[number] = StoredChunk(path, ordinal, Chunk(self._text(number, blob, intact), *place))
        return [found[chunk_id] for chunk_id in chunk_ids]

    def keyword_fields(self, chunk_ids: Iterable[int]) -> Iterator[tuple[int, int, KeywordFields]]:
        """Yield (chunk id, file id, fields) in the order of the ids, without chunks that are not there."""
        query = (
            f"SELECT {self._ok('chunks')} AND {self._ok('files')}, file_id, text, path, title, heading, language"
            " FROM chunks JOIN files ON files.id = file_id WHERE chunks.id = ?"
        )
        for chunk_id in chunk_ids:
            for intact, file_id, blob, *facts in self.connection.execute(query, (chunk_id,)):
                yield chunk_id, file_id, KeywordFields(self._text(chunk_id, blob, intact), *facts)

    def chunk_numbers(self, path: str, first: int = 0, last: int | None = None) -> list[tuple[int, int]]:
        """Return a live file's chunks as (chunk id, number in the file), from number `first` to `last`, inclusive."""
        query = (
            "SELECT chunks.id, ordinal FROM files JOIN chunks ON file_id = files.id"
            " WHERE path = ? AND live AND ordinal >= ? AND (? IS NULL OR ordinal <= ?) ORDER BY ordinal"
        )
        return self.connection.execute(query, (path, first, last, last)).fetchall()

    def live_chunks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ids of all live chunks, ascending, and of their files, each of shape (chunks,)."""
        query = "SELECT chunks.id, file_id FROM chunks JOIN files ON files.id = file_id WHERE live ORDER BY chunks.id"
        pairs = np.array(self.connection.execute(query).fetchall(), np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def text_bytes(self) -> int:
        """Return the number of bytes that the chunks' texts, compressed, take."""
        (size,) = self.connection.execute("SELECT coalesce(sum(length(text)), 0) FROM chunks").fetchone()
        return int(size)

    def refuse_damaged_files(self, chunks: int) -> None:
        """Raise IndexCorruptError unless the rows of the live files, which filters read, are intact and complete.

        They are complete if their chunks add up to `chunks`, the number of live rows in the segments.
        """
        query = f"SELECT coalesce(sum(chunks), 0), total(NOT {self._ok('files')}) FROM files NOT INDEXED WHERE live"
        if self.connection.execute(query).fetchone() != (chunks, 0):
            raise self.damaged("its list of files is damaged")

    def _ok(self, table: str) -> str:
        return checksum_ok(self.connection, table)

    def _text(self, chunk_id: int, blob: bytes, intact: int) -> str:
        """Unpack a chunk's text. Raises IndexCorruptError."""
        self._require_intact(chunk_id, intact)
        try:
            return unpack_text(blob)
        except (zlib.error, UnicodeDecodeError) as error:
            raise self.damaged(f"the text of chunk {chunk_id} can't be unpacked ({error})") from error

    def _require_intact(self, chunk_id: int, intact: int) -> None:
        if not intact:
            raise self.damaged(f"chunk {chunk_id}, or the file that it belongs to, is damaged in the catalog")

    def copy_to(self, folder: Path) -> None:
        """Copy the catalog, as this connection sees it, into an empty folder."""
        with closing(connect_database(folder / CATALOG_FILE)) as copy:
            self.connection.backup(copy)

    def release_space(self) -> None:
        """Return unused pages, which staging and deleted files leave, to the file system."""
        # As a script: `execute` steps a statement without columns once, which would give back a single page.
        self.connection.executescript("PRAGMA incremental_vacuum;")


def pack_text(text: str) -> bytes:
    """Compress a chunk's text as the catalog stores it. Lone surrogates survive."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 6)


def unpack_text(blob: bytes | float | str | None) -> str:
    """Invert `pack_text`. Raises zlib.error, also for a text above TEXT_LIMIT, and UnicodeDecodeError.

    In a catalog that is cut short or damaged, a text may be read as None or as a number.
    """
    if not isinstance(blob, bytes):
        raise zlib.error(f"it is read as {type(blob).__name__}, not as bytes")
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(blob, TEXT_LIMIT)
    if not unpacker.eof:
        raise zlib.error("it is cut short, or too long")
    return data.decode("utf-8", "surrogatepass")


def hash_text(text: str) -> int:
    """Return the blake2b-64 of a chunk's text as SQLite's signed integer: equal texts have equal hashes."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _chunk_row(file_id: int | None, number: int, chunk: Chunk) -> tuple[int | str | bytes | None, ...]:
    place = (chunk.start_char, chunk.end_char, chunk.start_line, chunk.end_line, chunk.page)
    heading = _without_surrogates(chunk.heading)
    return (file_id, number, *place, heading, hash_text(chunk.text), pack_text(chunk.text))


def _without_surrogates(text: str | None) -> str | None:
    """Replace lone surrogates, which damaged documents have and SQLite's TEXT can't hold."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
