"""Base of searches by sketches: their arguments and results, scans, and the choice to scan.

`ann.hnsw` searches a graph and `ann.ivf` inverted lists. Both choose nodes by sketches (compressed vectors, see
`ann.sketch`), and score the best nodes with the stored vectors. A node stands for rows with equal vectors.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.base import check_finite, expect_random_reads, reads_in_order, run_in_chunks
from vsearch_core.ann.flat import from_fixed, to_fixed
from vsearch_core.ann.sketch import Codec
from vsearch_core.errors import ArgumentError
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import POOL_BLOCK
from vsearch_core.kernels.tuples import GraphArrays, StoredRows

_DENSE = 16  # a scan of one row of so many, or more, reads vectors in order
_SAMPLE = 128  # allowed nodes, about, that show whether sketches discriminate between the rows


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


class VectorSearcher:
    """Scans the vectors of one segment. Many threads may use it at once. It copies no array."""

    def __init__(self, vectors: NDArray[np.int16], stored: StoredRows, limits: ScanLimits) -> None:
        """Search the segment's vectors (n, d) in fixed point. `stored` has the rows of each node.

        Raises ArgumentError if the two don't belong together.
        """
        if vectors.ndim != 2 or vectors.dtype != np.int16 or len(vectors) != len(stored.order):
            reason = f"{vectors.dtype} of shape {vectors.shape}, but {len(stored.order)} int16 rows are listed"
            raise ArgumentError("vectors", reason)
        self._limits, self._stored, self._all = limits, stored, stored.allowed
        expect_random_reads(stored.vectors)

    def _batch(
        self, queries: NDArray[np.float32], k: int, pool: int, allowed: NDArray[np.bool_] | None, threads: int
    ) -> tuple["QueryBatch", NDArray[np.bool_], int]:
        """Return the checked queries with their options, the mask of allowed rows (empty: all) and their number."""
        vectors = self._stored.vectors
        queries = read_only(queries.astype(np.float32, copy=False))
        _check_arguments(vectors, queries, k, allowed)
        count = len(vectors) if allowed is None else int(np.count_nonzero(allowed))
        mask: NDArray[np.bool_] = self._all if allowed is None else read_only(allowed.astype(np.bool_, copy=False))
        return QueryBatch(queries, k, pool_size(max(pool, k)), threads), mask, count

    def _is_small(self, count: int, mask: NDArray[np.bool_]) -> bool:
        """Return True if `count` allowed rows are so few that comparing their vectors is fast."""
        return count <= (self._limits.filtered_rows if len(mask) else self._limits.exact_rows)

    def _scan_rows(self, batch: "QueryBatch", allowed: NDArray[np.bool_]) -> NearestRows:
        """Compare the allowed rows' vectors, or all if `allowed` is empty."""
        from vsearch_core.kernels.scan import list_allowed_rows, scan_rows

        vectors = self._stored.vectors
        if len(allowed):
            listed = np.empty(len(vectors) + 1, np.uint32)
            rows = read_only(listed[: list_allowed_rows(allowed, listed)])
        else:
            rows = read_only(np.arange(len(vectors), dtype=np.uint32))
        in_order = _DENSE * len(rows) >= len(vectors)

        def scan(part: "QueryPart") -> None:
            scan_rows(part.queries, vectors, rows, part.scores, part.rows, part.counts)

        with reads_in_order(vectors) if in_order else nullcontext():
            return batch.run(scan, exact=True)[0]

    def _filtered(self, allowed: NDArray[np.bool_]) -> StoredRows:
        return self._stored if allowed is self._all else self._stored._replace(allowed=allowed)


class SketchSearcher(VectorSearcher):
    """Scans the vectors or sketches of one segment. Many threads may use it at once. It copies no array."""

    def __init__(
        self, vectors: NDArray[np.int16], stored: StoredRows, graph: GraphArrays, codec: Codec, limits: ScanLimits
    ) -> None:
        """Search the segment's vectors, as `VectorSearcher`. Only the sketches of `graph` are used."""
        super().__init__(vectors, stored, limits)
        self._graph, self._codec = graph, codec.kernel_arrays()
        for array in (graph.neighbors, graph.sketches):
            expect_random_reads(array)

    def load(self) -> None:
        """Load every kernel (compiled function) that a search may need. The segment must have at least one row.

        The first time on a machine, the kernels are compiled, which takes half a minute.
        """
        query = read_only(from_fixed(self._stored.vectors[:1]))
        rows = len(self._stored.vectors)
        batch = QueryBatch(query, k=1, pool=POOL_BLOCK, threads=1)
        self._load(batch)
        self._scan_sketches(batch, read_only(np.arange(rows) < self._limits.exact_rows))
        self._sketches_discriminate(batch, read_only(np.ones(rows, np.bool_)), rows)
        self._scan_rows(batch, read_only(np.arange(rows) < 1))

    def _load(self, batch: "QueryBatch") -> None:
        """Load the kernels that only this kind of search uses."""
        raise NotImplementedError

    def _sketches_discriminate(self, batch: "QueryBatch", allowed: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
        """Return for each query, (q,), if sketch scores can separate its best allowed rows from most others.

        They can't where all allowed rows are far from the query: then comparing the vectors is faster.
        """
        from vsearch_core.kernels.scan import sketches_discriminate

        result = np.ones(len(batch.queries), np.bool_)
        step = max(1, count // _SAMPLE)
        sketches_discriminate(
            read_only(to_fixed(batch.queries)), self._filtered(allowed), self._graph, self._codec, step, result
        )
        return result

    def _scan_sketches(self, batch: "QueryBatch", allowed: NDArray[np.bool_]) -> NearestRows:
        """Compare the sketches of all nodes with an allowed row."""
        from vsearch_core.kernels.scan import list_allowed_nodes, scan_sketches

        listed = np.empty(len(self._stored.starts), np.uint32)
        nodes = read_only(listed[: list_allowed_nodes(self._stored.order, self._stored.starts, allowed, listed)])
        stored, kept = self._filtered(allowed), max(batch.pool, 64)

        def scan(part: "QueryPart") -> None:
            scan_sketches(
                part.queries, part.fixed, stored, self._graph, self._codec, nodes, kept,
                part.scores, part.rows, part.counts,
            )  # fmt: skip

        with reads_in_order(self._graph.sketches):
            return batch.run(scan)[0]

    def _scan_again(
        self, found: NearestRows, batch: "QueryBatch", allowed: NDArray[np.bool_], chosen: NDArray[np.bool_]
    ) -> None:
        """Replace the results of the chosen queries, (q,) bool, by those of a scan of all allowed sketches."""
        if chosen.any():
            mask = allowed if len(allowed) else read_only(np.ones(len(self._stored.vectors), np.bool_))
            found.replace_where(chosen, self._scan_sketches(batch.only(chosen), mask))


def stored_rows(
    vectors: NDArray[np.int16], order: NDArray[np.uint32], starts: NDArray[np.uint32] | None = None
) -> StoredRows:
    """Return vectors (n, d) as kernels accept them, with all rows allowed.

    The rows of node i are order[starts[i] : starts[i + 1]]; without `starts`, each node has one row.
    """
    if starts is None:
        starts = np.arange(len(order) + 1, dtype=np.uint32)
    everything = np.zeros(0, np.bool_)
    return StoredRows(read_only(vectors), read_only(order), read_only(starts), read_only(everything))


def pool_size(count: int) -> int:
    """Return the size of a pool for at least `count` candidates: a multiple of POOL_BLOCK."""
    return -(-count // POOL_BLOCK) * POOL_BLOCK


def check_range(name: str, value: int, most: int) -> None:
    """Raise ArgumentError if the value is not between 1 and `most`."""
    if not 1 <= value <= most:
        raise ArgumentError(name, f"{value} is not between 1 and {most}")


def _check_arguments(
    vectors: NDArray[np.int16], queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
) -> None:
    if queries.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise ArgumentError("queries", f"shape {queries.shape}, but the vectors have {vectors.shape[1]} dimensions")
    if k < 1:
        raise ArgumentError("k", f"{k} is not a positive number")
    if allowed is not None and allowed.shape != (len(vectors),):
        raise ArgumentError("allowed", f"shape {allowed.shape}, but the segment has {len(vectors)} rows")
    check_finite("query", queries)


class QueryPart(NamedTuple):
    """Some of a batch's queries and the arrays for their results: views of those of `QueryBatch` and `NearestRows`."""

    queries: NDArray[np.float32]
    scores: NDArray[np.float32]
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    allowed_counts: NDArray[np.int64]

    @property
    def fixed(self) -> NDArray[np.int16]:
        """Return the queries in fixed point."""
        return read_only(to_fixed(self.queries))


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """Queries (q, d) float32 with their options; `pool` is a multiple of POOL_BLOCK."""

    queries: NDArray[np.float32]
    k: int
    pool: int
    threads: int

    @property
    def enough(self) -> int:
        """Return the number of allowed candidates that a filtered search needs for its result to be reliable."""
        return min(self.pool, max(2 * self.k, self.pool // 2))

    def only(self, chosen: NDArray[np.bool_]) -> "QueryBatch":
        """Return a batch of the chosen queries, (q,) bool."""
        return replace(self, queries=read_only(self.queries[chosen]))

    def split(
        self,
        chosen: NDArray[np.bool_],
        search: Callable[["QueryBatch"], NearestRows],
        search_rest: Callable[["QueryBatch"], NearestRows],
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
        rows, scores = np.empty((count, self.k), np.int64), np.empty((count, self.k), np.float32)
        rows.fill(-1)  # `np.full` takes a microsecond more
        scores.fill(-np.inf)
        return NearestRows(rows, scores, np.zeros(count, np.int64), exact)

    def run(self, search: Callable[[QueryPart], None], exact: bool = False) -> tuple[NearestRows, NDArray[np.int64]]:
        """Run `search` on parts of the batch, on its threads.

        Returns the rows found, and for each query the number of allowed nodes that the search saw, (q,).
        """
        count, found = len(self.queries), self.empty_result(exact)
        allowed_counts = np.zeros(count, np.int64)
        if self.threads == 1:  # views of the arrays would take some microseconds
            search(QueryPart(self.queries, found.scores, found.rows, found.counts, allowed_counts))
            return found, allowed_counts

        def search_part(start: int, stop: int) -> None:
            some = slice(start, stop)
            results = (found.scores[some], found.rows[some], found.counts[some], allowed_counts[some])
            search(QueryPart(self.queries[some], *results))

        run_in_chunks(search_part, 0, count, -(-count // (4 * self.threads)), self.threads)
        return found, allowed_counts
