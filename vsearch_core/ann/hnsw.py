"""Approximate nearest neighbours by searching a graph.

The graph is the base layer of HNSW (Malkov and Yashunin, 2018). In place of the upper layers there are about √n / 2
entry nodes: all are compared with the query, and the search starts from the best. It compares sketches (compressed
vectors, see `ann.sketch`), which take one cache line each. The best candidates are rescored with the stored vectors, so
scores are exact, and only the choice of rows is approximate. Rows with equal vectors share a node, so that duplicates
don't displace other candidates.

A filter is a boolean array of allowed rows. A filtered query takes the cheapest of three ways: compare the vectors of
the allowed rows (if they are few), compare their sketches, or search the graph with more candidates (if most rows are
allowed). If a graph search finds too few allowed candidates, the sketches are scanned, so that allowed rows far from
the query are found, too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.ann.searcher import (
    DEFAULT_SCAN_LIMITS,
    NearestRows,
    QueryBatch,
    QueryPart,
    ScanLimits,
    SketchSearcher,
    check_range,
    pool_size,
    stored_rows,
)
from vsearch_core.ann.sketch import StoredSketches
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.tuples import GraphArrays

DEFAULT_EF_SEARCH = 96  # recall@10 of 0.99 on 120,000 MiniLM vectors
# Nanoseconds, at 384 dimensions and 120,000 rows; only their ratio matters
_NODE_COST = 3.0  # of a sketch in a scan
_CANDIDATE_COST = 280.0  # of a candidate of a graph search


@dataclass(frozen=True, slots=True)
class Graph(StoredSketches):
    """The graph of a segment's vectors.

    `neighbors` (nodes, degree) uint32 are the neighbours of each
    node, padded with NO_NODE. `sketches` (nodes, width) uint8 are the nodes' compressed vectors, and `codec` has the
    parameters for them. `entries` (e,) uint32 are the nodes where searches start. `order` (n,) uint32 are all rows,
    sorted by node; the rows of a node start at its place in `starts` (nodes + 1,) uint32.
    """

    neighbors: NDArray[np.uint32]
    sketches: NDArray[np.uint8]
    entries: NDArray[np.uint32]
    order: NDArray[np.uint32]
    starts: NDArray[np.uint32]


class GraphSearcher(SketchSearcher):
    """Searches the vectors of one segment. Many threads may use it at once. It copies no array."""

    def __init__(self, graph: Graph, vectors: NDArray[np.int16], limits: ScanLimits = DEFAULT_SCAN_LIMITS) -> None:
        """Search a graph, which `ann.check` must have checked, and its segment's vectors (n, d) in fixed point.

        Raises ArgumentError if the two don't belong together.
        """
        stored = stored_rows(vectors, graph.order, graph.starts)
        arrays = GraphArrays(read_only(graph.neighbors), read_only(graph.sketches), read_only(graph.entries))
        super().__init__(vectors, stored, arrays, graph.codec, limits)

    def _load(self, batch: QueryBatch) -> None:
        self._search_graph(batch, self._all, 1.0)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int = 10,
        *,
        ef_search: int = DEFAULT_EF_SEARCH,
        allowed: NDArray[np.bool_] | None = None,
        exact: bool = False,
        threads: int = 1,
    ) -> NearestRows:
        """Return the k rows that are most similar to each of the queries (q, d), float32 unit vectors.

        `allowed` (n,) bool restricts the rows. `ef_search` is the number of candidates that a graph search keeps: more
        find more of the nearest rows, and take longer. `exact` compares every allowed row instead. Raises ArgumentError
        for other bad arguments, and InputError for a query that is not finite.
        """
        check_range("ef_search", ef_search, config.MAX_EF_SEARCH)
        batch, mask, count = self._batch(queries, k, ef_search, allowed, threads)
        if exact or self._is_small(count, mask):
            return self._scan_rows(batch, mask)
        if allowed is None:
            return self._search_graph(batch, mask, 1.0)
        share = count / len(mask)
        graph_is_cheaper = batch.pool / share * _CANDIDATE_COST <= count * _NODE_COST

        def approximate(some: QueryBatch) -> NearestRows:
            return self._search_graph(some, mask, share) if graph_is_cheaper else self._scan_sketches(some, mask)

        discriminate = self._sketches_discriminate(batch, mask, count)
        return batch.split(discriminate, approximate, lambda some: self._scan_rows(some, mask))

    def _search_graph(self, batch: QueryBatch, allowed: NDArray[np.bool_], share: float) -> NearestRows:
        """Search the graph; `share` of the rows are allowed, or all if `allowed` is empty.

        Queries that end with too few allowed candidates scan all sketches instead: there may be better rows that no
        edge leads to from where the search began.
        """
        from vsearch_core.kernels.graph import search_graph

        stored, ef = self._filtered(allowed), pool_size(int(batch.pool / share))

        def search(part: QueryPart) -> None:
            search_graph(
                part.queries, stored, self._graph, self._codec, ef, part.scores, part.rows, part.counts,
                part.allowed_counts,
            )  # fmt: skip

        found, allowed_counts = batch.run(search)
        self._scan_again(found, batch, allowed, allowed_counts < min(batch.enough, len(self._graph.neighbors)))
        return found
