"""Vectors as codes by row, for an index that keeps no vectors: half a byte for each of up to 384 sub-vectors.

The centre (mean) of the vectors is subtracted, and the rest is rotated and quantised as by `ann.pq`, but without
inverted lists. So a row's code depends only on its vector and the codebook, and rows of several segments with the same
codebook can be put together as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.ivf import Grouping
from vsearch_core.ann.pq import nearest_codes, rotated, train
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import FIXED_ONE, PQ_FEW_CENTROIDS

MOST_BYTES = 192  # of a code: half a byte for each of 384 dimensions
TRAINED_ROWS = 32_768  # rows that a codebook is trained on, at most
_ROWS_PER_BLOCK = 2048  # scored or decoded at a time, so that temporary arrays stay in the processor's cache
_LARGEST_COMPONENT = 1 << 17  # twice the largest of a residual, in units of 1 / FIXED_ONE


@dataclass(frozen=True, slots=True)
class Codebook:
    """The parameters that turn a vector into a code. Fields have the names under which they are stored.

    `centre` (d,) int16 is subtracted, in fixed point. `rotation` (m * s, d) int16 and `books` (m * s, 16) float32 are
    those of `ann.pq.Quantiser`, with m sub-vectors of s components.
    """

    centre: NDArray[np.int16]
    rotation: NDArray[np.int16]
    books: NDArray[np.float32]

    @property
    def bytes(self) -> int:
        """Return the size of a code in bytes."""
        return code_bytes(len(self.centre))

    def equals(self, other: "Codebook") -> bool:
        """Return True if the other codebook gives the same codes."""
        return all(np.array_equal(getattr(self, field.name), getattr(other, field.name)) for field in fields(Codebook))


@dataclass(frozen=True, slots=True)
class CodedVectors:
    """The codes of a segment's rows, (n, bytes) uint8, and their codebook. Arrays may be read-only memory maps.

    The low half of byte b is the number of the centroid of sub-vector 2 b, and the high half that of 2 b + 1.
    """

    codebook: Codebook
    rows: NDArray[np.uint8]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by the names under which they are stored."""
        return {**{field.name: getattr(self.codebook, field.name) for field in fields(Codebook)}, "rows": self.rows}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the object whose arrays were stored. They are not copied.

        Raises KeyError if one is missing, and ValueError if one has a wrong type, shape or value.
        """
        found = cls(Codebook(*(arrays[field.name] for field in fields(Codebook))), arrays["rows"])
        found._check()
        return found

    def scores(self, query: NDArray[np.float32], rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Return the estimated cosines of a unit vector (d,) with all rows, or with these, (n,) float32.

        The estimate of a row doesn't depend on other rows.
        """
        tables, offset = self._tables(query)
        places = 256 * np.arange(self.rows.shape[1])
        found = np.empty(len(self.rows) if rows is None else len(rows), np.float32)
        for start in range(0, len(found), _ROWS_PER_BLOCK):
            some = slice(start, start + _ROWS_PER_BLOCK)
            codes = self.rows[some if rows is None else rows[some]]
            found[some] = tables[codes + places].sum(axis=1) + offset
        return found

    def decoded(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the unit vectors that the codes of these rows stand for, (r, d): about the original ones."""
        books = self.codebook.books
        sub_vectors = 2 * self.rows.shape[1]
        size = len(books) // sub_vectors
        found = np.empty((len(rows), len(self.codebook.centre)), np.float32)
        for start in range(0, len(rows), _ROWS_PER_BLOCK):
            codes = self.rows[rows[start : start + _ROWS_PER_BLOCK]]
            halves = np.stack([codes & 15, codes >> 4], axis=2).reshape(len(codes), sub_vectors)
            components = np.take_along_axis(books, halves.repeat(size, axis=1).T.astype(np.int64), axis=1)
            vectors = components.T @ self.codebook.rotation.astype(np.float32) / FIXED_ONE + self.codebook.centre
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            found[start : start + len(codes)] = vectors / np.maximum(lengths, 1)
        return found

    def _tables(self, query: NDArray[np.float32]) -> tuple[NDArray[np.float32], np.float32]:
        """Return the products of the query's sub-vectors with the centroids, (256 * bytes,), one for each byte's value.

        Also return the product with the centre, which is added to their sum.
        """
        book = self.codebook
        components = book.rotation.astype(np.float32) @ query / np.float32(FIXED_ONE) ** 2
        sub_vectors = 2 * self.rows.shape[1]
        halves = (components[:, None] * book.books).reshape(sub_vectors, -1, PQ_FEW_CENTROIDS).sum(axis=1)
        low, high = halves[0::2], halves[1::2]
        tables: NDArray[np.float32] = (high[:, :, None] + low[:, None, :]).astype(np.float32).reshape(-1)
        return tables, np.float32(book.centre.astype(np.float32) @ query / FIXED_ONE)

    def _check(self) -> None:
        centre, rotation, books = self.codebook.centre, self.codebook.rotation, self.codebook.books
        _require(centre.dtype == np.int16 and centre.ndim == 1 and len(centre) > 0, "centre")
        size, components = code_bytes(len(centre)), _components(len(centre))
        _require(rotation.dtype == np.int16 and rotation.shape == (components, len(centre)), "rotation")
        _require(books.dtype == np.float32 and books.shape == (components, PQ_FEW_CENTROIDS), "books")
        _require(bool((np.abs(books) <= _LARGEST_COMPONENT).all()), "books")
        _require(self.rows.dtype == np.uint8 and self.rows.ndim == 2 and self.rows.shape[1] == size, "rows")


def code_bytes(dimension: int) -> int:
    """Return the size of a code of a vector in bytes: half a byte a component, at most MOST_BYTES."""
    return min(MOST_BYTES, -(-dimension // 2))


def _components(dimension: int) -> int:
    """Return the number of components of all sub-vectors (m * s), of which each has as many."""
    sub_vectors = 2 * code_bytes(dimension)
    return sub_vectors * -(-dimension // sub_vectors)


def train_codebook(vectors: NDArray[np.int16], *, seed: int = 0, threads: int = 1) -> Codebook:
    """Return a codebook for unit vectors in fixed point, trained on `vectors` (n, d).

    Equal vectors and seeds give equal bytes, for any number of threads. Raises ValueError for other arrays.
    """
    _check_vectors(vectors, vectors.shape[-1])
    rows, dimension = vectors.shape
    sums = vectors.sum(axis=0, dtype=np.int64)
    centre = np.rint(sums / max(1, rows)).astype(np.int16)
    one_list = Grouping(
        read_only(centre[None]),
        np.array([0, rows], np.uint32),
        np.arange(rows, dtype=np.uint32),
        np.array([rows, 1.0]),
    )
    size, rotation = code_bytes(dimension), _random_rotation(dimension, seed)
    quantiser = train(vectors, one_list, size, PQ_FEW_CENTROIDS, seed, threads, rotation)
    return Codebook(centre, quantiser.rotation, quantiser.books)


def _random_rotation(dimension: int, seed: int) -> NDArray[np.int16]:
    """Return a random rotation, (m * s, d), whose rows after the first d are zeros."""
    gaussian = np.random.default_rng(seed).standard_normal((dimension, dimension))
    rotation = np.zeros((_components(dimension), dimension), np.int16)
    rotation[:dimension] = np.rint(np.linalg.qr(gaussian)[0] * FIXED_ONE)
    return rotation


def encode(codebook: Codebook, vectors: NDArray[np.int16], threads: int = 1) -> NDArray[np.uint8]:
    """Return the codes of unit vectors in fixed point, (n, d), as `CodedVectors.rows` has them.

    Raises ValueError for other arrays.
    """
    _check_vectors(vectors, len(codebook.centre))
    components = rotated(vectors, codebook.rotation, threads)
    components -= rotated(codebook.centre[None], codebook.rotation, threads)
    books = np.ascontiguousarray(codebook.books).reshape(2 * codebook.bytes, -1, PQ_FEW_CENTROIDS)
    codes = nearest_codes(books, components, threads)
    packed: NDArray[np.uint8] = codes[:, 0::2] | codes[:, 1::2] << np.uint8(4)
    return packed


def _check_vectors(vectors: NDArray[Any], dimension: int) -> None:
    """Raise ValueError unless these are vectors (n, dimension) int16: kernels check no bounds."""
    if vectors.dtype != np.int16 or vectors.ndim != 2 or vectors.shape[1] != dimension or not dimension:
        raise ValueError(f"vectors: {vectors.dtype} of shape {vectors.shape} is not (n, {dimension}) int16")


def _require(condition: bool, name: str) -> None:
    if not condition:
        raise ValueError(f"{name}: its type, its shape or a value is wrong")
