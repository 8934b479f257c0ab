"""Approximate nearest neighbours by walking a graph. Arrays in, arrays out; nothing here opens a file.

The graph is HNSW's base layer (Malkov and Yashunin, 2018). Of the hierarchy above it one layer is left, and it is
scanned: the best of about √n / 2 entry nodes start the walk. The walk reads sketches (`ann.sketch`), one cache line a
neighbour; the best candidates are scored again from the stored vectors, so scores are exact and only the choice of rows
is approximate. Equal rows share a node, so duplicates neither crowd a pool nor get lost.

A filter is a boolean array. By what it costs, a query looks at the allowed rows' vectors (few rows), at their sketches,
or walks with a wider pool (most rows pass); a walk that ends with too few allowed rows is followed by a look at the
sketches, so rows that are allowed only far from the query are found too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.base import check_finite, run_in_chunks
from vsearch_core.ann.flat import from_fixed, to_fixed
from vsearch_core.ann.sketch import Codec
from vsearch_core.errors import InputError
from vsearch_core.kernels.arrays import read_only

DEFAULT_EF_SEARCH = 96  # candidates of a walk: recall@10 of 0.99 on 120,000 MiniLM vectors
LANES = 4  # queries that a thread has under way at once
EXACT_ROWS = 2000  # rows up to which vectors are read, not sketches …
FILTERED_ROWS = 16_384  # … and where a filter leaves no more: a millisecond, and no doubt about rows far from the query
_SAMPLE = 128  # allowed nodes, about, that show whether sketches tell the rows apart
# Nanoseconds, 384 dimensions, 120,000 rows; only their ratio matters
_NODE_COST = 3.0  # of a sketch in a scan
_STEP_COST = 280.0  # of one candidate of a walk's pool


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything a segment stores beside its vectors; any array may be a read-only map.

    `neighbors` (nodes, degree) uint32, ended by 2**32 - 1 where not full; `sketches` (nodes, width) uint8; `entries`
    (e,) uint32 nodes; `order` (n,) uint32 the rows by node, `starts` (nodes + 1,) uint32 where each node's begin;
    `codec` tells how the sketches were made.
    """

    neighbors: NDArray[np.uint32]
    sketches: NDArray[np.uint8]
    entries: NDArray[np.uint32]
    order: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    codec: Codec

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name, for storing."""
        parts = [(part, field.name) for part in (self, self.codec) for field in fields(part) if field.name != "codec"]
        return {name: getattr(part, name) for part, name in parts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Graph":
        """The graph of stored arrays, which are not copied."""
        codec = Codec(**{field.name: arrays[field.name] for field in fields(Codec)})
        return cls(codec=codec, **{field.name: arrays[field.name] for field in fields(cls) if field.name != "codec"})


@dataclass(frozen=True, slots=True)
class NearestRows:
    """Answers to q queries: `rows` (q, k) int64 and `scores` (q, k) float32, best first, `counts` (q,) how many.

    Behind `counts[i]` a row is -1 and a score -inf. `exact` says that no better row can have been missed.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    counts: NDArray[np.int64]
    exact: bool

    def put(self, where: NDArray[np.bool_], other: "NearestRows") -> None:
        """Replace the answers to some queries."""
        self.rows[where], self.scores[where], self.counts[where] = other.rows, other.scores, other.counts


class GraphSearcher:
    """A segment that is asked more than once: its arrays in the form that the kernels take. Copies nothing."""

    def __init__(self, graph: Graph, vectors: NDArray[np.int16]) -> None:
        """`vectors` (n, d) is the segment's, in fixed point. Raises InputError."""
        if vectors.ndim != 2 or vectors.dtype != np.int16 or len(vectors) != len(graph.order):
            shape = f"{vectors.dtype} of shape {vectors.shape}"
            wanted = f"int16 ({len(graph.order)}, d)"
            raise InputError("vectors", f"{shape}, where {wanted} belongs", "pass the segment's own")
        self._stored = tuple(read_only(array) for array in (vectors, graph.order, graph.starts))
        self._graph = tuple(read_only(array) for array in (graph.neighbors, graph.sketches, graph.entries))
        self._codec = tuple(read_only(array) for array in graph.codec.arrays())
        self._all = read_only(np.zeros(0, np.bool_))

    def load(self) -> None:
        """Load every kernel that a search may need, compiled the first time on a machine; needs a row to ask for."""
        query = read_only(from_fixed(self._stored[0][:1]))
        job = _Job(query, read_only(to_fixed(query)), k=1, ef_search=8, threads=1)
        rows = len(self._stored[0])
        self._walk(job, self._all, 1.0)
        self._telling(job, read_only(np.ones(rows, np.bool_)), rows)
        self._scan_sketches(job, read_only(np.arange(rows) < EXACT_ROWS))
        self._scan_rows(job, read_only(np.arange(rows) < 1))

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
        """The k rows most like each of the queries (q, d), float32 unit vectors, among the allowed ones (n,) bool.

        A larger `ef_search` finds more and takes longer; `exact` looks at every allowed row. Raises InputError.
        """
        vectors = self._stored[0]
        queries = read_only(queries.astype(np.float32, copy=False))
        _check(vectors, queries, k, ef_search, allowed)
        count = len(vectors) if allowed is None else int(np.count_nonzero(allowed))
        job = _Job(queries, read_only(to_fixed(queries)), k, -(-max(ef_search, k) // 8) * 8, threads)
        mask = self._all if allowed is None else read_only(allowed.astype(np.bool_, copy=False))
        if exact or count <= (EXACT_ROWS if allowed is None else FILTERED_ROWS):
            return self._scan_rows(job, mask)
        if allowed is None:
            return self._walk(job, mask, 1.0)
        share = count / len(vectors)
        walks = job.ef_search / share * _STEP_COST <= count * _NODE_COST

        def approximate(some: _Job) -> NearestRows:
            return self._walk(some, mask, share) if walks else self._scan_sketches(some, mask)

        return job.parted(self._telling(job, mask, count), approximate, lambda some: self._scan_rows(some, mask))

    def _telling(self, job: "_Job", allowed: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
        """For which queries sketches tell the best allowed rows from most others.

        Among rows that are all far from the query they do not: then looking at the vectors is the shorter way.
        """
        from vsearch_core.kernels.scan import tell_apart

        telling = np.ones(len(job.queries), np.bool_)
        step = max(1, count // _SAMPLE)
        tell_apart(job.fixed, (*self._stored, allowed), self._graph, self._codec, step, telling)
        return telling

    def _scan_rows(self, job: "_Job", allowed: NDArray[np.bool_]) -> NearestRows:
        """Look at the allowed rows' vectors, at all if `allowed` is empty."""
        from vsearch_core.kernels.scan import allowed_rows, scan_rows

        vectors = self._stored[0]
        if len(allowed):
            listed = np.empty(len(vectors) + 1, np.uint32)
            rows = read_only(listed[: allowed_rows(allowed, listed)])
        else:
            rows = read_only(np.arange(len(vectors), dtype=np.uint32))
        return job.run(lambda q, _f, s, r, c, _n: scan_rows(q, vectors, rows, s, r, c), exact=True)[0]

    def _scan_sketches(self, job: "_Job", allowed: NDArray[np.bool_]) -> NearestRows:
        """Look at the sketches of all nodes with an allowed row."""
        from vsearch_core.kernels.scan import allowed_nodes, scan_sketches

        listed = np.empty(len(self._graph[0]) + 1, np.uint32)
        nodes = read_only(listed[: allowed_nodes(*self._stored[1:], allowed, listed)])
        stored, kept = (*self._stored, allowed), max(job.ef_search, 64)
        return job.run(
            lambda q, f, s, r, c, _n: scan_sketches(q, f, stored, self._graph, self._codec, nodes, kept, s, r, c)
        )[0]

    def _walk(self, job: "_Job", allowed: NDArray[np.bool_], share: float) -> NearestRows:
        """Walk, among all rows if `allowed` is empty.

        A query whose pool ends with too few allowed nodes looks at all sketches instead: there may be more that no
        edge leads to from where it began.
        """
        from vsearch_core.kernels.graph import search as kernel

        stored, ef_search = (*self._stored, allowed), -(-int(job.ef_search / share) // 8) * 8
        found, scored = job.run(
            lambda q, f, s, r, c, n: kernel(q, f, stored, self._graph, self._codec, LANES, ef_search, s, r, c, n)
        )
        short = scored < min(job.enough, len(self._graph[0]))
        if short.any():
            everyone = np.ones(len(self._stored[0]), np.bool_)
            found.put(short, self._scan_sketches(job.only(short), allowed if len(allowed) else read_only(everyone)))
        return found


def _check(
    vectors: NDArray[np.int16], queries: NDArray[np.float32], k: int, ef_search: int, allowed: NDArray[np.bool_] | None
) -> None:
    """Refuse what can't be searched for, by name."""
    if queries.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise InputError("queries", f"shape {queries.shape} with vectors {vectors.shape}", "use the index's embedder")
    if k < 1:
        raise InputError("k", f"{k} is not a number of results", "ask for at least 1")
    if not 1 <= ef_search <= 1 << 16:
        raise InputError("ef_search", f"{ef_search} is not between 1 and 65536", f"the default is {DEFAULT_EF_SEARCH}")
    if allowed is not None and allowed.shape != (len(vectors),):
        raise InputError("allowed", f"shape {allowed.shape} with {len(vectors)} rows", "pass one value a row")
    check_finite("query", queries)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is asked: queries (q, d) as float32 and in fixed point, and how. `ef_search` is a multiple of 8."""

    queries: NDArray[np.float32]
    fixed: NDArray[np.int16]
    k: int
    ef_search: int
    threads: int

    @property
    def enough(self) -> int:
        """Allowed candidates that a filtered walk must end with to be trusted: about as many as an unfiltered one."""
        return min(self.ef_search, max(2 * self.k, self.ef_search // 2))

    def only(self, chosen: NDArray[np.bool_]) -> "_Job":
        """The same for some of the queries."""
        return replace(self, queries=read_only(self.queries[chosen]), fixed=read_only(self.fixed[chosen]))

    def parted(
        self, chosen: NDArray[np.bool_], one: Callable[["_Job"], NearestRows], other: Callable[["_Job"], NearestRows]
    ) -> NearestRows:
        """The answers of `one` to the chosen queries, of `other` to the rest."""
        if chosen.all() or not chosen.any():
            return one(self) if chosen.all() else other(self)
        found = self.blank(exact=False)
        found.put(chosen, one(self.only(chosen)))
        found.put(~chosen, other(self.only(~chosen)))
        return found

    def blank(self, exact: bool) -> NearestRows:
        """No answers yet."""
        count = len(self.queries)
        rows, scores = np.full((count, self.k), -1), np.full((count, self.k), -np.inf, np.float32)
        return NearestRows(rows, scores, np.zeros(count, np.int64), exact)

    def run(self, work: Callable[..., None], exact: bool = False) -> tuple[NearestRows, NDArray[np.int64]]:
        """What work(queries, fixed, scores, rows, counts, scored) writes for all queries, spread over the threads."""
        count, found = len(self.queries), self.blank(exact)
        scored = np.zeros(count, np.int64)

        def piece(start: int, stop: int) -> None:
            some = slice(start, stop)
            work(
                self.queries[some],
                self.fixed[some],
                found.scores[some],
                found.rows[some],
                found.counts[some],
                scored[some],
            )

        run_in_chunks(piece, 0, count, count if self.threads == 1 else -(-count // (4 * self.threads)), self.threads)
        return found, scored
