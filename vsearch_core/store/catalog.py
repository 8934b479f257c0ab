"""Access the catalog: the SQLite database that lists an index's files, chunks, segments and settings.

A file is *staged* (`live = 0`) until a segment contains all of its chunks. Then it is *live* (`live = 1`); queries see
only live files. A commit is one transaction that adds a segment, makes its files live, and deletes their former
versions. The segment may lack vectors: then only keywords find the file, and the vectors of its chunks are staged until
a later commit moves its rows to a segment with vectors.
"""

import json
import sqlite3
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.json_text import parse_json
from vsearch_core.model import Chunk, JsonValue, KeywordFields, Section
from vsearch_core.own_files import connect_database
from vsearch_core.store import connections
from vsearch_core.store.checksums import checksum_ok, row_crc, rows_with_bad_checksums, seal, seal_matches
from vsearch_core.store.files import sync_folder
from vsearch_core.store.filters import FileConditions, matching_files, metadata_keys
from vsearch_core.store.segment import Manifest, is_segment_name, manifest_from_json, manifest_to_json
from vsearch_core.store.tables import CATALOG_FILE, COUNTERS, FORMAT, LINEAGE, CatalogFormat, is_counter, start_lineage
from vsearch_core.store.texts import PackedChunk, TextUnpacker, equal_texts, pack_chunk, without_surrogates

BLOCK_CHARS = 20_000_000  # of the texts that are embedded in one block: a forged index may have 5 MB in each chunk


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file in the catalog, with the size, times and hash that it had when it was read.

    `path` is relative to the folder around the index, or absolute for a file outside that folder. `chunks` is the
    number of its chunks. `ctime_ns` is 0 if the file was changed shortly before it was read: its bytes can then change
    again without a change of its times.
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
        """Return the size and times, which an update compares to detect a change (see `SourceFile.stamp`)."""
        return self.size, self.mtime_ns, self.ctime_ns


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to add to the catalog as staged. `hash` is the hash of its bytes, and `meta` its metadata."""

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
    """A committed segment, as the catalog lists it.

    `name` is the name of its folder. `tombstones`, shape (rows,), is True for deleted rows; None means that no row is
    deleted.
    """

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
    """A chunk from the catalog, and its number in the file, from 0. `meta` is the file's metadata as JSON.

    `index` is the folder of its index if several indexes are searched as one.
    """

    path: str
    ordinal: int
    chunk: Chunk
    title: str | None = None
    mtime_ns: int = 0
    meta: str = "{}"
    index: str | None = None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A live file's path, its title, its metadata as JSON, and its time of modification.

    `index` is as in `StoredChunk`.
    """

    path: str
    title: str | None
    meta: str
    mtime_ns: int = 0
    index: str | None = None


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """A chunk's id and its position in its file."""

    id: int
    start_char: int
    end_char: int
    start_line: int
    end_line: int
    page: int | None
    heading: str | None


class SettingsReader(Protocol):
    """The part of a catalog with the settings of the index. Catalogs on a server have it, too."""

    @property
    def label(self) -> Path | str:
        """Return the name of the catalog in errors."""

    def settings(self) -> dict[str, str]:
        """Return all settings of the index, by key."""


class CatalogReader(Protocol):
    """The methods of a catalog that searches use. The catalogs of several indexes, read as one, have them, too."""

    @property
    def index(self) -> Path:
        """Return the index folder."""

    def stored_chunks(self, chunk_ids: Sequence[int], most_bytes: int | None = None) -> list[StoredChunk]:
        """Return the chunks with these ids, in the same order."""

    def keyword_fields(
        self, chunk_ids: Iterable[int], most_bytes: int | None = None
    ) -> Iterator[tuple[int, int, KeywordFields]]:
        """Yield (chunk id, file id, texts to index) for each chunk, in the order of the ids."""

    def chunk_numbers(self, path: str, first: int = 0, last: int | None = None) -> list[tuple[int, int]]:
        """Return (chunk id, number in the file) for the chunks of a live file, in order."""

    def chunk_places(self, path: str) -> list[ChunkPlace]:
        """Return the positions of a live file's chunks, in order."""

    def file_facts(self, path: str) -> FileFacts | None:
        """Return the title and the metadata of a live file, or None."""

    def neighbouring_files(self, prefix: str, part: str, most: int) -> list[FileFacts]:
        """Return the last live files by path with a prefix and a part in their paths."""

    def has_file(self, path: str) -> bool:
        """Return True if there is a live file of that path."""

    def live_paths(self) -> list[str]:
        """Return the paths of all live files, sorted."""

    def paths_of_files(self, file_ids: Iterable[int]) -> dict[int, str]:
        """Return the paths of files by their ids."""

    def facts_of_files(self, file_ids: Iterable[int]) -> dict[int, FileFacts]:
        """Return what is known of live files by their ids."""

    def matching_files(self, conditions: FileConditions) -> NDArray[np.int64]:
        """Return the ids of the live files that meet all conditions, ascending."""

    def refuse_damaged_files(self, chunks: int) -> None:
        """Raise IndexCorruptError if the row of a live file is damaged or missing."""


class IndexCatalog(CatalogReader, SettingsReader, Protocol):
    """The catalog of one index, as readers use it, local or on a server."""

    @property
    def state(self) -> tuple[str, int]:
        """Return the lineage and the generation, which together identify a state of the index."""

    def sources(self) -> dict[str, dict[str, JsonValue]]:
        """Return the options of each source, by path."""


class _Settings(dict[str, str]):
    """The settings of an index, by key. An index that was tampered with may lack some."""

    def __init__(self, pairs: Iterable[tuple[str, str]], damaged: Callable[[str], IndexCorruptError]) -> None:
        super().__init__(pairs)
        self._damaged = damaged

    def __missing__(self, key: str) -> str:
        raise self._damaged(f"its settings are damaged ({key} is missing)")


class Catalog:
    """An open catalog of the index in the folder `index`. Only one thread at a time may use it.

    Methods raise IndexCorruptError for damaged rows, and sqlite3.Error for other failures, which callers convert by
    `storage_errors`. `label` is the name of the catalog in errors: by default the index folder, and for a catalog from
    an archive the name of the archive.
    """

    def __init__(self, index: Path, connection: sqlite3.Connection, label: Path | None = None) -> None:
        """Wrap an open connection, which `close` closes."""
        self.index = index
        self.connection = connection
        self.label = label or index
        self._conditions: dict[tuple[str, str | None], str] = {}
        self._staged_from = 0  # see `_first_staged`

    @classmethod
    def create(cls, index: Path, settings: Mapping[str, str], *, label: Path | None = None) -> "Catalog":
        """Create a catalog with these settings in the folder `index`. Return it, open for writing."""
        with cls.new(index) as catalog:
            catalog.connection.executemany("INSERT INTO settings (key, value) VALUES (?, ?)", settings.items())
            start_lineage(catalog.connection)
        return cls.open_to_write(index, label=label)

    @classmethod
    @contextmanager
    def new(cls, index: Path) -> Iterator["Catalog"]:
        """Yield an empty catalog for the block to fill.

        It is written to a temporary file, which becomes the catalog in the folder `index` when the block ends.
        """
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
        """Open the catalog for writing and return it. An older format is migrated first.

        The caller must have the writer lock (`store.lock`).
        """
        connections.refuse_lost_catalog(index)
        return cls._verified(index, connections.open_to_write(index, catalog_format), label)

    @classmethod
    def open_to_read(
        cls, index: Path, catalog_format: CatalogFormat = FORMAT, *, check_same_thread: bool = True
    ) -> "Catalog":
        """Open the catalog in a read transaction and return it: all that it reads belongs to one generation.

        If `check_same_thread` is false, several threads may use the catalog, one at a time.
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
            settings = catalog.settings()
            for key in COUNTERS:
                if not is_counter(settings.get(key, "0")):
                    raise catalog.damaged(f"its settings are damaged ({key} is not a number)")
        except BaseException:
            connection.close()
            raise
        return catalog

    def damaged(self, reason: str) -> IndexCorruptError:
        """Return an IndexCorruptError about this catalog, with the given reason."""
        return IndexCorruptError(str(self.label), reason)

    def close(self) -> None:
        """Close the connection. The last one to close merges the write-ahead log into the catalog file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction: commit its changes, or roll them back if it raises an exception.

        Settings and segments must be changed in such a block, because it also updates their checksum, the seal
        (`store.checksums`).
        """
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
        """Return all settings of the index, by key. Taking one that is missing raises IndexCorruptError."""
        return _Settings(self.connection.execute("SELECT key, value FROM settings"), self.damaged)

    def put_setting(self, key: str, value: str) -> None:
        """Store a setting, or replace its value, within a transaction."""
        self._write_sealed("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (key, value))

    def _write_sealed(self, statement: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        """Change settings or segments. Without a transaction, nothing would update their checksum, the seal."""
        assert self.connection.in_transaction, "settings and segments must be changed within a transaction"
        return self.connection.execute(statement, values)

    @property
    def generation(self) -> int:
        """Return the number of the generation. Each commit increases it."""
        return int(self.settings().get("generation", 0))

    @property
    def state(self) -> tuple[str, int]:
        """Return the lineage and the generation, which together identify a state of the index.

        The lineage is a random id. An index that is deleted and created again gets a new one.
        """
        settings = self.settings()
        return settings.get(LINEAGE, ""), int(settings.get("generation", 0))

    def sources(self) -> dict[str, dict[str, JsonValue]]:
        """Return the options of each source, by path. Raises IndexCorruptError.

        A source is a file or folder that the user named to be indexed.
        """
        if rows_with_bad_checksums(self.connection, "sources"):
            raise self.damaged("its list of sources is damaged")
        try:
            query = "SELECT path, options FROM sources"
            return {path: dict(parse_json(options)) for path, options in self.connection.execute(query)}
        except (ValueError, TypeError) as error:
            raise self.damaged("its list of sources is damaged") from error

    def put_source(self, path: str, options: Mapping[str, JsonValue]) -> None:
        """Store a source path with its options, or replace its options."""
        values = (path, json.dumps(options))
        self.connection.execute("INSERT OR REPLACE INTO sources (path, options) VALUES (?, ?)", values)

    def drop_source(self, path: str) -> None:
        """Delete a source path. Its files stay in the index."""
        self.connection.execute("DELETE FROM sources WHERE path = ?", (path,))

    # Files and chunks

    def files(self, *, live: bool) -> dict[str, FileRecord]:
        """Return all live files or all staged files, by path."""
        query = "SELECT id, path, size, mtime_ns, ctime_ns, hash, chunks FROM files WHERE id >= ? AND live = ?"
        rows = self.connection.execute(query, (0 if live else self._first_staged(), int(live)))
        return {row[1]: FileRecord(*row) for row in rows}

    def live_file_times(self) -> NDArray[np.void]:
        """Return the `id`, `mtime_ns` and number of `chunks` of all live files, int64 each, by id."""
        rows = self.connection.execute("SELECT id, mtime_ns, chunks FROM files WHERE live ORDER BY id")
        return np.fromiter(rows, [("id", np.int64), ("mtime_ns", np.int64), ("chunks", np.int64)])

    def live_versions(self) -> Iterator[tuple[int, str, bytes, int]]:
        """Yield (id, path, hash, number of chunks) of each live file, one after the other."""
        yield from self.connection.execute("SELECT id, path, hash, chunks FROM files WHERE live")

    def live_files(self, paths: Iterable[str]) -> dict[str, FileRecord]:
        """Return the live files with these paths, by path."""
        query = "SELECT id, path, size, mtime_ns, ctime_ns, hash, chunks FROM files WHERE path = ? AND live"
        rows = (self.connection.execute(query, (path,)).fetchone() for path in paths)
        return {row[1]: FileRecord(*row) for row in rows if row is not None}

    def update_times(self, file_id: int, mtime_ns: int, ctime_ns: int) -> None:
        """Store new times of a file whose bytes are unchanged."""
        values = (mtime_ns, ctime_ns, file_id)
        self.connection.execute("UPDATE files SET mtime_ns = ?, ctime_ns = ? WHERE id = ?", values)

    def stage_file(self, file: NewFile, chunks: Sequence[Chunk | PackedChunk]) -> range:
        """Add a staged file with its chunks, which are embedded later. Return the ids of the chunks."""
        folder, slash, name = file.path.rpartition("/")
        dot = name.rfind(".")
        ext = name[dot + 1 :].lower() if 0 < dot < len(name) - 1 else ""
        file_id, chunk_id = self._next_id("files"), self._next_id("chunks")
        stamp = (file.size, file.mtime_ns, file.ctime_ns, file.hash)
        facts = (without_surrogates(file.title), without_surrogates(file.language), json.dumps(file.meta))
        row = (file_id, file.path, name, ext, folder or slash, 0, *stamp, *facts, len(chunks))
        self._insert("files", [row])
        packed = (chunk if isinstance(chunk, PackedChunk) else pack_chunk(chunk) for chunk in chunks)
        self._insert("chunks", [(chunk_id + number, file_id, number, *chunk) for number, chunk in enumerate(packed)])
        return range(chunk_id, chunk_id + len(chunks))

    def _first_staged(self) -> int:
        """Return an id below which no file is staged, so that the many live files before it needn't be looked through.

        It only grows, because new files get higher ids. It is kept between two transactions, none of which can then be
        rolled back.
        """
        query = "SELECT id FROM files WHERE id >= ? AND NOT live ORDER BY id LIMIT 1"
        row = self.connection.execute(query, (self._staged_from,)).fetchone()
        first: int = self._next_id("files") if row is None else row[0]
        if not self.connection.in_transaction:
            self._staged_from = first
        return first

    def _next_id(self, table: str) -> int:
        """Return the id that SQLite would give the next row of a table, which no earlier row has had."""
        query = (
            f"SELECT 1 + max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0),"
            f" coalesce((SELECT max(id) FROM {table}), 0))"
        )
        number: int = self.connection.execute(query).fetchone()[0]
        return number

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, given with all their columns, and their checksums, which takes half the time of the trigger."""
        if rows:
            marks = ", ".join("?" * (len(rows[0]) + 1))
            statement = f"INSERT INTO {table} VALUES ({marks})"
            self.connection.executemany(statement, [(*row, row_crc(*row)) for row in rows])

    def delete_files(self, file_ids: Iterable[int]) -> None:
        """Delete files, staged or live, with their chunks and staged vectors."""
        for file_id in list(file_ids):
            self.connection.execute(
                "DELETE FROM staged WHERE chunk_id IN (SELECT id FROM chunks WHERE file_id = ?)", (file_id,)
            )
            self.connection.execute("DELETE FROM chunks WHERE file_id = ?", (file_id,))
            self.connection.execute("DELETE FROM files WHERE id = ?", (file_id,))

    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of live files, of staged files, and of chunks without a vector."""
        live, staged = self.connection.execute(
            "SELECT count(*) FILTER (WHERE live), count(*) FILTER (WHERE NOT live) FROM files"
        ).fetchone()
        return live, staged, self.count_unembedded()

    # Staged vectors

    def count_unembedded(self) -> int:
        """Return the number of chunks of staged files that have no vector yet."""
        row = self.connection.execute(
            "SELECT (SELECT coalesce(sum(chunks), 0) FROM files WHERE id >= ? AND NOT live) - (SELECT count(*)"
            " FROM staged JOIN chunks ON chunks.id = chunk_id JOIN files ON files.id = file_id WHERE NOT live)",
            (self._first_staged(),),
        ).fetchone()
        return int(row[0])

    def chunks_with_staged_vectors(self) -> list[int]:
        """Return the ids of the chunks, of staged and of live files, whose vectors are staged, in ascending order."""
        return [number for (number,) in self.connection.execute("SELECT chunk_id FROM staged ORDER BY chunk_id")]

    def has_staged_vectors(self) -> bool:
        """Return True if the vector of a chunk is staged."""
        return self.connection.execute("SELECT 1 FROM staged").fetchone() is not None

    def unembedded(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Return up to `limit` staged chunks without a vector as (id, text), in ascending order of ids.

        Only ids above `after` are considered. The chunk whose text brings all texts to BLOCK_CHARS is the last.
        """
        rows = self.connection.execute(
            f"SELECT chunks.id, text, {self._ok('chunks')} FROM files JOIN chunks ON file_id = files.id"
            " WHERE files.id >= ? AND NOT live AND chunks.id > ? AND chunks.id NOT IN (SELECT chunk_id FROM staged)"
            " ORDER BY chunks.id LIMIT ?",
            (self._first_staged(), after, limit),
        )
        found: list[tuple[int, str]] = []
        chars = 0
        for chunk_id, blob, intact in rows:
            found.append((chunk_id, self._text(chunk_id, blob, intact)))
            chars += len(found[-1][1])
            if chars >= BLOCK_CHARS:
                break
        return found

    def find_embedded_copy(
        self, chunk_id: int, without_vectors: Container[int] = ()
    ) -> tuple[int, bytes | None] | None:
        """Find an embedded chunk with the same text as the given one. Return (id, record), or None if there is none.

        The record (`store.records`) is None if it is in a segment and not in the catalog. `without_vectors` are the
        live chunks whose segments have no vectors.
        """
        intact = self._ok("chunks", "other")
        rows = self.connection.execute(
            f"SELECT other.id, vector, {intact}, other.text, chunks.text FROM chunks JOIN chunks AS other"
            " ON other.hash = chunks.hash"
            " JOIN files ON files.id = other.file_id LEFT JOIN staged ON chunk_id = other.id"
            f" WHERE chunks.id = ? AND CASE WHEN vector IS NULL THEN live ELSE {self._ok('staged')} END",
            (chunk_id,),
        )  # one row at a time: there may be thousands of equal texts, and checksums are slow
        return next(
            (
                (other, vector)
                for other, vector, is_intact, text, own in rows
                if (vector is not None or other not in without_vectors) and is_intact and equal_texts(text, own)
            ),
            None,
        )

    def stage_vectors(self, chunk_ids: Iterable[int], vectors: NDArray[Any] | Iterable[bytes]) -> None:
        """Store records (`store.records`), or bare vectors, of staged chunks until a commit takes them."""
        rows = zip(chunk_ids, map(bytes, vectors), strict=True)
        self.connection.executemany("INSERT OR REPLACE INTO staged (chunk_id, vector) VALUES (?, ?)", rows)

    def delete_staged_vectors(self) -> None:
        """Delete all staged vectors, so that their chunks are embedded again."""
        self.connection.execute("DELETE FROM staged")

    def complete_files(self) -> list[int]:
        """Return the ids of the staged files whose chunks all have vectors or that have none, in ascending order."""
        rows = self.connection.execute(
            "SELECT files.id FROM files WHERE id >= ? AND NOT live AND chunks ="
            " (SELECT count(*) FROM chunks JOIN staged ON chunk_id = chunks.id WHERE file_id = files.id) ORDER BY id",
            (self._first_staged(),),
        )
        return [file_id for (file_id,) in rows]

    def complete_live_files(self) -> list[int]:
        """Return the ids of the live files all of whose chunks have staged vectors, in ascending order."""
        rows = self.connection.execute(
            "SELECT files.id FROM (SELECT file_id, count(*) AS embedded FROM staged JOIN chunks ON chunks.id = chunk_id"
            " GROUP BY file_id) JOIN files ON files.id = file_id WHERE live AND embedded = chunks ORDER BY files.id"
        )
        return [file_id for (file_id,) in rows]

    def staged_rows(self, file_ids: Iterable[int]) -> Iterator[tuple[int, int, bytes]]:
        """Yield (chunk id, file id, record as bytes) for each chunk of the staged files, file by file."""
        query = (
            f"SELECT id, vector, {self._ok('chunks')} AND {self._ok('staged')}"
            " FROM chunks JOIN staged ON chunk_id = id WHERE file_id = ? ORDER BY ordinal"
        )
        for file_id in file_ids:
            for chunk_id, vector, intact in self.connection.execute(query, (file_id,)):
                self._require_intact(chunk_id, intact)
                yield chunk_id, file_id, vector

    def publish_files(self, file_ids: Iterable[int]) -> None:
        """Make staged files live. Their former live versions must be deleted first."""
        self.connection.executemany("UPDATE files SET live = 1 WHERE id = ?", ((file_id,) for file_id in file_ids))

    def drop_staged_vectors(self, file_ids: Iterable[int]) -> None:
        """Delete the staged vectors of files, which a segment has now."""
        statement = "DELETE FROM staged WHERE chunk_id IN (SELECT id FROM chunks WHERE file_id = ?)"
        self.connection.executemany(statement, ((file_id,) for file_id in file_ids))

    def staged_files(self) -> list[int]:
        """Return the ids of all staged files, in ascending order."""
        query = "SELECT id FROM files WHERE id >= ? AND NOT live ORDER BY id"
        return [file_id for (file_id,) in self.connection.execute(query, (self._first_staged(),))]

    def chunks_of_files(self, file_ids: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Yield (chunk id, file id) for each chunk of the files, file by file, in the order of the file."""
        query = "SELECT id, file_id FROM chunks WHERE file_id = ? ORDER BY ordinal"
        for file_id in file_ids:
            yield from self.connection.execute(query, (file_id,))

    # Segments

    def segments(self) -> list[SegmentRecord]:
        """Return the committed segments, oldest first. Raises IndexCorruptError."""
        rows = self.connection.execute("SELECT id, name, rows, manifest, dead FROM segments ORDER BY id")
        return [self._segment(*row) for row in rows]

    def _segment(self, number: int, name: str, rows: int, manifest: str, dead: bytes | None) -> SegmentRecord:
        """Check untrusted values: a name must not lead out of the index, nor a shape exceed its file."""
        try:
            entries = manifest_from_json(parse_json(manifest))
            if not is_segment_name(name) or rows not in {entries["chunk_ids"].rows, entries["file_ids"].rows}:
                raise ValueError(name)
            bits = None if dead is None else np.frombuffer(dead, np.uint8)
            if bits is not None and len(bits) != -(-rows // 8):
                raise ValueError(f"{len(bits)} bytes of tombstones for {rows} rows")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self.damaged(f"its catalog's entry for segment {number} is damaged ({error})") from error
        tombstones = None if bits is None else np.unpackbits(bits, count=rows).astype(np.bool_)
        return SegmentRecord(number, name, rows, entries, tombstones)

    def add_segment(self, name: str, rows: int, manifest: Manifest) -> int:
        """Add a segment whose files are on disk. Return its id."""
        values = (name, rows, json.dumps(manifest_to_json(manifest)))
        added = self._write_sealed("INSERT INTO segments (name, rows, manifest) VALUES (?, ?, ?)", values)
        assert added.lastrowid is not None
        return added.lastrowid

    def set_tombstones(self, segment_id: int, tombstones: NDArray[np.bool_]) -> None:
        """Replace the tombstones of a segment: shape (rows,), True for deleted rows."""
        packed = np.packbits(tombstones).tobytes()
        self._write_sealed("UPDATE segments SET dead = ? WHERE id = ?", (packed, segment_id))

    def drop_segments(self, segment_ids: Iterable[int]) -> None:
        """Delete segments from the catalog. The next writer deletes their files."""
        for number in segment_ids:
            self._write_sealed("DELETE FROM segments WHERE id = ?", (number,))

    # Chunks by id and by place

    def stored_chunks(self, chunk_ids: Sequence[int], most_bytes: int | None = None) -> list[StoredChunk]:
        """Return the chunks with these ids, in the same order.

        Raises IndexCorruptError, also if all texts together have more than `most_bytes`.
        """
        found = {}
        unpacker = TextUnpacker(most_bytes)
        query = (
            f"SELECT chunks.id, {self._ok('chunks')} AND {self._ok('files')}, text, path, ordinal,"
            " title, mtime_ns, meta, start_char, end_char, start_line, end_line, page, heading"
            " FROM chunks JOIN files ON files.id = file_id WHERE chunks.id = ?"
        )
        for chunk_id in chunk_ids:
            rows = self.connection.execute(query, (chunk_id,))
            for number, intact, blob, path, ordinal, title, mtime_ns, meta, *place in rows:
                text, sections = self._text_and_sections(number, blob, intact, unpacker)
                chunk = replace(Chunk(text, *place), sections=sections)
                found[number] = StoredChunk(path, ordinal, chunk, title, mtime_ns, meta)
        return [found[chunk_id] for chunk_id in chunk_ids]

    def keyword_fields(
        self, chunk_ids: Iterable[int], most_bytes: int | None = None
    ) -> Iterator[tuple[int, int, KeywordFields]]:
        """Yield (chunk id, file id, texts to index) for each chunk, in the order of the ids.

        Ids that the catalog doesn't have are skipped.
        Raises IndexCorruptError, also once the texts together have more than `most_bytes`.
        """
        unpacker = TextUnpacker(most_bytes)
        query = (
            f"SELECT {self._ok('chunks')} AND {self._ok('files')}, file_id, text, path, title, heading, language"
            " FROM chunks JOIN files ON files.id = file_id WHERE chunks.id = ?"
        )
        for chunk_id in chunk_ids:
            for intact, file_id, blob, *facts in self.connection.execute(query, (chunk_id,)):
                yield chunk_id, file_id, KeywordFields(self._text(chunk_id, blob, intact, unpacker), *facts)

    def chunk_numbers(self, path: str, first: int = 0, last: int | None = None) -> list[tuple[int, int]]:
        """Return (chunk id, number in the file) for the chunks of a live file, in order.

        `first` and `last` are the first and last number to return; None means up to the end of the file.
        """
        query = (
            "SELECT chunks.id, ordinal FROM files JOIN chunks ON file_id = files.id"
            " WHERE path = ? AND live AND ordinal >= ? AND (? IS NULL OR ordinal <= ?) ORDER BY ordinal"
        )
        return self.connection.execute(query, (path, first, last, last)).fetchall()

    def chunk_places(self, path: str) -> list[ChunkPlace]:
        """Return the positions of a live file's chunks, in order; rows are verified when their texts are read."""
        query = (
            "SELECT chunks.id, start_char, end_char, start_line, end_line, page, heading"
            " FROM files JOIN chunks ON file_id = files.id WHERE path = ? AND live ORDER BY ordinal"
        )
        return [ChunkPlace(*row) for row in self.connection.execute(query, (path,))]

    def file_facts(self, path: str) -> FileFacts | None:
        """Return the title and the metadata of a live file; None if there is none, or if its row is damaged."""
        query = f"SELECT path, title, meta FROM files WHERE path = ? AND live AND {self._ok('files')}"
        row = self.connection.execute(query, (path,)).fetchone()
        return None if row is None else FileFacts(*row)

    def neighbouring_files(self, prefix: str, part: str, most: int) -> list[FileFacts]:
        """Return the last live files by path with a prefix and a part in their paths; damaged rows are left out."""
        query = (
            "SELECT path, title, meta FROM files WHERE path >= ? AND path < ? AND live AND instr(path, ?)"
            f" AND {self._ok('files')} ORDER BY path DESC LIMIT ?"
        )
        rows = self.connection.execute(query, (prefix, prefix + "\U0010ffff", part, most))
        return [FileFacts(*row) for row in rows]

    def has_file(self, path: str) -> bool:
        """Return True if there is a live file of that path."""
        return self.connection.execute("SELECT 1 FROM files WHERE path = ? AND live", (path,)).fetchone() is not None

    def paths_of_files(self, file_ids: Iterable[int]) -> dict[int, str]:
        """Return the paths of files by their ids; "" for a file that the catalog doesn't have."""
        query = "SELECT path FROM files WHERE id = ?"
        return {number: (self.connection.execute(query, (number,)).fetchone() or ("",))[0] for number in file_ids}

    def facts_of_files(self, file_ids: Iterable[int]) -> dict[int, FileFacts]:
        """Return what is known of live files by their ids; files that the catalog doesn't have are left out.

        Raises IndexCorruptError for a file whose row is damaged.
        """
        found = {}
        query = f"SELECT {self._ok('files')}, path, title, meta, mtime_ns FROM files WHERE id = ? AND live"
        for number in file_ids:
            for intact, path, *facts in self.connection.execute(query, (number,)):
                if not intact:
                    raise self.damaged(f"the row of the file {path} is damaged")
                found[number] = FileFacts(path, *facts)
        return found

    def matching_files(self, conditions: FileConditions) -> NDArray[np.int64]:
        """Return the ids of the live files that meet all conditions, (n,), ascending. Raises FilterError."""
        return matching_files(self.connection, conditions)

    def metadata_keys(self, where: str) -> list[str]:
        """Return the metadata keys that the expression `where` may name, as files spell them."""
        return metadata_keys(self.connection, where)

    def live_paths(self) -> list[str]:
        """Return the paths of all live files, sorted."""
        return [path for (path,) in self.connection.execute("SELECT path FROM files WHERE live ORDER BY path")]

    def live_chunks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ids of all live chunks, ascending, and the ids of their files; both of shape (chunks,)."""
        query = "SELECT chunks.id, file_id FROM chunks JOIN files ON files.id = file_id WHERE live ORDER BY chunks.id"
        pairs = np.array(self.connection.execute(query).fetchall(), np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def text_bytes(self) -> int:
        """Return the total size, in bytes, of the compressed texts of all chunks."""
        (size,) = self.connection.execute("SELECT coalesce(sum(length(text)), 0) FROM chunks").fetchone()
        return int(size)

    def refuse_damaged_files(self, chunks: int) -> None:
        """Raise IndexCorruptError if the row of a live file is damaged or missing. Filters read these rows.

        No row is missing if the files' numbers of chunks add up to `chunks`, the number of live rows in the segments.
        """
        query = f"SELECT coalesce(sum(chunks), 0), total(NOT {self._ok('files')}) FROM files NOT INDEXED WHERE live"
        if self.connection.execute(query).fetchone() != (chunks, 0):
            raise self.damaged("its list of files is damaged")

    def _ok(self, table: str, alias: str | None = None) -> str:
        """Return the condition `checksum_ok`. It is kept, because it takes longer to make than some queries."""
        if (table, alias) not in self._conditions:
            self._conditions[table, alias] = checksum_ok(self.connection, table, alias)
        return self._conditions[table, alias]

    def _text(self, chunk_id: int, blob: bytes, intact: int, unpacker: "TextUnpacker | None" = None) -> str:
        """Unpack a chunk's text. Raises IndexCorruptError."""
        return self._text_and_sections(chunk_id, blob, intact, unpacker or TextUnpacker(None))[0]

    def _text_and_sections(
        self, chunk_id: int, blob: bytes, intact: int, unpacker: "TextUnpacker"
    ) -> tuple[str, tuple[Section, ...]]:
        """Unpack a chunk's text and its sections. Raises IndexCorruptError."""
        self._require_intact(chunk_id, intact)
        try:
            return unpacker.unpack(blob)
        except (zlib.error, ValueError) as error:
            raise self.damaged(f"the text of chunk {chunk_id} can't be unpacked ({error})") from error

    def _require_intact(self, chunk_id: int, intact: int) -> None:
        if not intact:
            raise self.damaged(f"chunk {chunk_id} or its file is damaged in the catalog")

    def copy_to(self, folder: Path) -> None:
        """Copy the catalog, as this connection sees it, into an empty folder."""
        with closing(connect_database(folder / CATALOG_FILE)) as copy:
            self.connection.backup(copy)

    def release_space(self) -> None:
        """Give database pages that are no longer used back to the file system."""
        # As a script: `execute` steps a statement without columns once, which would give back a single page.
        self.connection.executescript("PRAGMA incremental_vacuum;")
