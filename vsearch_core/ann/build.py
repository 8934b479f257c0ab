"""Building the graph that `ann.hnsw` walks: in batches, without locks, the same whatever the threads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann import sketch, sq8
from vsearch_core.ann.base import aligned, aligned_copy, check_finite, run_in_chunks
from vsearch_core.ann.flat import to_fixed
from vsearch_core.ann.hnsw import LANES, Graph
from vsearch_core.errors import InputError
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import NO_NODE

_BATCH_SHARE = 50  # a batch is at most one in so many of all nodes (prefix doubling, ParlayANN)
_LEAST_BATCH = 32
_CHUNK = 128  # nodes that a thread takes at a time


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """`degree` neighbours a node (M in HNSW is half of it), `ef_construction` candidates a search, `alpha` the slack.

    A candidate is no neighbour if it is `alpha` times nearer, in squared distance, to a neighbour than to the node.
    """

    degree: int = 48
    ef_construction: int = 80
    alpha: float = 1.1

    def __post_init__(self) -> None:
        if not 2 <= self.degree <= 256:
            raise InputError("degree", f"{self.degree} is not between 2 and 256", "the default is 48")
        if not self.degree <= self.ef_construction <= 4096:
            reason = f"{self.ef_construction} is not between the degree, {self.degree}, and 4096"
            raise InputError("ef_construction", reason, "the default is 80")
        if not 1.0 <= self.alpha <= 2.0:
            raise InputError("alpha", f"{self.alpha} is not between 1 and 2", "the default is 1.1")


def build(
    vectors: NDArray[np.int16] | NDArray[np.float32],
    settings: GraphSettings | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Graph:
    """The graph of unit vectors (n, d), in fixed point or float32 (then checked, and converted).

    Takes about n * (d + 20 * degree) bytes of memory beyond the result. Equal input gives equal bytes. `progress`
    gets the linked and all nodes after each batch; what it raises ends the build.
    Raises InputError for a vector that is not finite or an array of another kind.
    """
    settings = settings or GraphSettings()
    if vectors.ndim != 2 or vectors.dtype not in (np.int16, np.float32):
        raise InputError("vectors", f"{vectors.dtype} of shape {vectors.shape}", "pass (n, d) int16 or float32")
    if vectors.dtype == np.float32:
        floats = vectors.astype(np.float32, copy=False)
        check_finite("vector", floats)
        vectors = to_fixed(floats)
    fixed: NDArray[np.int16] = read_only(vectors)
    order, starts = group(fixed)
    builder = _Builder(fixed, order[starts[:-1]], settings, max(1, threads))
    for first, last in batches(len(starts) - 1):
        builder.add(first, last)
        progress(last, len(starts) - 1)
    return builder.finish(order, starts)


def group(vectors: NDArray[np.int16]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The rows (n,) with equal ones together, by their hash and so as good as shuffled; and where each group begins."""
    from vsearch_core.kernels.sq8 import hash_rows, mark_first

    hashes = np.empty(len(vectors), np.uint64)
    hash_rows(vectors, hashes)
    order = np.argsort(hashes, kind="stable").astype(np.uint32)
    first = np.empty(len(vectors), np.bool_)
    mark_first(vectors, order, hashes, first)
    starts = np.append(np.flatnonzero(first), len(vectors)).astype(np.uint32)
    return order, starts


def batches(nodes: int) -> Iterator[tuple[int, int]]:
    """Ranges that nodes are added in: each as large as what is there, up to 2 % of all."""
    first, most = 1, max(_LEAST_BATCH, nodes // _BATCH_SHARE)
    while first < nodes:
        last = min(nodes, 2 * first, first + most)
        yield first, last
        first = last


def entry_count(nodes: int) -> int:
    """How many entry nodes a graph gets."""
    return min(nodes, max(16, int(nodes**0.5 / 2)))


class _Builder:
    """The graph while it grows: lists with room for twice the degree, so that few are cut down more than once."""

    def __init__(
        self, vectors: NDArray[np.int16], rows: NDArray[np.uint32], settings: GraphSettings, threads: int
    ) -> None:
        nodes = len(rows)
        self.settings, self.threads, self.vectors = settings, threads, vectors
        self.rows = read_only(rows)
        self.kept_codec, width = sketch.train(vectors)
        self.codec = tuple(read_only(array) for array in self.kept_codec.arrays())
        self.sketches = aligned((nodes, width), np.uint8)
        coder = sketch.Encoder(self.kept_codec, vectors, self.rows, self.sketches)
        run_in_chunks(coder, 0, nodes, 4096, self.threads)
        self.codes = sq8.encode(vectors, self.rows)
        self.neighbors = aligned((nodes, 2 * settings.degree), np.uint32)
        self.neighbors[:] = NO_NODE
        self.entries = np.arange(entry_count(nodes), dtype=np.uint32)
        self.measure = (self.codes.codes, self.codes.norms)

    def add(self, first: int, last: int) -> None:
        """Link the nodes first … last - 1 to those before, and back."""
        from vsearch_core.kernels.link import link, link_back

        ef_construction, alpha, degree = (
            -(-self.settings.ef_construction // 8) * 8,
            self.settings.alpha,
            self.settings.degree,
        )
        forward = np.empty((last - first, degree), np.uint32)
        graph = (self.neighbors, self.sketches, self.entries)

        def ahead(start: int, stop: int) -> None:
            link(
                self.vectors,
                self.rows,
                graph,
                self.codec,
                *self.measure,
                LANES,
                ef_construction,
                alpha,
                first,
                start,
                stop,
                forward,
            )

        run_in_chunks(ahead, first, last, _CHUNK, self.threads)
        self.neighbors[first:last, :degree] = forward
        # Target above source in one number: sorting those is several times faster than a stable argsort.
        edges = (forward.astype(np.uint64) << np.uint64(32)) | np.arange(first, last, dtype=np.uint64)[:, None]
        edges = np.sort(edges[forward != NO_NODE])
        targets, sources = (edges >> np.uint64(32)).astype(np.uint32), edges.astype(np.uint32)
        bounds = np.append(np.flatnonzero(np.diff(targets, prepend=NO_NODE)), len(targets))

        def back(start: int, stop: int) -> None:
            link_back(self.neighbors, *self.measure, targets, sources, bounds, alpha, degree, start, stop)

        run_in_chunks(back, 0, len(bounds) - 1, 8 * _CHUNK, self.threads)

    def finish(self, order: NDArray[np.uint32], starts: NDArray[np.uint32]) -> Graph:
        """Cut the lists to the degree, and number near nodes alike so that a walk stays within few pages."""
        from vsearch_core.kernels.link import cut, nearest_entries

        nodes = len(self.neighbors)
        lists = np.empty((nodes, self.settings.degree), np.uint32)
        run_in_chunks(
            lambda a, b: cut(self.neighbors, *self.measure, self.settings.alpha, a, b, lists),
            0,
            nodes,
            4096,
            self.threads,
        )
        nearest = np.zeros(nodes, np.uint32)
        graph = (self.neighbors, self.sketches, self.entries)
        run_in_chunks(
            lambda a, b: nearest_entries(self.vectors, self.rows, graph, self.codec, a, b, nearest),
            0,
            nodes,
            4096,
            self.threads,
        )
        old = np.argsort(nearest, kind="stable").astype(np.uint32)
        ends = starts.astype(np.int64)
        lengths = (ends[1:] - ends[:-1])[old]
        new_starts = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(len(order)) - np.repeat(new_starts[:-1], lengths)
        new = np.empty(nodes, np.uint32)
        new[old] = np.arange(nodes, dtype=np.uint32)
        return Graph(
            neighbors=aligned_copy(renumbered(lists[old], new)),
            sketches=aligned_copy(self.sketches[old]),
            entries=new[np.concatenate([self.entries, unreached(lists, self.entries)])],
            order=order[np.repeat(starts[:-1][old], lengths) + within],
            starts=new_starts.astype(np.uint32),
            codec=self.kept_codec,
        )


def unreached(lists: NDArray[np.uint32], entries: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Nodes from which all can be reached that can't be reached from the entries: the first of each such part."""
    reached = np.zeros(len(lists) + 1, np.bool_)  # the last stands for what ends a list
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


def renumbered(lists: NDArray[np.uint32], new: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Lists of neighbours under the nodes' new numbers; what ends a list stays."""
    if not len(new):
        return lists
    return np.where(lists < len(new), new.take(lists, mode="clip"), lists)
