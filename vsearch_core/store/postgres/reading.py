"""Read an index on a PostgreSQL server, in one read-only transaction: all answers come from one generation."""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError, IndexNotFoundError, StorageError
from vsearch_core.json_text import parse_json
from vsearch_core.model import Chunk, JsonValue, KeywordFields
from vsearch_core.store.catalog import Catalog, ChunkPlace, FileFacts, StoredChunk, TextUnpacker
from vsearch_core.store.checksums import add_row_crc, recompute_checksums, row_crc
from vsearch_core.store.filters import FileConditions, matching_files
from vsearch_core.store.postgres.address import ServerAddress
from vsearch_core.store.postgres.connection import connect, fixed_point, register_vectors, server_errors
from vsearch_core.store.postgres.postings import TermPostings, join_blocks
from vsearch_core.store.postgres.tables import (
    CHUNK_COLUMNS,
    FILE_COLUMNS,
    FIRST_SEGMENT,
    FORMAT_KEY,
    GRAPH,
    NEXT_SEGMENT,
    PARTITIONS,
    refuse_other_format,
)
from vsearch_core.store.raw_rows import Row, mirror_rows
from vsearch_core.store.tables import LINEAGE, create_tables

if TYPE_CHECKING:
    from psycopg import Connection

MOST_EF_SEARCH = 1000 * PARTITIONS  # pgvector allows 1,000 in each graph
_TERMS_AT_ONCE = 5000  # whose postings are read at a time
_CHUNKS_AT_ONCE = 2048  # that are read whole, with text and vector: 8 MB

Ids = NDArray[np.int64]


class ChunkVectors(NamedTuple):
    """Chunks with their vectors: ids (n,), and fixed-point vectors (n, dimension) as `ann.flat.to_fixed` makes them."""

    ids: Ids
    vectors: NDArray[np.int16]


class FileRanges(NamedTuple):
    """Files with their chunks: ids, first chunks and numbers of chunks (n,). A file's chunks have consecutive ids."""

    ids: Ids
    first_chunks: Ids
    counts: Ids

    def chunk_ids(self, chosen: NDArray[np.bool_] | None = None) -> Ids:
        """Return the ids of all chunks of the files, or of the chosen ones, ascending."""
        firsts, counts = self.first_chunks, self.counts
        if chosen is not None:
            firsts, counts = firsts[chosen], counts[chosen]
        offsets = np.cumsum(counts) - counts
        found: Ids = np.sort(np.repeat(firsts - offsets, counts) + np.arange(int(counts.sum())))
        return found


class ServerCatalog:
    """An open generation of an index on a server. Only one thread at a time may use it.

    It has the methods of `store.catalog.CatalogReader`, and methods for both routes. They raise IndexCorruptError for
    damaged rows, and StorageError if the server fails.
    """

    def __init__(self, address: ServerAddress, connection: "Connection[Any]", folder: Path) -> None:
        """Begin a transaction on the connection, which `close` closes. Raises IndexNotFoundError.

        `folder` is the folder for staged documents, whose parent is the folder that stored paths start from.
        """
        self.address = address
        self.index = folder
        self.label = address.name
        self.connection = connection
        with server_errors(address):
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            settings = self.settings()
        refuse_other_format(address, settings.get(FORMAT_KEY))
        register_vectors(connection, address)

    @classmethod
    def open(cls, address: ServerAddress, folder: Path) -> "ServerCatalog":
        """Connect to the server and open the newest generation."""
        connection = connect(address, writing=False)
        try:
            return cls(address, connection, folder)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def exists(cls, address: ServerAddress, folder: Path) -> bool:
        """Return True if there is an index that has been committed to."""
        try:
            catalog = cls.open(address, folder)
        except IndexNotFoundError:
            return False
        try:
            return catalog.state[1] > 0
        finally:
            catalog.close()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @cached_property
    def dimension(self) -> int:
        """The number of components of a vector."""
        query = "SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'vector'"
        return int(self.rows(query, (f"{self.address.quoted_schema}.vectors",))[0][0])

    @property
    def is_connected(self) -> bool:
        """Return True if the server still answers: it may have been restarted, or another one has taken over."""
        try:
            return self.rows("SELECT 1") == [(1,)]
        except (StorageError, IndexCorruptError):
            return False

    def damaged(self, reason: str) -> IndexCorruptError:
        """Return an IndexCorruptError about this index, with the given reason."""
        return IndexCorruptError(self.label, reason, "server-index-damaged")

    def rows(self, query: str, values: Sequence[object] = (), *, binary: bool = False) -> list[tuple[Any, ...]]:
        """Return the rows of a query, in which `{s}` stands for the schema."""
        text = query.replace("{s}", self.address.quoted_schema)
        with server_errors(self.address):
            return list(self.connection.execute(text, values, prepare=True, binary=binary).fetchall())

    # Settings and sources

    def settings(self) -> dict[str, str]:
        """Return all settings of the index, by key. Raises IndexNotFoundError."""
        found = dict(self.rows("SELECT key, value FROM {s}.settings"))
        if not found:
            raise IndexNotFoundError(self.label, "there is no index here")
        return found

    @property
    def state(self) -> tuple[str, int]:
        """Return the lineage and the generation, which together identify a state of the index."""
        settings = self.settings()
        return settings.get(LINEAGE, ""), int(settings.get("generation", 0))

    def sources(self) -> dict[str, dict[str, JsonValue]]:
        """Return the options of each source, by path. Raises IndexCorruptError."""
        try:
            return {path: dict(parse_json(options)) for path, options in self.rows("SELECT * FROM {s}.sources")}
        except (ValueError, TypeError) as error:
            raise self.damaged("its list of sources is damaged") from error

    # Files and chunks

    def stored_chunks(self, chunk_ids: Sequence[int], most_bytes: int | None = None) -> list[StoredChunk]:
        """Return the chunks with these ids, in the same order. Raises KeyError for a chunk that isn't there."""
        unpacker = TextUnpacker(most_bytes)
        found: dict[int, StoredChunk] = {}
        rows = self._chunk_rows(chunk_ids)
        files = self._files(row[1] for row in rows)
        for row in rows:
            number, file_id, ordinal, first, end, first_line, last_line, page, heading = row[:9]
            text, sections = self._text(number, row[10], unpacker)
            file = files[file_id]
            chunk = Chunk(text, first, end, first_line, last_line, page, heading, sections)
            found[number] = StoredChunk(file[1], ordinal, chunk, file[9], file[6], file[11])
        return [found[chunk_id] for chunk_id in chunk_ids]

    def keyword_fields(
        self, chunk_ids: Iterable[int], most_bytes: int | None = None
    ) -> Iterator[tuple[int, int, KeywordFields]]:
        """Yield (chunk id, file id, texts to index) for each chunk, in the order of the ids."""
        unpacker = TextUnpacker(most_bytes)
        ids = list(chunk_ids)
        rows = {row[0]: row for row in self._chunk_rows(ids)}
        files = self._files(row[1] for row in rows.values())
        for chunk_id in ids:
            row = rows[chunk_id]
            file, text = files[row[1]], self._text(chunk_id, row[10], unpacker)[0]
            yield chunk_id, row[1], KeywordFields(text, file[1], file[9], row[8], file[10])

    def _chunk_rows(self, chunk_ids: Iterable[int]) -> list[tuple[Any, ...]]:
        query = f"SELECT {', '.join(CHUNK_COLUMNS)}, crc FROM {{s}}.chunks WHERE id = ANY(%s)"
        return [self._intact("chunk", row) for row in self.rows(query, (list(dict.fromkeys(chunk_ids)),), binary=True)]

    def _files(self, file_ids: Iterable[int]) -> dict[int, tuple[Any, ...]]:
        query = f"SELECT {', '.join(FILE_COLUMNS)}, crc FROM {{s}}.files WHERE id = ANY(%s)"
        return {row[0]: self._intact("file", row) for row in self.rows(query, (list(set(file_ids)),))}

    def _intact(self, kind: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
        *values, crc = row
        if row_crc(*values) != crc:
            raise self.damaged(f"the row of {kind} {values[0]} is damaged")
        return tuple(values)

    def _text(self, chunk_id: int, blob: bytes, unpacker: TextUnpacker) -> Any:
        try:
            return unpacker.unpack(blob)
        except (zlib.error, ValueError) as error:
            raise self.damaged(f"the text of chunk {chunk_id} can't be unpacked ({error})") from error

    def chunk_numbers(self, path: str, first: int = 0, last: int | None = None) -> list[tuple[int, int]]:
        """Return (chunk id, number in the file) for the chunks of a file, in order."""
        for start, count in self.rows("SELECT first_chunk, chunks FROM {s}.files WHERE path = %s", (path,)):
            end = count if last is None else min(last + 1, count)
            return [(start + number, number) for number in range(first, end)]
        return []

    def chunk_places(self, path: str) -> list[ChunkPlace]:
        """Return the positions of a file's chunks, in order."""
        query = (
            "SELECT id, start_char, end_char, start_line, end_line, page, heading FROM {s}.chunks"
            " WHERE id = ANY(%s) ORDER BY ordinal"
        )
        return [ChunkPlace(*row) for row in self.rows(query, ([number for number, _ in self.chunk_numbers(path)],))]

    def file_facts(self, path: str) -> FileFacts | None:
        """Return the title and the metadata of a file, or None."""
        rows = self.rows("SELECT path, title, meta FROM {s}.files WHERE path = %s", (path,))
        return FileFacts(*rows[0]) if rows else None

    def neighbouring_files(self, prefix: str, part: str, most: int) -> list[FileFacts]:
        """Return the last files by path with a prefix and a part in their paths."""
        query = (
            "SELECT path, title, meta FROM {s}.files WHERE path >= %s AND path < %s AND strpos(path, %s) > 0"
            " ORDER BY path DESC LIMIT %s"
        )
        return [FileFacts(*row) for row in self.rows(query, (prefix, prefix + "\U0010ffff", part, most))]

    def has_file(self, path: str) -> bool:
        """Return True if there is a file of that path."""
        return "\0" not in path and bool(self.rows("SELECT 1 FROM {s}.files WHERE path = %s", (path,)))

    def live_paths(self) -> list[str]:
        """Return the paths of all files, sorted."""
        return [path for (path,) in self.rows("SELECT path FROM {s}.files ORDER BY path")]

    def paths_of_files(self, file_ids: Iterable[int]) -> dict[int, str]:
        """Return the paths of files by their ids; "" for a file that isn't there."""
        ids = list(file_ids)
        found = dict(self.rows("SELECT id, path FROM {s}.files WHERE id = ANY(%s)", (ids,)))
        return {number: found.get(number, "") for number in ids}

    def refuse_damaged_files(self, chunks: int) -> None:
        """Raise IndexCorruptError unless the files' numbers of chunks add up to `chunks`."""
        (total,) = self.rows("SELECT coalesce(sum(chunks), 0) FROM {s}.files")[0]
        if total != chunks:
            raise self.damaged("its list of files is damaged")

    def matching_files(self, conditions: FileConditions) -> Ids:
        """Return the ids of the files that meet all conditions, (n,), ascending. Raises FilterError.

        A filter's expression is SQLite's (docs/guide.md), so SQLite evaluates it here, over one row a file.
        """
        return matching_files(self._listed.connection, conditions)

    @cached_property
    def _listed(self) -> Catalog:
        return self.listing(verified=False)

    def listing(self, *, verified: bool = True) -> Catalog:
        """Return a catalog in memory that lists the files, sources, skipped files and settings, but no chunks.

        If not `verified`, it has no checksums. Raises IndexCorruptError if a file's row is damaged.
        """
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        create_tables(connection)
        add_row_crc(connection)
        catalog = Catalog(self.index, connection)
        query = f"SELECT {', '.join(FILE_COLUMNS)}, crc FROM {{s}}.files"
        files = (self._intact("file", row)[:-1] for row in self.rows(query))
        skipped = self.rows(
            "SELECT path, size, mtime_ns, ctime_ns, readers, is_binary::integer, reason FROM {s}.passed_over"
        )
        mirror_rows(catalog, files, self.rows("SELECT path, options FROM {s}.sources"), skipped, self.settings(), 0)
        if verified:
            recompute_checksums(connection)
        return catalog

    @cached_property
    def files(self) -> FileRanges:
        """The ids of all files and of their chunks, in the order of the chunks."""
        rows = self.rows("SELECT id, first_chunk, chunks FROM {s}.files ORDER BY first_chunk, id", binary=True)
        return FileRanges(*np.array(rows, np.int64).reshape(-1, 3).T.copy())

    def file_facts_of(self, file_ids: Sequence[int]) -> list[Row]:
        """Return the FILE_FACTS of files, by ascending ids."""
        found = self._files(file_ids)
        return [found[number][:-1] for number in sorted(found)]

    def whole_chunks(self, file_ids: Sequence[int]) -> Iterator[tuple[int, int, Row, bytes | None, NDArray[np.int16]]]:
        """Yield each chunk of files, in order: id, file, CHUNK_FACTS, codes of late windows or None, and vector."""
        ranges = self.files
        ids = ranges.chunk_ids(np.isin(ranges.ids, np.array(file_ids, np.int64))).tolist()
        for start in range(0, len(ids), _CHUNKS_AT_ONCE):
            some = ids[start : start + _CHUNKS_AT_ONCE]
            rows = {row[0]: row for row in self._chunk_rows(some)}
            vectors = self.vectors_of(some)
            if len(rows) < len(some) or vectors.ids.tolist() != some:
                raise self.damaged("chunks or their vectors are missing")
            for number, vector in zip(some, vectors.vectors, strict=True):
                _, file_id, *facts, windows = rows[number]
                yield number, file_id, tuple(facts), windows, vector

    # Keyword route

    def postings(self, terms: Iterable[str]) -> dict[str, TermPostings]:
        """Return the postings of each of the terms."""
        wanted = {term.encode("utf-8", "surrogatepass"): term for term in terms}
        rows = self.rows(
            "SELECT term, count, data FROM {s}.postings WHERE term = ANY(%s) ORDER BY term, segment, block",
            (list(wanted),),
            binary=True,
        )
        return self._joined(rows, wanted)

    def postings_with_prefix(self, prefix: str) -> list[TermPostings]:
        """Return the postings of all terms that start with the prefix."""
        start = prefix.encode("utf-8", "surrogatepass")
        rows = self.rows(
            "SELECT term, count, data FROM {s}.postings WHERE term >= %s AND term < %s ORDER BY term, segment, block",
            (start, start + b"\xff"),
            binary=True,
        )
        terms = {term: term.decode("utf-8", "surrogatepass") for term, _, _ in rows}
        return list(self._joined(rows, terms).values())

    def _joined(self, rows: list[tuple[Any, ...]], names: Mapping[bytes, str]) -> dict[str, TermPostings]:
        blocks: dict[str, list[tuple[int, bytes]]] = {term: [] for term in names.values()}
        for term, count, data in rows:
            blocks[names[term]].append((count, data))
        try:
            return {term: join_blocks(found) for term, found in blocks.items()}
        except ValueError as error:
            raise self.damaged(f"its postings are damaged ({error})") from error

    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Return the number of chunks that contain each of the terms; removed chunks count until a compaction."""
        wanted = {term.encode("utf-8", "surrogatepass"): term for term in terms}
        rows = self.rows(
            "SELECT term, sum(count) FROM {s}.postings WHERE term = ANY(%s) GROUP BY term", (list(wanted),), binary=True
        )
        found = {wanted[term]: int(count) for term, count in rows}
        return {term: found.get(term, 0) for term in wanted.values()}

    def terms_ending_in(self, ending: str) -> dict[str, int]:
        """Return the document frequencies of all terms that end in a text, which takes a scan of all terms."""
        wanted = ending.encode("utf-8", "surrogatepass")
        rows = self.rows(
            "SELECT term, sum(count) FROM {s}.postings WHERE length(term) >= %s"
            " AND substr(term, length(term) - %s) = %s GROUP BY term",
            (len(wanted), len(wanted) - 1, wanted),
        )
        return {bytes(term).decode("utf-8", "replace"): int(count) for term, count in rows}

    @property
    def has_graph(self) -> bool:
        """Return True if there is a graph over the vectors."""
        return self.rows("SELECT to_regclass(%s)", (f"{self.address.quoted_schema}.{GRAPH}",)) != [(None,)]

    def count_rows(self) -> dict[str, int]:
        """Return the numbers of chunks by table."""
        return {table: self.rows(f"SELECT count(*) FROM {{s}}.{table}")[0][0] for table in ("chunks", "vectors")}

    def count_segments(self, settings: Mapping[str, str]) -> int:
        """Return the number of segments that the postings are in: one a commit, until they are merged."""
        return int(settings[NEXT_SEGMENT]) - int(settings.get(FIRST_SEGMENT, "1"))

    def sizes(self) -> dict[str, int]:
        """Return the bytes of the index on the server, tables and their indexes, by part."""
        found = dict.fromkeys(("vectors", "graph", "postings", "text", "catalog"), 0)
        query = (
            "SELECT relname, amname, pg_table_size(pg_class.oid) FROM pg_class LEFT JOIN pg_am ON pg_am.oid = relam"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = %s AND relkind IN ('r', 'i')"
        )
        for name, method, size in self.rows(query, (self.address.schema,)):
            table = name.partition("_")[0]
            part = {"vectors": "vectors", "postings": "postings", "chunks": "text"}.get(table, "catalog")
            found["graph" if method == "hnsw" else part] += size
        return found

    def verify_text(self, chunk_id: int, blob: bytes) -> None:
        """Raise IndexCorruptError if a chunk's packed text can't be unpacked."""
        self._text(chunk_id, blob, TextUnpacker(None))

    @cached_property
    def removed_chunks(self) -> Ids:
        """The ids of chunks that are removed, and whose postings are still there, ascending."""
        rows = self.rows("SELECT id FROM {s}.removed_chunks ORDER BY id", binary=True)
        return np.array(rows, np.int64).reshape(-1)

    def all_postings(self) -> Iterator[TermPostings]:
        """Yield the postings of all terms."""
        after = b""
        while True:
            terms = self.rows(
                "SELECT DISTINCT term FROM {s}.postings WHERE term > %s ORDER BY term LIMIT %s",
                (after, _TERMS_AT_ONCE),
                binary=True,
            )
            if not terms:
                return
            after = terms[-1][0]
            yield from self.postings(term.decode("utf-8", "surrogatepass") for (term,) in terms).values()

    # Vector route

    def nearest(self, vector: NDArray[np.float32], count: int, among: Sequence[int] | None = None) -> ChunkVectors:
        """Return about the `count` chunks nearest to a vector, or those of `among`, by comparing every vector.

        Equal vectors are in the order of the ids. The server computes in single precision: chunks of nearly equal
        scores may be in any order.
        """
        condition, values = ("", ()) if among is None else ("WHERE id = ANY(%s)", (list(among),))
        query = f"SELECT id, vector FROM {{s}}.vectors {condition} ORDER BY vector <#> %s, id LIMIT %s"
        return self._vectors(self.rows(query, (*values, vector, count), binary=True))

    def nearest_by_graph(
        self, vector: NDArray[np.float32], count: int, ef_search: int, among: Sequence[int] | None = None
    ) -> ChunkVectors:
        """Return about the `count` chunks nearest to a vector by a search of the graph, which may miss some.

        Each partition has a graph of its own, which is searched with its share of `ef_search`. With a condition,
        pgvector goes on until it has as many, but not for ever: there may be fewer.
        """
        share = str(-(-ef_search // PARTITIONS))
        dimension = len(vector)
        with server_errors(self.address):
            self.connection.execute("SELECT set_config('hnsw.ef_search', %s, false)", (share,), prepare=True)
            self.connection.execute("SET hnsw.iterative_scan = strict_order", prepare=True)
        condition, values = ("", ()) if among is None else ("WHERE id = ANY(%s)", (list(among),))
        distance = f"vector::halfvec({dimension}) <#> %s::halfvec({dimension})"
        query = f"SELECT id, vector FROM {{s}}.vectors {condition} ORDER BY {distance} LIMIT %s"
        return self._vectors(self.rows(query, (*values, vector, count), binary=True))

    def vectors_of(self, ids: Iterable[int]) -> ChunkVectors:
        """Return the vectors of chunks, by ascending ids."""
        query = "SELECT id, vector FROM {s}.vectors WHERE id = ANY(%s) ORDER BY id"
        return self._vectors(self.rows(query, (list(ids),), binary=True))

    def sampled_vectors(self, count: int) -> NDArray[np.int16]:
        """Return the vectors of up to `count` chunks, those with the lowest `sample` numbers."""
        query = "SELECT id, vector FROM {s}.vectors ORDER BY sample, id LIMIT %s"
        return self._vectors(self.rows(query, (count,), binary=True)).vectors

    def _vectors(self, rows: list[tuple[Any, ...]]) -> ChunkVectors:
        ids = np.array([number for number, _ in rows], np.int64)
        return ChunkVectors(ids, fixed_point([vector for _, vector in rows], self.dimension))

    def window_codes(self, ids: Sequence[int]) -> dict[int, tuple[int, bytes | None]]:
        """Return the file and the codes of the late windows of each chunk, or None if it has none, by chunk id."""
        query = "SELECT id, file_id, windows FROM {s}.chunks WHERE id = ANY(%s)"
        return {number: (file_id, codes) for number, file_id, codes in self.rows(query, (list(ids),), binary=True)}
