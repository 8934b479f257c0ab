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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.ann.base import check_finite, run_in_chunks
from vsearch_core.ann.flat import from_fixed, to_fixed
from vsearch_core.ann.sketch import Codec
from vsearch_core.errors import ArgumentError
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import POOL_BLOCK
from vsearch_core.kernels.tuples import GraphArrays, StoredRows

DEFAULT_EF_SEARCH = 96  # recall@10 of 0.99 on 120,000 MiniLM vectors
LANES = 4  # queries that a thread searches at once
_SAMPLE = 128  # allowed nodes, about, that show whether sketches discriminate between the rows
# Nanoseconds, at 384 dimensions and 120,000 rows; only their ratio matters
_NODE_COST = 3.0  # of a sketch in a scan
_CANDIDATE_COST = 280.0  # of a candidate of a graph search


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """The sizes up to which all rows are compared, instead of searching the graph.

    Without a filter, a segment is scanned if it has at most `exact_rows` rows. With a filter, it is scanned if at most
    `filtered_rows` rows pass: the scan takes a millisecond and can't miss rows far from the query.
    """

    exact_rows: int = 2000
    filtered_rows: int = 16_384


DEFAULT_SCAN_LIMITS = ScanLimits()


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph of a segment's vectors; each array may be a read-only memory map.

    The fields have the names under which they are stored. `neighbors` (nodes, degree) uint32 are the neighbours of each
    node, padded with NO_NODE. `sketches` (nodes, width) uint8 are the nodes' compressed vectors, and `codec` has the
    parameters for them. `entries` (e,) uint32 are the nodes where searches start. `order` (n,) uint32 are all rows,
    sorted by node; the rows of a node start at its place in `starts` (nodes + 1,) uint32.
    """

    neighbors: NDArray[np.uint32]
    sketches: NDArray[np.uint8]
    entries: NDArray[np.uint32]
    order: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    codec: Codec

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays of the graph and its codec, by the names under which they are stored."""
        parts = [(part, field.name) for part in (self, self.codec) for field in fields(part) if field.name != "codec"]
        return {name: getattr(part, name) for part, name in parts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Graph":
        """Return the graph that consists of stored arrays. They are not copied. Raises KeyError if one is missing."""
        codec = Codec(**{field.name: arrays[field.name] for field in fields(Codec)})
        return cls(codec=codec, **{field.name: arrays[field.name] for field in fields(cls) if field.name != "codec"})


@dataclass(frozen=True, slots=True)
class NearestRows:
    """The rows nearest to each of q queries, best first.

    `rows` (q, k) int64 are row numbers, and `scores` (q, k) float32 are cosines. `counts` (q,) int64 is the number of
    rows found for each query; the places after them have row -1 and score -inf. `exact` is True if no better row can
    have been missed.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    counts: NDArray[np.int64]
    exact: bool

    def replace_where(self, chosen: NDArray[np.bool_], other: "NearestRows") -> None:
        """Replace the results of some queries in place.

        `chosen` (q,) bool marks the queries; `other` has a result for each of them, in order.
        """
        self.rows[chosen], self.scores[chosen], self.counts[chosen] = other.rows, other.scores, other.counts


class GraphSearcher:
    """Searches the vectors of one segment. Many threads may use it at once. It copies no array."""

    def __init__(self, graph: Graph, vectors: NDArray[np.int16], limits: ScanLimits = DEFAULT_SCAN_LIMITS) -> None:
        """Search a graph, which `ann.check` must have checked, and its segment's vectors (n, d) in fixed point.

        Raises ArgumentError if the two don't belong together.
        """
        if vectors.ndim != 2 or vectors.dtype != np.int16 or len(vectors) != len(graph.order):
            reason = f"{vectors.dtype} of shape {vectors.shape}, but the graph has {len(graph.order)} int16 rows"
            raise ArgumentError("vectors", reason)
        self._limits = limits
        self._all = read_only(np.zeros(0, np.bool_))
        self._stored = StoredRows(read_only(vectors), read_only(graph.order), read_only(graph.starts), self._all)
        self._graph = GraphArrays(read_only(graph.neighbors), read_only(graph.sketches), read_only(graph.entries))
        self._codec = graph.codec.kernel_arrays()

    def load(self) -> None:
        """Load every kernel (compiled function) that a search may need. The segment must have at least one row.

        The first time on a machine, the kernels are compiled, which takes half a minute.
        """
        query = read_only(from_fixed(self._stored.vectors[:1]))
        batch = _Batch(query, read_only(to_fixed(query)), k=1, ef_search=POOL_BLOCK, threads=1)
        rows = len(self._stored.vectors)
        self._search_graph(batch, self._all, 1.0)
        self._sketches_discriminate(batch, read_only(np.ones(rows, np.bool_)), rows)
        self._scan_sketches(batch, read_only(np.arange(rows) < self._limits.exact_rows))
        self._scan_rows(batch, read_only(np.arange(rows) < 1))

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
        vectors = self._stored.vectors
        queries = read_only(queries.astype(np.float32, copy=False))
        _check_arguments(vectors, queries, k, ef_search, allowed)
        count = len(vectors) if allowed is None else int(np.count_nonzero(allowed))
        batch = _Batch(queries, read_only(to_fixed(queries)), k, _pool_size(max(ef_search, k)), threads)
        mask = self._all if allowed is None else read_only(allowed.astype(np.bool_, copy=False))
        if exact or count <= (self._limits.exact_rows if allowed is None else self._limits.filtered_rows):
            return self._scan_rows(batch, mask)
        if allowed is None:
            return self._search_graph(batch, mask, 1.0)
        share = count / len(vectors)
        graph_is_cheaper = batch.ef_search / share * _CANDIDATE_COST <= count * _NODE_COST

        def approximate(some: _Batch) -> NearestRows:
            return self._search_graph(some, mask, share) if graph_is_cheaper else self._scan_sketches(some, mask)

        discriminate = self._sketches_discriminate(batch, mask, count)
        return batch.split(discriminate, approximate, lambda some: self._scan_rows(some, mask))

    def _sketches_discriminate(self, batch: "_Batch", allowed: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
        """Return for each query, (q,), if sketch scores can separate its best allowed rows from most others.

        They can't where all allowed rows are far from the query: then comparing the vectors is faster.
        """
        from vsearch_core.kernels.scan import sketches_discriminate

        result = np.ones(len(batch.queries), np.bool_)
        step = max(1, count // _SAMPLE)
        sketches_discriminate(batch.fixed, self._filtered(allowed), self._graph, self._codec, step, result)
        return result

    def _scan_rows(self, batch: "_Batch", allowed: NDArray[np.bool_]) -> NearestRows:
        """Compare the allowed rows' vectors, or all if `allowed` is empty."""
        from vsearch_core.kernels.scan import list_allowed_rows, scan_rows

        vectors = self._stored.vectors
        if len(allowed):
            listed = np.empty(len(vectors) + 1, np.uint32)
            rows = read_only(listed[: list_allowed_rows(allowed, listed)])
        else:
            rows = read_only(np.arange(len(vectors), dtype=np.uint32))

        def scan(part: "_Part") -> None:
            scan_rows(part.queries, vectors, rows, part.scores, part.rows, part.counts)

        return batch.run(scan, exact=True)[0]

    def _scan_sketches(self, batch: "_Batch", allowed: NDArray[np.bool_]) -> NearestRows:
        """Compare the sketches of all nodes with an allowed row."""
        from vsearch_core.kernels.scan import list_allowed_nodes, scan_sketches

        listed = np.empty(len(self._graph.neighbors) + 1, np.uint32)
        nodes = read_only(listed[: list_allowed_nodes(self._stored.order, self._stored.starts, allowed, listed)])
        stored, kept = self._filtered(allowed), max(batch.ef_search, 64)

        def scan(part: "_Part") -> None:
            scan_sketches(
                part.queries, part.fixed, stored, self._graph, self._codec, nodes, kept,
                part.scores, part.rows, part.counts,
            )  # fmt: skip

        return batch.run(scan)[0]

    def _search_graph(self, batch: "_Batch", allowed: NDArray[np.bool_], share: float) -> NearestRows:
        """Search the graph; `share` of the rows are allowed, or all if `allowed` is empty.

        Queries that end with too few allowed candidates scan all sketches instead: there may be better rows that no
        edge leads to from where the search began.
        """
        from vsearch_core.kernels.graph import search_graph

        stored, ef = self._filtered(allowed), _pool_size(int(batch.ef_search / share))

        def search(part: "_Part") -> None:
            search_graph(
                part.queries, part.fixed, stored, self._graph, self._codec, LANES, ef,
                part.scores, part.rows, part.counts, part.allowed_counts,
            )  # fmt: skip

        found, allowed_counts = batch.run(search)
        short = allowed_counts < min(batch.enough, len(self._graph.neighbors))
        if short.any():
            mask = allowed if len(allowed) else read_only(np.ones(len(self._stored.vectors), np.bool_))
            found.replace_where(short, self._scan_sketches(batch.only(short), mask))
        return found

    def _filtered(self, allowed: NDArray[np.bool_]) -> StoredRows:
        return self._stored._replace(allowed=allowed)


def _pool_size(count: int) -> int:
    return -(-count // POOL_BLOCK) * POOL_BLOCK


def _check_arguments(
    vectors: NDArray[np.int16], queries: NDArray[np.float32], k: int, ef_search: int, allowed: NDArray[np.bool_] | None
) -> None:
    if queries.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise ArgumentError("queries", f"shape {queries.shape}, but the vectors have {vectors.shape[1]} dimensions")
    if k < 1:
        raise ArgumentError("k", f"{k} is not a positive number")
    if not 1 <= ef_search <= config.MAX_EF_SEARCH:
        raise ArgumentError("ef_search", f"{ef_search} is not between 1 and {config.MAX_EF_SEARCH}")
    if allowed is not None and allowed.shape != (len(vectors),):
        raise ArgumentError("allowed", f"shape {allowed.shape}, but the segment has {len(vectors)} rows")
    check_finite("query", queries)


class _Part(NamedTuple):
    """Some of a batch's queries and the arrays for their results: views of those of `_Batch` and `NearestRows`."""

    queries: NDArray[np.float32]
    fixed: NDArray[np.int16]
    scores: NDArray[np.float32]
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    allowed_counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Queries (q, d), as float32 and in fixed point, with their options; `ef_search` is a multiple of POOL_BLOCK."""

    queries: NDArray[np.float32]
    fixed: NDArray[np.int16]
    k: int
    ef_search: int
    threads: int

    @property
    def enough(self) -> int:
        """Return the number of allowed candidates that a filtered search needs for its result to be reliable."""
        return min(self.ef_search, max(2 * self.k, self.ef_search // 2))

    def only(self, chosen: NDArray[np.bool_]) -> "_Batch":
        """Return a batch of the chosen queries, (q,) bool."""
        return replace(self, queries=read_only(self.queries[chosen]), fixed=read_only(self.fixed[chosen]))

    def split(
        self,
        chosen: NDArray[np.bool_],
        search: Callable[["_Batch"], NearestRows],
        search_rest: Callable[["_Batch"], NearestRows],
    ) -> NearestRows:
        """Answer the chosen queries, (q,) bool, with `search`, and all others with `search_rest`."""
        if chosen.all() or not chosen.any():
            return search(self) if chosen.all() else search_rest(self)
        found = self.empty_result(exact=False)
        found.replace_where(chosen, search(self.only(chosen)))
        found.replace_where(~chosen, search_rest(self.only(~chosen)))
        return found

    def empty_result(self, exact: bool) -> NearestRows:
        """Return a result with no rows, to be filled."""
        count = len(self.queries)
        rows, scores = np.full((count, self.k), -1), np.full((count, self.k), -np.inf, np.float32)
        return NearestRows(rows, scores, np.zeros(count, np.int64), exact)

    def run(self, search: Callable[[_Part], None], exact: bool = False) -> tuple[NearestRows, NDArray[np.int64]]:
        """Run `search` on parts of the batch, on its threads.

        Returns the rows found, and for each query the number of allowed nodes that the search saw, (q,).
        """
        count, found = len(self.queries), self.empty_result(exact)
        allowed_counts = np.zeros(count, np.int64)

        def search_part(start: int, stop: int) -> None:
            some = slice(start, stop)
            results = (found.scores[some], found.rows[some], found.counts[some], allowed_counts[some])
            search(_Part(self.queries[some], self.fixed[some], *results))

        chunk = count if self.threads == 1 else -(-count // (4 * self.threads))
        run_in_chunks(search_part, 0, count, chunk, self.threads)
        return found, allowed_counts
