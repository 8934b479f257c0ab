"""Keyword search by the compiled kernel: what `bm25.Collection` scores row by row, without looking at every row."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from vsearch_core.kernels.keywords import GUARD, best_rows, read_pools
from vsearch_core.kernels.select import LAST
from vsearch_core.lexical.bm25 import BITS, Collection


@dataclass(frozen=True, slots=True)
class Found:
    """The best rows of each query, best first, equal scores by row: `rows` and `scores` (q, k), of which `counts` (q,)
    are there; the rest is undefined."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    counts: NDArray[np.int64]


class MaxScore:
    """Top-k search over a collection whose parts all have bounds of their blocks. Belongs to one thread."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._all = _read_only(np.empty(0, np.bool_))
        self._parts = [
            tuple(map(_read_only, (part.rows, part.counts, part.block_counts, part.block_ratios, saturations)))
            for part, saturations in zip(collection.parts, collection.saturations, strict=True)
        ]

    def load(self) -> None:
        """Have the kernels ready, by asking for nothing."""
        self.search([[]], 1)
        self.search([[]], 1, np.zeros(self._collection.rows, np.bool_))

    def search(self, queries: Sequence[Sequence[str]], k: int, allowed: NDArray[np.bool_] | None = None) -> Found:
        """The k rows with the highest scores above 0 of each query's terms, among the allowed, (rows,) bool.

        Raises as `Collection` does.
        """
        collection = self._collection
        known = collection.numbers
        ends = np.cumsum([0, *map(len, queries)])
        ids = np.fromiter(map(known.__getitem__, chain.from_iterable(queries)), np.int64, int(ends[-1]))
        values = collection.idf[ids]
        sums = np.concatenate([[0.0], np.cumsum(values)])
        highest = sums[ends[1:]] - sums[ends[:-1]]
        units = np.ldexp(1.0, np.frexp(highest)[1] - BITS)
        weights = (values / np.repeat(units, np.diff(ends))).astype(np.float32)
        pools = np.full((len(queries), GUARD + -(-k // 8) * 8), LAST, np.int64)
        pools[:, :GUARD] = -LAST
        for number, part in enumerate(self._parts):
            spans = collection.spans[ids, number]
            bounds = (collection.gains[ids, number] * weights).astype(np.int64) + 2
            base = int(collection.starts[number])
            mask = self._all if allowed is None else _read_only(allowed[base : base + len(part[4])])
            terms = (np.ascontiguousarray(spans[:, 0]), np.ascontiguousarray(spans[:, 1]), weights)
            best_rows(part, collection.scale, ends, terms, bounds, mask, base, k, pools)
        found = Found(
            np.empty((len(queries), k), np.int64),
            np.empty((len(queries), k), np.float32),
            np.empty(len(queries), np.int64),
        )
        read_pools(pools, units.astype(np.float32), found.rows, found.scores, found.counts)
        return found


def _read_only(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    """One type for the kernels, whether mapped or made: each other would be compiled on its own."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
