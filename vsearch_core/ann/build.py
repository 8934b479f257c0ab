"""Build the graph that `ann.hnsw` searches: in batches and without locks, so that threads don't change the result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann import sketch, sq8
from vsearch_core.ann.base import Allocate, aligned, check_finite, read_ahead, read_rows, run_in_chunks
from vsearch_core.ann.flat import to_fixed
from vsearch_core.ann.hnsw import Graph
from vsearch_core.ann.regions import cut, path
from vsearch_core.errors import ArgumentError
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import CACHE_LINE, NO_NODE, POOL_BLOCK
from vsearch_core.kernels.tuples import GraphArrays, Sq8Rows

_BATCH_SHARE = 50  # a batch is at most 1/50 of all nodes (prefix doubling, ParlayANN)
_LEAST_BATCH = 32
# Nodes that a thread takes at a time
_SEARCH_CHUNK = 256
_EDGE_CHUNK = 1024
_CHUNK = 4096
_WORKING_SET = 1.5  # times the bytes of the nodes that are linked together: room for the system's own choices
_REGIONS_TOGETHER = 8  # regions in as many nodes: those around a region, and the sample's near it, are needed, too
_READ_AHEAD = 4 * _CHUNK  # rows that are requested before they are needed


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
    """Return about how much memory building a graph takes, in bytes, with the result."""
    result = GraphSettings().degree * np.dtype(np.uint32).itemsize + CACHE_LINE
    return _needed_throughout(rows) + rows * (_node_bytes(dimension) + CACHE_LINE + result)


def nodes_together(rows: int, dimension: int, memory: int) -> int | None:
    """Return how many nodes to link at a time, so that building a graph of so many rows takes `memory` bytes.

    Returns None if all can be linked together, and 0 if that is too little memory for any graph: what a build needs
    from beginning to end must not take more than half of it. See docs/adr/0069-graphs-larger-than-memory.md.
    """
    if build_bytes(rows, dimension) <= memory:
        return None
    rest = memory - _needed_throughout(rows)
    return int(rest / (_WORKING_SET * _node_bytes(dimension))) if 2 * rest >= memory else 0


def _node_bytes(dimension: int) -> int:
    """Return the size of a node's list and code while a graph is built."""
    return 2 * GraphSettings().degree * np.dtype(np.uint32).itemsize + sq8.code_width(dimension)


def _needed_throughout(rows: int) -> int:
    """Return the size of what a build needs of all rows from beginning to end: sketches, numbers and norms."""
    return rows * (CACHE_LINE + 40)


def build(
    vectors: NDArray[np.int16] | NDArray[np.float32],
    settings: GraphSettings | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    allocate: Allocate = aligned,
    together: int | None = None,
) -> Graph:
    """Build the graph of unit vectors (n, d), in fixed point (int16) or float32.

    Equal vectors and settings give equal bytes, for any number of threads. See `build_bytes` for the memory
    that it takes. `progress` is called after each batch with the number of linked nodes and of all
    nodes; an exception from it stops the build.

    If that is too much memory, `together` is the number of nodes to link at a time (`nodes_together`), and `allocate`
    makes the large arrays, those of the result too, in mapped files (`store.scratch`). Another number gives another
    graph, which is about as good. Raises ArgumentError for other arrays, and InputError for a float32
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
    builder = _Builder(fixed, order[starts[:-1]], settings, max(1, threads), allocate, together)
    for nodes in builder.batches():
        builder.add(nodes)
        progress(builder.done, len(starts) - 1)
    return builder.finish(order, starts)


def group_equal_rows(vectors: NDArray[np.int16]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Group the rows of vectors (n, d) that are equal.

    Returns all rows, (n,), with equal rows next to each other, and the position in them where each group starts,
    followed by n. Groups are in the order of a hash, which is practically random.
    """
    from vsearch_core.kernels.sq8 import hash_rows, mark_first

    hashes = np.empty(len(vectors), np.uint64)
    for start in range(0, len(vectors), _CHUNK):
        read_ahead(vectors, start, min(len(vectors), start + _READ_AHEAD))
        hash_rows(vectors[start : start + _CHUNK], hashes[start : start + _CHUNK])
    order = np.argsort(hashes, kind="stable").astype(np.uint32)
    first = np.empty(len(vectors), np.bool_)
    mark_first(vectors, order, hashes, first)
    starts = np.append(np.flatnonzero(first), len(vectors)).astype(np.uint32)
    return order, starts


def batches(first: int, stop: int, nodes: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges (first, last) of nodes to add in one batch, up to `stop`.

    A batch has at most as many nodes as all batches before it, and at most 2 % of `nodes` (if these are many).
    """
    most = max(_LEAST_BATCH, nodes // _BATCH_SHARE)
    while first < stop:
        last = min(stop, 2 * first, first + most)
        yield first, last
        first = last


def entry_count(nodes: int) -> int:
    """Return the number of entry nodes of a graph: √n / 2, at least 16, at most n."""
    return min(nodes, max(16, int(nodes**0.5 / 2)))


class _Builder:
    """A graph under construction, whose lists have room for twice the degree so that few are pruned more than once.

    Nodes are linked in the order of their rows' hashes. If they are too many for memory, only the first ones are, as a
    sample of all nodes, and then region after region (`ann.regions`), whose arrays fit in memory. Nodes are numbered by
    sample or region and then by the nearest entry node, so that nodes that are used together share pages of memory.
    """

    def __init__(
        self,
        vectors: NDArray[np.int16],
        rows: NDArray[np.uint32],
        settings: GraphSettings,
        threads: int,
        allocate: Allocate,
        together: int | None,
    ) -> None:
        nodes = len(rows)
        self.settings, self.threads, self.vectors, self.allocate = settings, threads, vectors, allocate
        self.codec, width = sketch.train(vectors)
        self.codec_arrays = self.codec.kernel_arrays()
        hashed, cells = self._sketches_and_cells(rows, width)
        region, self.stops = self._regions(cells, nodes if together is None else together)
        self.number = np.lexsort((cells, region)).astype(np.uint32)  # of each node in the order of hashes
        self.rows, self.cells = read_only(rows[self.number]), cells[self.number]
        self.sketches = aligned(hashed.shape, np.uint8)  # not in files: each search reads sketches of all regions
        self.run(lambda a, b: np.take(hashed, self.number[a:b], 0, self.sketches[a:b]), 0, nodes, _CHUNK)
        inverse = np.empty(nodes, np.uint32)
        inverse[self.number] = np.arange(nodes, dtype=np.uint32)
        self.entries = read_only(inverse[: entry_count(nodes)])
        codes = allocate((nodes, sq8.code_width(vectors.shape[1])), np.uint8)
        self.coded = Sq8Rows(codes, np.zeros(nodes, np.int32), sq8.train(vectors))
        self.neighbors = allocate((nodes, 2 * settings.degree), np.uint32)
        self.graph = GraphArrays(self.neighbors, self.sketches, self.entries)
        self.done = min(1, nodes)  # the first node has nothing to be linked to

    def run(self, action: Callable[[int, int], object], start: int, stop: int, chunk: int) -> None:
        run_in_chunks(action, start, stop, chunk, self.threads)

    def _sketches_and_cells(self, rows: NDArray[np.uint32], width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Return the sketch (nodes, width) and the cell (nodes,) of each of vectors[rows].

        A cell has the nodes that one entry node is nearest to. Cells are numbered along a path (`ann.regions`).
        """
        from vsearch_core.kernels.link import nearest_entries

        def encoded(some: NDArray[np.uint32]) -> NDArray[np.uint8]:
            codes = aligned((len(some), width), np.uint8)
            sketch.Encoder(self.codec, self.vectors, read_only(some), codes)(0, len(some))
            return codes

        numbers = np.arange(entry_count(len(rows)), dtype=np.uint32)
        entries = GraphArrays(np.zeros((0, 0), np.uint32), encoded(rows[numbers]), numbers)
        sketches, cells = aligned((len(rows), width), np.uint8), np.zeros(len(rows), np.uint32)
        by_row = np.argsort(rows, kind="stable")  # the order in which a file is read

        def encode(start: int, stop: int) -> None:
            some = by_row[start:stop]
            read_ahead(self.vectors, int(rows[some[0]]), int(rows[some[-1]]) + 1)
            own = np.empty(len(some), np.uint32)
            nearest_entries(self.vectors, read_only(rows[some]), entries, self.codec_arrays, own)
            sketches[some], cells[some] = encoded(rows[some]), own

        self.run(encode, 0, len(rows), _CHUNK)
        places = np.empty(len(numbers), np.uint32)
        places[path(self.vectors[rows[numbers]])] = numbers
        return sketches, places[cells]

    def _regions(self, cells: NDArray[np.uint32], together: int) -> tuple[NDArray[np.int64], list[int]]:
        """Return the region of each node, (nodes,), 0 for the sample, and where each ends if nodes are sorted by it."""
        nodes, entries = len(cells), entry_count(len(cells))
        sample = min(nodes, max(entries, together))
        regions = -(-(nodes - sample) // max(1, together // _REGIONS_TOGETHER))
        region = np.zeros(nodes, np.int64)
        if regions:
            region = 1 + cut(np.bincount(cells[sample:], minlength=entries), regions)[cells]
            region[:sample] = 0
        return region, np.cumsum(np.bincount(region, minlength=regions + 1)).tolist()

    def batches(self) -> Iterator[NDArray[np.uint32]]:
        """Yield the nodes to add in each batch, ascending, and prepare the arrays of regions before they are needed."""
        self._encode()
        for start, stop in pairwise([0, *self.stops]):
            self._prepare(start, stop)
            order = (start + np.argsort(self.number[start:stop])).astype(np.uint32)
            for first, last in batches(max(1, start), stop, stop - start):
                yield read_only(np.sort(order[first - start : last - start]))

    def _encode(self) -> None:
        """Encode all nodes, in the order of a file. Until a region is prepared, its codes are in that order, too."""
        codes, norms, limit = self.coded
        by_row = np.argsort(self.rows, kind="stable").astype(np.uint32)
        places = np.arange(len(by_row), dtype=np.uint32)
        if len(self.stops) > 1:
            places[by_row[np.argsort(np.searchsorted(self.stops, by_row, "right"), kind="stable")]] = places.copy()

        def encode(start: int, stop: int) -> None:
            some = by_row[start:stop]
            read_ahead(self.vectors, int(self.rows[some[0]]), int(self.rows[some[-1]]) + 1)
            encoded = sq8.encode(self.vectors, read_only(self.rows[some]), limit)
            codes[places[some]], norms[some] = encoded.codes, encoded.norms

        self.run(encode, 0, len(by_row), _CHUNK)

    def _prepare(self, start: int, stop: int) -> None:
        """Sort the codes of the nodes start … stop - 1, if they are a region, and give the nodes empty lists."""
        codes, neighbors = self.coded.codes[start:stop], self.neighbors[start:stop]
        if len(self.stops) > 1:
            places = np.empty(stop - start, np.uint32)
            places[np.argsort(self.rows[start:stop], kind="stable")] = np.arange(stop - start, dtype=np.uint32)
            by_row = codes.copy()
            self.run(lambda a, b: np.take(by_row, places[a:b], 0, codes[a:b]), 0, stop - start, _CHUNK)
        neighbors[:] = NO_NODE

    def add(self, nodes: NDArray[np.uint32]) -> None:
        """Add nodes: link them to their neighbours among the nodes that were added before, and these to them."""
        from vsearch_core.kernels.link import add_reverse_edges, find_neighbors

        degree, alpha = self.settings.degree, self.settings.alpha
        ef = -(-self.settings.ef_construction // POOL_BLOCK) * POOL_BLOCK
        forward = np.empty((len(nodes), degree), np.uint32)
        entries = min(self.done, len(self.entries))

        def link(start: int, stop: int) -> None:
            find_neighbors(
                self.graph, entries, self.codec_arrays, self.coded, ef, alpha, nodes[start:stop], forward[start:stop]
            )

        self.run(link, 0, len(nodes), _SEARCH_CHUNK)
        self.done += len(nodes)
        self.neighbors[nodes, :degree] = forward
        # An edge is one number, its target above its source: sorting these is several times faster than an argsort.
        edges = (forward.astype(np.uint64) << np.uint64(32)) | nodes.astype(np.uint64)[:, None]
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
        from vsearch_core.kernels.link import prune_lists

        nodes = len(self.neighbors)
        old = np.argsort(self.cells, kind="stable").astype(np.uint32)
        new = np.empty(nodes, np.uint32)
        new[old] = np.arange(nodes, dtype=np.uint32)
        lists = self.allocate((nodes, self.settings.degree), np.uint32)
        sketches = self.allocate(self.sketches.shape, np.uint8)

        def prune(start: int, stop: int) -> None:
            some, own = read_only(old[start:stop]), lists[start:stop]
            prune_lists(self.neighbors[some], some, self.coded, self.settings.alpha, own)
            own[:] = renumber(own, new)
            sketches[start:stop] = self.sketches[some]

        self.run(prune, 0, nodes, _CHUNK)
        ends = starts.astype(np.int64)
        groups = self.number[old]
        lengths = (ends[1:] - ends[:-1])[groups]
        new_starts = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(len(order)) - np.repeat(new_starts[:-1], lengths)
        entries = new[self.entries]
        return Graph(
            neighbors=lists,
            sketches=sketches,
            entries=np.concatenate([entries, find_unreachable(lists, entries)]),
            order=order[np.repeat(starts[:-1][groups], lengths) + within],
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
            for start in range(0, len(front), _CHUNK):
                near[np.minimum(read_rows(lists, front[start : start + _CHUNK]), len(lists))] = True
            reached[front] = True
            front = np.flatnonzero(near[:-1] & ~reached[:-1])
        if reached[:-1].all():
            return np.array(more, np.uint32)
        more.append(int(np.argmin(reached[:-1])))
        front = np.array(more[-1:], np.int64)


def renumber(lists: NDArray[np.uint32], new: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the lists of neighbours with each node replaced by its new number, new[node]. NO_NODE is kept."""
    if not len(new):
        return lists
    return np.where(lists < len(new), new.take(lists, mode="clip"), lists)
