"""The local index as a Searcher: vectors by scan or by graph, and every posting of the query's terms."""

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.ann import flat
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.snapshot import SegmentView, Snapshot
from vsearch_core.lexical import bm25
from vsearch_core.search.filters import Filters, allowed_files
from vsearch_core.search.passages import neighbours
from vsearch_core.search.pipeline import Allowed, Candidates
from vsearch_core.search.snippets import Snippet, best_snippet
from vsearch_core.search.stored import stored_vectors
from vsearch_core.search.vectors import Effort, VectorRoute
from vsearch_core.store.catalog import Passage
from vsearch_core.store.faults import translated
from vsearch_core.store.schema import CHECK
from vsearch_core.store.segment import damaged_blocks


class LocalSearcher:
    """A Searcher over one snapshot. Rows of all segments are numbered through."""

    def __init__(self, snapshot: Snapshot, effort: Effort = Effort()) -> None:  # noqa: B008 - frozen
        self._snapshot = snapshot
        self._vectors = VectorRoute(snapshot.segments, effort)
        self._analyzer = snapshot.settings.analyzer
        self._alive = _joined([segment.alive for segment in snapshot.segments], np.bool_)
        self._allowed: dict[Filters, Allowed] = {}
        self._verified = False

    @property
    def generation(self) -> int:
        """The snapshot's generation."""
        return self._snapshot.generation

    def terms(self, text: str) -> list[str]:
        """The query's terms."""
        return self._analyzer.terms(text)

    def allow(self, filters: Filters) -> Allowed:
        """The live rows whose files pass the filters. A snapshot never changes, so neither does the answer."""
        if filters not in self._allowed:
            self._allowed[filters] = self._allow(filters)
        return self._allowed[filters]

    def _allow(self, filters: Filters) -> Allowed:
        searched = int(self._alive.sum())
        if not filters:
            return Allowed(self._alive, searched, searched)
        with translated(self._snapshot.catalog.index):
            self._snapshot.catalog.refuse_damaged_files(searched)
            files = allowed_files(self._snapshot.catalog.connection, filters)
        mask = self._alive & np.isin(self._file_ids, files)
        return Allowed(mask, searched, int(mask.sum()))

    def candidates(
        self, vector: NDArray[np.float32] | None, terms: Sequence[str] | None, allowed: Allowed, count: int
    ) -> Candidates:
        """The best rows of each route. Raises IndexCorruptError for arrays that contradict one another."""
        try:
            return self._candidates(vector, terms, allowed, count)
        except (IndexError, ValueError) as error:
            raise self._damaged(f"its arrays contradict one another ({error})") from error

    def _candidates(
        self, vector: NDArray[np.float32] | None, terms: Sequence[str] | None, allowed: Allowed, count: int
    ) -> Candidates:
        ef = keywords = None
        best: list[NDArray[np.int64]] = []
        if vector is not None:
            self.verify_vectors()
            rows, ef = self._vectors.best(vector, allowed.mask, count)
            best.append(rows)
        if terms is not None:
            self._verify_lists(set(terms))
            parts = [segment.postings for segment in self._snapshot.segments]
            found = bm25.scores(parts, terms, k1=config.BM25_K1, b=config.BM25_B)
            keywords = _joined(found, np.float32)
            best.append(flat.top_k(keywords, allowed.mask & (keywords > 0), count))
        chosen = np.zeros(len(allowed.mask), np.bool_)
        chosen[_joined(best, np.int64)] = True
        rows = np.flatnonzero(chosen)  # np.unique would import numpy.ma, 7 ms
        cosines = None if vector is None else self._vectors.cosines(vector, rows)
        return Candidates(rows, cosines, None if keywords is None else keywords[rows], ef)

    def verify_vectors(self) -> None:
        """Compare the checksums of all vectors, once for a snapshot: 0.3 ms a MB, before the first search by vectors.

        Worth calling while something else is waited for. Raises IndexCorruptError.
        """
        if not self._verified:
            for segment in self._snapshot.segments:
                self._verify(segment, "vectors", segment.vectors)
            self._verified = True

    def _verify_lists(self, terms: Collection[str]) -> None:
        """Compare the checksums of what is read of the postings."""
        for segment in self._snapshot.segments:
            postings = segment.postings
            for start, end in (postings.span(term) for term in terms):
                for name, array in (("postings_rows", postings.rows), ("postings_counts", postings.counts)):
                    self._verify(segment, name, array, start * array.itemsize, end * array.itemsize)

    def _verify(
        self, segment: SegmentView, name: str, array: NDArray[Any], start: int = 0, stop: int | None = None
    ) -> None:
        if damaged_blocks(array, segment.manifest[name], start, stop):
            raise self._damaged(f"its {name} are damaged")

    def file_keys(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows' file ids."""
        return self._file_ids[rows]

    def passages(self, rows: NDArray[np.int64]) -> list[Passage]:
        """The rows' chunks. Raises IndexCorruptError when the catalog lacks one."""
        chunk_ids = self._chunk_ids[rows]
        catalog = self._snapshot.catalog
        try:
            with translated(catalog.index):
                return catalog.passages(chunk_ids.tolist())
        except KeyError as error:
            raise self._damaged(f"its catalog lacks chunk {error}") from None

    def holding(self, terms: Sequence[str]) -> list[int]:
        """How many rows hold each term, deleted ones too until a merge drops them."""
        spans = ([segment.postings.span(term) for segment in self._snapshot.segments] for term in terms)
        return [sum(end - start for start, end in found) for found in spans]

    def rows(self, chunk_ids: Sequence[int]) -> NDArray[np.int64]:
        """The live rows of some chunks, ascending."""
        wanted = np.sort(np.array(chunk_ids, np.int64))  # np.isin might import numpy.ma, 7 ms
        places = np.minimum(np.searchsorted(wanted, self._chunk_ids), len(wanted) - 1)
        return np.flatnonzero((wanted[places] == self._chunk_ids) & self._alive)

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows' unit vectors, shape (n, dimension). Raises IndexCorruptError."""
        try:
            return stored_vectors(self._snapshot.segments, rows, verify=not self._verified)
        except ValueError as error:
            raise self._damaged(str(error)) from None

    def neighbours(self, path: str, ordinal: int, count: int) -> list[Passage]:
        """A chunk of a live file and up to `count` before and after it. Raises IndexCorruptError."""
        return neighbours(self._snapshot.catalog, path, ordinal, count)

    def excerpt(self, text: str, terms: Sequence[str], width: int) -> Snippet:
        """The best of the text's sentences, at most `width` characters."""
        return best_snippet(text, terms, self._analyzer, width)

    def _damaged(self, reason: str) -> IndexCorruptError:
        return IndexCorruptError(str(self._snapshot.catalog.index), reason, CHECK)

    @cached_property
    def _file_ids(self) -> NDArray[np.int64]:
        return _joined([segment.file_ids for segment in self._snapshot.segments], np.int64)

    @cached_property
    def _chunk_ids(self) -> NDArray[np.int64]:
        return _joined([segment.chunk_ids for segment in self._snapshot.segments], np.int64)


def _joined(parts: Sequence[NDArray], dtype: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate(parts) if parts else np.empty(0, dtype)
