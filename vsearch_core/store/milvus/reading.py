"""Read one generation of an index on Milvus: every request asks for the rows that are visible in it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.errors import IndexNotFoundError, InputError
from vsearch_core.store.catalog import ChunkPlace, FileFacts
from vsearch_core.store.milvus.address import MilvusAddress
from vsearch_core.store.milvus.connection import MOST_HITS, MilvusConnection, Rows, server_errors
from vsearch_core.store.milvus.tables import (
    CHUNKS,
    COLLECTIONS,
    COMPACTED,
    FILE,
    KEYWORDS,
    LISTS,
    MEAN_LENGTH,
    NEXT_ROW,
    NEXT_TERM,
    SETTINGS_ROW,
    SKIPPED,
    SOURCE,
    TERMS,
    TIMESTAMP,
    blocks,
    fields_of,
    name_of,
    text_of,
    unpack,
    visible_in,
)
from vsearch_core.store.raw_rows import SKIPPED_FACTS, Row
from vsearch_core.store.server.postings import TermPostings
from vsearch_core.store.server.reading import ChunkVectors, FileRanges, Ids, ServerCatalog, TermCounts
from vsearch_core.store.server.tables import CHUNK_COLUMNS, FILE_COLUMNS, FORMAT_KEY, NEXT_CHUNK, refuse_other_format

IDS_AT_ONCE = 8192  # of rows without data, and of names, in one request
ROWS_AT_ONCE = 1024  # that are read whole
MOST_SCANNED = 1 << 20  # chunks of an index in which all vectors, or the chunks of a clause, are looked through
_ROWS_KEPT = 4096  # chunks that are kept between requests
_TERMS_AT_ONCE = 16  # whose postings are searched in one request
_ROUNDING = 1e-4  # the relative error of sums of weights
_MOST_COUNT = 255
_LENGTHS = {FILE: len(FILE_COLUMNS) + 1, SOURCE: 2, SKIPPED: len(SKIPPED_FACTS)}  # of packed rows, with checksums
_CHUNK_LENGTH = len(CHUNK_COLUMNS) + 1


class _Term(NamedTuple):
    """A term's dimension in sparse vectors, and the number of chunks that contain it."""

    dimension: int
    chunks: int


class MilvusCatalog(ServerCatalog):
    """An open generation of an index on Milvus.

    Chunks of later generations, and those that were removed before, are left out of every request.
    """

    most_ef_search: ClassVar[int] = MOST_HITS

    def __init__(self, connection: MilvusConnection, folder: Path) -> None:
        """Read the newest generation's number over the connection, which `close` closes. Raises IndexNotFoundError."""
        self.address = connection.address
        self.index = folder
        self.label = self.address.name
        self.connection = connection
        self._settings = read_settings(connection)
        refuse_other_format(self.label, self._settings.get(FORMAT_KEY))
        try:
            self._timestamp = int(self._settings[TIMESTAMP])
            self._generation = int(self._settings["generation"])
            self._compacted = int(self._settings[COMPACTED])
        except (KeyError, ValueError) as error:
            raise self.damaged(f"its settings are damaged ({error})") from error
        self.has_keywords = self.ranks_terms = self._settings.get(KEYWORDS) != "no"
        self._rows: dict[int, dict[str, Any]] = {}
        self._terms: dict[str, _Term] = {}

    @classmethod
    def open(cls, address: MilvusAddress, folder: Path) -> "MilvusCatalog":
        """Connect to Milvus and open the newest generation."""
        connection = MilvusConnection(address)
        try:
            return cls(connection, folder)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @property
    def is_connected(self) -> bool:
        """Return True: the client connects again by itself, and no state is kept in the connection."""
        return True

    # Requests

    def _visible(self, condition: str = "") -> str:
        """Return a filter for the visible rows that meet a condition."""
        visible = visible_in(self._generation)
        return f"{visible} and {condition}" if condition else visible

    def _query(self, table: str, condition: str, fields: Sequence[str]) -> Rows:
        return self.connection.query(table, condition, fields, self._timestamp)

    def _scan(self, table: str, condition: str, fields: Sequence[str], at_once: int = IDS_AT_ONCE) -> Iterator[Rows]:
        """Yield the rows that meet a condition, by ascending ids."""
        yield from scan(self._query, table, condition, fields, self._settings, at_once)

    def _in(self, field: str, values: Collection[int | str], table: str, fields: Sequence[str]) -> Iterator[Any]:
        """Yield the visible rows in which a field has one of the values."""
        for some in blocks(values, IDS_AT_ONCE):
            yield from self._query(table, self._visible(f"{field} in {some}"), fields)

    # Settings, sources and files

    def settings(self) -> dict[str, str]:
        """Return all settings of the index, by key."""
        return dict(self._settings)

    def _listed_rows(self, kind: int) -> Iterator[Row]:
        for rows in self._scan(LISTS, self._visible(f"kind == {kind}"), ("id", "data"), ROWS_AT_ONCE):
            yield from (self._unpacked(row, _LENGTHS[kind]) for row in rows)

    def _unpacked(self, row: Mapping[str, Any], length: int) -> Row:
        """Return the values in a row, which are that many."""
        try:
            values = tuple(unpack(row["data"]))
            if len(values) != length:
                raise ValueError(f"it has {len(values)} values")
            return values
        except (ValueError, KeyError, TypeError) as error:
            raise self.damaged(f"row {row['id']} is damaged ({error})") from error

    def _sources(self) -> list[Row]:
        return list(self._listed_rows(SOURCE))

    def _skipped(self) -> list[Row]:
        return list(self._listed_rows(SKIPPED))

    def _all_files(self) -> Iterator[Row]:
        return (self._intact("file", row) for row in self._listed_rows(FILE))

    def _files(self, file_ids: Iterable[int]) -> dict[int, Row]:
        rows = (self._file(row) for row in self._in("number", list(file_ids), LISTS, ("id", "data")))
        return {row[0]: row for row in rows}

    def _file(self, row: Mapping[str, Any]) -> Row:
        return self._intact("file", self._unpacked(row, _LENGTHS[FILE]))

    def _file_at(self, path: str) -> Row | None:
        """Return the row of the file with a path, or None."""
        condition = self._visible(f'kind == {FILE} and name == "{name_of(path)}"')
        rows = self._query(LISTS, condition, ("id", "data"))
        return self._file(rows[0]) if rows else None

    @cached_property
    def files(self) -> FileRanges:
        """The ids of all files and of their chunks, in the order of the chunks."""
        rows = sorted((row[13], row[0], row[12]) for row in self._all_files())
        first_chunks, ids, counts = np.array(rows, np.int64).reshape(-1, 3).T.copy()
        return FileRanges(ids, first_chunks, counts)

    def chunk_numbers(self, path: str, first: int = 0, last: int | None = None) -> list[tuple[int, int]]:
        """Return (chunk id, number in the file) for the chunks of a file, in order."""
        file = self._file_at(path)
        if file is None:
            return []
        count, start = file[12:14]
        return [(start + number, number) for number in range(first, count if last is None else min(last + 1, count))]

    def chunk_places(self, path: str) -> list[ChunkPlace]:
        """Return the positions of a file's chunks, in order."""
        rows = self._chunk_rows(number for number, _ in self.chunk_numbers(path))
        return [ChunkPlace(row[0], *row[3:9]) for row in sorted(rows, key=lambda row: row[2])]

    def file_facts(self, path: str) -> FileFacts | None:
        """Return the title and the metadata of a file, or None."""
        file = self._file_at(path)
        return None if file is None else FileFacts(file[1], file[9], file[11])

    def neighbouring_files(self, prefix: str, part: str, most: int) -> list[FileFacts]:
        """Return the last files by path with a prefix and a part in their paths."""
        condition = self._visible(f'kind == {FILE} and name like "{name_of(prefix)}%"')
        rows = self._query(LISTS, condition, ("id", "name"))
        paths = sorted((path for path in (text_of(row["name"]) for row in rows) if part in path), reverse=True)
        names = [name_of(path) for path in paths[:most]]
        found = {row[1]: row for row in map(self._file, self._in("name", names, LISTS, ("id", "data")))}
        return [FileFacts(found[path][1], found[path][9], found[path][11]) for path in paths[:most] if path in found]

    def has_file(self, path: str) -> bool:
        """Return True if there is a file of that path."""
        return self._file_at(path) is not None

    def live_paths(self) -> list[str]:
        """Return the paths of all files, sorted."""
        return sorted(row[1] for row in self._all_files())

    def paths_of_files(self, file_ids: Iterable[int]) -> dict[int, str]:
        """Return the paths of files by their ids; "" for a file that isn't there."""
        ids = list(file_ids)
        found = self._files(ids)
        return {number: found[number][1] if number in found else "" for number in ids}

    def refuse_damaged_files(self, chunks: int) -> None:
        """Raise IndexCorruptError unless the files' numbers of chunks add up to `chunks`."""
        if int(self.files.counts.sum()) != chunks:
            raise self.damaged("its list of files is damaged")

    # Chunks

    def _whole_rows(self, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return the visible rows of chunks with all fields, by id. They are kept for later requests."""
        wanted = list(dict.fromkeys(ids))
        missing = [number for number in wanted if number not in self._rows]
        if len(self._rows) + len(missing) > _ROWS_KEPT:
            self._rows.clear()
            missing = wanted
        found: dict[int, dict[str, Any]] = {}
        for some in blocks(missing, ROWS_AT_ONCE):
            condition = self._visible(f"id in {some}")
            rows = self._query(CHUNKS, condition, fields_of(CHUNKS, sparse=self.has_keywords))
            found |= {row["id"]: row for row in rows}
        if len(found) <= _ROWS_KEPT:
            self._rows |= found
        return {number: row for number in wanted if (row := found.get(number) or self._rows.get(number)) is not None}

    def _chunk_rows(self, chunk_ids: Iterable[int]) -> list[Row]:
        return [
            self._intact("chunk", self._unpacked(row, _CHUNK_LENGTH)) for row in self._whole_rows(chunk_ids).values()
        ]

    def window_codes(self, ids: Sequence[int]) -> dict[int, tuple[int, bytes | None]]:
        """Return the file and the codes of the late windows of each chunk, or None if it has none, by chunk id."""
        return {row[0]: (row[1], row[11]) for row in self._chunk_rows(ids)}

    @cached_property
    def removed_chunks(self) -> Ids:
        """The ids of chunks that are removed, and count in document frequencies until a compaction, ascending."""
        condition = f"gen_to <= {self._generation} and gen_to > {self._compacted}"
        return np.array(sorted(int(row["id"]) for row in self._query(CHUNKS, condition, ("id",))), np.int64)

    def count_rows(self) -> dict[str, int]:
        """Return the numbers of chunks by table."""
        return {"chunks": int(self._query(CHUNKS, self._visible(), ("count(*)",))[0]["count(*)"])}

    def sizes(self) -> dict[str, int]:
        """Return the bytes of a file of Milvus Lite, which has all parts. A server doesn't tell its size."""
        return {} if self.address.file is None else {"catalog": size_of(self.address)}

    # Keyword route

    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Return the number of chunks that contain each of the terms; removed chunks count until a compaction."""
        wanted = list(dict.fromkeys(terms))
        self._look_up(wanted)
        return {term: self._terms[term].chunks if term in self._terms else 0 for term in wanted}

    def _look_up(self, terms: Iterable[str]) -> None:
        if not self.has_keywords:
            return
        names = [name_of(term) for term in terms if term not in self._terms]
        rows = list(self._in("term", names, TERMS, ("id", "term", "dimension", "count")))
        self._terms |= dict.fromkeys((text_of(name) for name in names), _Term(-1, 0)) | _summed(rows)

    def _like(self, pattern: str) -> dict[str, _Term]:
        """Return the terms whose names match a pattern."""
        if not self.has_keywords:
            return {}
        condition = self._visible(f'term like "{pattern}"')
        return _summed(self._query(TERMS, condition, ("id", "term", "dimension", "count")))

    def terms_ending_in(self, ending: str) -> dict[str, int]:
        """Return the document frequencies of all terms that end in a text, which takes a scan of all terms."""
        found = self._like(f"%{name_of(ending)}")
        return {term: each.chunks for term, each in found.items() if term.endswith(ending)}

    def postings_with_prefix(self, prefix: str) -> list[TermPostings]:
        """Return the postings of all terms that start with the prefix."""
        found = self._like(f"{name_of(prefix)}%")
        self._terms |= found
        return list(self.postings(found).values())

    def postings(self, terms: Iterable[str]) -> dict[str, TermPostings]:
        """Return the postings of each of the terms, in live chunks.

        Milvus returns 16,384 chunks at most, so chunks are searched by ranges of ids. Raises InputError for an index of
        more than 1,048,576 chunks.
        """
        wanted = list(dict.fromkeys(terms))
        self._look_up(wanted)
        found: dict[str, list[TermPostings]] = {term: [] for term in wanted}
        known = [term for term in wanted if self._terms.get(term, _Term(-1, 0)).chunks]
        last = int(self._settings[NEXT_CHUNK])
        if known and last > MOST_SCANNED:
            raise self._too_large()
        for some in blocks(known, _TERMS_AT_ONCE):
            vectors = [{self._terms[term].dimension: 1.0} for term in some]
            for start in range(0, last, MOST_HITS):
                condition = self._visible(f"id >= {start} and id < {start + MOST_HITS}")
                lists = self._search("terms", vectors, condition, MOST_HITS, fields=("length",))
                for term, hits in zip(some, lists, strict=True):
                    found[term].append(self._postings_of(hits))
        empty = TermPostings(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.uint32))
        return {
            term: TermPostings(*(np.concatenate(each) for each in zip(empty, *lists, strict=True)))
            for term, lists in found.items()
        }

    def _postings_of(self, hits: Rows) -> TermPostings:
        hits = sorted((hit for hit in hits if hit["distance"] > 0), key=lambda hit: int(hit["id"]))
        lengths = np.array([hit["length"] for hit in hits], np.uint32)
        counts = counts_of(np.array([hit["distance"] for hit in hits], np.float64), lengths, self._mean)
        return TermPostings(np.array([hit["id"] for hit in hits], np.int64), counts, lengths)

    def all_postings(self) -> Iterator[TermPostings]:
        """Yield all postings, also of removed chunks. A term comes several times, with those of other chunks.

        Raises IndexCorruptError unless each term is in as many chunks as its document frequency says.
        """
        if not self.has_keywords:
            return
        terms = [
            row for rows in self._scan(TERMS, self._visible(), ("id", "term", "dimension", "count")) for row in rows
        ]
        left = {term.dimension: term.chunks for term in _summed(terms).values()}
        condition = f"gen_from <= {self._generation} and gen_to > {self._compacted}"
        for rows in self._scan(CHUNKS, condition, ("id", "length", "terms"), ROWS_AT_ONCE):
            ids = np.repeat([row["id"] for row in rows], [len(row["terms"]) for row in rows])
            lengths = np.repeat([row["length"] for row in rows], [len(row["terms"]) for row in rows])
            dimensions = np.array([number for row in rows for number in row["terms"]], np.int64)
            counts = counts_of(np.array([each for row in rows for each in row["terms"].values()]), lengths, self._mean)
            order = np.lexsort((ids, dimensions))
            order = order[dimensions[order] != 0]  # EMPTY
            borders = np.flatnonzero(np.diff(dimensions[order])) + 1
            for some in np.split(order, borders):
                if len(some):
                    yield TermPostings(ids[some], counts[some], lengths[some].astype(np.uint32))
                    dimension = int(dimensions[some[0]])
                    left[dimension] = left.get(dimension, 0) - len(some)
        if any(left.values()):
            raise self.damaged("its document frequencies are not the numbers of chunks with the terms")

    # Server's ranking by terms: see `TermRanking`

    def best_by_terms(
        self, weights: Mapping[str, float], count: int, among: Sequence[int] | None, mean: float
    ) -> Ids | None:
        """Return the chunks with the highest sums of weights, more than `count`: see `TermRanking`.

        The weights are those for the mean length at the time when the index was made. They differ from those for
        another mean length by its ratio at most, so chunks are read until the next can't be among the best.
        """
        self._look_up(weights)
        vector: dict[int, float] = {}
        for term, weight in weights.items():
            if weight > 0 and self._terms[term].chunks:
                dimension = self._terms[term].dimension
                vector[dimension] = vector.get(dimension, 0.0) + weight
        if not vector:
            return np.empty(0, np.int64)
        ratio = max(mean, self._mean) / (min(mean, self._mean) or 1)
        limit = count + 32
        while True:
            if limit > MOST_HITS:
                return None
            condition = self._visible(_among(among))
            hits = [hit for hit in self._search("terms", [vector], condition, limit)[0] if hit["distance"] > 0]
            enough = len(hits) < limit or (
                hits[-1]["distance"] * ratio < hits[count - 1]["distance"] / ratio * (1 - _ROUNDING)
            )
            if enough:
                return np.array([hit["id"] for hit in hits], np.int64)
            limit = MOST_HITS if 2 * limit > MOST_HITS > limit else 2 * limit

    def term_counts(self, terms: Sequence[str], ids: Sequence[int]) -> TermCounts:
        """Return how often each of the terms is in each of the chunks."""
        self._look_up(terms)
        rows = self._whole_rows(ids)
        found = [rows[number] for number in sorted(rows)]
        lengths = np.array([row["length"] for row in found], np.uint32)
        dimensions = [self._terms[term].dimension for term in terms]
        weights = np.array([[row["terms"].get(number, 0.0) for number in dimensions] for row in found], np.float64)
        weights = weights.reshape(len(found), len(terms))
        counts = counts_of(weights, lengths[:, None], self._mean)
        return TermCounts(np.array(sorted(rows), np.int64), lengths, counts)

    @cached_property
    def _mean(self) -> float:
        try:
            return float(self._settings[MEAN_LENGTH])
        except (KeyError, ValueError) as error:
            raise self.damaged(f"its settings are damaged ({error})") from error

    # Vector route

    @cached_property
    def has_graph(self) -> bool:
        """True if there is a graph over the vectors."""
        return has_graph(self.connection)

    def _search(self, field: str, vectors: Sequence[Any], condition: str, limit: int, **options: Any) -> list[Rows]:
        return self.connection.search(CHUNKS, vectors, field, condition, limit, self._timestamp, **options)

    def compares_vectors(self, count: int) -> bool:
        """Return True if there is no graph, and no more chunks are wanted than Milvus returns."""
        return not self.has_graph and count <= MOST_HITS

    def nearest(self, vector: NDArray[np.float32], count: int, among: Sequence[int] | None = None) -> ChunkVectors:
        """Return about the `count` chunks nearest to a vector, or those of `among`, by comparing every vector."""
        hits = self._search("vector", [vector.tolist()], self._visible(_among(among)), count)[0]
        return self.vectors_of(hit["id"] for hit in hits)

    def vector_blocks(self, ids: Sequence[int]) -> Iterator[ChunkVectors]:
        """Yield the vectors of chunks in blocks. Raises InputError for more than 1,048,576."""
        if len(ids) > MOST_SCANNED:
            raise self._too_large()
        for some in blocks(ids, IDS_AT_ONCE):
            yield self._vectors_in(some)

    def nearest_by_graph(
        self, vector: NDArray[np.float32], count: int, ef_search: int, among: Sequence[int] | None = None
    ) -> ChunkVectors:
        """Return about the `count` chunks nearest to a vector by a search of the graph, which may miss some."""
        parameters = {"ef": max(ef_search, count)}
        condition = self._visible(_among(among))
        hits = self._search("vector", [vector.tolist()], condition, min(count, MOST_HITS), parameters=parameters)[0]
        return self.vectors_of(hit["id"] for hit in hits)

    def vectors_of(self, ids: Iterable[int]) -> ChunkVectors:
        """Return the vectors of chunks, by ascending ids."""
        wanted = list(ids)
        if len(wanted) > _ROWS_KEPT:
            parts = list(self.vector_blocks(sorted(wanted)))
            return ChunkVectors(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        rows = self._whole_rows(wanted)
        return self._fixed([rows[number] for number in sorted(rows)])

    def _vectors_in(self, ids: Sequence[int]) -> ChunkVectors:
        rows = self._query(CHUNKS, self._visible(f"id in {list(ids)}"), ("id", "vector"))
        return self._fixed(sorted(rows, key=lambda row: int(row["id"])))

    def _fixed(self, rows: Rows) -> ChunkVectors:
        ids = np.array([row["id"] for row in rows], np.int64)
        vectors = np.array([row["vector"] for row in rows], np.float32).reshape(len(rows), -1)
        return ChunkVectors(ids, vectors.astype(np.int16))

    def sampled_vectors(self, count: int) -> NDArray[np.int16]:
        """Return the vectors of up to `count` chunks, those with the lowest `sample` numbers, which are random."""
        share = min(1.0, 2 * count / max(int(self._settings[NEXT_CHUNK]), 1))
        while True:
            bound = min(int(-(2**63) + share * 2**64), 2**63 - 1)
            rows = self._query(CHUNKS, self._visible(f"sample <= {bound}"), ("id", "sample"))
            if len(rows) >= count or share == 1.0:
                break
            share = min(1.0, 4 * share)
        rows.sort(key=lambda row: (int(row["sample"]), int(row["id"])))
        ids = [int(row["id"]) for row in rows[:count]]
        found = self.vectors_of(ids)
        return found.vectors[np.searchsorted(found.ids, ids)]

    def _too_large(self) -> InputError:
        reason = f"phrases, +required, -excluded, prefixes and exact searches work up to {MOST_SCANNED:,} chunks"
        return InputError(self.label, reason, "index-too-large")


def read_settings(connection: MilvusConnection) -> dict[str, str]:
    """Return the settings of the newest generation. Raises IndexNotFoundError."""
    name = connection.address.name
    if not connection.has(LISTS):
        raise IndexNotFoundError(name, "there is no index here")
    for table in COLLECTIONS:
        if table != TERMS or connection.has(table):
            connection.load(table)
    rows = connection.query(LISTS, f"id == {SETTINGS_ROW}", ("id", "data"), None)
    if not rows:
        raise IndexNotFoundError(name, "there is no index here")
    try:
        (settings,) = unpack(rows[0]["data"])
    except ValueError:
        settings = {}
    return settings if isinstance(settings, dict) else {}


def scan(
    query: Callable[[str, str, Sequence[str]], Rows],
    table: str,
    condition: str,
    fields: Sequence[str],
    settings: Mapping[str, str],
    at_once: int,
) -> Iterator[Rows]:
    """Yield the rows that meet a condition, by ascending ids: ids are consecutive, and asked for by ranges."""
    last = int(settings[{CHUNKS: NEXT_CHUNK, TERMS: NEXT_TERM, LISTS: NEXT_ROW}[table]])
    for start in range(0, last, at_once):
        rows = query(table, f"{condition} and id >= {start} and id < {start + at_once}", fields)
        yield sorted(rows, key=lambda row: int(row["id"]))


def has_graph(connection: MilvusConnection) -> bool:
    """Return True if there is a graph over the vectors."""
    with server_errors(connection.address):
        found = connection.client.describe_index(connection.collection(CHUNKS), "vector")
    return bool(found) and found.get("index_type") == "HNSW"


def size_of(address: MilvusAddress) -> int:
    """Return the bytes of a file of Milvus Lite, which may be a folder; 0 for a server."""
    if address.file is None:
        return 0
    files = [address.file, *address.file.rglob("*")]
    return sum(file.lstat().st_size for file in files if file.is_file())


def weights_of(counts: NDArray[Any], lengths: NDArray[Any], mean: float) -> NDArray[np.float32]:
    """Return the weights of terms (n,) that occur `counts` times in chunks of these lengths: BM25 without the idf."""
    frequency = counts.astype(np.float64)
    found: NDArray[np.float32] = (frequency / (frequency + _saturations(lengths, mean))).astype(np.float32)
    return found


def counts_of(weights: NDArray[Any], lengths: NDArray[Any], mean: float) -> NDArray[np.uint8]:
    """Return the counts from which `weights_of` made these weights."""
    exact = weights.astype(np.float64)
    found = np.rint(_saturations(lengths, mean) * exact / np.maximum(1 - exact, 1e-9))
    clipped: NDArray[np.uint8] = np.clip(found, 0, _MOST_COUNT).astype(np.uint8)
    return clipped


def _saturations(lengths: NDArray[Any], mean: float) -> NDArray[np.float64]:
    share = lengths.astype(np.float64) / (mean or 1)
    found: NDArray[np.float64] = config.BM25_K1 * (1 - config.BM25_B + config.BM25_B * share)
    return found


def _summed(rows: Rows) -> dict[str, _Term]:
    """Return the terms of rows, with the sums of their counts."""
    found: dict[str, _Term] = {}
    for row in rows:
        term = text_of(row["term"])
        before = found[term].chunks if term in found else 0
        found[term] = _Term(int(row["dimension"]), before + int(row["count"]))
    return found


def _among(ids: Sequence[int] | None) -> str:
    return "" if ids is None else f"id in {list(ids)}"
