"""Sketches: a vector in one cache line or a few, for walking a graph without waiting for memory.

A vector is centred and turned onto the segment's principal components; each component gets as many base-4 digits as
lower the squared error most (the classical greedy bit allocation for a transform code), many components none. The last
byte scales the row's estimates so that they are unbiased (RaBitQ, Gao and Long, SIGMOD 2024). Four digits make a byte:
digit `p` of the row is in byte `p % (width - 1)`, at bit `2 * (p // (width - 1))`.

Everything is integer arithmetic on fixed-point vectors (`flat.to_fixed`), or exact in float64, so codes do not depend
on threads; only the eigenvectors come from LAPACK, and they are rounded to 1/127.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.kernels.constants import CACHE_LINE, FIXED_ONE, SQ8_ZERO

MAX_LINES = 16
_SAMPLE = 16_384  # rows that the components are computed from
_ERROR = 0.16  # of the variance that the digits may leave; more lines until they do
_SCALES = 4096  # rows that the least scale and the error are taken from
_QUERIES = 64  # of them are queries
_MAX_DIGITS = 4
# A Gaussian of variance 1 in 4**m equal steps: the best step, and the variance left (Max, 1960; m from 0 to 4)
_STEPS = np.array([0.0, 0.9957, 0.3352, 0.1041, 0.0308])
_LEFT = np.array([1.0, 0.1188, 0.01154, 0.001041, 0.0000892])


@dataclass(frozen=True, slots=True)
class Codec:
    """How vectors become sketches.

    `basis` (m, d padded with 128 to a multiple of 64) uint8, 128 for zero, rows of any length; `digits` (m,) uint8 of
    1 to 4; `gains` (m,) float32, a digit's step over the row's length; `centre` (d,) int16 the mean vector; `measures`
    (2,) float32: the rows' least scale over 32767², and the standard error of an estimated dot product of unit vectors.
    """

    basis: NDArray[np.uint8]
    digits: NDArray[np.uint8]
    gains: NDArray[np.float32]
    centre: NDArray[np.int16]
    measures: NDArray[np.float32]

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """As the kernels take them."""
        return self.basis, self.digits, self.gains, self.centre, self.measures


def allocate(variances: NDArray[np.float64], digits: int) -> NDArray[np.int64]:
    """How many digits each component gets, `digits` in all (fewer where all are full): greedy by the error saved."""
    given = np.zeros(len(variances), np.int64)
    saved = variances[:, None] * -np.diff(_LEFT)[None, :]  # falls along each row, so the best of all are prefixes
    chosen = np.argsort(-saved, axis=None, kind="stable")[:digits]
    np.add.at(given, chosen[saved.ravel()[chosen] > 0] // _MAX_DIGITS, 1)
    return given


def train(vectors: NDArray[np.int16], seed: int = 0) -> tuple[Codec, int]:
    """The codec for vectors (n, d) in fixed point, from at most 16,384 rows, and the width of its sketches in bytes."""
    count, dimension = vectors.shape
    rows = np.arange(count)
    if count > _SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(count, _SAMPLE, replace=False))
    sample = vectors[rows].astype(np.float64)  # integers: sums up to 2**53 are exact in any order
    centre = np.rint(sample.sum(axis=0) / max(1, len(rows))).astype(np.int16)
    sample -= centre
    variances, directions = _components(sample)
    for lines in range(1, MAX_LINES + 1):
        width = lines * CACHE_LINE
        given = allocate(variances, 4 * (width - 1))
        if (variances * _LEFT[given]).sum() <= _ERROR * variances.sum():
            break
    used = np.flatnonzero(given)
    rounded = _rounded(directions[used])
    norms = np.linalg.norm(rounded, axis=1)
    steps = np.maximum(np.sqrt(variances[used]) * _STEPS[given[used]], 1e-3)
    basis = np.full((len(used), -(-dimension // CACHE_LINE) * CACHE_LINE), SQ8_ZERO, np.uint8)
    basis[:, :dimension] = rounded + SQ8_ZERO
    measures = np.array([1 / FIXED_ONE**2, 0.0], np.float32)
    codec = Codec(basis, given[used].astype(np.uint8), (steps / norms).astype(np.float32), centre, measures)
    return _measured(codec, vectors, rows[:: max(1, len(rows) // _SCALES)].astype(np.uint32), width), width


def _components(sample: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances, largest first, and principal directions as rows, of a centred sample (r, d): min(r, d) of them."""
    count, dimension = sample.shape
    wide = count < dimension
    squares, vectors = np.linalg.eigh(sample @ sample.T if wide else sample.T @ sample)
    squares, vectors = np.maximum(squares[::-1], 0.0), vectors.T[::-1]
    squares[squares <= 1e-9 * squares[:1].sum()] = 0  # rounding errors
    if wide:
        vectors = vectors @ sample
    return squares / max(1, count), vectors


def _measured(codec: Codec, vectors: NDArray[np.int16], rows: NDArray[np.uint32], width: int) -> Codec:
    """The codec with the least scale and the error that some rows show."""
    from vsearch_core.kernels.sketch import estimate

    if not len(rows):
        return codec
    encoder = Encoder(codec, vectors, rows, np.zeros((len(rows), width), np.uint8))
    encoder(0, len(rows))
    least = float(np.quantile(encoder.scales, 0.002))
    measures = np.array([least / FIXED_ONE**2, 0.0], np.float32)
    codec = replace(codec, measures=measures)
    encoder = Encoder(codec, vectors, rows, np.zeros((len(rows), width), np.uint8))
    encoder(0, len(rows))
    queries = vectors[rows[:: max(1, len(rows) // _QUERIES)]]
    found = np.empty((len(queries), len(rows)), np.float32)
    estimate(queries, encoder.codes, codec.arrays(), found)
    exact = queries.astype(np.float64) @ (vectors[rows].astype(np.float64) - codec.centre).T / FIXED_ONE**2
    measures[1] = np.sqrt(np.mean((found - exact) ** 2))
    return codec


def _rounded(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row scaled to a largest element of 127 and rounded: 1 % of error in a component, a tenth of a digit's."""
    if not len(directions):
        return directions
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)]
    rounded: NDArray[np.float64] = np.rint(directions * (127 / largest)[:, None])
    return rounded


class Encoder:
    """Writes sketches: call it with a range of the rows; ranges may be worked on at the same time."""

    def __init__(
        self, codec: Codec, vectors: NDArray[np.int16], rows: NDArray[np.uint32], codes: NDArray[np.uint8]
    ) -> None:
        """`codes` (r, width), zeros, become the sketches of vectors[rows]; `scales` (r,) the scales before rounding."""
        self.codes = codes
        self.scales = np.ones(len(rows))
        basis = np.ascontiguousarray(codec.basis[:, : vectors.shape[1]].astype(np.int16) - SQ8_ZERO)
        norms = np.linalg.norm(basis.astype(np.float64), axis=1)
        steps = codec.gains * norms
        least = float(codec.measures[0]) * FIXED_ONE**2
        self._arguments = (vectors, rows, basis, norms, codec.digits, steps, codec.centre, least)

    def __call__(self, start: int, stop: int) -> None:
        """Encode rows[start:stop]."""
        from vsearch_core.kernels.sketch import encode_sketches

        encode_sketches(*self._arguments, self.codes, self.scales, start, stop)
