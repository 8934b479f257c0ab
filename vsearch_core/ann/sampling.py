"""An order of vectors by their bits, so that equal sets of vectors give equal samples."""

import numpy as np
from numpy.typing import NDArray

HASHED = 8  # components of a vector that tell it from others
_MULTIPLIERS = np.array(  # odd numbers without a pattern in their bits
    [
        *(0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93),
        *(0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3),
    ],
    np.uint64,
)


def sample_order(vectors: NDArray[np.int16]) -> NDArray[np.uint64]:
    """Return a number for each of the vectors (n, dimension), (n,). A sample are the vectors with the lowest ones.

    It depends on the first HASHED components only.
    """
    starts = np.ascontiguousarray(vectors[:, :HASHED]).astype(np.uint16)
    hashes = starts.astype(np.uint64) @ _MULTIPLIERS[: starts.shape[1]]
    keys: NDArray[np.uint64] = hashes * _MULTIPLIERS[0]
    return keys
