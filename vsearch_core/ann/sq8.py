"""SQ8 codes: vectors with one byte for each element, and one scale for the whole segment.

An element is a uint8, in which SQ8_ZERO stands for 0. Rows are padded with SQ8_ZERO to whole cache lines. Graphs are
built by the distances of these codes. They are exact integers, so a graph does not depend on the order of additions.
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
    """SQ8-encoded vectors.

    `codes` (r, d padded) uint8 are the codes, and `norms` (r,) int32 their squared lengths. `limit` is the fixed-point
    value of the largest code. `clipped` is the share of all elements that exceeded it and were clipped.
    """

    codes: NDArray[np.uint8]
    norms: NDArray[np.int32]
    limit: int
    clipped: float


def train(vectors: NDArray[np.int16]) -> int:
    """Return the value for the largest code: a high quantile of the elements' magnitudes, from a sample of rows.

    `vectors` (n, d) are in fixed point.
    """
    sample = vectors[:: max(1, len(vectors) // _SAMPLE)]
    if not sample.size:
        return 1
    magnitudes = np.abs(sample.astype(np.int32)).ravel()
    place = min(len(magnitudes) - 1, int(QUANTILE * len(magnitudes)))
    return max(1, int(np.partition(magnitudes, place)[place]))


def encode(vectors: NDArray[np.int16], rows: NDArray[np.uint32], limit: int | None = None) -> Sq8Codes:
    """Encode the given rows (r,) of the fixed-point vectors (n, d) as SQ8 codes.

    `limit` is the value of the largest code, by default that of `train`.
    """
    from vsearch_core.kernels.sq8 import encode_sq8

    codes = aligned((len(rows), code_width(vectors.shape[1])), np.uint8)
    codes[:] = SQ8_ZERO
    norms = np.zeros(len(rows), np.int32)
    limit = train(vectors) if limit is None else limit
    clipped = encode_sq8(vectors, rows, limit, codes, norms, 0, len(rows))
    return Sq8Codes(codes, norms, limit, clipped / max(1, vectors.shape[1] * len(rows)))


def code_width(dimension: int) -> int:
    """Return the size of a code in bytes: whole cache lines, at least one."""
    return max(1, -(-dimension // CACHE_LINE)) * CACHE_LINE


def decode(codes: Sq8Codes, dimension: int) -> NDArray[np.float32]:
    """Return the approximate vectors (r, dimension) that the codes stand for, float32, on the scale of unit vectors."""
    values = codes.codes[:, :dimension].astype(np.float32) - SQ8_ZERO
    return values * np.float32(codes.limit / 127 / FIXED_ONE)
