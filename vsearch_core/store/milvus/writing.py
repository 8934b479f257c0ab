"""Write an index on Milvus: rows of a new generation are stored first, then the one row that names it.

Milvus has no transactions. What a commit that didn't end has stored is invisible, and is deleted by the next writer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError, IndexNotFoundError, StorageError
from vsearch_core.store.checksums import row_crc
from vsearch_core.store.milvus.address import MilvusAddress
from vsearch_core.store.milvus.connection import SECONDS, MilvusConnection, Rows, WriterLock, server_errors
from vsearch_core.store.milvus.reading import (
    IDS_AT_ONCE,
    ROWS_AT_ONCE,
    has_graph,
    read_settings,
    scan,
    size_of,
    weights_of,
)
from vsearch_core.store.milvus.tables import (
    CHUNKS,
    COLLECTIONS,
    COMPACTED,
    EMPTY,
    FILE,
    INDEXED,
    KEYWORDS,
    LISTS,
    MEAN_LENGTH,
    NEVER,
    NEXT_ROW,
    NEXT_TERM,
    SETTINGS,
    SETTINGS_ROW,
    SKIPPED,
    SOURCE,
    TERMS,
    TIMESTAMP,
    UNUSED,
    blocks,
    fields_of,
    name_of,
    pack,
    schema_of,
    unpack,
    visible_in,
)
from vsearch_core.store.raw_rows import Row
from vsearch_core.store.server import tables
from vsearch_core.store.server.writing import ServerSegment, ServerWriter
from vsearch_core.store.tables import LINEAGE

BYTES_AT_ONCE = 16 << 20  # of a request; Milvus takes 64 MB
_ROWS_AT_ONCE = 5000  # of a request


class MilvusWriter(ServerWriter):
    """The one writer of an index on Milvus, with the lock on it."""

    address: MilvusAddress

    def __init__(self, connection: MilvusConnection, lock: WriterLock) -> None:
        """Wrap a connection, which `close` closes, and the lock."""
        self.address = connection.address
        self.connection = connection
        self._lock = lock
        self._state: tuple[str, str] | None = None
        self._settings: dict[str, str] = {}  # while a commit is open, those that it makes

    @classmethod
    def open(cls, address: MilvusAddress) -> "MilvusWriter":
        """Connect to Milvus, and lock the index. Raises IndexLockedError."""
        connection = MilvusConnection(address)
        try:
            return cls(connection, WriterLock(connection))
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Release the lock, and close the connection."""
        self.release_lock()
        self.connection.close()

    def release_lock(self) -> None:
        """Let another writer take the lock."""
        self._lock.release()

    @property
    def exists(self) -> bool:
        """Return True if there is an index at the address."""
        try:
            return bool(read_settings(self.connection))
        except IndexNotFoundError:
            return False

    def create(self, settings: Mapping[str, str], dimension: int, root: str) -> None:
        """Create the collections of a new index with these settings; the row with the settings is written last."""
        sparse = self.connection.has_sparse_vectors
        for table in COLLECTIONS:
            if table != TERMS or sparse:
                self._create_collection(table, dimension, sparse=sparse)
        own = {NEXT_ROW: "1", NEXT_TERM: "1", COMPACTED: "0", TIMESTAMP: "0", MEAN_LENGTH: "0"}
        self._store({**tables.new_settings(settings, root), **own, KEYWORDS: "yes" if sparse else "no"})

    def _create_collection(self, table: str, dimension: int, *, sparse: bool) -> None:
        client, name = self.connection.client, self.connection.collection(table)
        with server_errors(self.address):
            if client.has_collection(name, timeout=SECONDS):  # of a creation that was stopped
                client.drop_collection(name, timeout=SECONDS)
            client.create_collection(
                name,
                schema=schema_of(table, dimension, sparse=sparse),
                num_shards=self.address.num_shards,
                timeout=SECONDS,
            )
            indexes = client.prepare_index_params()
            for field in fields_of(table, sparse=sparse):
                if field in {"vector", "unused"}:
                    indexes.add_index(field, index_type="FLAT", metric_type="IP")
                elif field == "terms":
                    indexes.add_index(field, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
                elif field in INDEXED and self.address.file is None:
                    indexes.add_index(field, index_type="INVERTED" if sparse else "")
            client.create_index(name, indexes, timeout=SECONDS)
        self.connection.load(table)

    def settings(self) -> dict[str, str]:
        """Return all settings. Raises IndexVersionError for collections of another version.

        The first call deletes what a commit that didn't end has stored.
        """
        found = read_settings(self.connection)
        tables.refuse_other_format(self.address.name, found.get(tables.FORMAT_KEY))
        if self._state is None:
            self._roll_back(found)
        self._state = found[LINEAGE], found["generation"]
        return found

    def _roll_back(self, settings: Mapping[str, str]) -> None:
        generation = settings["generation"]
        for table in self._tables(settings):
            self.connection.delete(table, f"gen_from > {generation}")
            ended = f"gen_to > {generation} and gen_to < {NEVER}"
            rows = self.connection.query(table, ended, ("id",), None)
            self._replace(table, (row["id"] for row in rows), settings, gen_to=NEVER)

    def _tables(self, settings: Mapping[str, str]) -> list[str]:
        return [table for table in COLLECTIONS if table != TERMS or settings.get(KEYWORDS) != "no"]

    def files(self) -> list[Row]:
        """Return the FILE_FACTS of all files."""
        return [row[:-2] for row in self._listed(FILE)]

    def sources(self) -> set[Row]:
        """Return the paths of all sources with their options as JSON."""
        return set(self._listed(SOURCE))

    def skipped(self) -> set[Row]:
        """Return the SKIPPED_FACTS of all skipped files."""
        return set(self._listed(SKIPPED))

    def _listed(self, kind: int) -> list[Row]:
        settings = self._settings or read_settings(self.connection)
        found = self._scan(LISTS, f"kind == {kind} and {self._visible(settings)}", ("id", "data"), settings)
        return [self._unpacked(row) for rows in found for row in rows]

    @contextmanager
    def commit(self) -> Iterator[dict[str, str]]:
        """Make the rows that the block adds and removes one new generation: see `ServerWriter.commit`."""
        before = read_settings(self.connection)
        self._refuse_other_state(before)
        settings = self._settings = dict(before)
        try:
            yield settings
            self._refuse_other_state(read_settings(self.connection))
            settings["generation"] = str(int(before["generation"]) + 1)
            settings["last_commit"] = datetime.now(UTC).isoformat(timespec="seconds")
            settings[TIMESTAMP] = str(self.connection.now())
            self._store(settings)
            self._state = settings[LINEAGE], settings["generation"]
        except BaseException:
            self._state = None  # what is stored of it is deleted before the next commit
            raise
        finally:
            self._settings = {}

    def _refuse_other_state(self, settings: Mapping[str, str]) -> None:
        if self._state is None:
            self.settings()
        if (settings[LINEAGE], settings["generation"]) != self._state:
            raise StorageError(self.address.name, "another writer has changed it meanwhile", "server-index-changed")

    def _store(self, settings: Mapping[str, str]) -> None:
        row = _list_row(SETTINGS_ROW, SETTINGS, 0, "", self._pack([dict(settings)], "the settings"), 0)
        self.connection.upsert(LISTS, [row])

    # The methods below are called within `commit`.

    def add_files(self, rows: Iterable[Row]) -> None:
        """Add files: FILE_FACTS and the id of the first chunk."""
        self._add(FILE, ((row[0], row[1], (*row, row_crc(*row))) for row in rows))

    def _add(self, kind: int, rows: Iterable[tuple[int, str, Row]]) -> None:
        """Add rows to LISTS: a number, a name, and values."""
        new = []
        for number, name, values in rows:
            row_id = int(self._settings[NEXT_ROW])
            self._settings[NEXT_ROW] = str(row_id + 1)
            data = self._pack(values, name)
            new.append(_list_row(row_id, kind, number, name_of(name), data, self._next_generation))
        self._upsert(LISTS, new)

    def add_segment(self, segment: ServerSegment, number: int) -> None:
        """Add chunks with their vectors and postings."""
        ids = np.array([row[0] for row in segment.chunks], np.int64)
        lengths: NDArray[np.int64] = np.zeros(len(ids), np.int64)
        terms: list[dict[int, float]] | None = None
        if self._has_terms:
            lengths, terms = self._sparse_vectors(segment, ids)
        rows = []
        for place, values in enumerate(segment.chunks):
            row = {
                "id": values[0],
                "file_id": values[1],
                "gen_from": self._next_generation,
                "gen_to": NEVER,
                "hash": values[9],
                "sample": segment.samples[place],
                "length": int(lengths[place]),
                "vector": segment.vectors[place].astype(np.float32).tolist(),
                "data": self._pack((*values, row_crc(*values)), f"chunk {values[0]}"),
            }
            rows.append(row if terms is None else {**row, "terms": terms[place]})
        self._upsert(CHUNKS, rows)

    def _sparse_vectors(
        self, segment: ServerSegment, ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], list[dict[int, float]]]:
        """Return the chunks' lengths in terms, (n,), and their sparse vectors. Add the terms with their counts."""
        lists = list(segment.postings)
        places = [np.searchsorted(ids, found.ids) for _, found in lists]
        lengths = np.zeros(len(ids), np.int64)
        for some, (_, found) in zip(places, lists, strict=True):
            lengths[some] = found.lengths
        mean = float(self._settings[MEAN_LENGTH])
        if not mean:
            mean = float(lengths.mean()) or 1.0 if len(lengths) else 1.0
            self._settings[MEAN_LENGTH] = repr(mean)
        vectors: list[dict[int, float]] = [{} for _ in ids]
        names = [term.hex() for term, _ in lists]
        dimensions = self._add_terms(dict(zip(names, (len(found.ids) for _, found in lists), strict=True)))
        for name, some, (_, found) in zip(names, places, lists, strict=True):
            weights = weights_of(found.counts, found.lengths, mean).tolist()
            dimension = dimensions[name]
            for place, weight in zip(some.tolist(), weights, strict=True):
                vectors[place][dimension] = weight
        return lengths, [vector or EMPTY for vector in vectors]

    def _add_terms(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Add rows with the terms' numbers of chunks; return their dimensions. A new term's is the id of its row."""
        known: dict[str, int] = {}
        for some in blocks(counts, IDS_AT_ONCE):
            condition = f"term in {some} and gen_to > {self._generation}"
            found = self.connection.query(TERMS, condition, ("id", "term", "dimension"), None)
            known |= {row["term"]: int(row["dimension"]) for row in found}
        rows = []
        for name, count in counts.items():
            row_id = int(self._settings[NEXT_TERM])
            self._settings[NEXT_TERM] = str(row_id + 1)
            rows.append(_term_row(row_id, name, known.setdefault(name, row_id), count, self._next_generation))
        self._upsert(TERMS, rows)
        return known

    def remove_files(self, file_ids: Sequence[int]) -> int:
        """Remove files with their chunks; return the number of chunks. They count in terms until a compaction."""
        removed = 0
        for some in blocks(file_ids, IDS_AT_ONCE):
            self._end(LISTS, f"kind == {FILE} and number in {some}")
            removed += self._end(CHUNKS, f"file_id in {some}")
        return removed

    def _end(self, table: str, condition: str) -> int:
        """End the visible rows that meet a condition with this generation; return their number."""
        whole = f"{condition} and {self._visible(self._settings)}"
        ids = [row["id"] for row in self.connection.query(table, whole, ("id",), None)]
        self._replace(table, ids, self._settings, gen_to=self._next_generation)
        return len(ids)

    def replace_files(self, rows: Iterable[Row]) -> None:
        """Replace the rows of files whose times have changed; their chunks stay."""
        new = {row[0]: row for row in rows}
        found = [row for row in self._listed(FILE) if row[0] in new] if new else []
        for some in blocks(new, IDS_AT_ONCE):
            self._end(LISTS, f"kind == {FILE} and number in {some}")
        self.add_files((*new[row[0]], row[13]) for row in found)

    def replace_sources(self, rows: Iterable[Row]) -> None:
        """Replace all sources."""
        self._end(LISTS, f"kind == {SOURCE}")
        self._add(SOURCE, ((0, row[0], row) for row in rows))

    def change_skipped(self, added: Iterable[Row], removed: Iterable[Row]) -> None:
        """Add SKIPPED_FACTS, and remove others."""
        for some in blocks((name_of(row[0]) for row in removed), IDS_AT_ONCE):
            self._end(LISTS, f"kind == {SKIPPED} and name in {some}")
        self._add(SKIPPED, ((0, row[0], row) for row in added))

    def merge_postings(self, settings: dict[str, str]) -> int:
        """Sum the numbers of chunks with each term, without removed chunks. Return the number of these."""
        generation = self._generation
        removed = f"gen_to <= {generation} and gen_to > {settings[COMPACTED]}"
        gone: dict[int, int] = {}
        chunks = terms = 0
        fields = fields_of(CHUNKS, sparse=self._has_terms)
        for rows in self._scan(CHUNKS, removed, fields, settings):
            chunks += len(rows)
            terms += sum(int(row["length"]) for row in rows)
            for dimension in (number for row in rows for number in row.get("terms", ())):
                gone[dimension] = gone.get(dimension, 0) + 1
        if self._has_terms:
            self._merge_terms(settings, gone)
        segment = int(settings[tables.NEXT_SEGMENT])
        settings[tables.NEXT_SEGMENT] = str(segment + 1)
        settings[tables.FIRST_SEGMENT] = str(segment)
        settings[tables.ROWS] = str(int(settings[tables.ROWS]) - chunks)
        settings[tables.TERMS] = str(int(settings[tables.TERMS]) - terms)
        for table in self._tables(settings):  # readers of generations since the last compaction still need the others
            self.connection.delete(table, f"gen_to <= {settings[COMPACTED]}")
        settings[COMPACTED] = str(generation)
        return chunks

    def _merge_terms(self, settings: Mapping[str, str], gone: Mapping[int, int]) -> None:
        """Replace the rows of each term that has several, or is in a removed chunk, by one row."""
        by_dimension: dict[int, list[dict[str, Any]]] = {}
        fields = ("id", "term", "dimension", "count")
        for rows in self._scan(TERMS, self._visible(settings), fields, settings, IDS_AT_ONCE):
            for row in rows:
                by_dimension.setdefault(int(row["dimension"]), []).append(row)
        ended, new = [], []
        for dimension, rows in by_dimension.items():
            if len(rows) == 1 and dimension not in gone:
                continue
            ended += [row["id"] for row in rows]
            count = sum(int(row["count"]) for row in rows) - gone.get(dimension, 0)
            row_id = int(self._settings[NEXT_TERM])
            self._settings[NEXT_TERM] = str(row_id + 1)
            new.append(_term_row(row_id, rows[0]["term"], dimension, count, self._next_generation))
        self._replace(TERMS, ended, settings, gen_to=self._next_generation)
        self._upsert(TERMS, new)

    # Not within `commit`

    def build_graph(self, dimension: int) -> bool:
        """Build the graph over the vectors, unless there is one. Searches fail while it is built."""
        if has_graph(self.connection):
            return False
        client, name = self.connection.client, self.connection.collection(CHUNKS)
        self.connection.unload(CHUNKS)
        with server_errors(self.address):
            client.drop_index(name, "vector", timeout=SECONDS)
            indexes = client.prepare_index_params()
            indexes.add_index("vector", index_type="HNSW", metric_type="IP", params={"M": 16, "efConstruction": 100})
            client.create_index(name, indexes, timeout=60 * SECONDS)
        self.connection.load(CHUNKS)
        return True

    def has_removed_chunks(self) -> bool:
        """Return True if removed chunks count in the numbers of chunks with a term."""
        settings = self._settings or read_settings(self.connection)
        condition = f"gen_to <= {settings['generation']} and gen_to > {settings[COMPACTED]}"
        return bool(self.connection.query(CHUNKS, condition, ("id",), None))

    def size(self) -> int:
        """Return the size of the file of Milvus Lite; 0 for a server, which doesn't tell."""
        return size_of(self.address)

    def clean(self) -> None:
        """Make Milvus merge its segments and drop deleted rows, which it does when it likes."""
        if self.address.file is None:
            with server_errors(self.address):
                for table in self._tables(self._settings or read_settings(self.connection)):
                    self.connection.client.compact(self.connection.collection(table), timeout=SECONDS)

    def copies_of(self, hashes: Sequence[int]) -> list[tuple[int, bytes, bytes | None, bytes]]:
        """Return the hash, text, windows and fixed-point vector of chunks whose texts have these hashes."""
        settings = self._settings or read_settings(self.connection)
        found = []
        for some in blocks(hashes, ROWS_AT_ONCE):
            condition = f"hash in {some} and {self._visible(settings)}"
            for row in self.connection.query(CHUNKS, condition, ("id", "vector", "data"), None):
                values = self._unpacked(row)
                vector = np.array(row["vector"], np.float32).astype(np.int16)
                found.append((values[9], values[10], values[11], vector.tobytes()))
        return found

    # Requests

    @property
    def _generation(self) -> int:
        return int(self._settings["generation"])

    @property
    def _next_generation(self) -> int:
        return self._generation + 1

    @property
    def _has_terms(self) -> bool:
        return self._settings.get(KEYWORDS) != "no"

    def _visible(self, settings: Mapping[str, str]) -> str:
        return visible_in(settings["generation"])

    def _scan(
        self,
        table: str,
        condition: str,
        fields: Sequence[str],
        settings: Mapping[str, str],
        at_once: int = ROWS_AT_ONCE,
    ) -> Iterator[Rows]:
        def query(table: str, condition: str, fields: Sequence[str]) -> Rows:
            return self.connection.query(table, condition, fields, None)

        return scan(query, table, condition, fields, settings, at_once)

    def _replace(self, table: str, ids: Iterable[int], settings: Mapping[str, str], **values: int) -> None:
        """Write rows again with other values in some fields."""
        fields = fields_of(table, sparse=settings.get(KEYWORDS) != "no")
        for some in blocks(ids, ROWS_AT_ONCE):
            rows = self.connection.query(table, f"id in {some}", fields, None)
            self._upsert(table, [{**row, **values} for row in rows])

    def _upsert(self, table: str, rows: Rows) -> None:
        """Write rows, in requests that Milvus takes."""
        waiting: Rows = []
        size = 0
        for row in rows:
            own = sum(map(len, row.get("data", ()))) + 4 * len(row.get("vector", ())) + 8 * len(row.get("terms", ()))
            if waiting and (size + own > BYTES_AT_ONCE or len(waiting) == _ROWS_AT_ONCE):
                self.connection.upsert(table, waiting)
                waiting, size = [], 0
            waiting.append(row)
            size += own
        self.connection.upsert(table, waiting)

    def _pack(self, values: Sequence[object], what: str) -> list[str]:
        try:
            return pack(values)
        except ValueError as error:
            raise StorageError(self.address.name, f"{what}: {error}", "server-row-too-large") from None

    def _unpacked(self, row: Mapping[str, Any]) -> Row:
        try:
            return tuple(unpack(row["data"]))
        except (ValueError, KeyError, TypeError) as error:
            reason = f"row {row['id']} is damaged ({error})"
            raise IndexCorruptError(self.address.name, reason, "server-index-damaged") from error


def _list_row(row_id: int, kind: int, number: int, name: str, data: list[str], generation: int) -> dict[str, Any]:
    row = {"id": row_id, "kind": kind, "number": number, "name": name, "data": data}
    return {**row, "gen_from": generation, "gen_to": NEVER, "unused": UNUSED}


def _term_row(row_id: int, name: str, dimension: int, count: int, generation: int) -> dict[str, Any]:
    row = {"id": row_id, "term": name, "dimension": dimension, "count": count}
    return {**row, "gen_from": generation, "gen_to": NEVER, "unused": UNUSED}
