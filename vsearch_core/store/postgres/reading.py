"""Read an index on a PostgreSQL server, in one read-only transaction: all answers come from one generation."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError, IndexNotFoundError, StorageError
from vsearch_core.store.catalog import ChunkPlace, FileFacts
from vsearch_core.store.postgres.address import PostgresAddress
from vsearch_core.store.postgres.connection import connect, fixed_point, register_vectors, server_errors
from vsearch_core.store.postgres.postings import join_blocks
from vsearch_core.store.postgres.tables import GRAPH, PARTITIONS
from vsearch_core.store.raw_rows import Row
from vsearch_core.store.server.postings import TermPostings
from vsearch_core.store.server.reading import ChunkVectors, FileRanges, Ids, ServerCatalog
from vsearch_core.store.server.tables import CHUNK_COLUMNS, FILE_COLUMNS, FORMAT_KEY, refuse_other_format

if TYPE_CHECKING:
    from psycopg import Connection

_TERMS_AT_ONCE = 5000  # whose postings are read at a time


class PostgresCatalog(ServerCatalog):
    """An open generation of an index on a PostgreSQL server."""

    most_ef_search: ClassVar[int] = 1000 * PARTITIONS  # pgvector allows 1,000 in each graph
    default_ef_search: ClassVar[int] = 64 * PARTITIONS  # finds 99 % of the ten nearest: docs/adr/0057-postgresql.md

    def __init__(self, address: PostgresAddress, connection: "Connection[Any]", folder: Path) -> None:
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
        refuse_other_format(address.name, settings.get(FORMAT_KEY))
        register_vectors(connection, address)

    @classmethod
    def open(cls, address: PostgresAddress, folder: Path) -> "PostgresCatalog":
        """Connect to the server and open the newest generation."""
        connection = connect(address, writing=False)
        try:
            return cls(address, connection, folder)
        except BaseException:
            connection.close()
            raise

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

    def _sources(self) -> list[Row]:
        return self.rows("SELECT path, options FROM {s}.sources")

    def _skipped(self) -> list[Row]:
        query = "SELECT path, size, mtime_ns, ctime_ns, readers, is_binary::integer, reason FROM {s}.passed_over"
        return self.rows(query)

    def _all_files(self) -> Iterator[Row]:
        query = f"SELECT {', '.join(FILE_COLUMNS)}, crc FROM {{s}}.files"
        return (self._intact("file", row) for row in self.rows(query))

    # Files and chunks

    def _chunk_rows(self, chunk_ids: Iterable[int]) -> list[tuple[Any, ...]]:
        query = f"SELECT {', '.join(CHUNK_COLUMNS)}, crc FROM {{s}}.chunks WHERE id = ANY(%s)"
        return [self._intact("chunk", row) for row in self.rows(query, (list(dict.fromkeys(chunk_ids)),), binary=True)]

    def _files(self, file_ids: Iterable[int]) -> dict[int, tuple[Any, ...]]:
        query = f"SELECT {', '.join(FILE_COLUMNS)}, crc FROM {{s}}.files WHERE id = ANY(%s)"
        return {row[0]: self._intact("file", row) for row in self.rows(query, (list(set(file_ids)),))}

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

    @cached_property
    def files(self) -> FileRanges:
        """The ids of all files and of their chunks, in the order of the chunks."""
        rows = self.rows("SELECT id, first_chunk, chunks FROM {s}.files ORDER BY first_chunk, id", binary=True)
        return FileRanges(*np.array(rows, np.int64).reshape(-1, 3).T.copy())

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
