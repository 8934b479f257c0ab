"""The keyword route over an index on a server: its postings, scored here.

The server returns blocks of postings of the query's terms. They are scored by the formula and the arithmetic of
`lexical.bm25`, so that the scores are those of a local index, bit for bit.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.ann.flat import top_k
from vsearch_core.index.server_snapshot import ServerSnapshot
from vsearch_core.lexical.bm25 import contributions, idf, index_term, unit_of, weight_of
from vsearch_core.store.server.postings import TermPostings, chunk_ids_of, without

if TYPE_CHECKING:
    from vsearch_core.store.server.reading import TermRanking

MOST_POSTINGS = 4_000_000  # that are kept between queries: 13 bytes each
MOST_TERMS = 1 << 16  # whose document frequencies are kept

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


class ServerVocabulary:
    """The terms of an index on a server: a `lexical.vocabulary.Vocabulary` that remembers what it has looked up."""

    def __init__(self, snapshot: ServerSnapshot) -> None:
        """Look terms up in the snapshot."""
        self._catalog = snapshot.catalog
        self._frequencies: dict[str, int] = {}

    def document_frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return, for each term, the number of chunks that contain it. Removed ones count until a compaction."""
        if len(self._frequencies) > MOST_TERMS:
            self._frequencies.clear()
        unknown = {term for term in terms if term not in self._frequencies}
        if unknown:
            self._frequencies |= self._catalog.document_frequencies(unknown)
        return [self._frequencies[term] for term in terms]

    def terms_ending_in(self, ending: str) -> Mapping[str, int]:
        """Return all longer terms that end in a text, with their document frequencies."""
        found = self._catalog.terms_ending_in(ending)
        return {term: count for term, count in found.items() if term != ending}


class ServerKeywords:
    """Scores the chunks of an index on a server with BM25. Chunks are given by their ids."""

    def __init__(self, snapshot: ServerSnapshot, vocabulary: ServerVocabulary) -> None:
        """Score the chunks of the snapshot."""
        self._snapshot = snapshot
        self._vocabulary = vocabulary
        mean = snapshot.terms / max(snapshot.rows, 1)
        self._constant = np.float32(config.BM25_K1 * (1 - config.BM25_B))
        self._factor = np.float32(config.BM25_K1 * config.BM25_B / (mean or 1))
        self._lists: dict[str, TermPostings] = {}  # by the index's terms; without removed chunks
        self._defined: dict[str, TermPostings] = {}

    def define(self, term: str, postings: TermPostings) -> None:
        """Define a term that is not in the postings, such as the prefix `bar*`."""
        self._defined[term] = postings

    def is_defined(self, term: str) -> bool:
        """Return True if the term was defined by `define`."""
        return term in self._defined

    def drop_defined(self, limit: int) -> None:
        """Forget all terms defined by `define`, if there are more than `limit`."""
        if len(self._defined) > limit:
            self._defined.clear()

    def fetch(self, terms: Iterable[str]) -> None:
        """Read the postings of all terms that are not here yet, in one request."""
        if sum(len(each.ids) for each in self._lists.values()) > MOST_POSTINGS:
            self._lists.clear()
        wanted = {index_term(term) for term in terms if term not in self._defined}
        missing = wanted - self._lists.keys()
        if missing:
            removed = self._snapshot.catalog.removed_chunks
            found = self._snapshot.catalog.postings(missing)
            self._lists |= {term: without(each, removed) for term, each in found.items()}

    def chunks_with_any(self, terms: Collection[str]) -> Ids:
        """Return the ids of the chunks that contain at least one of the terms, ascending."""
        self.fetch(terms)
        return chunk_ids_of(map(self._list, terms))

    def have(self, term: str, ids: Ids) -> NDArray[np.bool_]:
        """Return for each of the chunks (n,), given by ascending ids, whether it contains the term."""
        return is_among(ids, self.chunks_with_any([term]))

    def lengths(self, terms: Iterable[str]) -> dict[int, int]:
        """Return the lengths, in terms, of the chunks that contain one of the terms, by id."""
        lists = [self._list(term) for term in terms]
        return {
            number: length
            for each in lists
            for number, length in zip(each.ids.tolist(), each.lengths.tolist(), strict=True)
        }

    def best(self, terms: Sequence[str], allowed: Ids | None, count: int) -> Ids:
        """Return the ids of the `count` chunks with the highest scores above 0, best first.

        `allowed` are the ids of the allowed chunks, ascending; None allows all.
        """
        self.fetch(terms)
        ids = chunk_ids_of(self._list(term) for term in dict.fromkeys(terms))
        scores = self.scores_at(terms, ids)
        mask = scores > 0
        if allowed is not None:
            mask &= is_among(ids, allowed)
        found: Ids = ids[top_k(scores, mask, count)]
        return found

    def scores_at(self, terms: Sequence[str], ids: Ids) -> Floats:
        """Return the scores of chunks, (n,), given by ascending ids: see `BM25.scores`."""
        self.fetch(terms)
        return self._scores(terms, ids, [self._list(term) for term in terms])

    def _scores(self, terms: Sequence[str], ids: Ids, lists: Sequence[TermPostings]) -> Floats:
        """Return the scores of chunks, (n,), given by ascending ids, from the postings of each term."""
        values = [self._idf(term) for term in terms]
        unit = unit_of(sum(values))
        total = np.zeros(len(ids), np.int32)
        for postings, value in zip(lists, values, strict=True):
            if not len(ids) or not len(postings.ids):
                continue
            places = np.minimum(np.searchsorted(ids, postings.ids), len(ids) - 1)
            has = ids[places] == postings.ids
            saturations = postings.lengths[has].astype(np.float32) * self._factor + self._constant
            total[places[has]] += contributions(postings.counts[has], saturations, np.float32(value / unit))
        return total.astype(np.float32) * np.float32(unit)

    def limit(self, terms: Sequence[str]) -> float:
        """Return the limit of the scores of a chunk that has all terms ever more often: see `BM25.limit`."""
        rarest = log(1 + (self._snapshot.rows + 0.5) / 0.5)
        return sum(self._idf(term) or rarest for term in terms)

    def document_frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return, for each of a query's terms, the number of chunks that contain it."""
        return self._vocabulary.document_frequencies([index_term(term) for term in terms])

    def _idf(self, term: str) -> float:
        if term in self._defined:
            return idf(self._snapshot.rows, len(self._defined[term].ids))
        return weight_of(term) * idf(self._snapshot.rows, self.document_frequencies([term])[0])

    def _list(self, term: str) -> TermPostings:
        return self._defined[term] if term in self._defined else self._lists[index_term(term)]


class RankedKeywords(ServerKeywords):
    """Scores chunks with BM25 where the server itself finds the best ones by terms.

    Only terms that were defined need postings, and sets of all chunks with a term.
    """

    def __init__(self, snapshot: ServerSnapshot, vocabulary: ServerVocabulary) -> None:
        """Score the chunks of the snapshot, whose catalog is a `TermRanking`."""
        super().__init__(snapshot, vocabulary)
        self._ranking = cast("TermRanking", snapshot.catalog)
        self._mean = snapshot.terms / max(snapshot.rows, 1)

    def best(self, terms: Sequence[str], allowed: Ids | None, count: int) -> Ids:
        """Return the ids of the `count` chunks with the highest scores above 0: see `ServerKeywords.best`."""
        weights: dict[str, float] = {}
        for term in terms:
            weights[index_term(term)] = weights.get(index_term(term), 0.0) + self._idf(term)
        among = None if allowed is None else allowed.tolist()
        found = None
        if not self._has_defined(terms):
            found = self._ranking.best_by_terms(weights, count, among, self._mean)
        if found is None:
            return super().best(terms, allowed, count)
        ids = np.sort(found)
        scores = self.scores_at(terms, ids)
        best: Ids = ids[top_k(scores, scores > 0, count)]
        return best

    def scores_at(self, terms: Sequence[str], ids: Ids) -> Floats:
        """Return the scores of chunks, (n,), given by ascending ids: see `BM25.scores`."""
        if self._has_defined(terms):
            return super().scores_at(terms, ids)
        names = list(dict.fromkeys(index_term(term) for term in terms))
        found = self._ranking.term_counts(names, ids.tolist())
        lists = {}
        for place, name in enumerate(names):
            counts = found.counts[:, place]
            has = counts > 0
            lists[name] = TermPostings(found.ids[has], counts[has], found.lengths[has])
        return self._scores(terms, ids, [lists[index_term(term)] for term in terms])

    def have(self, term: str, ids: Ids) -> NDArray[np.bool_]:
        """Return for each of the chunks (n,), given by ascending ids, whether it contains the term."""
        found = self._ranking.term_counts([index_term(term)], ids.tolist())
        return is_among(ids, found.ids[found.counts[:, 0] > 0])

    def _has_defined(self, terms: Iterable[str]) -> bool:
        return any(self.is_defined(term) for term in terms)


def is_among(ids: Ids, others: Ids) -> NDArray[np.bool_]:
    """Return for each id (n,) whether it is among others, which are ascending."""
    if not len(others):
        return np.zeros(len(ids), np.bool_)
    places = np.minimum(np.searchsorted(others, ids), len(others) - 1)
    found: NDArray[np.bool_] = others[places] == ids
    return found
