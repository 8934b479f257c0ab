"""Estimate how near the late windows of chunks are to a query, by their codes (`embed.late_windows`)."""

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.late_windows import code_type

WEIGHT = 2.0  # of a chunk's own cosine, where each of its windows weighs 1: docs/adr/0034-late-windows.md


def window_cosines(
    codes: NDArray[np.uint8], query: NDArray[np.float32], cosines: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the estimated cosine of each late window with the query, (n,).

    `codes` (n, bytes) are the windows' codes, and `cosines` (n,) the query's cosine with the chunk of each. Raises
    ValueError for codes of another length, or a scale that is not finite.
    """
    layout = code_type(len(query))
    fields = np.ascontiguousarray(codes).view(layout)[:, 0]
    signs = fields["signs"]
    padded = np.zeros(8 * signs.shape[1], np.float32)
    padded[: len(query)] = query
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)
    table = bits @ padded.reshape(-1, 8).T  # (256, bytes): what a byte of signs adds to the sum of positive components
    positive = np.take(table.T.ravel(), signs + 256 * np.arange(signs.shape[1])).sum(axis=1)
    estimates: NDArray[np.float32] = cosines + fields["scale"].astype(np.float32) * (2 * positive - query.sum())
    if not np.isfinite(estimates).all():
        raise ValueError("the scale of a late window is not finite")
    return estimates


def best_windows(estimates: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each chunk which of its windows has the highest estimate, counted from 0; 0 if it has no windows.

    `estimates` (windows,) has the cosines of all windows, chunk by chunk. `counts` (chunks,) has the number of windows
    of each chunk. The result has the shape (chunks,).
    """
    width = int(counts.max(initial=0))
    if not width:
        return np.zeros(len(counts), np.int64)
    own = np.arange(width) < counts[:, None]
    padded = np.full(own.shape, -np.inf, np.float32)
    padded[own] = estimates
    places: NDArray[np.int64] = padded.argmax(axis=1)
    return places


def combined_cosines(
    cosines: NDArray[np.float32], best: NDArray[np.float32], counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return each chunk's score, (n,): the weighted mean of its own cosine and that of its best window.

    `cosines` and `best` are these two cosines, and `counts` the numbers of windows, all of shape (n,). The weight of
    the best window is count / (count + WEIGHT): the vector of a chunk with many windows represents each of them less
    well.
    """
    share = (counts / (counts + WEIGHT)).astype(np.float32)
    score: NDArray[np.float32] = share * best + (1 - share) * cosines
    return score
