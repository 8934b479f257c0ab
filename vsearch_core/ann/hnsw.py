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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import to_fixed
from vsearch_core.ann.memory import aligned_copy
from vsearch_core.ann.sketch import Codec
from vsearch_core.errors import InputError

BEAM = 96  # candidates of a walk: recall@10 of 0.99 on 120,000 MiniLM vectors
LANES = 4  # queries that a thread has under way at once
EXACT_ROWS = 1500  # allowed rows up to which their vectors are read, not their sketches
# Nanoseconds, 384 dimensions; only their ratios matter (benchmarks/ann.py)
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
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Graph":
        """The graph of stored arrays, which are not copied."""
        codec = Codec(**{field.name: arrays[field.name] for field in fields(Codec)})
        return cls(codec=codec, **{field.name: arrays[field.name] for field in fields(cls) if field.name != "codec"})

    def resident(self) -> "Graph":
        """The same graph copied into memory of its own: large pages make walks a third faster than over mapped files.

        Takes about 4 ms per 100,000 rows, so it pays from a thousand queries on.
        """
        return replace(self, neighbors=aligned_copy(self.neighbors), sketches=aligned_copy(self.sketches))


@dataclass(frozen=True, slots=True)
class Found:
    """Answers to q queries: `rows` (q, k) int64 and `scores` (q, k) float32, best first, `counts` (q,) how many.

    Behind `counts[i]` a row is -1 and a score -inf. `exact` says that no better row can have been missed.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    counts: NDArray[np.int64]
    exact: bool


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only contiguous view: with one type of argument every kernel is compiled once."""
    view = np.ascontiguousarray(np.asarray(array)).view()
    view.flags.writeable = False
    return view


def spread(action: Callable[[int, int], object], start: int, stop: int, chunk: int, threads: int) -> None:
    """Run action(start, stop) on the range in pieces of `chunk`, on so many threads."""
    pieces = [(at, min(stop, at + chunk)) for at in range(start, stop, max(1, chunk))]
    if threads == 1 or len(pieces) < 2:
        for piece in pieces:
            action(*piece)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(action, *piece) for piece in pieces]:
            done.result()


def check_unit(name: str, vectors: NDArray[np.float32]) -> None:
    """Refuse vectors (q, d) that are not finite, or longer than fixed point can hold, naming the first."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(f"{name} {bad[0]}", "the vector holds a value that is not finite", "embed it again")


def check_arguments(graph: Graph, vectors: NDArray[np.int16], queries: NDArray[np.float32], k: int, beam: int) -> None:
    """Refuse what can't be searched, by name."""
    if vectors.ndim != 2 or vectors.dtype != np.int16 or len(vectors) != len(graph.order):
        shape = f"{vectors.dtype} of shape {vectors.shape}"
        raise InputError("vectors", f"{shape}, where int16 ({len(graph.order)}, d) belongs", "pass the segment's own")
    if queries.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise InputError("queries", f"shape {queries.shape} with vectors {vectors.shape}", "use the index's embedder")
    if k < 1:
        raise InputError("k", f"{k} is not a number of results", "ask for at least 1")
    if not 1 <= beam <= 1 << 16:
        raise InputError("beam", f"{beam} is not between 1 and 65536", f"the default is {BEAM}")


def search(
    graph: Graph,
    vectors: NDArray[np.int16],
    queries: NDArray[np.float32],
    k: int = 10,
    *,
    beam: int = BEAM,
    allowed: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> Found:
    """The k rows most like each of the queries (q, d), float32 unit vectors, among the allowed ones (n,) bool.

    `vectors` (n, d) is the segment's, in fixed point. A larger `beam` finds more and takes longer. Raises InputError.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    check_arguments(graph, vectors, queries, k, beam)
    check_unit("query", queries)
    if allowed is not None and allowed.shape != (len(vectors),):
        raise InputError("allowed", f"shape {allowed.shape} with {len(vectors)} rows", "pass one value a row")
    count = len(vectors) if allowed is None else int(np.count_nonzero(allowed))
    asked = _Asked(graph, vectors, queries, min(k, max(count, 1)), max(beam, k), allowed, threads)
    if count <= EXACT_ROWS:
        found = asked.scan_rows(np.arange(count) if allowed is None else np.flatnonzero(allowed))
    elif allowed is None:
        found = asked.walk(1.0)
    else:
        share = count / len(vectors)
        cheaper = asked.beam / share * _STEP_COST > count * _NODE_COST
        found = asked.scan_sketches(None) if cheaper else asked.walk(share)
    return _padded(found, k)


def _padded(found: Found, k: int) -> Found:
    missing = k - found.rows.shape[1]
    rows = np.pad(found.rows, ((0, 0), (0, missing)), constant_values=-1)
    return replace(found, rows=rows, scores=np.pad(found.scores, ((0, 0), (0, missing)), constant_values=-np.inf))


class _Asked:
    """One call of `search`: its arrays in the form that the kernels take."""

    def __init__(
        self,
        graph: Graph,
        vectors: NDArray[np.int16],
        queries: NDArray[np.float32],
        k: int,
        beam: int,
        allowed: NDArray[np.bool_] | None,
        threads: int,
    ) -> None:
        self.beam, self.k, self.threads = -(-beam // 8) * 8, k, threads
        self.kept = min(self.beam, -(-max(2 * k + 8, self.beam // 2) // 8) * 8)
        mask = np.zeros(0, np.bool_) if allowed is None else allowed
        self.queries, self.fixed = read_only(queries), read_only(to_fixed(queries))
        self.stored = tuple(read_only(array) for array in (vectors, graph.order, graph.starts, mask))
        self.graph = tuple(read_only(array) for array in (graph.neighbors, graph.sketches, graph.entries))
        self.codec = tuple(read_only(array) for array in graph.codec.arrays())

    def _answer(self, work: Callable[..., None], exact: bool) -> tuple[Found, NDArray[np.int64]]:
        shape = (len(self.queries), self.k)
        found = Found(np.full(shape, -1), np.full(shape, -np.inf, np.float32), np.zeros(shape[0], np.int64), exact)
        scored = np.zeros(shape[0], np.int64)

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

        spread(piece, 0, shape[0], -(-shape[0] // (4 * self.threads)) if self.threads > 1 else shape[0], self.threads)
        return found, scored

    def scan_rows(self, wanted: NDArray[np.integer]) -> Found:
        """Look at the wanted rows' vectors."""
        from vsearch_core.kernels.scan import scan_rows

        rows = read_only(wanted.astype(np.uint32))
        return self._answer(lambda q, _f, s, r, c, _n: scan_rows(q, self.stored[0], rows, s, r, c), True)[0]

    def scan_sketches(self, only: NDArray[np.integer] | None) -> Found:
        """Look at the sketches of all nodes with an allowed row, for some of the queries or all."""
        from vsearch_core.kernels.scan import allowed_nodes, scan_sketches

        nodes = np.empty(len(self.graph[0]) + 1, np.uint32)
        nodes = read_only(nodes[: allowed_nodes(*self.stored[1:], nodes)])
        if only is not None:
            self.queries, self.fixed = read_only(self.queries[only]), read_only(self.fixed[only])
        kept = max(self.kept, 32, 6 * self.k // 8 * 8)

        def work(q: Any, f: Any, s: Any, r: Any, c: Any, _n: Any) -> None:
            scan_sketches(q, f, self.stored, self.graph, self.codec, nodes, kept, s, r, c)

        return self._answer(work, False)[0]

    def walk(self, share: float) -> Found:
        """Walk; a query whose pool ends with too few allowed nodes looks at all sketches instead."""
        from vsearch_core.kernels.graph import search as kernel

        beam = -(-int(self.beam / share) // 8) * 8

        def work(q: Any, f: Any, s: Any, r: Any, c: Any, n: Any) -> None:
            kernel(q, f, self.stored, self.graph, self.codec, LANES, beam, self.kept, s, r, c, n)

        found, scored = self._answer(work, False)
        short = np.flatnonzero(scored < self.kept) if share < 1 else np.zeros(0, np.int64)
        if len(short):
            again = self.scan_sketches(short)
            found.rows[short], found.scores[short] = again.rows, again.scores
            found.counts[short] = again.counts
        return found
