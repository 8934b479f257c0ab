"""Sketches: vectors compressed to one or a few cache lines, so that a graph search reads little memory.

The segment's mean is subtracted from a vector, and the result is expressed in the segment's principal components. Each
component is stored with 0 to 4 base-4 digits. The digits are allocated where they reduce the squared error most (the
greedy bit allocation of transform coding). The last byte of a sketch is a scale that makes estimated dot products
unbiased (RaBitQ, Gao and Long, SIGMOD 2024). The other bytes have four digits each: digit `p` is in byte
`p % (width - 1)`, at bit `2 * (p // (width - 1))`.

All arithmetic is on integers (fixed-point vectors, see `flat.to_fixed`) or exact in float64, so that sketches don't
depend on the number of threads. Only the eigenvectors come from LAPACK, and they are rounded to 1/127.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.base import read_rows
from vsearch_core.kernels.arrays import read_only
from vsearch_core.kernels.constants import CACHE_LINE, FIXED_ONE, SQ8_ZERO
from vsearch_core.kernels.tuples import CodecArrays

MAX_LINES = 16
_SAMPLE = 16_384  # rows from which the components are computed
_ERROR = 0.16  # share of the variance that digits may leave; sketches get more cache lines until they leave no more
_SCALE_ROWS = 4096  # rows from which the least scale and the error are measured
_SCALE_QUERIES = 64  # of them, used as queries
_LEAST_SCALE_QUANTILE = 0.002
_MAX_DIGITS = 4  # for one component
# A Gaussian of variance 1 quantised to 4**m equal steps, m from 0 to 4: the best step, and the error left (Max, 1960)
_STEPS = np.array([0.0, 0.9957, 0.3352, 0.1041, 0.0308])
_LEFT = np.array([1.0, 0.1188, 0.01154, 0.001041, 0.0000892])


@dataclass(frozen=True, slots=True)
class Codec:
    """The parameters that turn a segment's vectors into sketches. Fields have the names under which they are stored.

    `basis` (m, d padded to whole cache lines) uint8 has the directions of the m components in its rows; SQ8_ZERO stands
    for 0, and rows may have any length. `digits` (m,) uint8 is the number of digits of each component, 1 to 4. `gains`
    (m,) float32 is a digit's step divided by the length of the component's row. `centre` (d,) int16 is the mean vector.
    `measures` (2,) float32 has the least scale of all sketches, divided by FIXED_ONE², and the standard error of
    an estimated dot product of unit vectors.
    """

    basis: NDArray[np.uint8]
    digits: NDArray[np.uint8]
    gains: NDArray[np.float32]
    centre: NDArray[np.int16]
    measures: NDArray[np.float32]

    def kernel_arrays(self) -> CodecArrays:
        """Return the codec in the form that kernels (compiled functions) accept."""
        return CodecArrays(
            basis=read_only(self.basis),
            digits=read_only(self.digits),
            gains=read_only(self.gains),
            centre=read_only(self.centre),
            least_scale=self.measures[0],
            error=self.measures[1],
        )


@dataclass(frozen=True, slots=True)
class StoredSketches:
    """Base of the arrays of one segment that have sketches and their `codec`. Each may be a read-only memory map.

    The fields have the names under which they are stored.
    """

    codec: Codec

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays, those of the codec last, by the names under which they are stored."""
        parts = [(part, field.name) for part in (self, self.codec) for field in fields(part) if field.name != "codec"]
        return {name: getattr(part, name) for part, name in parts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the object whose arrays were stored. They are not copied. Raises KeyError if one is missing."""
        codec = Codec(**{field.name: arrays[field.name] for field in fields(Codec)})
        own = {field.name: arrays[field.name] for field in fields(cls) if field.name != "codec"}
        return cls(codec=codec, **own)


def allocate(variances: NDArray[np.float64], digits: int) -> NDArray[np.int64]:
    """Allocate digits to components where they reduce the error most; return the number of each component's, (m,).

    `variances` (m,) are those of the components, descending. The sum of the result is `digits`, or less if no more
    digit would reduce the error.
    """
    allocated = np.zeros(len(variances), np.int64)
    saved = variances[:, None] * -np.diff(_LEFT)[None, :]  # falls along each row, so the best of all are prefixes
    chosen = np.argsort(-saved, axis=None, kind="stable")[:digits]
    np.add.at(allocated, chosen[saved.ravel()[chosen] > 0] // _MAX_DIGITS, 1)
    return allocated


def train(vectors: NDArray[np.int16], seed: int = 0) -> tuple[Codec, int]:
    """Compute the codec for vectors (n, d) in fixed point. Return it and the size of a sketch in bytes.

    At most 16,384 of the rows are used, a random sample by `seed`.
    """
    count, dimension = vectors.shape
    rows = np.arange(count)
    if count > _SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(count, _SAMPLE, replace=False))
    own = read_only(read_rows(vectors, rows))
    sample = own.astype(np.float64)  # integers: sums up to 2**53 are exact in any order
    centre = np.rint(sample.sum(axis=0) / max(1, len(rows))).astype(np.int16)
    sample -= centre
    variances, directions = _principal_components(sample)
    for lines in range(1, MAX_LINES + 1):
        width = lines * CACHE_LINE
        allocated = allocate(variances, 4 * (width - 1))
        if (variances * _LEFT[allocated]).sum() <= _ERROR * variances.sum():
            break
    used = np.flatnonzero(allocated)
    rounded = _round_directions(directions[used])
    norms = np.linalg.norm(rounded, axis=1)
    steps = np.maximum(np.sqrt(variances[used]) * _STEPS[allocated[used]], 1e-3)
    basis = np.full((len(used), -(-dimension // CACHE_LINE) * CACHE_LINE), SQ8_ZERO, np.uint8)
    basis[:, :dimension] = rounded + SQ8_ZERO
    measures = np.array([1 / FIXED_ONE**2, 0.0], np.float32)
    gains = (steps / norms).astype(np.float32)
    codec = Codec(basis, allocated[used].astype(np.uint8), gains, centre, measures)
    return _with_measures(codec, read_only(own[:: max(1, len(rows) // _SCALE_ROWS)].copy()), width), width


def _principal_components(sample: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variances, descending, and the directions as rows of a centred sample (r, d): min(r, d) of them."""
    count, dimension = sample.shape
    wide = count < dimension
    squares, vectors = np.linalg.eigh(sample @ sample.T if wide else sample.T @ sample)
    squares, vectors = np.maximum(squares[::-1], 0.0), vectors.T[::-1]
    squares[squares <= 1e-9 * squares[:1].sum()] = 0  # rounding errors
    if wide:
        vectors = vectors @ sample
    return squares / max(1, count), vectors


def _with_measures(codec: Codec, vectors: NDArray[np.int16], width: int) -> Codec:
    """Return the codec with the least scale and the error measured on some rows' vectors (r, d)."""
    from vsearch_core.kernels.sketch import estimate

    rows = np.arange(len(vectors), dtype=np.uint32)
    if not len(rows):
        return codec
    encoder = Encoder(codec, vectors, rows, np.zeros((len(rows), width), np.uint8))
    encoder(0, len(rows))
    least = float(np.quantile(encoder.scales, _LEAST_SCALE_QUANTILE))
    codec = replace(codec, measures=np.array([least / FIXED_ONE**2, 0.0], np.float32))
    encoder = Encoder(codec, vectors, rows, np.zeros((len(rows), width), np.uint8))
    encoder(0, len(rows))
    queries = vectors[rows[:: max(1, len(rows) // _SCALE_QUERIES)]]
    estimates = np.empty((len(queries), len(rows)), np.float32)
    estimate(queries, encoder.codes, codec.kernel_arrays(), estimates)
    exact = queries.astype(np.float64) @ (vectors.astype(np.float64) - codec.centre).T / FIXED_ONE**2
    codec.measures[1] = np.sqrt(np.mean((estimates - exact) ** 2))
    return codec


def _round_directions(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each row to a largest element of 127 and round it: 1 % of error in a component, a tenth of a digit's."""
    if not len(directions):
        return directions
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)]
    rounded: NDArray[np.float64] = np.rint(directions * (127 / largest)[:, None])
    return rounded


class Encoder:
    """A callable that writes the sketches of a range of rows. Several threads may call it at once."""

    def __init__(
        self, codec: Codec, vectors: NDArray[np.int16], rows: NDArray[np.uint32], codes: NDArray[np.uint8]
    ) -> None:
        """Encode vectors[rows] into `codes` (r, width), which must hold zeros.

        `scales` (r,) float64 receives the rows' scales before they are rounded.
        """
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
