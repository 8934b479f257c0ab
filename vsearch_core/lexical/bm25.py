"""Score rows with BM25, over the postings of any number of segments as if they were one.

The formula is that of Robertson and Zaragoza ("The Probabilistic Relevance Framework: BM25 and Beyond", 2009), with two
changes: the idf is Lucene's, which is above zero even for a term that most rows contain, and the constant factor k1 + 1
is left out.

Scores are sums of whole numbers of units: what a posting adds is rounded up to a multiple of the unit, a power of two
chosen so that a score fits into 24 bits. Such sums are exact in any order. So the compiled kernel gives the same
scores, and equal rows have equal scores.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from vsearch_core.config import BM25_B, BM25_K1
from vsearch_core.kernels.constants import BLOCK_POSTINGS, SCORE_BITS
from vsearch_core.lexical.analyzer import RESPELLED, WEAK
from vsearch_core.lexical.postings import Postings

Floats = NDArray[np.float32]
RowCounts = tuple[NDArray[np.int64], NDArray[np.uint8]]  # rows, ascending, and a term's count in each
Verify = Callable[[int, int, int], object]

WEAK_WEIGHT = 0.5  # of the idf of a term that a query has as a weaker match
RESPELLED_WEIGHT = 0.25  # of the idf of a term that stands for a misspelled word
_TERMS = 64  # for which the arrays of terms have room at first
MAX_TERMS = 1 << 16  # that are remembered between queries


class BM25:
    """Scores rows by the postings of all segments (here called parts), and remembers the terms that were looked up.

    Rows are numbered across all parts, unless a method says otherwise. Methods raise ValueError for damaged postings,
    and the exceptions of `verify`.
    """

    def __init__(
        self,
        parts: Sequence[Postings],
        verify: Verify = lambda part, start, end: None,
        *,
        k1: float = BM25_K1,
        b: float = BM25_B,
        max_terms: int = MAX_TERMS,
        counted: Sequence[NDArray[np.bool_] | None] | None = None,
    ) -> None:
        """Score the rows of all `parts`, the postings of the segments.

        `verify(part, start, end)` is called before these postings of a part (by its number) are first used. At most
        `max_terms` terms are remembered between queries. `counted` has for each part a mask of the rows that count in
        the number of rows, in their mean length and in document frequencies, or None if all do.
        """
        self.parts = parts
        self.rows = sum(len(part.lengths) for part in parts)
        self.starts = np.cumsum([0, *(len(part.lengths) for part in parts)])
        self._counted = counted or [None] * len(parts)
        lengths = [
            part.lengths if mask is None else part.lengths[mask]
            for part, mask in zip(parts, self._counted, strict=True)
        ]
        self.counted_rows = sum(map(len, lengths))
        mean = sum(int(each.sum(dtype=np.int64)) for each in lengths) / max(self.counted_rows, 1)
        self.scale = (np.float32(k1 * (1 - b)), np.float32(k1 * b / (mean or 1)))
        constant, factor = self.scale
        self.saturations = [part.lengths.astype(np.float32) * factor + constant for part in parts]
        self._verify = verify
        self._max_terms = max_terms
        self._defined: dict[str, list[RowCounts]] = {}
        self._reset_terms()

    @property
    def term_ids(self) -> Mapping[str, int]:
        """Return a mapping from a term to its place in the arrays `idf`, `spans` and `gains`. New terms are looked up.

        A term that starts with `~` or `~~` stands for the index's term after it. Its idf is multiplied by the factor
        that `weight_of` returns.

        `idf` (t,) float64 is the idf of each term. `spans` (t, parts, 2) int64 is the start and end of its postings in
        each part. `gains` (t, parts) float32 is the largest share of the idf that one of these postings adds to a
        score. A place is only valid until `trim_terms`, `scores`, `scores_at` or `MaxScore.search` is called.
        """
        return self._term_ids

    def trim_terms(self) -> None:
        """Forget all terms that were looked up, if there are more than `max_terms`."""
        if len(self._term_ids) > self._max_terms:
            self._reset_terms()

    def define(self, term: str, lists: list[RowCounts]) -> None:
        """Define a term that is not in the postings, such as the prefix `bar*`, by its rows and counts in each part."""
        self._defined[term] = lists

    def is_defined(self, term: str) -> bool:
        """Return True if the term was defined by `define`."""
        return term in self._defined

    def drop_defined(self, limit: int) -> None:
        """Forget all terms defined by `define`, if there are more than `limit`. Each takes up to 9 bytes a row."""
        if len(self._defined) > limit:
            self._defined.clear()

    def rows_of(self, term: str, part: int) -> NDArray[np.integer]:
        """Return the rows that contain the term, ascending, as numbers within the part."""
        return self._list(term, part)[0]

    def prefix_counts(self, prefix: str) -> NDArray[np.uint8]:
        """Return for each row the number of its terms that start with the prefix, (rows,); 255 means 255 or more."""
        found = []
        for number, part in enumerate(self.parts):
            start, end = part.prefix_span(prefix)
            self.check(number, start, end, one_list=False)
            counts = np.bincount(part.rows[start:end], part.counts[start:end], len(part.lengths))
            found.append(np.minimum(counts, 255).astype(np.uint8))
        return np.concatenate([np.empty(0, np.uint8), *found])

    def scores(self, terms: Sequence[str]) -> Floats:
        """Return the scores of all rows, (rows,) float32; a row with none of the terms has score 0.

        score(row) = sum over terms of idf * f / (f + k1 * (1 - b + b * length / mean length)), where f is the number of
        times that the term occurs in the row. A term that is given twice counts twice. The idf and the mean length are
        those of the counted rows of all parts.
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
        """Return the scores of the given rows, which must be ascending: the same numbers as from `scores`."""
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

    def limit(self, terms: Sequence[str]) -> float:
        """Return the limit of the scores of a row that has all terms ever more often.

        A term that no row has counts as rarer than any that a row has.
        """
        rarest = log(1 + (self.counted_rows + 0.5) / 0.5)
        return sum(self._idf(term) or rarest for term in terms)

    def document_frequency(self, term: str) -> int:
        """Return the number of counted rows that contain the index's term."""
        total = 0
        for number, part in enumerate(self.parts):
            start, end = part.span(term)
            if self._counted[number] is not None:
                self.check(number, start, end)
            total += self._count(number, start, end)
        return total

    def check(self, part: int, start: int, end: int, *, one_list: bool = True) -> None:
        """Raise ValueError if a part's postings from `start` to `end` are missing or damaged.

        With `one_list`, they are the postings of one term, and their rows must be ascending.
        """
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
            lists = zip(self._defined[term], self._counted, strict=True)
            return idf(
                self.counted_rows,
                sum(len(rows) if mask is None else int(mask[rows].sum()) for (rows, _), mask in lists),
            )
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
        spans = [part.span(index_term(term)) for part in self.parts]
        for part, (start, end) in enumerate(spans):
            self.check(part, start, end)
            self.gains[number, part] = self._gain(part, start, end)
        frequency = sum(self._count(part, start, end) for part, (start, end) in enumerate(spans))
        self.idf[number] = weight_of(term) * idf(self.counted_rows, frequency)
        self.spans[number] = np.array(spans, np.int64).reshape(-1, 2)
        return number

    def _count(self, part: int, start: int, end: int) -> int:
        """Return the number of counted rows among the postings of a list."""
        mask = self._counted[part]
        return end - start if mask is None else int(mask[self.parts[part].rows[start:end]].sum())

    def _gain(self, part: int, start: int, end: int) -> float:
        """Return the most that a posting of a list gains, 0 to 1, by its blocks' bounds; 1 if there are none."""
        postings = self.parts[part]
        blocks = slice(start // BLOCK_POSTINGS, (end - 1) // BLOCK_POSTINGS + 1)
        counts, ratios = postings.block_counts[blocks], postings.block_ratios[blocks]
        if start == end or not len(counts):
            return float(start < end)
        constant, factor = self.scale
        return 1.00001 / (1 + float((constant / counts + factor * ratios).min()))


def index_term(term: str) -> str:
    """Return the index's term that a query's term stands for."""
    return term.lstrip(WEAK)


def is_weak(term: str) -> bool:
    """Return True for a query's term that counts less: `~bar` or `bar~`, other marks, or `~~bar`, another spelling."""
    return term.startswith(WEAK) or term.endswith(WEAK)


def weight_of(term: str) -> float:
    """Return the factor of a query term's idf: 1, or for a weaker match WEAK_WEIGHT or RESPELLED_WEIGHT."""
    if term.startswith(RESPELLED):
        return RESPELLED_WEIGHT
    return WEAK_WEIGHT if is_weak(term) else 1.0


def query_weights(terms: Sequence[str], frequencies: Sequence[int], rows: int) -> dict[str, float]:
    """Return the weight of each of a query's terms: its idf, times `weight_of`. A prefix has no postings: its idf is 1.

    `frequencies` are the numbers of the `rows` that contain each term.
    """
    pairs = zip(terms, frequencies, strict=True)
    return {term: weight_of(term) * (idf(rows, frequency) or 1.0) for term, frequency in pairs}


def contributions(counts: NDArray[np.uint8], saturations: Floats, weight: np.float32) -> NDArray[np.int32]:
    """Return the amounts, in units, that postings add to the scores of their rows.

    `counts` and `saturations` (n,) are the term's counts in these rows and the rows' saturations; `weight` is the
    term's idf in units. The compiled kernel does the same operations in the same order.
    """
    frequency = counts.astype(np.float32)
    added: NDArray[np.int32] = (frequency / (frequency + saturations) * weight).astype(np.int32) + np.int32(1)
    return added


def idf(rows: int, document_frequency: int) -> float:
    """Return the idf of a term: log(1 + (N - n + 0.5) / (n + 0.5)) if n of N rows contain it, 0 if none does."""
    if not document_frequency:
        return 0.0
    return log(1 + (rows - document_frequency + 0.5) / (document_frequency + 0.5))


def unit_of(highest: float) -> float:
    """Return the unit of scores: the power of two for which the `highest` possible score is at most 2**24 units."""
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
