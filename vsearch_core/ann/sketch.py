"""Sketches: a vector in one cache line or a few, for walking a graph without waiting for memory.

A vector is centred and turned onto the segment's principal components; each component gets as many base-4 digits as
lower the squared error most (the classical greedy bit allocation for a transform code), many components none. The last
byte scales the row's estimates so that they are unbiased (RaBitQ, Gao and Long, SIGMOD 2024). Four digits make a byte:
digit `p` of the row is in byte `p % (width - 1)`, at bit `2 * (p // (width - 1))`.

Everything is integer arithmetic on fixed-point vectors (`flat.to_fixed`), or exact in float64, so codes do not depend
on threads; only the eigenvectors come from LAPACK, and they are rounded to 1/32767.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import FIXED_ONE

LINE = 64  # bytes
MAX_LINES = 16
_SAMPLE = 16_384  # rows that the components are computed from
_ERROR = 0.16  # of the variance that the digits may leave; more lines until they do
_MAX_DIGITS = 4
# A Gaussian of variance 1 in 4**m equal steps: the best step, and the variance left (Max, 1960; m from 0 to 4)
_STEPS = np.array([0.0, 0.9957, 0.3352, 0.1041, 0.0308])
_LEFT = np.array([1.0, 0.1188, 0.01154, 0.001041, 0.0000892])


@dataclass(frozen=True, slots=True)
class Codec:
    """How vectors become sketches.

    `basis` (m, d) int16, unit rows in fixed point; `digits` (m,) uint8 of 1 to 4; `steps` (m,) float32 in units of
    1/32767²; `centre` (d,) int16 the mean vector; `least` the rows' least scale; `width` the bytes a sketch.
    """

    basis: NDArray[np.int16]
    digits: NDArray[np.uint8]
    steps: NDArray[np.float32]
    centre: NDArray[np.int16]
    least: float
    width: int


def allocate(variances: NDArray[np.float64], digits: int) -> NDArray[np.int64]:
    """How many digits each component gets, `digits` in all (fewer where all are full): greedy by the error saved."""
    given = np.zeros(len(variances), np.int64)
    if not len(variances) or variances.max() <= 0:
        return given
    saved = variances[:, None] * -np.diff(_LEFT)[None, :]  # falls along each row, so the best of all are prefixes
    chosen = np.argsort(-saved, axis=None, kind="stable")[:digits]
    np.add.at(given, chosen // _MAX_DIGITS, 1)
    return given


def train(vectors: NDArray[np.int16], seed: int = 0) -> Codec:
    """The codec for vectors (n, d) in fixed point, from a sample of at most 16,384 rows."""
    count, dimension = vectors.shape
    rows = np.arange(count)
    if count > _SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(count, _SAMPLE, replace=False))
    sample = vectors[rows].astype(np.float64)  # integers: sums up to 2**53 are exact in any order
    centre = np.rint(sample.sum(axis=0) / max(1, len(rows))).astype(np.int16)
    sample -= centre
    variances, directions = np.linalg.eigh(sample.T @ sample)
    variances = np.maximum(variances[::-1] / max(1, len(rows)), 0.0)
    for lines in range(1, MAX_LINES + 1):
        width = lines * LINE
        given = allocate(variances, 4 * (width - 1))
        if (variances * _LEFT[given]).sum() <= _ERROR * variances.sum():
            break
    used = np.flatnonzero(given)
    basis = directions.T[::-1][used]
    basis *= np.where(basis[np.arange(len(used)), np.abs(basis).argmax(axis=1)] < 0, -1, 1)[:, None]
    steps = np.sqrt(variances[used]) * _STEPS[given[used]] * FIXED_ONE
    codec = Codec(
        basis=np.rint(basis * FIXED_ONE).astype(np.int16),
        digits=given[used].astype(np.uint8),
        steps=np.maximum(steps, 1.0).astype(np.float32),
        centre=centre,
        least=1.0,
        width=width,
    )
    _, scales = encode(codec, vectors, rows[:: max(1, len(rows) // 4096)])
    return Codec(codec.basis, codec.digits, codec.steps, centre, _least(scales), width)


def _least(scales: NDArray[np.float64]) -> float:
    return float(np.quantile(scales, 0.002)) if len(scales) else 1.0


def encode(
    codec: Codec, vectors: NDArray[np.int16], rows: NDArray[np.integer]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Sketches (r, width) of some rows of vectors (n, d) in fixed point, and their scales before rounding (r,)."""
    from vsearch_core.kernels.sketch import encode_sketches

    codes = np.zeros((len(rows), codec.width), np.uint8)
    scales = np.ones(len(rows))
    basis, digits, steps = codec.basis, codec.digits, codec.steps
    encode_sketches(
        vectors, rows, basis, digits, steps, codec.centre, codec.least, codes, scales, 0, len(rows)
    )
    return codes, scales
