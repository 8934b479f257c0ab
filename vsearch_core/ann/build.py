"""Build the graph that `ann.hnsw` searches: in batches and without locks, so that threads don't change the result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann import sketch, sq8
from vsearch_core.ann.base import aligned, aligned_copy, check_finite, run_in_chunks
from vsearch_core.ann.flat import to_fixed
from vsearch_core.ann.hnsw import Graph
from vsearch_core.errors import ArgumentError
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import NO_NODE, POOL_BLOCK
from vsearch_core.kernels.tuples import GraphArrays, Sq8Rows

_BATCH_SHARE = 50  # a batch is at most 1/50 of all nodes (prefix doubling, ParlayANN)
_LEAST_BATCH = 32
# Nodes that a thread takes at a time
_SEARCH_CHUNK = 128
_EDGE_CHUNK = 1024
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """Settings for building a graph.

    `degree` is the maximum number of neighbours of a node (2 M in HNSW). `ef_construction` is the number of candidates
    in the search for neighbours. `alpha` is DiskANN's factor: a candidate doesn't become a neighbour if its squared
    distance to an existing neighbour, times `alpha`, is less than that to the node.
    """

    degree: int = 48
    ef_construction: int = 80
    alpha: float = 1.1

    def __post_init__(self) -> None:
        """Raise ArgumentError for a value that is out of range."""
        if not 2 <= self.degree <= 256:
            raise ArgumentError("degree", f"{self.degree} is not between 2 and 256")
        if not self.degree <= self.ef_construction <= 4096:
            reason = f"{self.ef_construction} is not between the degree, {self.degree}, and 4096"
            raise ArgumentError("ef_construction", reason)
        if not 1.0 <= self.alpha <= 2.0:
            raise ArgumentError("alpha", f"{self.alpha} is not between 1 and 2")


def build_bytes(rows: int, dimension: int) -> int:
    """Return how much memory building a graph takes, in bytes, in addition to the result."""
    return rows * (dimension + 20 * GraphSettings().degree)


def build(
    vectors: NDArray[np.int16] | NDArray[np.float32],
    settings: GraphSettings | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Graph:
    """Build the graph of unit vectors (n, d), in fixed point (int16) or float32.

    Equal vectors and settings give equal bytes, for any number of threads. See `build_bytes` for the memory
    that it takes. `progress` is called after each batch with the number of linked nodes and of all
    nodes; an exception from it stops the build. Raises ArgumentError for other arrays, and InputError for a float32
    vector that is not finite.
    """
    settings = settings or GraphSettings()
    if vectors.ndim != 2 or vectors.dtype not in (np.int16, np.float32):
        raise ArgumentError("vectors", f"{vectors.dtype} of shape {vectors.shape} is not (n, d) int16 or float32")
    if vectors.dtype == np.float32:
        floats = vectors.astype(np.float32, copy=False)
        check_finite("vector", floats)
        vectors = to_fixed(floats)
    fixed: NDArray[np.int16] = read_only(vectors)
    order, starts = group_equal_rows(fixed)
    builder = _Builder(fixed, order[starts[:-1]], settings, max(1, threads))
    for first, last in batches(len(starts) - 1):
        builder.add(first, last)
        progress(last, len(starts) - 1)
    return builder.finish(order, starts)


def group_equal_rows(vectors: NDArray[np.int16]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Group the rows of vectors (n, d) that are equal.

    Returns all rows, (n,), with equal rows next to each other, and the position in them where each group starts,
    followed by n. Groups are in the order of a hash, which is practically random.
    """
    from vsearch_core.kernels.sq8 import hash_rows, mark_first

    hashes = np.empty(len(vectors), np.uint64)
    hash_rows(vectors, hashes)
    order = np.argsort(hashes, kind="stable").astype(np.uint32)
    first = np.empty(len(vectors), np.bool_)
    mark_first(vectors, order, hashes, first)
    starts = np.append(np.flatnonzero(first), len(vectors)).astype(np.uint32)
    return order, starts


def batches(nodes: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges (first, last) of nodes to add in one batch.

    A batch has at most as many nodes as all batches before it, and at most 2 % of all nodes (if these are many).
    """
    first, most = 1, max(_LEAST_BATCH, nodes // _BATCH_SHARE)
    while first < nodes:
        last = min(nodes, 2 * first, first + most)
        yield first, last
        first = last


def entry_count(nodes: int) -> int:
    """Return the number of entry nodes of a graph: √n / 2, at least 16, at most n."""
    return min(nodes, max(16, int(nodes**0.5 / 2)))


class _Builder:
    """A graph under construction, whose lists have room for twice the degree so that few are pruned more than once."""

    def __init__(
        self, vectors: NDArray[np.int16], rows: NDArray[np.uint32], settings: GraphSettings, threads: int
    ) -> None:
        nodes = len(rows)
        self.settings, self.threads, self.vectors = settings, threads, vectors
        self.rows = read_only(rows)
        self.codec, width = sketch.train(vectors)
        self.codec_arrays = self.codec.kernel_arrays()
        self.sketches = aligned((nodes, width), np.uint8)
        self.run(sketch.Encoder(self.codec, vectors, self.rows, self.sketches), 0, nodes, _CHUNK)
        codes = sq8.encode(vectors, self.rows)
        self.coded = Sq8Rows(codes.codes, codes.norms)
        self.neighbors = aligned((nodes, 2 * settings.degree), np.uint32)
        self.neighbors[:] = NO_NODE
        self.entries = np.arange(entry_count(nodes), dtype=np.uint32)
        self.graph = GraphArrays(self.neighbors, self.sketches, self.entries)

    def run(self, action: Callable[[int, int], object], start: int, stop: int, chunk: int) -> None:
        run_in_chunks(action, start, stop, chunk, self.threads)

    def add(self, first: int, last: int) -> None:
        """Add the nodes first … last - 1: link them to their neighbours among the nodes before, and these to them."""
        from vsearch_core.kernels.link import add_reverse_edges, find_neighbors

        degree, alpha = self.settings.degree, self.settings.alpha
        ef = -(-self.settings.ef_construction // POOL_BLOCK) * POOL_BLOCK
        forward = np.empty((last - first, degree), np.uint32)

        def link(start: int, stop: int) -> None:
            find_neighbors(
                self.vectors, self.rows, self.graph, self.codec_arrays, self.coded, ef, alpha, first, start, stop,
                forward,
            )  # fmt: skip

        self.run(link, first, last, _SEARCH_CHUNK)
        self.neighbors[first:last, :degree] = forward
        # An edge is one number, its target above its source: sorting these is several times faster than an argsort.
        edges = (forward.astype(np.uint64) << np.uint64(32)) | np.arange(first, last, dtype=np.uint64)[:, None]
        edges = np.sort(edges[forward != NO_NODE])
        targets, sources = (edges >> np.uint64(32)).astype(np.uint32), edges.astype(np.uint32)
        bounds = np.append(np.flatnonzero(np.diff(targets, prepend=NO_NODE)), len(targets))

        def link_back(start: int, stop: int) -> None:
            add_reverse_edges(self.neighbors, self.coded, targets, sources, bounds, alpha, degree, start, stop)

        self.run(link_back, 0, len(bounds) - 1, _EDGE_CHUNK)

    def finish(self, order: NDArray[np.uint32], starts: NDArray[np.uint32]) -> Graph:
        """Return the finished graph: prune all lists to the degree, and give similar nodes consecutive numbers.

        A search then touches fewer pages of memory.
        """
        from vsearch_core.kernels.link import nearest_entries, prune_lists

        nodes = len(self.neighbors)
        lists = np.empty((nodes, self.settings.degree), np.uint32)

        def prune(start: int, stop: int) -> None:
            prune_lists(self.neighbors, self.coded, self.settings.alpha, start, stop, lists)

        self.run(prune, 0, nodes, _CHUNK)
        nearest = np.zeros(nodes, np.uint32)

        def find_entries(start: int, stop: int) -> None:
            nearest_entries(self.vectors, self.rows, self.graph, self.codec_arrays, start, stop, nearest)

        self.run(find_entries, 0, nodes, _CHUNK)
        old = np.argsort(nearest, kind="stable").astype(np.uint32)
        ends = starts.astype(np.int64)
        lengths = (ends[1:] - ends[:-1])[old]
        new_starts = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(len(order)) - np.repeat(new_starts[:-1], lengths)
        new = np.empty(nodes, np.uint32)
        new[old] = np.arange(nodes, dtype=np.uint32)
        return Graph(
            neighbors=aligned_copy(renumber(lists[old], new)),
            sketches=aligned_copy(self.sketches[old]),
            entries=new[np.concatenate([self.entries, find_unreachable(lists, self.entries)])],
            order=order[np.repeat(starts[:-1][old], lengths) + within],
            starts=new_starts.astype(np.uint32),
            codec=self.codec,
        )


def find_unreachable(lists: NDArray[np.uint32], entries: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the nodes that must become entries, too, so that a search can reach every node.

    `lists` (nodes, degree) has the neighbours of each node, padded with NO_NODE; `entries` are the present entry nodes.
    """
    reached = np.zeros(len(lists) + 1, np.bool_)  # the last one stands for NO_NODE
    more: list[int] = []
    front: NDArray[np.integer] = entries
    while True:
        while len(front):
            near = np.zeros(len(lists) + 1, np.bool_)
            near[np.minimum(lists[front], len(lists))] = True
            reached[front] = True
            front = np.flatnonzero(near[:-1] & ~reached[:-1])
        if reached[:-1].all():
            return np.array(more, np.uint32)
        more.append(int(np.argmin(reached[:-1])))
        front = np.array(more[-1:])


def renumber(lists: NDArray[np.uint32], new: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the lists of neighbours with each node replaced by its new number, new[node]. NO_NODE is kept."""
    if not len(new):
        return lists
    return np.where(lists < len(new), new.take(lists, mode="clip"), lists)
