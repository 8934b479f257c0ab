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
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.model import Chunk, JsonValue
from vsearch_core.store import schema
from vsearch_core.store.folders import sync_folder
from vsearch_core.store.lost import refuse_lost
from vsearch_core.store.schema import CATALOG_FILE
from vsearch_core.store.segment import Manifest, is_segment_name, manifest_from_json, manifest_to_json
from vsearch_core.store.texts import hash_text, pack_text, unpack_text


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
class StoredChunk:
    """A chunk as it is shown: its file's path, its number in the file, and the chunk."""

    path: str
    ordinal: int
    chunk: Chunk


class Catalog:
    """A connection to the catalog.

    Methods raise what SQLite raises; callers turn that into StorageError or IndexCorruptError by `storage_errors`.
    """

    def __init__(self, index: Path, connection: sqlite3.Connection) -> None:
        self.index = index
        self.connection = connection

    @classmethod
    def create(cls, index: Path, settings: Mapping[str, str]) -> "Catalog":
        """Make a catalog where none is, with its settings, and open it for writing."""
        with cls.new(index) as catalog:
            catalog.connection.executemany("INSERT INTO settings (key, value) VALUES (?, ?)", settings.items())
            schema.begin_lineage(catalog.connection)
        return cls.open_to_write(index)

    @classmethod
    @contextmanager
    def new(cls, index: Path) -> Iterator["Catalog"]:
        """An empty catalog, to be filled inside the block; it appears in `index`, whole, when the block has ended."""
        fresh = index / f"{CATALOG_FILE}.new"
        for suffix in ("", "-journal"):  # what an interrupted creation left
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
        connection = schema.begin(fresh)
        try:
            yield cls(index, connection)
            schema.complete(connection)
        finally:
            connection.close()
        fresh.rename(index / CATALOG_FILE)
        sync_folder(index)

    @classmethod
    def open_to_write(cls, index: Path) -> "Catalog":
        """Open for writing; the caller holds the writer lock. An older format is migrated."""
        refuse_lost(index)
        return cls._verified(index, schema.open_to_write(index))

    @classmethod
    def open_to_read(cls, index: Path) -> "Catalog":
        """Open in a read transaction: all that is read through it belongs to one generation."""
        refuse_lost(index)
        return cls._verified(index, schema.open_to_read(index))

    @classmethod
    def _verified(cls, index: Path, connection: sqlite3.Connection) -> "Catalog":
        try:
            if not schema.seal_matches(connection):
                raise _damaged(index, "its settings or its list of segments are damaged")
        except BaseException:
            connection.close()
            raise
        return cls(index, connection)

    def close(self) -> None:
        """Close the connection; the last one to close folds the write-ahead log into the catalog."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens, or nothing does. Settings and segments change in one only."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            schema.seal(self.connection)
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
        self.connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (key, value))

    @property
    def generation(self) -> int:
        """The number of commits so far."""
        return int(self.settings().get("generation", 0))

    def sources(self) -> dict[str, dict[str, JsonValue]]:
        """The paths that were named to `index`, and the options each was walked with."""
        if schema.rows_with_bad_checksums(self.connection, "sources"):
            raise _damaged(self.index, "its list of sources is damaged")
        try:
            query = "SELECT path, options FROM sources"
            return {path: dict(json.loads(options)) for path, options in self.connection.execute(query)}
        except (ValueError, TypeError, RecursionError) as error:
            raise _damaged(self.index, "its list of sources is damaged") from error

    def put_source(self, path: str, options: Mapping[str, JsonValue]) -> None:
        """Remember a path for the next refresh."""
        values = (path, json.dumps(options))
        self.connection.execute("INSERT OR REPLACE INTO sources (path, options) VALUES (?, ?)", values)

    def drop_source(self, path: str) -> None:
        """Forget a path that was named."""
        self.connection.execute("DELETE FROM sources WHERE path = ?", (path,))

    # Files and chunks

    def files(self, *, live: bool) -> dict[str, FileRecord]:
        """All live, or all staged, files by path."""
        query = "SELECT id, path, size, mtime_ns, ctime_ns, hash, chunks FROM files WHERE live = ?"
        return {row[1]: FileRecord(*row) for row in self.connection.execute(query, (int(live),))}

    def update_times(self, file_id: int, mtime_ns: int, ctime_ns: int) -> None:
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

    def delete_files(self, file_ids: Iterable[int]) -> None:
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
            f"SELECT chunks.id, text, {self._sound('chunks')} FROM files JOIN chunks ON file_id = files.id"
            " WHERE NOT live AND chunks.id > ? AND chunks.id NOT IN (SELECT chunk_id FROM staged)"
            " ORDER BY chunks.id LIMIT ?",
            (after, limit),
        )
        return [(chunk_id, self.unpacked(chunk_id, blob, sound)) for chunk_id, blob, sound in rows]

    def find_embedded_copy(self, chunk_id: int) -> tuple[int, bytes | None] | None:
        """A chunk with the same text that has a vector: its id, and the vector if it is staged; None if none has."""
        sound = schema.checksum_ok(self.connection, "chunks", "other")
        row: tuple[int, bytes | None] | None = self.connection.execute(
            "SELECT other.id, vector FROM chunks JOIN chunks AS other"
            f" ON other.hash = chunks.hash AND other.text = chunks.text AND {sound}"
            " JOIN files ON files.id = other.file_id LEFT JOIN staged ON chunk_id = other.id"
            f" WHERE chunks.id = ? AND (vector IS NULL AND live OR {self._sound('staged')}) LIMIT 1",
            (chunk_id,),
        ).fetchone()
        return row

    def stage_vectors(self, chunk_ids: Iterable[int], vectors: NDArray[Any] | Iterable[bytes]) -> None:
        """Keep vectors, shape (n, dimension), until a segment takes them; their bytes come back as they are."""
        rows = zip(chunk_ids, map(bytes, vectors), strict=True)
        self.connection.executemany("INSERT OR REPLACE INTO staged (chunk_id, vector) VALUES (?, ?)", rows)

    def delete_staged_vectors(self) -> None:
        """Delete all staged vectors; their chunks are embedded again."""
        self.connection.execute("DELETE FROM staged")

    def complete_files(self) -> list[int]:
        """The staged files all of whose chunks have vectors, files without any chunk included, by id."""
        rows = self.connection.execute(
            "SELECT files.id FROM files WHERE NOT live AND chunks ="
            " (SELECT count(*) FROM chunks JOIN staged ON chunk_id = chunks.id WHERE file_id = files.id) ORDER BY id"
        )
        return [file_id for (file_id,) in rows]

    def staged_rows(self, file_ids: Iterable[int]) -> Iterator[tuple[int, int, bytes]]:
        """The staged chunks of the files as (chunk id, file id, vector's bytes), in the files' order."""
        query = (
            f"SELECT id, vector, {self._sound('chunks')} AND {self._sound('staged')}"
            " FROM chunks JOIN staged ON chunk_id = id WHERE file_id = ? ORDER BY ordinal"
        )
        for file_id in file_ids:
            for chunk_id, vector, sound in self.connection.execute(query, (file_id,)):
                self._require_sound(chunk_id, sound)
                yield chunk_id, file_id, vector

    def publish_files(self, file_ids: Iterable[int]) -> None:
        """Make staged files live. Their former versions must be forgotten first."""
        for file_id in file_ids:
            self.connection.execute("UPDATE files SET live = 1 WHERE id = ?", (file_id,))
            self.connection.execute(
                "DELETE FROM staged WHERE chunk_id IN (SELECT id FROM chunks WHERE file_id = ?)", (file_id,)
            )

    def unpublish_files(self, file_ids: Iterable[int]) -> list[str]:
        """Make live files staged again, or forget those that have a staged version; returns the paths."""
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
        """The ids of the chunks of all staged files."""
        query = "SELECT chunks.id FROM chunks JOIN files ON files.id = file_id WHERE NOT live ORDER BY chunks.id"
        return [number for (number,) in self.connection.execute(query)]

    # Segments

    def segments(self) -> list[SegmentRecord]:
        """The committed segments, oldest first."""
        rows = self.connection.execute("SELECT id, name, rows, manifest, dead FROM segments ORDER BY id")
        return [self._segment(*row) for row in rows]

    def _segment(self, number: int, name: str, rows: int, manifest: str, dead: bytes | None) -> SegmentRecord:
        """The record of untrusted values: nothing in it leads out of the index or costs more than the files do."""
        try:
            entries = manifest_from_json(json.loads(manifest))
            if not is_segment_name(name) or rows not in {entries["chunk_ids"].rows, entries["file_ids"].rows}:
                raise ValueError(name)
            bits = None if dead is None else np.frombuffer(dead, np.uint8)
            if bits is not None and len(bits) != -(-rows // 8):
                raise ValueError(f"{len(bits)} bytes of tombstones for {rows} rows")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _damaged(self.index, f"what it says of segment {number} is damaged ({error})") from error
        buried = None if bits is None else np.unpackbits(bits, count=rows).astype(np.bool_)
        return SegmentRecord(number, name, rows, entries, buried)

    def add_segment(self, name: str, rows: int, manifest: Manifest) -> int:
        """Name a segment whose files are on disk; its id."""
        values = (name, rows, json.dumps(manifest_to_json(manifest)))
        added = self.connection.execute("INSERT INTO segments (name, rows, manifest) VALUES (?, ?, ?)", values)
        assert added.lastrowid is not None
        return added.lastrowid

    def set_tombstones(self, segment_id: int, dead: NDArray[np.bool_]) -> None:
        """Replace a segment's tombstones, shape (rows,)."""
        self.connection.execute("UPDATE segments SET dead = ? WHERE id = ?", (np.packbits(dead).tobytes(), segment_id))

    def drop_segments(self, segment_ids: Iterable[int]) -> None:
        """Stop naming segments; their files are swept by a writer."""
        self.connection.executemany("DELETE FROM segments WHERE id = ?", ((number,) for number in segment_ids))

    def stored_chunks(self, chunk_ids: Sequence[int]) -> list[StoredChunk]:
        """The chunks with their files' paths, in the order asked for."""
        found = {}
        query = (
            f"SELECT chunks.id, {self._sound('chunks')} AND {self._sound('files')}, text, path, ordinal,"
            " start_char, end_char, start_line, end_line, page, heading"
            " FROM chunks JOIN files ON files.id = file_id WHERE chunks.id = ?"
        )
        for chunk_id in chunk_ids:
            for number, sound, blob, path, ordinal, *place in self.connection.execute(query, (chunk_id,)):
                found[number] = StoredChunk(path, ordinal, Chunk(self.unpacked(number, blob, sound), *place))
        return [found[chunk_id] for chunk_id in chunk_ids]

    def chunk_numbers(self, path: str, first: int = 0, last: int | None = None) -> list[tuple[int, int]]:
        """Return a live file's chunks as (chunk id, number in the file), from number `first` to `last`, inclusive."""
        query = (
            "SELECT chunks.id, ordinal FROM files JOIN chunks ON file_id = files.id"
            " WHERE path = ? AND live AND ordinal >= ? AND (? IS NULL OR ordinal <= ?) ORDER BY ordinal"
        )
        return self.connection.execute(query, (path, first, last, last)).fetchall()

    def refuse_damaged_files(self, chunks: int) -> None:
        """Raise IndexCorruptError unless the live files' rows, which filters go by, are what was written.

        They are all there when they have as many `chunks` in all as the segments have live rows.
        """
        query = f"SELECT coalesce(sum(chunks), 0), total(NOT {self._sound('files')}) FROM files NOT INDEXED WHERE live"
        if self.connection.execute(query).fetchone() != (chunks, 0):
            raise _damaged(self.index, "its list of files is damaged")

    def _sound(self, table: str) -> str:
        return schema.checksum_ok(self.connection, table)

    def unpacked(self, chunk_id: int, blob: bytes, sound: int) -> str:
        """A chunk's text, if its row is `sound`. Raises IndexCorruptError."""
        self._require_sound(chunk_id, sound)
        try:
            return unpack_text(blob)
        except (zlib.error, UnicodeDecodeError) as error:
            raise _damaged(self.index, f"the text of chunk {chunk_id} can't be unpacked ({error})") from error

    def _require_sound(self, chunk_id: int, sound: int) -> None:
        if not sound:
            raise _damaged(self.index, f"chunk {chunk_id}, or the file that it belongs to, is damaged in the catalog")

    def release_space(self) -> None:
        """Give pages that staging, or files that have gone, no longer need back to the file system."""
        # As a script: `execute` steps a statement without columns once, which would give back a single page.
        self.connection.executescript("PRAGMA incremental_vacuum;")


def _chunk_row(file_id: int | None, number: int, chunk: Chunk) -> tuple[int | str | bytes | None, ...]:
    place = (chunk.start_char, chunk.end_char, chunk.start_line, chunk.end_line, chunk.page)
    return (file_id, number, *place, _sound(chunk.heading), hash_text(chunk.text), pack_text(chunk.text))


def _sound(text: str | None) -> str | None:
    """SQLite's TEXT can't hold lone surrogates, which damaged documents have."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def _damaged(index: Path, reason: str) -> IndexCorruptError:
    return IndexCorruptError(str(index), reason)
