"""The SQLite catalog: the index's one source of truth.

A file is *staged* (`live = 0`) while its chunks are being embedded and *live* (`live = 1`) once a segment holds them
all; queries see live files only. A commit is one transaction that adds a segment, makes its files live, and forgets
the versions that they replace.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError, IndexNotFoundError, IndexVersionError, StorageError
from vsearch_core.model import Chunk, JsonValue
from vsearch_core.store.folders import sync_folder
from vsearch_core.store.schema import APPLICATION_ID, FORMAT, SCHEMA
from vsearch_core.store.segment import Manifest, manifest_from_json, manifest_to_json

CATALOG_FILE = "catalog.sqlite"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as the catalog knows it. `path` is relative to the project's root, or absolute outside it.

    `ctime_ns` is 0 where the times can't vouch for the bytes.
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
        """As `SourceFile.stamp`."""
        return self.size, self.mtime_ns, self.ctime_ns


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be staged; `hash` is that of its bytes."""

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
    """A committed segment. `dead` marks rows whose file has gone or changed, shape (rows,), or is None: all live."""

    id: int
    name: str
    rows: int
    manifest: Manifest
    dead: NDArray[np.bool_] | None

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Which rows can still be found, shape (rows,)."""
        return np.ones(self.rows, np.bool_) if self.dead is None else ~self.dead

    @property
    def live_rows(self) -> int:
        """How many rows can still be found."""
        return self.rows - (0 if self.dead is None else int(self.dead.sum()))


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as it is shown: its file's path, its number in the file, and the chunk."""

    path: str
    ordinal: int
    chunk: Chunk


class Catalog:
    """A connection to the catalog. All methods raise StorageError or IndexCorruptError at the caller's `translated`."""

    def __init__(self, index: Path, connection: sqlite3.Connection) -> None:
        self.index = index
        self.connection = connection

    @classmethod
    def create(cls, index: Path, settings: Mapping[str, str]) -> "Catalog":
        """Make a catalog where none is, with its settings, and open it for writing."""
        with cls.new(index) as catalog:
            catalog.connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
        return cls.open_to_write(index)

    @classmethod
    @contextmanager
    def new(cls, index: Path) -> Iterator["Catalog"]:
        """An empty catalog, to be filled inside the block; it appears in `index`, whole, when the block has ended."""
        fresh = index / f"{CATALOG_FILE}.new"
        for suffix in ("", "-journal"):  # what an interrupted creation left
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
        connection = sqlite3.connect(fresh, isolation_level=None)
        try:
            connection.executescript(SCHEMA)
            yield cls(index, connection)
            connection.execute("COMMIT")
            # Last: closing says nothing of a log that can't be folded in, and the log would stay behind at the rename.
            connection.executescript("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        fresh.rename(index / CATALOG_FILE)
        sync_folder(index)

    @classmethod
    def open_to_write(cls, index: Path) -> "Catalog":
        """Open for writing; the caller holds the writer lock."""
        connection = _connect(index, "rw")
        try:
            connection.execute("PRAGMA synchronous = FULL")
            _check_format(index, connection)
        except BaseException:
            connection.close()
            raise
        return cls(index, connection)

    @classmethod
    def open_to_read(cls, index: Path) -> "Catalog":
        """Open in a read transaction: all that is read through it belongs to one generation."""
        connection = _connect(index, "ro")
        try:
            try:
                _check_format(index, connection)
            except sqlite3.OperationalError as error:
                # SQLite can't make its shared-memory file in a read-only folder, nor on a full disk.
                connection.close()
                _refuse_unfolded(index, error)
                connection = _connect(index, "ro", immutable=True)
                _check_format(index, connection)
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM settings").fetchone()  # a read transaction begins at its first read
        except BaseException:
            connection.close()
            raise
        return cls(index, connection)

    def close(self) -> None:
        """Close the connection; the last one to close folds the write-ahead log into the catalog."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens, or nothing does."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    # Settings and sources

    def settings(self) -> dict[str, str]:
        """All settings."""
        return dict(self.connection.execute("SELECT key, value FROM settings"))

    def put_setting(self, key: str, value: str) -> None:
        """Set one setting."""
        self.connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (key, value))

    @property
    def generation(self) -> int:
        """The number of commits so far."""
        return int(self.settings().get("generation", 0))

    def sources(self) -> dict[str, dict[str, JsonValue]]:
        """The paths that were named to `index`, and the options each was walked with."""
        return {path: json.loads(options) for path, options in self.connection.execute("SELECT * FROM sources")}

    def put_source(self, path: str, options: Mapping[str, JsonValue]) -> None:
        """Remember a path for the next refresh."""
        self.connection.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (path, json.dumps(options)))

    def drop_source(self, path: str) -> None:
        """Forget a path that was named."""
        self.connection.execute("DELETE FROM sources WHERE path = ?", (path,))

    # Files and chunks

    def files(self, *, live: bool) -> dict[str, FileRecord]:
        """All live, or all staged, files by path."""
        query = "SELECT id, path, size, mtime_ns, ctime_ns, hash, chunks FROM files WHERE live = ?"
        return {row[1]: FileRecord(*row) for row in self.connection.execute(query, (int(live),))}

    def touch(self, file_id: int, mtime_ns: int, ctime_ns: int) -> None:
        """Note new times of a file whose bytes are the same."""
        values = (mtime_ns, ctime_ns, file_id)
        self.connection.execute("UPDATE files SET mtime_ns = ?, ctime_ns = ? WHERE id = ?", values)

    def stage_file(self, file: NewFile, chunks: Sequence[Chunk]) -> None:
        """Stage a file with its chunks, to be embedded."""
        path = PurePosixPath(file.path)
        folder = "" if path.parent == PurePosixPath() else str(path.parent)
        name = (file.path, path.name, path.suffix.lower().lstrip("."), folder)
        stamp = (file.size, file.mtime_ns, file.ctime_ns, file.hash)
        facts = (_sound(file.title), _sound(file.language), json.dumps(file.meta))
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

    def forget_files(self, file_ids: Iterable[int]) -> None:
        """Delete files, staged or live, with their chunks and staged vectors."""
        for file_id in list(file_ids):
            self.connection.execute(
                "DELETE FROM staged WHERE chunk_id IN (SELECT id FROM chunks WHERE file_id = ?)", (file_id,)
            )
            self.connection.execute("DELETE FROM chunks WHERE file_id = ?", (file_id,))
            self.connection.execute("DELETE FROM files WHERE id = ?", (file_id,))

    def counts(self) -> tuple[int, int, int]:
        """The number of live files, of staged files, and of chunks that still lack a vector."""
        live, staged = self.connection.execute(
            "SELECT count(*) FILTER (WHERE live), count(*) FILTER (WHERE NOT live) FROM files"
        ).fetchone()
        return live, staged, self.count_unembedded()

    # Staged vectors

    def count_unembedded(self) -> int:
        """How many staged chunks have no vector yet."""
        row = self.connection.execute(
            "SELECT (SELECT coalesce(sum(chunks), 0) FROM files WHERE NOT live) - (SELECT count(*) FROM staged)"
        ).fetchone()
        return int(row[0])

    def unembedded(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Up to `limit` staged chunks without a vector, as (id, text), in the order of their ids, past id `after`."""
        rows = self.connection.execute(
            "SELECT chunks.id, text FROM files JOIN chunks ON file_id = files.id"
            " WHERE NOT live AND chunks.id > ? AND chunks.id NOT IN (SELECT chunk_id FROM staged)"
            " ORDER BY chunks.id LIMIT ?",
            (after, limit),
        )
        return [(chunk_id, unpack_text(blob)) for chunk_id, blob in rows]

    def same_text(self, chunk_id: int) -> tuple[int, bytes | None] | None:
        """A chunk with the same text that has a vector: its id, and the vector if it is staged; None if none has."""
        row: tuple[int, bytes | None] | None = self.connection.execute(
            "SELECT other.id, vector FROM chunks JOIN chunks AS other"
            " ON other.hash = chunks.hash AND other.text = chunks.text"
            " JOIN files ON files.id = other.file_id LEFT JOIN staged ON chunk_id = other.id"
            " WHERE chunks.id = ? AND (live OR vector IS NOT NULL) LIMIT 1",
            (chunk_id,),
        ).fetchone()
        return row

    def stage_vectors(self, chunk_ids: Iterable[int], vectors: NDArray[Any] | Iterable[bytes]) -> None:
        """Keep vectors, shape (n, dimension), until a segment takes them; their bytes come back as they are."""
        rows = zip(chunk_ids, map(bytes, vectors), strict=True)
        self.connection.executemany("INSERT OR REPLACE INTO staged VALUES (?, ?)", rows)

    def complete_files(self) -> list[int]:
        """The staged files all of whose chunks have vectors, files without any chunk included, by id."""
        rows = self.connection.execute(
            "SELECT files.id FROM files WHERE NOT live AND chunks ="
            " (SELECT count(*) FROM chunks JOIN staged ON chunk_id = chunks.id WHERE file_id = files.id) ORDER BY id"
        )
        return [file_id for (file_id,) in rows]

    def staged_rows(self, file_ids: Iterable[int]) -> Iterator[tuple[int, int, str, bytes]]:
        """The staged chunks of the files as (chunk id, file id, text, vector's bytes), in the files' order."""
        for file_id in file_ids:
            for chunk_id, text, vector in self.connection.execute(
                "SELECT id, text, vector FROM chunks JOIN staged ON chunk_id = id WHERE file_id = ? ORDER BY ordinal",
                (file_id,),
            ):
                yield chunk_id, file_id, unpack_text(text), vector

    def publish_files(self, file_ids: Iterable[int]) -> None:
        """Make staged files live. Their former versions must be forgotten first."""
        for file_id in file_ids:
            self.connection.execute("UPDATE files SET live = 1 WHERE id = ?", (file_id,))
            self.connection.execute(
                "DELETE FROM staged WHERE chunk_id IN (SELECT id FROM chunks WHERE file_id = ?)", (file_id,)
            )

    # Segments

    def segments(self) -> list[SegmentRecord]:
        """The committed segments, oldest first."""
        rows = self.connection.execute("SELECT id, name, rows, manifest, dead FROM segments ORDER BY id")
        return [
            SegmentRecord(number, name, count, manifest_from_json(json.loads(manifest)), _unpack_bits(dead, count))
            for number, name, count, manifest, dead in rows
        ]

    def add_segment(self, name: str, rows: int, manifest: Manifest) -> None:
        """Name a segment whose files are on disk."""
        values = (name, rows, json.dumps(manifest_to_json(manifest)))
        self.connection.execute("INSERT INTO segments (name, rows, manifest) VALUES (?, ?, ?)", values)

    def set_dead(self, segment_id: int, dead: NDArray[np.bool_]) -> None:
        """Replace a segment's tombstones, shape (rows,)."""
        self.connection.execute("UPDATE segments SET dead = ? WHERE id = ?", (np.packbits(dead).tobytes(), segment_id))

    def drop_segments(self, segment_ids: Iterable[int]) -> None:
        """Stop naming segments; their files are swept by a writer."""
        self.connection.executemany("DELETE FROM segments WHERE id = ?", ((number,) for number in segment_ids))

    def passages(self, chunk_ids: Sequence[int]) -> list[Passage]:
        """The chunks with their files' paths, in the order asked for."""
        found = {}
        query = (
            "SELECT chunks.id, path, ordinal, text, start_char, end_char, start_line, end_line, page, heading"
            " FROM chunks JOIN files ON files.id = file_id WHERE chunks.id = ?"
        )
        for chunk_id in chunk_ids:
            for number, path, ordinal, text, *place in self.connection.execute(query, (chunk_id,)):
                found[number] = Passage(path, ordinal, Chunk(unpack_text(text), *place))
        return [found[chunk_id] for chunk_id in chunk_ids]

    def text_bytes(self) -> int:
        """The compressed text's size, in bytes."""
        return int(self.connection.execute("SELECT coalesce(sum(length(text)), 0) FROM chunks").fetchone()[0])

    def release_space(self) -> None:
        """Give pages that staging, or files that have gone, no longer need back to the file system."""
        # As a script: `execute` steps a statement without columns once, which would give back a single page.
        self.connection.executescript("PRAGMA incremental_vacuum;")


def pack_text(text: str) -> bytes:
    """A chunk's text as it is stored. Lone surrogates survive."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 6)


def unpack_text(blob: bytes) -> str:
    """The inverse of `pack_text`."""
    return zlib.decompress(blob).decode("utf-8", "surrogatepass")


def hash_text(text: str) -> int:
    """What chunks of the same text have in common: blake2b-64, as SQLite's signed integer."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _chunk_row(file_id: int | None, number: int, chunk: Chunk) -> tuple[int | str | bytes | None, ...]:
    place = (chunk.start_char, chunk.end_char, chunk.start_line, chunk.end_line, chunk.page)
    return (file_id, number, *place, _sound(chunk.heading), hash_text(chunk.text), pack_text(chunk.text))


def _sound(text: str | None) -> str | None:
    """SQLite's TEXT can't hold lone surrogates, which damaged documents have."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def _unpack_bits(blob: bytes | None, rows: int) -> NDArray[np.bool_] | None:
    return None if blob is None else np.unpackbits(np.frombuffer(blob, np.uint8), count=rows).astype(np.bool_)


def _connect(index: Path, mode: str, *, immutable: bool = False) -> sqlite3.Connection:
    path = index / CATALOG_FILE
    if not path.exists():
        raise IndexNotFoundError(str(index), "there is no index here", "make one with `vsearch index PATH`")
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}" + ("&immutable=1" if immutable else "")
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)
    connection.execute("PRAGMA trusted_schema = OFF")  # a shared index must not run functions through its schema
    return connection


def _refuse_unfolded(index: Path, error: sqlite3.OperationalError) -> None:
    """Raise unless the catalog itself holds all commits: an immutable connection reads no write-ahead log."""
    if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        raise error
    log = index / f"{CATALOG_FILE}-wal"
    if log.exists() and log.stat().st_size:
        raise StorageError(
            str(index),
            "can't be read: it was left in the middle of a run, and nothing can be written there",
            "run `vsearch status` once where the folder can be written",
        )


def _check_format(index: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise IndexCorruptError(str(index / CATALOG_FILE), "is not a vsearch catalog", "choose another --index")
    if version > FORMAT:
        raise IndexVersionError(
            str(index),
            f"the index has format {version}, this vsearch reads up to {FORMAT}",
            "upgrade vsearch (`pip install -U vsearch`)",
        )
