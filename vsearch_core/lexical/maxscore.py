"""Keyword search by the compiled kernel: what `bm25.BM25` scores row by row, without looking at every row."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import LAST_KEY, POOL_BLOCK
from vsearch_core.kernels.keywords import best_rows, read_pools
from vsearch_core.lexical.bm25 import BM25


@dataclass(frozen=True, slots=True)
class TopRows:
    """The best rows of each query, best first, equal scores by row: `rows` and `scores` (q, k), of which `counts` (q,)
    are there; the rest is undefined."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    counts: NDArray[np.int64]


class MaxScore:
    """Top-k search over a collection whose parts all have bounds of their blocks. Belongs to one thread."""

    def __init__(self, collection: BM25) -> None:
        self._collection = collection
        self._all = read_only(np.empty(0, np.bool_))
        self._parts = [
            tuple(map(read_only, (part.rows, part.counts, part.block_counts, part.block_ratios, saturations)))
            for part, saturations in zip(collection.parts, collection.saturations, strict=True)
        ]

    def load(self) -> None:
        """Have the kernels ready, by asking for nothing."""
        self.search([[]], 1)
        self.search([[]], 1, np.zeros(self._collection.rows, np.bool_))

    def search(self, queries: Iterable[Iterable[str]], k: int, allowed: NDArray[np.bool_] | None = None) -> TopRows:
        """The k rows with the highest scores above 0 of each query's terms, among the allowed, (rows,) bool.

        Queries are best made as they are taken: their strings then stay in the processor's caches. Raises as
        `BM25` does.
        """
        collection = self._collection
        number_of = collection.term_ids.__getitem__
        numbers, bounds = array("q"), array("q", [0])
        for terms in queries:
            numbers.extend(map(number_of, terms))
            bounds.append(len(numbers))
        ids, ends = np.array(numbers), np.array(bounds)
        asked = len(bounds) - 1
        known = (collection.idf, collection.spans, collection.gains)  # not before: looking terms up may replace them
        pools = np.full((asked, POOL_BLOCK + -(-k // POOL_BLOCK) * POOL_BLOCK), LAST_KEY, np.int64)
        pools[:, :POOL_BLOCK] = -LAST_KEY
        for number, part in enumerate(self._parts):
            base = int(collection.starts[number])
            mask = self._all if allowed is None else read_only(allowed[base : base + len(part[4])])
            best_rows(part, collection.scale, ends, ids, known, number, mask, base, k, pools)
        found = TopRows(
            np.empty((asked, k), np.int64),
            np.empty((asked, k), np.float32),
            np.empty(asked, np.int64),
        )
        read_pools(pools, ends, ids, collection.idf, found.rows, found.scores, found.counts)
        return found
