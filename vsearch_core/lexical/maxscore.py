"""Keyword search with the compiled MaxScore kernel. It gives the same results as `bm25.BM25`, but skips most rows."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import LAST_KEY, POOL_BLOCK
from vsearch_core.kernels.tuples import PostingArrays, SaturationScale, TermTable
from vsearch_core.lexical.bm25 import BM25


@dataclass(frozen=True, slots=True)
class TopRows:
    """The best rows of each of q queries, best first. Equal scores are ordered by row.

    `rows` (q, k) int64 are row numbers, and `scores` (q, k) float32 their scores. `counts` (q,) int64 is the number of
    rows found for each query; the values after them are undefined.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    counts: NDArray[np.int64]


class MaxScore:
    """Finds the rows with the highest BM25 scores. Only one thread may use it at a time."""

    def __init__(self, collection: BM25) -> None:
        """Search the collection's postings, which must all have `block_counts` and `block_ratios`."""
        self._collection = collection
        self._all = read_only(np.empty(0, np.bool_))
        self._scale = SaturationScale(*collection.scale)
        self._parts = [
            PostingArrays(
                rows=read_only(part.rows),
                counts=read_only(part.counts),
                block_counts=read_only(part.block_counts),
                block_ratios=read_only(part.block_ratios),
                saturations=read_only(saturations),
            )
            for part, saturations in zip(collection.parts, collection.saturations, strict=True)
        ]

    def load(self) -> None:
        """Load the kernels by running an empty query. They are compiled the first time on a machine."""
        self.search([[]], 1)
        self.search([[]], 1, np.zeros(self._collection.rows, np.bool_))

    def search(self, queries: Iterable[Iterable[str]], k: int, allowed: NDArray[np.bool_] | None = None) -> TopRows:
        """Return the k rows with the highest scores above 0 for each query. A query is an iterable of terms.

        `allowed` (rows,) bool restricts the rows. Queries are read one at a time: a generator of queries is faster than
        a list, because their strings stay in the processor's caches. Raises the same errors as `BM25`.
        """
        from vsearch_core.kernels.keywords import best_rows, read_pools

        collection = self._collection
        collection.trim_terms()
        term_id = collection.term_ids.__getitem__
        ids, bounds = array("q"), array("q", [0])
        for terms in queries:
            ids.extend(map(term_id, terms))
            bounds.append(len(ids))
        term_ids, starts = np.array(ids), np.array(bounds)
        count = len(bounds) - 1
        table = TermTable(collection.idf, collection.spans, collection.gains)  # last: lookups may replace the arrays
        pools = np.full((count, POOL_BLOCK + -(-k // POOL_BLOCK) * POOL_BLOCK), LAST_KEY, np.int64)
        pools[:, :POOL_BLOCK] = -LAST_KEY
        for number, part in enumerate(self._parts):
            base = int(collection.starts[number])
            mask = self._all if allowed is None else read_only(allowed[base : base + len(part.saturations)])
            best_rows(part, self._scale, starts, term_ids, table, number, mask, base, k, pools)
        found = TopRows(np.empty((count, k), np.int64), np.empty((count, k), np.float32), np.empty(count, np.int64))
        read_pools(pools, starts, term_ids, collection.idf, found.rows, found.scores, found.counts)
        return found
