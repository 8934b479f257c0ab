"""Approximate nearest neighbours by inverted lists (IVF): rows are grouped by the nearest of 2 √n centroids.

A query is compared with all centroids. Then the rows in the lists of the nearest `nprobe` centroids are compared by
their sketches (compressed vectors, see `ann.sketch`), and the best of these by the stored vectors, so scores are exact.
Lists take a quarter of a graph's space and a tenth of the memory to build it, and a search takes longer.

Centroids are found by spherical k-means (Dhillon and Modha, 2001) on a random sample of the rows. Lists that stay small
are given to a random row of the largest lists, so that lists have similar lengths. Dot products are sums of integers,
so that lists don't depend on the number of threads.

Vectors may be in a mapped file larger than memory. They are read in the order of the file: once for the sample, which
is kept in memory, once to assign rows to lists, and once to encode them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.ann import sketch
from vsearch_core.ann.base import aligned, is_large_and_mapped, read_ahead, read_rows, run_in_chunks
from vsearch_core.ann.flat import to_fixed
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
from vsearch_core.ann.sketch import Codec, StoredSketches
from vsearch_core.errors import ArgumentError
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import FIXED_ONE, LAST_KEY, POOL_BLOCK
from vsearch_core.kernels.tuples import GraphArrays

_ITERATIONS = 8
_SAMPLE_PER_LIST = 128  # rows of the sample for each list
_SMALL_LIST = 0.25  # of the mean length: a list that is smaller gets another centroid
_GROWTH = 2.0  # of the rows since the centroids were trained, that makes it worthwhile to train them again
_IMBALANCE_GROWTH = 1.5  # of the imbalance since then
_CHUNK = 4096  # rows that a thread takes at a time
LEAST_SHARE = 0.75  # of the allowed rows that are expected near the query: with fewer, they are in most lists
_KEPT = 64  # candidates by sketch, at least

Report = Callable[[int, int], None]


def report_nothing(done: int, total: int) -> None:
    """Do nothing: the default for reports of progress."""


class Grouping(NamedTuple):
    """The rows of a segment in lists: `centroids`, `stops`, `order` and `training` of `InvertedLists`."""

    centroids: NDArray[np.int16]
    stops: NDArray[np.uint32]
    order: NDArray[np.uint32]
    training: NDArray[np.float64]

    @property
    def list_of_node(self) -> NDArray[np.uint32]:
        """Return the list of each row in `order`, (n,)."""
        return np.repeat(np.arange(len(self.centroids), dtype=np.uint32), np.diff(self.stops))

    @property
    def list_of_row(self) -> NDArray[np.uint32]:
        """Return the list of each row, (n,)."""
        lists = np.empty(len(self.order), np.uint32)
        lists[self.order] = self.list_of_node
        return lists

    @property
    def node_of_row(self) -> NDArray[np.uint32]:
        """Return the place of each row in `order`, (n,)."""
        nodes = np.empty(len(self.order), np.uint32)
        nodes[self.order] = np.arange(len(nodes), dtype=np.uint32)
        return nodes


@dataclass(frozen=True, slots=True)
class InvertedLists(StoredSketches):
    """The rows of a segment, grouped by the nearest centroid.

    `centroids` (lists, d) int16 are unit vectors in fixed point.
    `order` (n,) uint32 are all rows, sorted by list; those of list i are order[stops[i] : stops[i + 1]], and `stops`
    (lists + 1,) is uint32. `sketches` (n, width) uint8 are the compressed vectors of the rows in `order`, and `codec`
    has the parameters for them. `training` (2,) float64 has the number of rows that the centroids were trained for,
    and the imbalance of their lists.
    """

    centroids: NDArray[np.int16]
    stops: NDArray[np.uint32]
    order: NDArray[np.uint32]
    sketches: NDArray[np.uint8]
    training: NDArray[np.float64]

    @property
    def grouping(self) -> Grouping:
        """Return the lists without the sketches."""
        return Grouping(self.centroids, self.stops, self.order, self.training)


def imbalance(lengths: NDArray[np.integer]) -> float:
    """Return how many times more rows a search of lists compares than if all had the same length.

    `lengths` are those of the lists. A row is assumed to be searched for as often as any other, as in faiss.
    """
    rows = int(lengths.sum())
    return float(len(lengths) * np.square(lengths.astype(np.float64)).sum() / rows**2) if rows else 1.0


def build(
    vectors: NDArray[np.int16], *, seed: int = 0, threads: int = 1, progress: Report = report_nothing
) -> InvertedLists:
    """Group the rows of unit vectors (n, d) in fixed point into 2 √n lists.

    Equal vectors and seeds give equal bytes, for any number of threads. Takes about n * (width of a sketch + 24) bytes
    of memory, or 512 d √n for the sample of vectors if that is more, in addition to the vectors. `progress` is called
    with the number of finished and of all steps; an exception from it stops the build. Raises ArgumentError for other
    arrays.
    """
    _check_vectors(vectors)
    codec, width = sketch.train(vectors, seed)
    return _with_sketches(vectors, group(vectors, seed, threads, progress), codec, width, threads)


def group(vectors: NDArray[np.int16], seed: int, threads: int, progress: Report) -> Grouping:
    """Train centroids for the rows of vectors, and return the lists. The arguments are those of `build`."""
    _check_vectors(vectors)
    centroids = _train(read_only(vectors), seed, threads, progress)
    lists = _assigned(vectors, np.arange(len(vectors), dtype=np.uint32), centroids, threads)
    progress(_ITERATIONS + 1, _ITERATIONS + 2)
    training = np.array([len(vectors), imbalance(np.bincount(lists, minlength=len(centroids)))])
    return _sorted_by_list(lists, centroids, training)


def extend(
    former: InvertedLists,
    vectors: NDArray[np.int16],
    known: NDArray[np.int64],
    *,
    threads: int = 1,
    progress: Report = report_nothing,
) -> InvertedLists:
    """Group the rows of `vectors` (n, d) by the centroids of former lists; train new ones only if these no longer fit.

    The arguments are those of `regroup` and `build`.
    """
    grouping = regroup(former.grouping, vectors, known, threads, progress)
    if grouping is None:
        return build(vectors, threads=threads, progress=progress)
    return _with_sketches(vectors, grouping, former.codec, former.sketches.shape[1], threads)


def regroup(
    former: Grouping, vectors: NDArray[np.int16], known: NDArray[np.int64], threads: int, progress: Report
) -> Grouping | None:
    """Return lists of the rows of `vectors` (n, d) with the centroids of former lists, or None if these no longer fit.

    `known` (n,) is the list of each row in `former`, or -1 for a new row. Centroids must be trained again if there are
    twice as many rows as when they were trained, or if the imbalance of the lists has grown by half: see
    docs/adr/0044-inverted-lists.md. The other arguments are those of `build`.
    """
    _check_vectors(vectors)
    rows, before = former.training
    if len(vectors) > _GROWTH * rows:
        return None
    lists = known.astype(np.uint32)
    new = np.flatnonzero(known < 0)
    lists[new] = _assigned(vectors, new.astype(np.uint32), read_only(former.centroids), threads)
    progress(1, 2)
    if imbalance(np.bincount(lists, minlength=len(former.centroids))) > _IMBALANCE_GROWTH * before:
        return None
    return _sorted_by_list(lists, former.centroids, former.training)


def _check_vectors(vectors: NDArray[np.int16]) -> None:
    if vectors.ndim != 2 or vectors.dtype != np.int16:
        raise ArgumentError("vectors", f"{vectors.dtype} of shape {vectors.shape} is not (n, d) int16")


def list_count(rows: int) -> int:
    """Return the number of lists for so many rows: 2 √n (docs/adr/0044-inverted-lists.md)."""
    return min(rows, round(2 * math.sqrt(rows)))


def _train(vectors: NDArray[np.int16], seed: int, threads: int, progress: Report) -> NDArray[np.int16]:
    """Return the centroids, (lists, d) int16 of length FIXED_ONE, of vectors (n, d)."""
    from vsearch_core.kernels.lists import add_to_sums

    count = list_count(len(vectors))
    random = np.random.default_rng(seed)
    sample, wanted = vectors, count * _SAMPLE_PER_LIST
    if len(vectors) > wanted:
        sample = read_only(read_rows(vectors, np.sort(random.choice(len(vectors), wanted, replace=False))))
    rows = np.arange(len(sample), dtype=np.uint32)
    centroids: NDArray[np.int16] = sample[np.sort(random.choice(len(sample), count, replace=False))]
    for iteration in range(_ITERATIONS if count else 0):
        progress(iteration, _ITERATIONS + 2)
        lists = _assigned(sample, rows, read_only(centroids), threads)
        sums, lengths = np.zeros(centroids.shape, np.int64), np.zeros(count, np.int64)
        add_to_sums(sample, read_only(rows), lists, sums, lengths)
        norms = np.sqrt(np.square(sums.astype(np.float64)).sum(axis=1))
        used = norms > 0
        centroids = centroids.copy()
        centroids[used] = np.rint(sums[used] * (FIXED_ONE / norms[used])[:, None])
        if iteration < _ITERATIONS - 1:
            for target, donor in _replacements(lengths):
                centroids[target] = sample[random.choice(rows[lists == donor])]
    return read_only(centroids)


def _replacements(lengths: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pair the lists that are too short, the first ones first, with the longest lists, (target, donor)."""
    mean = lengths.mean()
    donors = np.argsort(-lengths, kind="stable")
    donors = donors[lengths[donors] > mean]
    return list(zip(np.flatnonzero(lengths < _SMALL_LIST * mean).tolist(), donors.tolist(), strict=False))


def _assigned(
    vectors: NDArray[np.int16], rows: NDArray[np.uint32], centroids: NDArray[np.int16], threads: int
) -> NDArray[np.uint32]:
    """Return the list of each of vectors[rows], (r,); `rows` ascend."""
    from vsearch_core.kernels.lists import assign

    lists, dots = np.zeros(len(rows), np.uint32), np.zeros(len(rows), np.int64)
    arguments = (read_only(vectors), read_only(rows), centroids)

    def assign_some(start: int, stop: int) -> None:
        read_ahead(vectors, int(rows[start]), int(rows[stop - 1]) + 1)
        assign(*arguments, start, stop, lists, dots)

    run_in_chunks(assign_some, 0, len(rows), _CHUNK, threads)
    return lists


def _sorted_by_list(lists: NDArray[np.uint32], centroids: NDArray[np.int16], training: NDArray[np.float64]) -> Grouping:
    order = np.argsort(lists, kind="stable").astype(np.uint32)
    lengths = np.bincount(lists, minlength=len(centroids))
    return Grouping(centroids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32), order, training)


def _with_sketches(
    vectors: NDArray[np.int16], grouping: Grouping, codec: Codec, width: int, threads: int
) -> InvertedLists:
    """Encode the rows' sketches in the order of the rows, and write them in the order of their lists."""
    centroids, stops, order, training = grouping
    sketches, nodes = aligned((len(vectors), width), np.uint8), grouping.node_of_row

    def encode(start: int, stop: int) -> None:
        read_ahead(vectors, start, stop)
        own, rows = aligned((stop - start, width), np.uint8), np.arange(start, stop, dtype=np.uint32)
        sketch.Encoder(codec, read_only(vectors), read_only(rows), own)(0, len(own))
        sketches[nodes[start:stop]] = own

    run_in_chunks(encode, 0, len(vectors), _CHUNK, threads)
    return InvertedLists(codec, centroids, stops, order, sketches, training)


class ListReader:
    """Requests the lists that a search will read, all at once, if they are in a large mapped file."""

    def __init__(
        self, centroids: NDArray[np.int16], stops: NDArray[np.uint32], array: NDArray[np.uint8], rows: int
    ) -> None:
        """Read lists of sketches or codes: each element of `array` has those of so many rows of the lists."""
        self._centroids, self._stops, self._array, self._rows = centroids, stops, array, rows
        self.is_needed = is_large_and_mapped(array)

    def request(self, queries: NDArray[np.float32], nprobe: int) -> None:
        """Request the `nprobe` lists nearest to each of the queries (q, d)."""
        from vsearch_core.kernels.lists import rank_lists

        pool = np.full(POOL_BLOCK + pool_size(min(len(self._centroids), nprobe)), -LAST_KEY, np.int64)
        for query in read_only(to_fixed(queries)):
            rank_lists(query, self._centroids, pool)
            keys = pool[POOL_BLOCK : POOL_BLOCK + nprobe]
            numbers = (keys[keys != LAST_KEY] & 0xFFFFFFFF) >> 1  # as `keys.key_row`
            for start, stop in zip(self._stops[numbers].tolist(), self._stops[numbers + 1].tolist(), strict=True):
                if start < stop:
                    read_ahead(self._array, start // self._rows, -(-stop // self._rows))


class ListSearcher(SketchSearcher):
    """Searches the inverted lists of one segment. Many threads may use it at once. It copies no array."""

    def __init__(
        self, lists: InvertedLists, vectors: NDArray[np.int16], limits: ScanLimits = DEFAULT_SCAN_LIMITS
    ) -> None:
        """Search lists, which `ann.check` must have checked, and their segment's vectors (n, d) in fixed point.

        Raises ArgumentError if the two don't belong together.
        """
        none = np.zeros((0, 0), np.uint32)
        coded = GraphArrays(read_only(none), read_only(lists.sketches), read_only(none.reshape(-1)))
        super().__init__(vectors, stored_rows(vectors, lists.order), coded, lists.codec, limits)
        self._centroids, self._stops = read_only(lists.centroids), read_only(lists.stops)
        self._reader = ListReader(self._centroids, self._stops, lists.sketches, 1)

    def _load(self, batch: QueryBatch) -> None:
        self._reader.request(batch.queries, 1)
        self._search_lists(batch, self._all, 1, POOL_BLOCK, 1, 1.0)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int = 10,
        *,
        nprobe: int = config.NPROBE,
        allowed: NDArray[np.bool_] | None = None,
        exact: bool = False,
        threads: int = 1,
    ) -> NearestRows:
        """Return the k rows that are most similar to each of the queries (q, d), float32 unit vectors.

        `nprobe` is the number of lists to search: more find more of the nearest rows, and take longer. `allowed` (n,)
        bool restricts the rows; then lists are searched until as many rows were compared as without it. `exact`
        compares every allowed row instead. Raises ArgumentError for other bad arguments, and InputError for a query
        that is not finite.
        """
        check_range("nprobe", nprobe, config.MAX_NPROBE)
        batch, mask, count = self._batch(queries, k, max(_KEPT, 2 * k), allowed, threads)
        if exact or self._is_small(count, mask):
            return self._scan_rows(batch, mask)
        if allowed is None:
            return self._probe(batch, mask, nprobe, 1.0)
        discriminate = self._sketches_discriminate(batch, mask, count)
        return batch.split(
            discriminate,
            lambda some: self._probe(some, mask, nprobe, count / len(mask)),
            lambda some: self._scan_rows(some, mask),
        )

    def _probe(self, batch: QueryBatch, allowed: NDArray[np.bool_], nprobe: int, share: float) -> NearestRows:
        """Search the nearest lists; `share` of the rows are allowed, or all if `allowed` is empty.

        As many rows are compared as in `nprobe` lists without a filter. Queries whose nearest lists have too few
        allowed rows scan all sketches instead.
        """
        if self._reader.is_needed:
            self._reader.request(batch.queries, nprobe)
        rows, lists = len(self._stored.order), len(self._centroids)
        enough = min(int(share * rows), max(batch.pool, nprobe * rows // lists if len(allowed) else 0))
        ranked = pool_size(min(lists, int(2 * nprobe / share)))
        found, compared = self._search_lists(batch, allowed, nprobe, ranked, enough, LEAST_SHARE * share)
        self._scan_again(found, batch, allowed, compared == 0)
        return found

    def _search_lists(
        self, batch: QueryBatch, allowed: NDArray[np.bool_], nprobe: int, ranked: int, enough: int, least: float
    ) -> tuple[NearestRows, NDArray[np.int64]]:
        from vsearch_core.kernels.lists import search_lists

        stored = self._filtered(allowed)

        def search(part: QueryPart) -> None:
            search_lists(
                part.queries, part.fixed, stored, self._graph, self._codec, self._centroids, self._stops,
                nprobe, ranked, enough, least, batch.pool, part.scores, part.rows, part.counts, part.allowed_counts,
            )  # fmt: skip

        return batch.run(search)
