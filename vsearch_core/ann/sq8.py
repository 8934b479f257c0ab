"""SQ8: each element of a vector as one byte, with one scale for the segment.

A code is uint8, SQ8_ZERO for zero, and rows are padded with it to whole cache lines. Graphs are linked by these codes:
distances between them are exact integers, so a graph does not depend on the order of additions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.base import aligned
from vsearch_core.kernels.constants import CACHE_LINE, FIXED_ONE, SQ8_ZERO

QUANTILE = 0.9999  # of the elements' magnitudes, which becomes the largest code
_SAMPLE = 4096  # rows from which it is taken


@dataclass(frozen=True, slots=True)
class Sq8Codes:
    """Encoded vectors: `codes` (r, d padded) uint8, and `norms` (r,) int32, the squared lengths of the decoded codes.

    `limit` is the magnitude, in fixed point, that the largest code stands for; `clipped` is the share of all elements
    beyond it.
    """

    codes: NDArray[np.uint8]
    norms: NDArray[np.int32]
    limit: int
    clipped: float


def train(vectors: NDArray[np.int16]) -> int:
    """Return the limit for vectors (n, d) in fixed point: a high quantile of their elements' magnitudes in a sample."""
    sample = vectors[:: max(1, len(vectors) // _SAMPLE)]
    if not sample.size:
        return 1
    magnitudes = np.abs(sample.astype(np.int32)).ravel()
    place = min(len(magnitudes) - 1, int(QUANTILE * len(magnitudes)))
    return max(1, int(np.partition(magnitudes, place)[place]))


def encode(vectors: NDArray[np.int16], rows: NDArray[np.uint32]) -> Sq8Codes:
    """Encode the given rows of vectors (n, d) in fixed point."""
    from vsearch_core.kernels.sq8 import encode_sq8

    dimension = vectors.shape[1]
    codes = aligned((len(rows), max(1, -(-dimension // CACHE_LINE)) * CACHE_LINE), np.uint8)
    codes[:] = SQ8_ZERO
    norms = np.zeros(len(rows), np.int32)
    limit = train(vectors)
    clipped = encode_sq8(vectors, rows, limit, codes, norms, 0, len(rows))
    return Sq8Codes(codes, norms, limit, clipped / max(1, len(rows) * dimension))


def decode(codes: Sq8Codes, dimension: int) -> NDArray[np.float32]:
    """Return the vectors (r, dimension) that the codes stand for, of length one where the encoded ones were."""
    values = codes.codes[:, :dimension].astype(np.float32) - SQ8_ZERO
    return values * np.float32(codes.limit / 127 / FIXED_ONE)
