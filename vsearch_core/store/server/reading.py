"""The interface to an open generation of an index on a server, and the parts that all kinds of servers share."""

import sqlite3
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.errors import IndexCorruptError
from vsearch_core.json_text import parse_json
from vsearch_core.model import Chunk, JsonValue, KeywordFields
from vsearch_core.store.catalog import Catalog, ChunkPlace, FileFacts, StoredChunk
from vsearch_core.store.checksums import add_row_crc, recompute_checksums, row_crc
from vsearch_core.store.filters import FileConditions, matching_files
from vsearch_core.store.raw_rows import FILE_FACTS, Row, mirror_rows
from vsearch_core.store.server.postings import TermPostings
from vsearch_core.store.server.tables import FIRST_SEGMENT, NEXT_SEGMENT
from vsearch_core.store.tables import LINEAGE, create_tables
from vsearch_core.store.texts import TextUnpacker

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


class TermCounts(NamedTuple):
    """The counts of terms in chunks: chunk ids (n,), ascending; their lengths in terms (n,); counts (n, terms)."""

    ids: Ids
    lengths: NDArray[np.uint32]
    counts: NDArray[np.uint8]


class TermRanking(Protocol):
    """Further methods of a ServerCatalog whose server finds the best chunks by terms."""

    def best_by_terms(
        self, weights: Mapping[str, float], count: int, among: Sequence[int] | None, mean: float
    ) -> Ids | None:
        """Return ids of chunks with the highest sums of the BM25 weights of terms, times `weights`, best first.

        They include the `count` best ones by the formula with the mean length `mean`. None is returned if that takes
        more chunks than the server returns at a time.
        """

    def term_counts(self, terms: Sequence[str], ids: Sequence[int]) -> TermCounts:
        """Return how often each of the terms is in each of the chunks."""


class ServerCatalog(ABC):
    """An open generation of an index on a server. Only one thread at a time may use it.

    It has the methods of `store.catalog.CatalogReader`, and methods for both routes. They raise IndexCorruptError for
    damaged rows, and StorageError if the server fails. Rows of chunks have the values of CHUNK_COLUMNS, and rows of
    files those of FILE_COLUMNS.
    """

    most_ef_search: ClassVar[int]
    default_ef_search: ClassVar[int] = config.EF
    index: Path  # the folder for staged documents, whose parent is the folder that stored paths start from
    label: str  # the address without secrets
    has_keywords = True  # False if the index has no terms: some servers can't store them
    ranks_terms = False  # True if the server itself finds the best chunks by terms: see `TermRanking`

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """Return True if the server still answers: it may have been restarted, or another one has taken over."""

    @property
    @abstractmethod
    def has_graph(self) -> bool:
        """Return True if there is a graph over the vectors."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Return all settings of the index, by key. Raises IndexNotFoundError."""

    @abstractmethod
    def _sources(self) -> list[Row]:
        """Return the paths of all sources, with their options as JSON."""

    @abstractmethod
    def _skipped(self) -> list[Row]:
        """Return the SKIPPED_FACTS of all skipped files."""

    @abstractmethod
    def _all_files(self) -> Iterator[Row]:
        """Yield the rows of all files."""

    @abstractmethod
    def _files(self, file_ids: Iterable[int]) -> dict[int, Row]:
        """Return the rows of files, by id."""

    @abstractmethod
    def _chunk_rows(self, chunk_ids: Iterable[int]) -> list[Row]:
        """Return the rows of chunks, in any order."""

    @property
    @abstractmethod
    def files(self) -> FileRanges:
        """Return the ids of all files and of their chunks, in the order of the chunks."""

    @abstractmethod
    def chunk_numbers(self, path: str, first: int = 0, last: int | None = None) -> list[tuple[int, int]]:
        """Return (chunk id, number in the file) for the chunks of a file, in order."""

    @abstractmethod
    def chunk_places(self, path: str) -> list[ChunkPlace]:
        """Return the positions of a file's chunks, in order."""

    @abstractmethod
    def file_facts(self, path: str) -> FileFacts | None:
        """Return the title and the metadata of a file, or None."""

    @abstractmethod
    def neighbouring_files(self, prefix: str, part: str, most: int) -> list[FileFacts]:
        """Return the last files by path with a prefix and a part in their paths."""

    @abstractmethod
    def has_file(self, path: str) -> bool:
        """Return True if there is a file of that path."""

    @abstractmethod
    def live_paths(self) -> list[str]:
        """Return the paths of all files, sorted."""

    @abstractmethod
    def paths_of_files(self, file_ids: Iterable[int]) -> dict[int, str]:
        """Return the paths of files by their ids; "" for a file that isn't there."""

    @abstractmethod
    def refuse_damaged_files(self, chunks: int) -> None:
        """Raise IndexCorruptError unless the files' numbers of chunks add up to `chunks`."""

    @property
    @abstractmethod
    def removed_chunks(self) -> Ids:
        """Return the ids of chunks that are removed, and count in document frequencies until a compaction."""

    @abstractmethod
    def postings(self, terms: Iterable[str]) -> dict[str, TermPostings]:
        """Return the postings of each of the terms."""

    @abstractmethod
    def postings_with_prefix(self, prefix: str) -> list[TermPostings]:
        """Return the postings of all terms that start with the prefix."""

    @abstractmethod
    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Return the number of chunks that contain each of the terms; removed chunks count until a compaction."""

    @abstractmethod
    def terms_ending_in(self, ending: str) -> dict[str, int]:
        """Return the document frequencies of all terms that end in a text, which takes a scan of all terms."""

    @abstractmethod
    def all_postings(self) -> Iterator[TermPostings]:
        """Yield all postings. A term may come several times, with those of other chunks."""

    def compares_vectors(self, count: int) -> bool:
        """Return True if `nearest` can return that many chunks; else vectors are compared here: `vector_blocks`."""
        return True

    def vector_blocks(self, ids: Sequence[int]) -> Iterator[ChunkVectors]:
        """Yield the vectors of chunks in blocks, for a comparison of all of them."""
        for start in range(0, len(ids), _CHUNKS_AT_ONCE):
            yield self.vectors_of(ids[start : start + _CHUNKS_AT_ONCE])

    @abstractmethod
    def nearest(self, vector: NDArray[np.float32], count: int, among: Sequence[int] | None = None) -> ChunkVectors:
        """Return about the `count` chunks nearest to a vector, or those of `among`, by comparing every vector.

        Equal vectors are in the order of the ids. The server computes in single precision: chunks of nearly equal
        scores may be in any order.
        """

    @abstractmethod
    def nearest_by_graph(
        self, vector: NDArray[np.float32], count: int, ef_search: int, among: Sequence[int] | None = None
    ) -> ChunkVectors:
        """Return about the `count` chunks nearest to a vector by a search of the graph, which may miss some."""

    @abstractmethod
    def vectors_of(self, ids: Iterable[int]) -> ChunkVectors:
        """Return the vectors of chunks, by ascending ids."""

    @abstractmethod
    def sampled_vectors(self, count: int) -> NDArray[np.int16]:
        """Return the vectors of up to `count` chunks, those with the lowest `sample` numbers."""

    @abstractmethod
    def window_codes(self, ids: Sequence[int]) -> dict[int, tuple[int, bytes | None]]:
        """Return the file and the codes of the late windows of each chunk, or None if it has none, by chunk id."""

    @abstractmethod
    def count_rows(self) -> dict[str, int]:
        """Return the numbers of chunks by table."""

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Return the bytes of the index on the server, by part."""

    def damaged(self, reason: str) -> IndexCorruptError:
        """Return an IndexCorruptError about this index, with the given reason."""
        return IndexCorruptError(self.label, reason, "server-index-damaged")

    @property
    def state(self) -> tuple[str, int]:
        """Return the lineage and the generation, which together identify a state of the index."""
        settings = self.settings()
        return settings.get(LINEAGE, ""), int(settings.get("generation", 0))

    def sources(self) -> dict[str, dict[str, JsonValue]]:
        """Return the options of each source, by path. Raises IndexCorruptError."""
        try:
            return {path: dict(parse_json(options)) for path, options in self._sources()}
        except (ValueError, TypeError) as error:
            raise self.damaged("its list of sources is damaged") from error

    def count_segments(self, settings: Mapping[str, str]) -> int:
        """Return the number of segments that the postings are in: one a commit, until they are merged."""
        return int(settings[NEXT_SEGMENT]) - int(settings.get(FIRST_SEGMENT, "1"))

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
        files = (row[:-1] for row in self._all_files())
        mirror_rows(catalog, files, self._sources(), self._skipped(), self.settings(), 0)
        if verified:
            recompute_checksums(connection)
        return catalog

    def facts_of_files(self, file_ids: Iterable[int]) -> dict[int, FileFacts]:
        """Return what is known of files by their ids; files that the index doesn't have are left out."""
        places = {name: FILE_FACTS.index(name) for name in ("path", "title", "meta", "mtime_ns")}
        found = self._files(file_ids)
        return {
            number: FileFacts(**{name: row[place] for name, place in places.items()}) for number, row in found.items()
        }

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

    def verify_text(self, chunk_id: int, blob: bytes) -> None:
        """Raise IndexCorruptError if a chunk's packed text can't be unpacked."""
        self._text(chunk_id, blob, TextUnpacker(None))
