"""BM25 over the postings of any number of segments, scored as if they were one.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with Lucene's idf, which stays
above zero for a term that most rows contain, and without the constant factor k1 + 1.

The contribution of a posting is rounded up to a whole number of units, a power of two such that a score takes 24 bits.
Sums of these are exact in any order, so rows with equal scores tie, here and in the kernel that gives equal results.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from vsearch_core.config import BM25_B, BM25_K1
from vsearch_core.kernels.constants import BLOCK_POSTINGS, SCORE_BITS
from vsearch_core.lexical.postings import Postings

Floats = NDArray[np.float32]
RowCounts = tuple[NDArray[np.int64], NDArray[np.uint8]]  # rows, ascending, and a term's count in each
Verify = Callable[[int, int, int], object]

_TERMS = 64  # for which the arrays of terms have room at first
MAX_TERMS = 1 << 16  # that are remembered between queries


class BM25:
    """The postings of all segments, called parts here, and the terms that were looked up in them so far.

    Methods raise ValueError for lists of postings that are not ascending rows of their part, and what `verify` raises.
    """

    def __init__(
        self,
        parts: Sequence[Postings],
        verify: Verify = lambda part, start, end: None,
        *,
        k1: float = BM25_K1,
        b: float = BM25_B,
        max_terms: int = MAX_TERMS,
    ) -> None:
        """Score `parts` as one; `verify(part, start, end)` is called before these postings are first used.

        More than `max_terms` terms are not remembered between queries.
        """
        self.parts = parts
        self.rows = sum(len(part.lengths) for part in parts)
        self.starts = np.cumsum([0, *(len(part.lengths) for part in parts)])
        mean = sum(int(part.lengths.sum(dtype=np.int64)) for part in parts) / max(self.rows, 1)
        self.scale = (np.float32(k1 * (1 - b)), np.float32(k1 * b / (mean or 1)))
        constant, factor = self.scale
        self.saturations = [part.lengths.astype(np.float32) * factor + constant for part in parts]
        self._verify = verify
        self._max_terms = max_terms
        self._defined: dict[str, list[RowCounts]] = {}
        self._reset_terms()

    @property
    def term_ids(self) -> Mapping[str, int]:
        """Return a mapping from any term to its place in `idf`, `spans` and `gains`; a new term is looked up.

        `idf` (t,) float64; `spans` (t, parts, 2) int64, where the term's lists start and end; `gains` (t, parts)
        float32, the highest share of its idf that a posting of the list adds to a score. Places are valid until
        `trim_terms`, `scores`, `scores_at` or `MaxScore.search` is called.
        """
        return self._term_ids

    def trim_terms(self) -> None:
        """Forget the terms looked up so far if there are more than `max_terms`."""
        if len(self._term_ids) > self._max_terms:
            self._reset_terms()

    def define(self, term: str, lists: list[RowCounts]) -> None:
        """Give a term that no postings have, such as a prefix, rows and counts in each part."""
        self._defined[term] = lists

    def is_defined(self, term: str) -> bool:
        """Return True if the term was given rows by `define`."""
        return term in self._defined

    def drop_defined(self, limit: int) -> None:
        """Forget all defined terms if there are more than `limit`: each takes up to 9 bytes a row."""
        if len(self._defined) > limit:
            self._defined.clear()

    def rows_of(self, term: str, part: int) -> NDArray[np.integer]:
        """Return the rows of a part that contain the term, ascending."""
        return self._list(term, part)[0]

    def prefix_counts(self, prefix: str) -> NDArray[np.uint8]:
        """Return how many occurrences of terms with the prefix each row has, (rows,), 255 for that many or more."""
        found = []
        for number, part in enumerate(self.parts):
            start, end = part.prefix_span(prefix)
            self.check(number, start, end, one_list=False)
            counts = np.bincount(part.rows[start:end], part.counts[start:end], len(part.lengths))
            found.append(np.minimum(counts, 255).astype(np.uint8))
        return np.concatenate([np.empty(0, np.uint8), *found])

    def scores(self, terms: Sequence[str]) -> Floats:
        """Return each row's score, (rows,), 0 if it contains none of the terms; a repeated term counts repeatedly.

        score(row) = sum over terms of idf * f / (f + k1 * (1 - b + b * length / mean length)), where f is the term's
        count in the row. Statistics are taken over all parts, and include deleted rows until a merge drops them.
        """
        self.trim_terms()
        weights, unit = self._weights(terms)
        result = np.zeros(self.rows, np.int32)
        for number, saturation in enumerate(self.saturations):
            part = result[self.starts[number] : self.starts[number + 1]]
            for term, weight in zip(terms, weights, strict=True):
                rows, counts = self._list(term, number)
                part[rows] += contributions(counts, saturation.take(rows), weight)
        return result.astype(np.float32) * np.float32(unit)

    def scores_at(self, terms: Sequence[str], rows: NDArray[np.int64]) -> Floats:
        """Return the scores of the given rows only, ascending, as `scores` does."""
        self.trim_terms()
        weights, unit = self._weights(terms)
        result = np.zeros(len(rows), np.int32)
        bounds = np.searchsorted(rows, self.starts)
        for number, saturation in enumerate(self.saturations):
            some = slice(bounds[number], bounds[number + 1])
            wanted = rows[some] - self.starts[number]
            for term, weight in zip(terms, weights, strict=True):
                listed, counts = self._list(term, number)
                at = np.searchsorted(listed, wanted.astype(listed.dtype))
                at[at == len(listed)] = 0
                has = listed[at] == wanted if len(listed) else np.zeros(len(wanted), np.bool_)
                places = at[has]
                result[some][has] += contributions(counts[places], saturation[wanted[has]], weight)
        return result.astype(np.float32) * np.float32(unit)

    def check(self, part: int, start: int, end: int, *, one_list: bool = True) -> None:
        """Raise ValueError unless a part's postings from `start` to `end` exist, are intact and are in order."""
        postings = self.parts[part]
        if not 0 <= start <= end <= min(len(postings.rows), len(postings.counts)):
            raise ValueError("a list of postings is out of range")
        self._verify(part, start, end)
        rows = postings.rows[start:end]
        if len(rows) and int(rows.max()) >= len(postings.lengths):
            raise ValueError("a list of postings has rows that don't exist")
        if one_list and bool((rows[1:] <= rows[:-1]).any()):
            raise ValueError("a list of postings is not ascending")

    def _weights(self, terms: Sequence[str]) -> tuple[list[np.float32], float]:
        """Return the terms' weights in units, and the unit."""
        values = [self._idf(term) for term in terms]
        unit = unit_of(sum(values))
        return [np.float32(value / unit) for value in values], unit

    def _idf(self, term: str) -> float:
        if term in self._defined:
            return idf(self.rows, sum(len(rows) for rows, _ in self._defined[term]))
        number = self._term_ids[term]  # first: it may replace the array
        return float(self.idf[number])

    def _list(self, term: str, part: int) -> tuple[NDArray[np.integer], NDArray[np.uint8]]:
        if term in self._defined:
            return self._defined[term][part]
        number = self._term_ids[term]
        start, end = self.spans[number, part].tolist()
        postings = self.parts[part]
        # Converted here once to the type that indexes fastest, not in each use.
        return postings.rows[start:end].astype(np.intp), postings.counts[start:end]

    def _reset_terms(self) -> None:
        self._term_ids = _TermIds(self._look_up)
        self.idf = np.zeros(_TERMS, np.float64)
        self.spans = np.zeros((_TERMS, len(self.parts), 2), np.int64)
        self.gains = np.zeros((_TERMS, len(self.parts)), np.float32)

    def _look_up(self, term: str) -> int:
        """Look a new term up in all parts, and return its place."""
        number = len(self._term_ids)
        if number == len(self.idf):
            self.idf, self.spans, self.gains = (
                np.concatenate([array, np.zeros_like(array)]) for array in (self.idf, self.spans, self.gains)
            )
        spans = [part.span(term) for part in self.parts]
        for part, (start, end) in enumerate(spans):
            self.check(part, start, end)
            self.gains[number, part] = self._gain(part, start, end)
        self.idf[number] = idf(self.rows, sum(end - start for start, end in spans))
        self.spans[number] = np.array(spans, np.int64).reshape(-1, 2)
        return number

    def _gain(self, part: int, start: int, end: int) -> float:
        """Return the most that a posting of a list gains, 0 to 1, by its blocks' bounds; 1 if there are none."""
        postings = self.parts[part]
        blocks = slice(start // BLOCK_POSTINGS, (end - 1) // BLOCK_POSTINGS + 1)
        counts, ratios = postings.block_counts[blocks], postings.block_ratios[blocks]
        if start == end or not len(counts):
            return float(start < end)
        constant, factor = self.scale
        return 1.00001 / (1 + float((constant / counts + factor * ratios).min()))


def contributions(counts: NDArray[np.uint8], saturations: Floats, weight: np.float32) -> NDArray[np.int32]:
    """Return what postings add to scores, in units. The kernel does the same, operation by operation."""
    frequency = counts.astype(np.float32)
    added: NDArray[np.int32] = (frequency / (frequency + saturations) * weight).astype(np.int32) + np.int32(1)
    return added


def idf(rows: int, document_frequency: int) -> float:
    """Return log(1 + (N - n + 0.5) / (n + 0.5)) for a term that n of N rows contain, or 0 if none does."""
    if not document_frequency:
        return 0.0
    return log(1 + (rows - document_frequency + 0.5) / (document_frequency + 0.5))


def unit_of(highest: float) -> float:
    """Return the unit for scores up to the highest: a power of two that makes it at most 2**24 units."""
    return float(2.0 ** (int(np.frexp(highest)[1]) - SCORE_BITS))


class _TermIds(dict[str, int]):
    """A mapping from terms to places that looks a new term up."""

    def __init__(self, look_up: Callable[[str], int]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, term: str) -> int:
        number = self._look_up(term)
        self[term] = number
        return number
