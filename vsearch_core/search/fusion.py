"""Two ranked routes into one order."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config

Scores = NDArray[np.float32]

LEAST_LEGIBLE = 0.01  # so that vectors still put in order what no keyword finds


@dataclass(frozen=True, slots=True)
class Fusion:
    """How scores are combined: `method` "convex" or "rrf"; `alpha` is the vectors' share in the convex combination.

    `tuned` says that `vsearch tune` has learned it.
    """

    method: str = config.FUSIONS[0]
    alpha: float = config.FUSION_ALPHA
    rrf_k: int = config.RRF_K
    tuned: bool = False

    def for_question(self, legible: float) -> "Fusion":
        """The fusion for a question of which the model can read a share of `legible`: the vectors count so much less.

        What a model spells letter by letter it has not learned, and its cosines are noise: docs/adr/0028-legibility.md.
        """
        if self.method != "convex" or legible == 1:
            return self
        weight = self.alpha * max(legible, LEAST_LEGIBLE)
        return replace(self, alpha=weight / (weight + (1 - self.alpha)))

    @property
    def in_words(self) -> str:
        """The fusion for people."""
        words = f"convex, alpha {self.alpha:.3g}" if self.method == "convex" else f"rrf, k {self.rrf_k}"
        return f"{words} (tuned)" if self.tuned else words


def fuse(vector: Scores, keyword: Scores, fusion: Fusion, depth: int) -> Scores:
    """Combine the routes' scores of the same n candidates, both shape (n,); a keyword score of 0 means no match.

    `depth` is how many candidates each route put forward: reciprocal rank fusion counts only those.
    """
    if fusion.method == "rrf":
        return _reciprocal_ranks(vector, keyword, fusion.rrf_k, depth)
    return _convex(vector, keyword, fusion.alpha)


def _convex(vector: Scores, keyword: Scores, alpha: float) -> Scores:
    """α·(cos + 1)/(max cos + 1) + (1-α)·bm25/max bm25: 0 is the least that a route can give, 1 the best that it gave.

    Bruch et al., "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS 2023.
    """
    return (alpha * _relative(vector, -1) + (1 - alpha) * _relative(keyword, 0)).astype(np.float32)


def _relative(scores: Scores, least: float) -> Scores:
    positive: Scores = np.maximum(scores - np.float32(least), 0)
    highest = positive.max(initial=0)
    return positive / highest if highest > 0 else positive


def _reciprocal_ranks(vector: Scores, keyword: Scores, k: int, depth: int) -> Scores:
    """Σ 1/(k + rank) over the routes that put the candidate forward (Cormack et al., SIGIR 2009)."""
    total = np.zeros(len(vector))
    for scores, counts in ((vector, np.ones(len(vector), np.bool_)), (keyword, keyword > 0)):
        order = np.argsort(-scores, kind="stable")
        rank = np.empty(len(scores), np.int64)
        rank[order] = np.arange(1, len(scores) + 1)
        total += np.where(counts & (rank <= depth), 1 / (k + rank), 0)
    return total.astype(np.float32)
