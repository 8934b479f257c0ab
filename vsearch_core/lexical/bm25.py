"""BM25 over the postings of any number of segments, scored as if they were one.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with Lucene's idf, which stays
above zero for a term that most rows hold, and without the constant factor k1 + 1.

What each posting adds is rounded up to a whole number of units, a power of two such that a whole score takes 24 bits.
Sums of those are exact in whatever order they are made, so that rows that score alike tie, here and in the kernel that
is held equal to this.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from vsearch_core.config import BM25_B, BM25_K1
from vsearch_core.kernels.constants import BLOCK_POSTINGS, SCORE_BITS
from vsearch_core.lexical.postings import Postings

Floats = NDArray[np.float32]
Verify = Callable[[int, int, int], object]


class BM25:
    """The postings of all segments, what is known of them as a whole, and the terms that were asked for so far.

    `verify(part, start, end)` is called before postings of a part are used for the first time. Methods raise what it
    raises, and ValueError for lists that are not ascending rows of their part.
    """

    def __init__(
        self,
        parts: Sequence[Postings],
        verify: Verify = lambda part, start, end: None,
        *,
        k1: float = BM25_K1,
        b: float = BM25_B,
    ) -> None:
        self.parts = parts
        self.rows = sum(len(part.lengths) for part in parts)
        self.starts = np.cumsum([0, *(len(part.lengths) for part in parts)])
        mean = sum(int(part.lengths.sum(dtype=np.int64)) for part in parts) / max(self.rows, 1)
        self.scale = (np.float32(k1 * (1 - b)), np.float32(k1 * b / (mean or 1)))
        constant, factor = self.scale
        self.saturations = [part.lengths.astype(np.float32) * factor + constant for part in parts]
        self._verify = verify
        self._numbers = _Numbers(self._add)
        self._made: dict[str, list[tuple[NDArray[np.int64], NDArray[np.uint8]]]] = {}
        self.idf = np.zeros(64, np.float64)
        self.spans = np.zeros((64, len(parts), 2), np.int64)
        self.gains = np.zeros((64, len(parts)), np.float32)

    @property
    def term_ids(self) -> Mapping[str, int]:
        """Term -> its place in `idf` (t,), `spans` (t, parts, 2) and `gains` (t, parts), the most a posting gains."""
        return self._numbers

    def define(self, term: str, lists: list[tuple[NDArray[np.int64], NDArray[np.uint8]]]) -> None:
        """Let a term that no postings have stand for rows and counts of each part: all that begin alike, say."""
        self._made[term] = lists

    def is_defined(self, term: str) -> bool:
        """Whether `define` was called for it."""
        return term in self._made

    def drop_defined(self, most: int) -> None:
        """Forget all terms that were defined if these are more than `most`: each takes up to 9 bytes a row."""
        if len(self._made) > most:
            self._made.clear()

    def rows_of(self, term: str, part: int) -> NDArray[np.integer]:
        """The rows of a part that hold a term, ascending."""
        return self._list(term, part)[0]

    def prefix_counts(self, prefix: str) -> NDArray[np.uint8]:
        """How many words each row has whose terms begin so, (rows,), 255 for that many or more."""
        found = []
        for number, part in enumerate(self.parts):
            start, end = part.prefix_span(prefix)
            self.check(number, start, end, one_list=False)
            counts = np.bincount(part.rows[start:end], part.counts[start:end], len(part.lengths))
            found.append(np.minimum(counts, 255).astype(np.uint8))
        return np.concatenate([np.empty(0, np.uint8), *found])

    def scores(self, terms: Sequence[str]) -> Floats:
        """Each row's score, (rows,), 0 where a row holds none of the terms; a term counts as often as it is given.

        score(row) = sum over terms of idf * f / (f + k1 * (1 - b + b * length / mean length)), f being the term's count
        in the row. Rows, frequencies and lengths are taken over all parts, deleted rows too until a merge drops them.
        """
        weights, unit = self._weights(terms)
        result = np.zeros(self.rows, np.int32)
        for number, saturation in enumerate(self.saturations):
            part = result[self.starts[number] : self.starts[number + 1]]
            for term, weight in zip(terms, weights, strict=True):
                rows, counts = self._list(term, number)
                part[rows] += contributions(counts, saturation.take(rows), weight)
        return result.astype(np.float32) * np.float32(unit)

    def scores_at(self, terms: Sequence[str], rows: NDArray[np.int64]) -> Floats:
        """As `scores`, of some rows only, ascending."""
        weights, unit = self._weights(terms)
        result = np.zeros(len(rows), np.int32)
        bounds = np.searchsorted(rows, self.starts)
        for number, saturation in enumerate(self.saturations):
            some = slice(bounds[number], bounds[number + 1])
            wanted = rows[some] - self.starts[number]
            for term, weight in zip(terms, weights, strict=True):
                held, counts = self._list(term, number)
                at = np.searchsorted(held, wanted.astype(held.dtype))
                at[at == len(held)] = 0
                has = held[at] == wanted if len(held) else np.zeros(len(wanted), np.bool_)
                places = at[has]
                result[some][has] += contributions(counts[places], saturation[wanted[has]], weight)
        return result.astype(np.float32) * np.float32(unit)

    def _weights(self, terms: Sequence[str]) -> tuple[list[np.float32], float]:
        """The terms' weights in units, and the unit."""
        values = [self._idf(term) for term in terms]
        unit = unit_of(sum(values))
        return [np.float32(value / unit) for value in values], unit

    def _idf(self, term: str) -> float:
        """How telling a term is: log(1 + (N - n + 0.5) / (n + 0.5)), where n of all N rows hold it; 0 if none does."""
        if term in self._made:
            holding = sum(len(rows) for rows, _ in self._made[term])
            return idf(self.rows, holding)
        number = self._numbers[term]  # first: it may make the arrays grow
        return float(self.idf[number])

    def _list(self, term: str, part: int) -> tuple[NDArray[np.integer], NDArray[np.uint8]]:
        if term in self._made:
            return self._made[term][part]
        number = self._numbers[term]
        start, end = self.spans[number, part].tolist()
        postings = self.parts[part]
        # The rows as what indexes best, converted once and not in each use.
        return postings.rows[start:end].astype(np.intp), postings.counts[start:end]

    def _add(self, term: str) -> int:
        """Look a term up in all parts, for the first time."""
        number = len(self._numbers)
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

    def check(self, part: int, start: int, end: int, *, one_list: bool = True) -> None:
        """Make sure that a part's postings from `start` to `end` are there and hold what was written, in order."""
        postings = self.parts[part]
        if not 0 <= start <= end <= min(len(postings.rows), len(postings.counts)):
            raise ValueError("a list of postings lies outside them")
        self._verify(part, start, end)
        rows = postings.rows[start:end]
        if len(rows) and int(rows.max()) >= len(postings.lengths):
            raise ValueError("a list of postings has rows that are not there")
        if one_list and bool((rows[1:] <= rows[:-1]).any()):
            raise ValueError("a list of postings does not ascend")

    def _gain(self, part: int, start: int, end: int) -> float:
        """The most that a posting of a list gains, 0 to 1, by the bounds of its blocks; 1 where there are none."""
        postings = self.parts[part]
        blocks = slice(start // BLOCK_POSTINGS, (end - 1) // BLOCK_POSTINGS + 1)
        counts, ratios = postings.block_counts[blocks], postings.block_ratios[blocks]
        if start == end or not len(counts):
            return float(start < end)
        constant, factor = self.scale
        return 1.00001 / (1 + float((constant / counts + factor * ratios).min()))


def contributions(counts: NDArray[np.uint8], saturations: Floats, weight: np.float32) -> NDArray[np.int32]:
    """What postings add, in units. The kernel does the same, operation by operation."""
    frequency = counts.astype(np.float32)
    added: NDArray[np.int32] = (frequency / (frequency + saturations) * weight).astype(np.int32) + np.int32(1)
    return added


def idf(rows: int, holding: int) -> float:
    """The idf of a term that so many of all rows hold."""
    return log(1 + (rows - holding + 0.5) / (holding + 0.5)) if holding else 0.0


def unit_of(highest: float) -> float:
    """The unit for scores up to the highest: a power of two of which it has at most 2**24."""
    return float(2.0 ** (int(np.frexp(highest)[1]) - SCORE_BITS))


class _Numbers(dict[str, int]):
    """Term -> number, given when it is first asked for."""

    def __init__(self, add: Callable[[str], int]) -> None:
        super().__init__()
        self._add = add

    def __missing__(self, term: str) -> int:
        number = self._add(term)
        self[term] = number
        return number
