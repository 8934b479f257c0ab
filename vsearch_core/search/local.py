"""The local index as a Searcher: vectors by scan or by graph, and every posting of the query's terms."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.lexical.bm25 import idf
from vsearch_core.lexical.compounds import COMPOUNDING, Compounds
from vsearch_core.lexical.query import ParsedQuery, plain_query
from vsearch_core.search.filters import Filters, allowed_files
from vsearch_core.search.keywords import KeywordRoute
from vsearch_core.search.passages import neighbours
from vsearch_core.search.pipeline import Allowed, Candidates
from vsearch_core.search.snippets import WIDTH, Snippet, best_snippet
from vsearch_core.search.stored import stored_vectors
from vsearch_core.search.vectors import Effort, VectorRoute
from vsearch_core.store.catalog import StoredChunk
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.segment import damaged_blocks

if TYPE_CHECKING:
    from vsearch_core.search.conditions import Conditions

_PREFIXES = 50  # whose lists are kept from one question to the next: who asks at every key stroke asks for many


class LocalSearcher:
    """A Searcher over one snapshot. Rows of all segments are numbered through."""

    def __init__(self, snapshot: Snapshot, effort: Effort = Effort()) -> None:  # noqa: B008 - frozen
        self._snapshot = snapshot
        self._vectors = VectorRoute(snapshot.segments, effort)
        self._keywords = KeywordRoute(snapshot.segments, effort.preparing)
        self._analysis = snapshot.settings.query_analysis
        self._alive = _joined([segment.alive for segment in snapshot.segments], np.bool_)
        self._allowed: dict[Filters, Allowed] = {}
        self._rarity: dict[str, float] = {}
        self._verified = False

    @property
    def generation(self) -> int:
        """The snapshot's generation."""
        return self._snapshot.generation

    def terms(self, question: ParsedQuery) -> list[str]:
        """The question's terms, in each language that the index holds, and what compounds have in common with them."""
        terms = self._analysis.query_terms(question, self._snapshot.languages)
        if self._compounds is None or not self._may_compound(question.words.split()):
            return terms
        with self._judged():
            words = ([term for term in self._word_terms(word) if term in terms] for word in question.words.split())
            return [*terms, *dict.fromkeys(each for word in words for each in self._compounds.word_relatives(word))]

    def _may_compound(self, words: Sequence[str]) -> bool:
        """Whether a compounding language has as many of the words for function words as any."""
        mute = {
            code: sum(not self._analysis.analyzer(code).query_word(word) for word in words)
            for code in self._snapshot.languages
        }
        return max(mute.values()) == max(count for code, count in mute.items() if code in COMPOUNDING)

    def _word_terms(self, word: str) -> list[str]:
        return self._analysis.query_terms(plain_query(word), self._snapshot.languages)

    def allow(self, filters: Filters) -> Allowed:
        """The live rows whose files pass the filters. A snapshot never changes, so neither does the answer."""
        if filters not in self._allowed:
            self._allowed[filters] = self._allow(filters)
        return self._allowed[filters]

    def _allow(self, filters: Filters) -> Allowed:
        searched = int(self._alive.sum())
        if not filters:
            return Allowed(self._alive, searched, searched)
        with storage_errors(self._snapshot.catalog.index):
            self._snapshot.catalog.refuse_damaged_files(searched)
            files = allowed_files(self._snapshot.catalog.connection, filters)
        mask = self._alive & np.isin(self._file_ids, files)
        return Allowed(mask, searched, int(mask.sum()))

    def narrow(self, allowed: Allowed, question: ParsedQuery) -> Allowed:
        """Of the allowed rows those that hold what the question requires, and nothing that it excludes.

        Raises IndexCorruptError.
        """
        if not question.required and not question.excluded:
            return allowed
        with self._judged():
            mask = self._conditions.narrow(allowed.mask, question)
        return Allowed(mask, allowed.searched, int(mask.sum()))

    def candidates(
        self, vector: NDArray[np.float32] | None, terms: Sequence[str] | None, allowed: Allowed, count: int
    ) -> Candidates:
        """The best rows of each route. Raises IndexCorruptError for arrays that contradict one another."""
        with self._judged():
            return self._candidates(vector, terms, allowed, count)

    @contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except (IndexError, ValueError) as error:
            raise self._damaged(f"its arrays are damaged or contradict one another ({error})") from error

    def _candidates(
        self, vector: NDArray[np.float32] | None, terms: Sequence[str] | None, allowed: Allowed, count: int
    ) -> Candidates:
        ef = None
        best: list[NDArray[np.int64]] = []
        if vector is not None:
            self.verify_vectors()
            rows, ef = self._vectors.best(vector, allowed.mask, count)
            best.append(rows)
        if terms is not None:
            self._keywords.collection.drop_defined(_PREFIXES)
            for term in terms:
                if term.endswith("*"):
                    self._conditions.define_prefix(term)
            best.append(self._keywords.best(terms, allowed.mask, count))
        chosen = np.zeros(len(allowed.mask), np.bool_)
        chosen[_joined(best, np.int64)] = True
        rows = np.flatnonzero(chosen)  # np.unique would import numpy.ma, 7 ms
        cosines = None if vector is None else self._vectors.cosines(vector, rows)
        keywords = None if terms is None else self._keywords.collection.scores_at(terms, rows)
        return Candidates(rows, cosines, keywords, ef)

    def verify_vectors(self) -> None:
        """Compare the checksums of all vectors, once for a snapshot: 0.3 ms a MB, before the first search by vectors.

        Worth calling while something else is waited for. Raises IndexCorruptError.
        """
        if not self._verified:
            for segment in self._snapshot.segments:
                if damaged_blocks(segment.vectors, segment.manifest["vectors"]):
                    raise self._damaged("its vectors are damaged")
            self._verified = True

    def file_keys(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows' file ids."""
        return self._file_ids[rows]

    def passages(self, rows: NDArray[np.int64]) -> list[StoredChunk]:
        """The rows' chunks. Raises IndexCorruptError when the catalog lacks one."""
        chunk_ids = self._chunk_ids[rows]
        catalog = self._snapshot.catalog
        try:
            with storage_errors(catalog.index):
                return catalog.stored_chunks(chunk_ids.tolist())
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

    def neighbours(self, path: str, ordinal: int, count: int) -> list[StoredChunk]:
        """A chunk of a live file and up to `count` before and after it. Raises IndexCorruptError."""
        return neighbours(self._snapshot.catalog, path, ordinal, count)

    def excerpt(self, text: str, terms: Sequence[str], width: int = WIDTH) -> Snippet:
        """The best of the text's sentences, at most `width` characters: that with the rarest of the terms."""
        unknown = [term for term in terms if term not in self._rarity]
        rows = len(self._alive)
        for term, holding in zip(unknown, self.holding(unknown), strict=True):
            self._rarity[term] = idf(rows, holding) or 1.0  # a prefix has no rows of its own
        return best_snippet(text, {term: self._rarity[term] for term in terms}, self._analysis, width)

    def _damaged(self, reason: str) -> IndexCorruptError:
        return IndexCorruptError(str(self._snapshot.catalog.index), reason)

    @cached_property
    def _conditions(self) -> "Conditions":
        from vsearch_core.search.conditions import Conditions  # its patterns take milliseconds: few questions need it

        return Conditions(self._snapshot, self._keywords, self._chunk_ids, self._alive)

    @cached_property
    def _compounds(self) -> Compounds | None:
        languages = self._snapshot.languages
        if COMPOUNDING.isdisjoint(languages):
            return None
        analyzers = [self._analysis.analyzer(code) for code in languages]
        return Compounds(
            [segment.postings for segment in self._snapshot.segments],
            lambda word: [term for analyzer in analyzers for term in analyzer.query_terms(word)],
        )

    @cached_property
    def _file_ids(self) -> NDArray[np.int64]:
        return _joined([segment.file_ids for segment in self._snapshot.segments], np.int64)

    @cached_property
    def _chunk_ids(self) -> NDArray[np.int64]:
        return _joined([segment.chunk_ids for segment in self._snapshot.segments], np.int64)


def _joined(parts: Sequence[NDArray], dtype: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate(parts) if parts else np.empty(0, dtype)
