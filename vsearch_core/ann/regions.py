"""Sort vectors along a path on which most of a vector's neighbours are near it, and cut the path in regions.

A set of vectors is halved at a plane across its first principal direction, again and again, down to single vectors. All
sums are of integers below 2**53, which are exact in any order, so paths don't depend on the number of threads.
"""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8  # of power iteration: the direction needn't be exact
_LENGTH = 1 << 15  # of a direction's largest component, before it is multiplied
_MOST = 1 << 20  # of a projection, likewise


def path(vectors: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the numbers of the vectors (n, d) in fixed point in the order of a path through them, (n,)."""
    order = np.arange(len(vectors))
    parts = [(0, len(vectors))]
    while parts:
        start, stop = parts.pop()
        if stop - start < 2:
            continue
        own = order[start:stop]
        order[start:stop] = own[np.argsort(_projections(vectors[own]), kind="stable")]
        middle = (start + stop) // 2
        parts += [(start, middle), (middle, stop)]
    return order


def cut(weights: NDArray[np.int64], regions: int) -> NDArray[np.int64]:
    """Return the region of each place on a path, ascending from 0 to `regions` - 1, (n,).

    `weights` (n,) are those of the places. Those of two regions differ by about the weight of one place.
    """
    middles = 2 * np.cumsum(weights) - weights
    found: NDArray[np.int64] = np.minimum(regions - 1, middles * regions // max(1, 2 * int(weights.sum())))
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
