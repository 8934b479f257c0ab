"""SQ8: a vector's elements as bytes, one scale a segment.

A code is uint8, 128 for zero, and rows are padded with 128 to a multiple of 64 bytes. Graphs are linked over these
codes: distances between them are exact integers, so a graph does not depend on the order of additions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.base import aligned
from vsearch_core.kernels.constants import CACHE_LINE, FIXED_ONE, SQ8_ZERO

QUANTILE = 0.9999  # of the elements' sizes becomes the largest code
_SAMPLE = 4096  # rows that the scale is taken from


@dataclass(frozen=True, slots=True)
class Codes:
    """`codes` (r, d padded) uint8 and `norms` (r,) int32, the squared lengths of the decoded codes.

    `limit` is the size, in fixed point, of the elements that the largest code stands for; `clipped` the share of all
    elements that are larger.
    """

    codes: NDArray[np.uint8]
    norms: NDArray[np.int32]
    limit: int
    clipped: float


def train(vectors: NDArray[np.int16]) -> int:
    """The limit for vectors (n, d) in fixed point: a high quantile of their elements' sizes in a sample."""
    sample = vectors[:: max(1, len(vectors) // _SAMPLE)]
    if not sample.size:
        return 1
    sizes = np.abs(sample.astype(np.int32)).ravel()
    place = min(len(sizes) - 1, int(QUANTILE * len(sizes)))
    return max(1, int(np.partition(sizes, place)[place]))


def encode(vectors: NDArray[np.int16], rows: NDArray[np.uint32]) -> Codes:
    """Codes of some rows of vectors (n, d) in fixed point."""
    from vsearch_core.kernels.sq8 import encode_sq8

    dimension = vectors.shape[1]
    codes = aligned((len(rows), max(1, -(-dimension // CACHE_LINE)) * CACHE_LINE), np.uint8)
    codes[:] = SQ8_ZERO
    norms = np.zeros(len(rows), np.int32)
    limit = train(vectors)
    clipped = encode_sq8(vectors, rows, limit, codes, norms, 0, len(rows))
    return Codes(codes, norms, limit, clipped / max(1, len(rows) * dimension))


def decode(codes: Codes, dimension: int) -> NDArray[np.float32]:
    """The vectors (r, dimension) that the codes stand for, unit length where the encoded ones were."""
    values = codes.codes[:, :dimension].astype(np.float32) - SQ8_ZERO
    return values * np.float32(codes.limit / 127 / FIXED_ONE)
