"""Late windows: vectors of short stretches of a text, pooled from the tokens of the run that embeds the whole text.

The vector of a long chunk is a mean, in which one sentence counts little. The encoder has computed a vector for each
token anyway, in the context of the tokens around it; the mean over some 100 of them costs no further run ("late
chunking": Günther et al., 2024). A text of fewer than 144 tokens has no late windows: its own vector says as much.

A window is stored as a code of its difference from the text's vector: one sign a dimension, and a scale that makes the
estimate of a dot product unbiased (RaBitQ, Gao and Long, SIGMOD 2024). docs/adr/0034-late-windows.md has the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WINDOW_TOKENS = 96


def code_type(dimension: int) -> np.dtype[np.void]:
    """Return the layout of a window's code.

    `stop` is the number of characters of the text up to the window's end; a window begins where the one before ends.
    `scale` and `signs`, a bit a dimension, 1 for positive, are those of the difference from the text's vector.
    """
    return np.dtype([("stop", "<u4"), ("scale", "<f2"), ("signs", "u1", (-(-dimension // 8),))])


def encode_windows(vector: NDArray[np.float32], windows: NDArray[np.float32], stops: NDArray[np.int64]) -> bytes:
    """Return the codes of a text's windows.

    Args:
        vector: The text's unit vector, (dimension,).
        windows: The windows' unit vectors, (n, dimension).
        stops: The number of characters up to each window's end, (n,).
    """
    codes = np.zeros(len(windows), code_type(len(vector)))
    differences = windows - vector
    magnitudes = np.maximum(np.abs(differences).sum(axis=1), 1e-6)
    codes["stop"] = stops
    codes["scale"] = (differences * differences).sum(axis=1) / magnitudes
    codes["signs"] = np.packbits(differences > 0, axis=1)
    return codes.tobytes()


@dataclass(frozen=True, slots=True)
class PooledTokens:
    """The tokens of one run that are pooled: `starts` (k,) begin the groups, and `stop` ends the last one.

    Both count the special tokens of the run. `windows` (k,) are the windows that the groups belong to.
    """

    starts: NDArray[np.int64]
    stop: int
    windows: NDArray[np.int64]

    def sums(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sum of the vectors of each group, (k, dimension), given those of all tokens of the run."""
        pooled: NDArray[np.float32] = np.add.reduceat(tokens[: self.stop], self.starts, axis=0)
        return pooled


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """The late windows of a text: the tokens to pool in each run, in order, and each window's `stops` (n,)."""

    runs: Sequence[PooledTokens]
    stops: NDArray[np.int64]

    def encode(self, vector: NDArray[np.float32], sums: Sequence[NDArray[np.float32]]) -> bytes:
        """Return the windows' codes, given the text's vector and what `PooledTokens.sums` gave for each run."""
        totals = np.zeros((len(self.stops), len(vector)), np.float32)
        for run, groups in zip(self.runs, sums, strict=True):
            totals[run.windows] += groups
        totals /= np.maximum(np.linalg.norm(totals, axis=1, keepdims=True), np.float32(1e-6))
        return encode_windows(vector, totals, self.stops)


def plan_windows(spans: Sequence[tuple[int, int]], before: int, token_stops: NDArray[np.int64]) -> WindowPlan | None:
    """Return a text's late windows, of about WINDOW_TOKENS tokens each, or None for a text too short to have any.

    Args:
        spans: The first token, and the one after the last, of each run; neighbours overlap. A token in two runs is
            pooled in the one whose end is farther away.
        before: The number of special tokens at the start of a run.
        token_stops: The number of characters of the text up to each token's end, (tokens,).
    """
    count = (len(token_stops) + WINDOW_TOKENS // 2) // WINDOW_TOKENS
    if count < 2:
        return None
    edges = np.arange(count + 1) * len(token_stops) // count
    middles = [(end + start) // 2 for (_, end), (start, _) in pairwise(spans)]
    runs = []
    for (start, _), low, high in zip(spans, [0, *middles], [*middles, len(token_stops)], strict=True):
        cuts = np.concatenate([[low], edges[(edges > low) & (edges < high)]])
        windows = np.searchsorted(edges, cuts, side="right") - 1
        runs.append(PooledTokens(cuts - start + before, high - start + before, windows))
    return WindowPlan(runs, token_stops[edges[1:] - 1])
