"""Split vectors into regions of similar size, so that most of a vector's neighbours are in its own region.

A set of vectors is halved at a plane across its first principal direction, again and again. All sums are of integers
below 2**53, which are exact in any order, so regions don't depend on the number of threads.
"""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8  # of power iteration: the direction needn't be exact
_LENGTH = 1 << 15  # of a direction's largest component, before it is multiplied
_MOST = 1 << 20  # of a projection, likewise


def split(vectors: NDArray[np.int16], weights: NDArray[np.int64], regions: int) -> NDArray[np.int64]:
    """Return the region of each vector (n, d) in fixed point, from 0 to `regions` - 1, (n,).

    The sums of the regions' weights (n,) differ by about the weight of one vector.
    """
    found = np.zeros(len(vectors), np.int64)
    if regions < 2 or len(vectors) < 2:
        return found
    order = np.argsort(_projections(vectors), kind="stable")
    sums = np.cumsum(weights[order])
    first = regions // 2
    cut = int(np.searchsorted(sums * regions, sums[-1] * first, side="right"))
    cut = min(max(1, cut), len(order) - 1)
    for some, start, count in ((order[:cut], 0, first), (order[cut:], first, regions - first)):
        found[some] = start + split(vectors[some], weights[some], count)
    return found


def _projections(vectors: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the components of the vectors (n, d) along about their first principal direction, (n,), as integers."""
    centred = vectors.astype(np.float64)
    centred -= np.rint(centred.sum(axis=0) / len(centred))
    direction = centred[int(np.abs(centred).sum(axis=1).argmax())]
    for _ in range(_ROUNDS):
        projections = _scaled(centred @ _scaled(direction, _LENGTH), _MOST)
        direction = centred.T @ projections
    projected: NDArray[np.float64] = centred @ _scaled(direction, _LENGTH)
    return projected


def _scaled(values: NDArray[np.float64], largest: int) -> NDArray[np.float64]:
    """Scale the values so that the largest magnitude is `largest`, and round them to integers."""
    scaled: NDArray[np.float64] = np.rint(values * (largest / max(1.0, float(np.abs(values).max(initial=0)))))
    return scaled
