"""Write an index on a PostgreSQL server: each generation is one transaction of the one writer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from vsearch_core.errors import IndexCorruptError, StorageError
from vsearch_core.store.checksums import row_crc
from vsearch_core.store.postgres.address import PostgresAddress
from vsearch_core.store.postgres.connection import (
    acquire_writer_lock,
    connect,
    fixed_point,
    register_vectors,
    server_errors,
)
from vsearch_core.store.postgres.postings import join_blocks, split_into_blocks
from vsearch_core.store.postgres.tables import GRAPH, MOST_INDEXED_DIMENSIONS, create_graph, create_tables
from vsearch_core.store.raw_rows import FILE_FACTS, SKIPPED_FACTS, Row
from vsearch_core.store.server.postings import TermPostings, without
from vsearch_core.store.server.tables import (
    CHUNK_COLUMNS,
    FILE_COLUMNS,
    FIRST_SEGMENT,
    FORMAT_KEY,
    NEXT_SEGMENT,
    ROWS,
    TERMS,
    new_settings,
    refuse_other_format,
)
from vsearch_core.store.server.writing import ServerSegment, ServerWriter
from vsearch_core.store.tables import LINEAGE

if TYPE_CHECKING:
    from psycopg import Connection

_TERMS_AT_ONCE = 20_000  # blocks of postings that a compaction reads at a time


class PostgresWriter(ServerWriter):
    """The one writer of an index on a PostgreSQL server, with the advisory lock on it."""

    address: PostgresAddress

    def __init__(self, address: PostgresAddress, connection: "Connection[Any]") -> None:
        """Wrap a connection that has the writer lock; `close` closes it."""
        self.address = address
        self.connection = connection
        self._state: tuple[str, str] | None = None

    @classmethod
    def open(cls, address: PostgresAddress) -> "PostgresWriter":
        """Connect to a server that accepts writes, and lock the index. Raises IndexLockedError."""
        connection = connect(address, writing=True)
        try:
            acquire_writer_lock(connection, address)
            return cls(address, connection)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the connection, which releases the lock."""
        self.connection.close()

    @property
    def exists(self) -> bool:
        """Return True if the schema has an index."""
        return bool(
            self._run("SELECT to_regclass(%s)", (f"{self.address.quoted_schema}.settings",)).fetchone() != (None,)
        )

    def create(self, settings: Mapping[str, str], dimension: int, root: str) -> None:
        """Create the tables of a new index with these settings, in one transaction."""
        with server_errors(self.address), self.connection.transaction():
            encoding = self.connection.execute("SHOW server_encoding").fetchone()
            if encoding != ("UTF8",):
                reason = f"its database has the encoding {encoding and encoding[0]}, not UTF8"
                raise StorageError(self.address.name, reason, "server-not-utf8")
            create_tables(self.connection, self.address.quoted_schema, dimension)
            self._put(new_settings(settings, root))

    def settings(self) -> dict[str, str]:
        """Return all settings. Raises IndexVersionError for tables of another version."""
        found = dict(self._run("SELECT key, value FROM {s}.settings").fetchall())
        refuse_other_format(self.address.name, found.get(FORMAT_KEY))
        if self._state is None:
            register_vectors(self.connection, self.address)
        self._state = found[LINEAGE], found["generation"]
        return found

    def files(self) -> list[Row]:
        """Return the FILE_FACTS of all files."""
        return list(self._run(f"SELECT {', '.join(FILE_FACTS)} FROM {{s}}.files").fetchall())

    def sources(self) -> set[Row]:
        """Return the paths of all sources with their options as JSON."""
        return set(self._run("SELECT path, options FROM {s}.sources").fetchall())

    def skipped(self) -> set[Row]:
        """Return the SKIPPED_FACTS of all skipped files."""
        query = "SELECT path, size, mtime_ns, ctime_ns, readers, is_binary::integer, reason FROM {s}.passed_over"
        return set(self._run(query).fetchall())

    @contextmanager
    def commit(self) -> Iterator[dict[str, str]]:
        """Run the block in a transaction that makes a new generation.

        Yield the settings; those that the block changes in this dictionary are stored. Raises StorageError with the
        code "server-index-changed" if another writer has committed since `settings` was called, which is only possible
        if the connection was lost, or is shared with others by a pool.
        """
        with server_errors(self.address), self.connection.transaction():
            self._run("SELECT value FROM {s}.settings WHERE key = 'generation' FOR UPDATE")
            before = dict(self._run("SELECT key, value FROM {s}.settings").fetchall())
            if (before[LINEAGE], before["generation"]) != self._state:
                raise StorageError(self.address.name, "another writer has changed it meanwhile", "server-index-changed")
            settings = dict(before)
            yield settings
            settings["generation"] = str(int(before["generation"]) + 1)
            settings["last_commit"] = datetime.now(UTC).isoformat(timespec="seconds")
            self._put({key: value for key, value in settings.items() if before.get(key) != value})
        self._state = settings[LINEAGE], settings["generation"]

    # The methods below are called within `commit`.

    def add_files(self, rows: Iterable[Row]) -> None:
        """Add files: FILE_FACTS and the id of the first chunk."""
        self._copy("files", (*FILE_COLUMNS, "crc"), map(_sealed, rows))

    def add_segment(self, segment: ServerSegment, number: int) -> None:
        """Add chunks with their vectors and postings."""
        self._copy("chunks", (*CHUNK_COLUMNS, "crc"), map(_sealed, segment.chunks))
        floats = segment.vectors.astype(np.float32)
        ids = (row[0] for row in segment.chunks)
        self._copy("vectors", ("id", "vector", "sample"), zip(ids, floats, segment.samples, strict=True))
        self._add_postings(segment.postings, number)

    def _add_postings(self, lists: Iterable[tuple[bytes, TermPostings]], segment: int) -> None:
        columns = ("term", "segment", "block", "count", "data")
        rows = (
            (term, segment, block.number, block.size, block.data)
            for term, found in lists
            for block in split_into_blocks(found)
        )
        self._copy("postings", columns, rows)

    def remove_files(self, file_ids: Sequence[int]) -> int:
        """Remove files with their chunks and vectors; return the number of chunks. Postings stay until a compaction."""
        if not file_ids:
            return 0
        ids = list(file_ids)
        found = "SELECT generate_series(first_chunk, first_chunk + chunks - 1) FROM {s}.files WHERE id = ANY(%s)"
        chunks = [number for (number,) in self._run(found, (ids,)).fetchall()]
        self._run("DELETE FROM {s}.chunks WHERE id = ANY(%s)", (chunks,))
        self._run("DELETE FROM {s}.vectors WHERE id = ANY(%s)", (chunks,))
        self._run("INSERT INTO {s}.removed_chunks SELECT unnest(%s::bigint[])", (chunks,))
        self._run("DELETE FROM {s}.files WHERE id = ANY(%s)", (ids,))
        return len(chunks)

    def replace_files(self, rows: Iterable[Row]) -> None:
        """Replace the rows of files whose times have changed; their chunks stay."""
        for row in rows:
            (first,) = self._run("SELECT first_chunk FROM {s}.files WHERE id = %s", (row[0],)).fetchone() or (0,)
            self._run("DELETE FROM {s}.files WHERE id = %s", (row[0],))
            self.add_files([(*row, first)])

    def replace_sources(self, rows: Iterable[Row]) -> None:
        """Replace all sources."""
        self._run("DELETE FROM {s}.sources")
        self._copy("sources", ("path", "options"), rows)

    def change_skipped(self, added: Iterable[Row], removed: Iterable[Row]) -> None:
        """Add SKIPPED_FACTS, and remove others."""
        self._run("DELETE FROM {s}.passed_over WHERE path = ANY(%s)", ([row[0] for row in removed],))
        columns = [name if name != "binary" else "is_binary" for name in SKIPPED_FACTS]
        rows = ((*row[:5], bool(row[5]), _without_nul(row[6])) for row in added)
        self._copy("passed_over", columns, rows)

    def merge_postings(self, settings: dict[str, str]) -> int:
        """Merge the postings of all segments, and drop those of removed chunks. Return the number of these."""
        removed = np.array(self._run("SELECT id FROM {s}.removed_chunks ORDER BY id").fetchall(), np.int64).reshape(-1)
        lengths: dict[int, int] = {}  # of removed chunks
        segment = int(settings[NEXT_SEGMENT])
        after = b""
        while rows := self._postings_after(after, segment):
            after = rows[-1][0]
            lists = []
            for term, blocks in groupby(rows, itemgetter(0)):
                found = self._joined([(count, data) for _, count, data in blocks])
                kept = without(found, removed)
                if len(kept.ids) < len(found.ids):
                    gone = np.isin(found.ids, removed)
                    lengths |= zip(found.ids[gone].tolist(), found.lengths[gone].tolist(), strict=True)
                if len(kept.ids):
                    lists.append((term, kept))
            bounds = (rows[0][0], after, segment)
            self._run("DELETE FROM {s}.postings WHERE term >= %s AND term <= %s AND segment < %s", bounds)
            self._add_postings(lists, segment)
        self._run("DELETE FROM {s}.removed_chunks")
        settings[NEXT_SEGMENT] = str(segment + 1)
        settings[FIRST_SEGMENT] = str(segment)
        settings[ROWS] = str(int(settings[ROWS]) - len(removed))
        settings[TERMS] = str(int(settings[TERMS]) - sum(lengths.values()))
        return len(removed)

    def _postings_after(self, term: bytes, segment: int) -> list[Row]:
        """Return the next blocks of postings by terms, of whole terms, that are not of the new segment."""
        query = (
            "SELECT term, count, data FROM {s}.postings WHERE term > %s AND segment < %s"
            " ORDER BY term, segment, block LIMIT %s"
        )
        found: list[Row] = self._run(query, (term, segment, _TERMS_AT_ONCE)).fetchall()
        if len(found) == _TERMS_AT_ONCE:  # the last term may have more
            last = found[-1][0]
            whole = "SELECT term, count, data FROM {s}.postings WHERE term = %s AND segment < %s"
            whole += " ORDER BY segment, block"
            found = [row for row in found if row[0] != last] + self._run(whole, (last, segment)).fetchall()
        return found

    def _joined(self, blocks: Sequence[tuple[int, bytes]]) -> TermPostings:
        try:
            return join_blocks(blocks)
        except ValueError as error:
            reason = f"its postings are damaged ({error})"
            raise IndexCorruptError(self.address.name, reason, "server-index-damaged") from None

    # Not within `commit`

    def build_graph(self, dimension: int) -> bool:
        """Build the graph over the vectors, unless there is one, or they are too long. Return True if it was built."""
        name = f"{self.address.quoted_schema}.{GRAPH}"
        exists = self._run("SELECT to_regclass(%s)", (name,)).fetchone() != (None,)
        if exists or dimension > MOST_INDEXED_DIMENSIONS:
            return False
        with server_errors(self.address):
            create_graph(self.connection, self.address.quoted_schema, dimension)
        return True

    def has_removed_chunks(self) -> bool:
        """Return True if there are postings of removed chunks."""
        found = self._run("SELECT EXISTS (SELECT 1 FROM {s}.removed_chunks)").fetchone()
        return bool(found == (True,))

    def size(self) -> int:
        """Return the size of the index on the server, its tables and their indexes."""
        query = (
            "SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint FROM pg_class"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = %s AND relkind = 'r'"
        )
        return int(self._run(query, (self.address.schema,)).fetchone()[0])

    def clean(self) -> None:
        """Give the space of deleted rows back to later writes, and update the planner's statistics."""
        for table in ("files", "chunks", "vectors", "postings", "removed_chunks"):
            self._run(f"VACUUM (ANALYZE) {{s}}.{table}")

    def copies_of(self, hashes: Sequence[int]) -> list[tuple[int, bytes, bytes | None, bytes]]:
        """Return the hash, text, windows and fixed-point vector of chunks whose texts have these hashes."""
        query = "SELECT hash, text, windows, vector FROM {s}.chunks JOIN {s}.vectors USING (id) WHERE hash = ANY(%s)"
        rows = self._run(query, (list(hashes),), binary=True).fetchall()
        return [(*row, fixed_point([vector], -1).tobytes()) for *row, vector in rows]

    def _put(self, settings: Mapping[str, str]) -> None:
        query = "INSERT INTO {s}.settings VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        for pair in settings.items():
            self._run(query, pair)

    def _copy(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        statement = f"COPY {self.address.quoted_schema}.{table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
        types = [_TYPES.get(column, "int8") for column in columns]
        if table == "files":
            types[columns.index("hash")] = "bytea"
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

    def _run(self, query: str, values: Sequence[object] = (), *, binary: bool = False) -> Any:
        text = query.replace("{s}", self.address.quoted_schema)
        with server_errors(self.address):
            return self.connection.execute(text, values or None, binary=binary)


_TYPES = {
    **dict.fromkeys(("path", "name", "ext", "dir", "title", "language", "meta", "heading", "options"), "text"),
    **dict.fromkeys(("readers", "reason"), "text"),
    **dict.fromkeys(("term", "data", "windows", "text"), "bytea"),
    **dict.fromkeys(("chunks", "ordinal", "start_char", "end_char", "start_line", "end_line", "page"), "int4"),
    **dict.fromkeys(("segment", "block", "count"), "int4"),
    "is_binary": "bool",
    "vector": "vector",
}


def _sealed(row: Row) -> Row:
    """Return a row with its checksum as the last value. PostgreSQL's texts can't hold the character NUL."""
    values = tuple(_without_nul(value) if isinstance(value, str) else value for value in row)
    return (*values, row_crc(*values))


def _without_nul(text: str) -> str:
    return text.replace("\0", "\ufffd")
