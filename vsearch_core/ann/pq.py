"""Inverted lists with product quantisation (PQ): a code of 8 to 256 bytes for each vector.

Rows are grouped as in `ann.ivf`. The centroid of its list is subtracted from each vector. The rest, the residual, is
rotated and cut into sub-vectors. A sub-vector's code is half a byte, the number of the nearest of 16 centroids, or a
byte, that of the nearest of 256 (Jégou, Douze and Schmid, PAMI 2011). The rotation gives all sub-vectors about the same
variance (optimised PQ: Ge, He, Ke and Sun, CVPR 2013). Then codes are changed so that less of a row's error is along
the row, since that part changes the scores of its nearest queries most (anisotropic loss: Guo et al., ICML 2020).

A search makes a table of the query's dot products with all these centroids, so that a row's dot product is estimated by
adding one element for each number in its code. A table of 16 elements is a register, and one instruction looks up the
elements of up to 64 rows (fast scan: André, Kermarrec and Le Scouarnec, VLDB 2015). The rows with the best estimates
are scored from the stored vectors.

All sums over rows are of integers, so codes don't depend on the number of threads. Only eigenvectors come from LAPACK,
and they are rounded to fixed point.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.ann.base import aligned, expect_random_reads, read_ahead, read_rows, run_in_chunks
from vsearch_core.ann.ivf import LEAST_SHARE, Grouping, ListReader, Report, group, regroup, report_nothing
from vsearch_core.ann.searcher import (
    DEFAULT_SCAN_LIMITS,
    NearestRows,
    QueryBatch,
    QueryPart,
    ScanLimits,
    VectorSearcher,
    check_range,
    pool_size,
    stored_rows,
)
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import FIXED_ONE, POOL_BLOCK, PQ_BLOCK, PQ_CENTROIDS, PQ_FEW_CENTROIDS
from vsearch_core.kernels.tuples import PqArrays

LEAST_BYTES, DEFAULT_BYTES, MOST_BYTES = config.PQ_BYTES
CODES = "codes_"  # the stored name of the codes, before their size in bytes
_SAMPLE = 32_768  # rows that centroids are trained on
_ITERATIONS = 16  # of k-means, at most
_ERROR_ROWS, _ERROR_QUERIES = 4096, 64  # rows from which the error is measured
_CHUNK = 4096  # rows that a thread takes at a time, a multiple of PQ_BLOCK
_LEAST_COMPARED = 64  # rows by their codes
_RESCORED_BYTES = 12_288  # size of the codes that have their vectors compared: fewer bytes need more candidates


@dataclass(frozen=True, slots=True)
class Quantiser:
    """The parameters that turn a residual into a code. Fields have the names under which they are stored.

    `rotation` (m * s, d) int16 has the direction of each component in a row, of length FIXED_ONE or 0. `books` (m * s,
    t) float32 has the t centroids of m sub-vectors in its columns, in units of 1 / FIXED_ONE. `error` (1,) float32 is
    the standard error of an estimated dot product of unit vectors.
    """

    rotation: NDArray[np.int16]
    books: NDArray[np.float32]
    error: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PqLists:
    """The rows of a segment, grouped by the nearest centroid, and their codes. Arrays may be read-only memory maps.

    `grouping` is that of inverted lists. `blocks` (⌈n / PQ_BLOCK⌉, m * PQ_BLOCK) uint8 are the codes of the rows in its
    order, PQ_BLOCK rows in a block: see `simd.make_sum_tables`.
    """

    grouping: Grouping
    quantiser: Quantiser
    blocks: NDArray[np.uint8]

    @property
    def bytes(self) -> int:
        """Return the size of a code in bytes."""
        return int(self.blocks.shape[1]) // PQ_BLOCK

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by the names under which they are stored. That of the codes ends in their size."""
        own = {field.name: getattr(self.quantiser, field.name) for field in fields(Quantiser)}
        return {**self.grouping._asdict(), **own, f"{CODES}{self.bytes}": self.blocks}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the object whose arrays were stored. They are not copied. Raises KeyError if one is missing."""
        blocks = next((array for name, array in arrays.items() if name.startswith(CODES)), None)
        if blocks is None:
            raise KeyError("codes")
        grouping = Grouping(*(arrays[name] for name in Grouping._fields))
        return cls(grouping, Quantiser(*(arrays[field.name] for field in fields(Quantiser))), blocks)


def code_bytes(wanted: int, dimension: int) -> int:
    """Return the size of a code: as many bytes as wanted, but at most one for each dimension."""
    return min(wanted, dimension)


def sub_vectors(code_size: int, centroids: int) -> int:
    """Return the number of sub-vectors in a code of so many bytes: 16 centroids take half a byte each, 256 a byte."""
    return code_size if centroids == PQ_CENTROIDS else 2 * code_size


def centroid_count(code_size: int, dimension: int) -> int:
    """Return the number of centroids of each sub-vector in codes of so many bytes: 16, or 256 for short sub-vectors."""
    return PQ_FEW_CENTROIDS if 2 * code_size <= dimension else PQ_CENTROIDS


def build(
    vectors: NDArray[np.int16],
    code_size: int = DEFAULT_BYTES,
    *,
    centroids: int | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Report = report_nothing,
) -> PqLists:
    """Group the rows of unit vectors (n, d) in fixed point, and encode them in `code_size` bytes each.

    Equal vectors and seeds give equal bytes, for any number of threads. The other arguments, and the memory, are those
    of `ivf.build`, with the size of a code for that of a sketch. Raises ArgumentError for other arrays or sizes.
    """
    check_range("code_size", code_size, MOST_BYTES)
    grouping = group(vectors, seed, threads, progress)
    size = code_bytes(code_size, vectors.shape[1])
    quantiser = train(vectors, grouping, size, centroids or centroid_count(size, vectors.shape[1]), seed, threads)
    return _encoded(vectors, grouping, quantiser, size, threads)


def extend(
    former: PqLists,
    vectors: NDArray[np.int16],
    known: NDArray[np.int64],
    *,
    threads: int = 1,
    progress: Report = report_nothing,
) -> PqLists:
    """Group the rows of `vectors` (n, d) as in former lists, with the same quantiser; train both again if needed.

    The arguments are those of `ivf.regroup`, which says when lists no longer fit.
    """
    grouping = regroup(former.grouping, vectors, known, threads, progress)
    if grouping is None:
        return build(vectors, former.bytes, threads=threads, progress=progress)
    return _encoded(vectors, grouping, former.quantiser, former.bytes, threads)


def train(
    vectors: NDArray[np.int16],
    grouping: Grouping,
    code_size: int,
    centroids: int,
    seed: int,
    threads: int,
    rotation: NDArray[np.int16] | None = None,
) -> Quantiser:
    """Return the quantiser for the residuals of vectors (n, d) int16, trained on a random sample of the rows.

    `rotation` is that of `Quantiser`; by default, one is made of the sample's principal components.
    """
    dimension = vectors.shape[1]
    parts = sub_vectors(code_size, centroids)
    size = -(-dimension // parts)
    count, random = len(vectors), np.random.default_rng(seed)
    rows = np.arange(count, dtype=np.uint32)
    if count > _SAMPLE:
        rows = np.sort(random.choice(count, _SAMPLE, replace=False)).astype(np.uint32)
    if not count:
        empty = np.zeros((parts * size, centroids), np.float32)
        return Quantiser(np.zeros((parts * size, dimension), np.int16), empty, np.zeros(1, np.float32))
    sample = _Sample(read_only(read_rows(vectors, rows)), grouping.list_of_row[rows], grouping.centroids, threads)
    if rotation is None:
        rotation = _balanced_rotation(sample.residuals, parts, size)
    components = sample.components(rotation)
    books = _first_books(components, parts, centroids, random)
    codes = np.empty(0, np.uint8)
    for _ in range(_ITERATIONS):
        before = codes
        books, codes = _improved(books, components, threads)
        if np.array_equal(before, codes):
            break
    return Quantiser(
        rotation, read_only(books.reshape(-1, centroids)), _measured_error(sample, rotation, books, threads)
    )


class _Sample:
    """The vectors of some rows of a segment, (r, d), and their residuals. `lists` (r,) has the list of each."""

    def __init__(
        self, vectors: NDArray[np.int16], lists: NDArray[np.uint32], centroids: NDArray[np.int16], threads: int
    ) -> None:
        self._vectors, self._lists, self._centroids, self._threads = vectors, lists, centroids, threads

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._lists)

    def every(self, step: int) -> "_Sample":
        """Return a sample of every `step`-th row."""
        return _Sample(read_only(self._vectors[::step].copy()), self._lists[::step], self._centroids, self._threads)

    @property
    def exact(self) -> NDArray[np.float64]:
        """Return the vectors, (r, d): integers, so that sums of products below 2**53 are exact in any order."""
        return self._vectors.astype(np.float64)

    @property
    def residuals(self) -> NDArray[np.float64]:
        """Return the residuals, (r, d), integers like `exact`."""
        residuals: NDArray[np.float64] = self.exact - self._centroids[self._lists]
        return residuals

    def wholes(self, rotation: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the rotated vectors, (r, m * s)."""
        return rotated(self._vectors, rotation, self._threads)

    def components(self, rotation: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the rotated residuals, (r, m * s)."""
        own = self.wholes(rotation)
        own -= rotated(self._centroids, rotation, self._threads)[self._lists]
        return own


def rotated(vectors: NDArray[np.int16], rotation: NDArray[np.int16], threads: int) -> NDArray[np.float32]:
    """Return the components of vectors (r, d), (r, m * s)."""
    from vsearch_core.kernels.pq import rotate

    out = np.empty((len(vectors), len(rotation)), np.float32)
    arguments = (read_only(vectors), read_only(rotation))
    run_in_chunks(lambda start, stop: rotate(*arguments, start, stop, out), 0, len(vectors), _CHUNK, threads)
    return out


def _balanced_rotation(residuals: NDArray[np.float64], parts: int, size: int) -> NDArray[np.int16]:
    """Return the rotation, (parts * size, d), to principal components, dealt out so that parts have equal variances.

    The components are given, in the order of their variances, to the part with the least product of variances so far
    (eigenvalue allocation of optimised PQ).
    """
    dimension = residuals.shape[1]
    variances, directions = np.linalg.eigh(residuals.T @ residuals)
    variances, directions = variances[::-1], directions.T[::-1]
    logs = np.log(np.maximum(variances, 1e-6 * max(1.0, variances[0])))
    logs -= logs.min() - 1e-3  # so that each adds to the product
    rotation = np.zeros((parts * size, dimension))
    products, used = np.zeros(parts), np.zeros(parts, np.int64)
    for component in range(dimension):
        part = int(np.where(used < size, products, np.inf).argmin())
        rotation[part * size + used[part]] = directions[component]
        products[part] += logs[component]
        used[part] += 1
    return np.rint(rotation * FIXED_ONE).astype(np.int16)


def _first_books(
    components: NDArray[np.float32], parts: int, centroids: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """Return random sub-vectors as first centroids, (m, s, t)."""
    count = len(components)
    chosen = random.choice(count, centroids, replace=count < centroids)
    books = np.rint(components[chosen]).reshape(centroids, parts, -1)
    return np.ascontiguousarray(books.transpose(1, 2, 0))


def _improved(
    books: NDArray[np.float32], components: NDArray[np.float32], threads: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Run one iteration of k-means. Return the new centroids, and the nearest former ones of each row, (r, m).

    A centroid without rows is moved next to that with the most rows of its part, so that it takes half of them.
    """
    from vsearch_core.kernels.pq import add_to_books

    codes = nearest_codes(books, components, threads)
    sums, counts = np.zeros(books.shape, np.int64), np.zeros((len(books), books.shape[2]), np.int64)
    add_to_books(components, codes, sums, counts)
    means = np.rint(sums / np.maximum(counts, 1)[:, None, :]).astype(np.float32)
    for part in range(len(books)):
        largest = np.argsort(-counts[part], kind="stable")
        unused = np.flatnonzero(counts[part] == 0)
        for target, donor in zip(unused, largest, strict=False):
            means[part, :, target] = means[part, :, donor]
            means[part, 0, target] += 1
    return means, codes


def nearest_codes(books: NDArray[np.float32], components: NDArray[np.float32], threads: int) -> NDArray[np.uint8]:
    """Return the nearest centroids of each row's sub-vectors, (r, m)."""
    from vsearch_core.kernels.pq import quantise

    codes = np.empty((len(components), len(books)), np.uint8)
    arguments = (components, read_only(books), _halves(books))
    run_in_chunks(lambda start, stop: quantise(*arguments, start, stop, codes), 0, len(codes), _CHUNK, threads)
    return codes


def _halves(books: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return half of the squared length of each centroid of (m, s, t), (m, t)."""
    return read_only((np.square(books.astype(np.float64)).sum(axis=1) / 2).astype(np.float32))


def _decoded(books: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the components that codes (r, m) stand for, (r, m * s)."""
    return np.concatenate([books[part][:, codes[:, part]] for part in range(len(books))]).T.astype(np.float64)


def _measured_error(
    sample: _Sample, rotation: NDArray[np.int16], books: NDArray[np.float32], threads: int
) -> NDArray[np.float32]:
    """Return the standard error of estimated dot products of some rows with others, (1,)."""
    from vsearch_core.kernels.pq import align

    rows = sample.every(max(1, len(sample) // _ERROR_ROWS))
    components = rows.components(rotation)
    codes = nearest_codes(books, components, threads)
    align(components, rows.wholes(rotation), read_only(books), 0, len(codes), codes)
    decoded = _decoded(books, codes)
    queries = sample.every(max(1, len(sample) // _ERROR_QUERIES)).exact
    estimates = np.rint(queries @ rotation.T.astype(np.float64) / FIXED_ONE) @ decoded.T
    differences = (estimates - queries @ rows.residuals.T) / FIXED_ONE**2
    return np.array([np.sqrt(np.mean(np.square(differences)))], np.float32)


def _encoded(vectors: NDArray[np.int16], grouping: Grouping, quantiser: Quantiser, size: int, threads: int) -> PqLists:
    """Encode the rows in codes of `size` bytes, in the order of the rows; write them in the order of their lists."""
    from vsearch_core.kernels.pq import encode_rows

    rows = len(vectors)
    blocks = aligned((-(-rows // PQ_BLOCK), size, PQ_BLOCK), np.uint8)  # of zeros
    lists = PqLists(grouping, quantiser, blocks.reshape(len(blocks), size * PQ_BLOCK))
    arrays = kernel_arrays(lists)
    centroids = rotated(grouping.centroids, quantiser.rotation, threads)
    arguments = (
        *(read_only(array) for array in (vectors, grouping.node_of_row, grouping.list_of_row, centroids)),
        arrays,
        _halves(arrays.books),
    )

    def encode(start: int, stop: int) -> None:
        read_ahead(vectors, start, stop)
        encode_rows(*arguments, start, stop, blocks)

    run_in_chunks(encode, 0, rows, _CHUNK, threads)
    return lists


def kernel_arrays(lists: PqLists) -> PqArrays:
    """Return the lists in the form that kernels (compiled functions) accept."""
    grouping, quantiser = lists.grouping, lists.quantiser
    blocks = lists.blocks.reshape(-1, lists.bytes, PQ_BLOCK)
    centroids = quantiser.books.shape[1]
    parts = sub_vectors(lists.bytes, centroids)
    books = quantiser.books.reshape(parts, len(quantiser.books) // max(1, parts), centroids)
    return PqArrays(
        centroids=read_only(grouping.centroids),
        stops=read_only(grouping.stops),
        blocks=read_only(blocks),
        rotation=read_only(quantiser.rotation),
        books=read_only(books),
        error=quantiser.error[0],
    )


class PqSearcher(VectorSearcher):
    """Searches the codes of one segment's lists. Many threads may use it at once. It copies no array."""

    def __init__(self, lists: PqLists, vectors: NDArray[np.int16], limits: ScanLimits = DEFAULT_SCAN_LIMITS) -> None:
        """Search lists, which `ann.check` must have checked, and their segment's vectors (n, d) in fixed point.

        Raises ArgumentError if the two don't belong together.
        """
        super().__init__(vectors, stored_rows(vectors, lists.grouping.order), limits)
        self._pq = kernel_arrays(lists)
        expect_random_reads(lists.blocks)
        self._reader = ListReader(self._pq.centroids, self._pq.stops, lists.blocks, PQ_BLOCK)
        self._kept = _RESCORED_BYTES // max(1, lists.bytes)

    def load(self) -> None:
        """Load every kernel (compiled function) that a search may need. The segment must have at least one row."""
        from vsearch_core.ann.flat import from_fixed

        query = from_fixed(self._stored.vectors[:1])
        self.search(query, 1, nprobe=1, exact=True)
        batch, mask, _ = self._batch(query, 1, POOL_BLOCK, None, 1)
        self._reader.request(batch.queries, 1)
        self._probe(batch, mask, 1, 1.0)

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

        The arguments and errors are those of `ivf.ListSearcher.search`.
        """
        check_range("nprobe", nprobe, config.MAX_NPROBE)
        batch, mask, count = self._batch(queries, k, max(self._kept, 2 * k), allowed, threads)
        if exact or self._is_small(count, mask):
            return self._scan_rows(batch, mask)
        return self._probe(batch, mask, nprobe, count / max(1, len(self._stored.order)))

    def _probe(self, batch: QueryBatch, allowed: NDArray[np.bool_], nprobe: int, share: float) -> NearestRows:
        """Search the nearest lists; `share` of the rows are allowed, all if `allowed` is empty.

        As many allowed rows are compared as without a filter. Queries whose nearest lists have too few of them are
        compared with the vectors of all allowed rows: codes can't tell rows apart that are all far from the query.
        """
        from vsearch_core.kernels.pq import search_codes

        if self._reader.is_needed:
            self._reader.request(batch.queries, nprobe)
        rows, lists, stored = len(self._stored.order), len(self._pq.centroids), self._filtered(allowed)
        usual = nprobe * rows // max(1, lists) if len(allowed) else 0
        enough = min(int(share * rows), max(_LEAST_COMPARED, 2 * batch.k, usual))
        ranked = pool_size(min(lists, int(2 * nprobe / share)))

        def search(part: QueryPart) -> None:
            search_codes(
                part.queries, part.fixed, stored, self._pq, nprobe, ranked, enough, LEAST_SHARE * share, batch.pool,
                part.scores, part.rows, part.counts, part.allowed_counts,
            )  # fmt: skip

        found, compared = batch.run(search)
        missed = compared == 0
        if missed.any():
            found.replace_where(missed, self._scan_rows(batch.only(missed), allowed))
        return found
