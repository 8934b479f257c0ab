"""The confidence of hits: calibrated probabilities that they are relevant.

A score only ranks the hits of one query. A confidence can be compared across queries: it tells an answer from the best
of many chunks that have nothing to do with the query. docs/adr/0037-confidence.md has the figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.model_files import DEFAULT_WEIGHTS
from vsearch_core.model import Fingerprint
from vsearch_core.search.fusion import KEYWORD, LOWEST_COSINE, VECTOR, Fusion, Scores, fuse

ANSWERED = 0.2  # the least confidence of a hit that seems to answer
LEAST_LEGIBLE = 0.5  # of a query; below, the model's vectors say too little


@dataclass(frozen=True, slots=True)
class VectorScale:
    """A line that maps a model's scores by vectors onto those of the default model: slope * score + offset."""

    slope: float
    offset: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The weights of a logistic regression for one embedding model.

    `vector` weighs a chunk's score by vectors, `keyword` its BM25 as a share of the highest possible, `fused` its fused
    score with the default fusion; `bias` is added.
    """

    vector: float
    keyword: float
    fused: float
    bias: float

    def probabilities(self, vector: Scores, keyword: Scores, fused: Scores) -> NDArray[np.float64]:
        """Return the probability of each chunk that it is relevant, (n,)."""
        return _logistic(self.vector * vector + self.keyword * keyword + self.fused * fused + self.bias)

    def rescaled(self, scale: VectorScale) -> "Calibration":
        """Return the calibration for a model whose scores by vectors the scale maps onto this model's."""
        bias = self.bias + self.vector * scale.offset
        return replace(self, vector=self.vector * scale.slope, bias=bias)


# Fitted on 540 queries of six English collections and 600 queries of other collections than the searched one
_DEFAULT_MODEL = Calibration(vector=7.08, keyword=2.69, fused=6.84, bias=-11.5)


# Of a chunk by keywords alone: its BM25 as a share of the highest possible, and as a share of the best chunk's
_KEYWORD, _RELATIVE_KEYWORD, _KEYWORD_BIAS = 5.36, 1.82, -4.39


def is_calibrated(fingerprint: Fingerprint) -> bool:
    """Return True for the default model, whose calibration is known."""
    return fingerprint.weights == DEFAULT_WEIGHTS and fingerprint.provider == "local"


def calibration_for(fingerprint: Fingerprint, scale: VectorScale | None) -> Calibration | None:
    """Return the calibration of an embedding model, or None if none is known.

    `scale` was measured on the index (`search.vector_scale`); the default model needs none.
    """
    if is_calibrated(fingerprint):
        return _DEFAULT_MODEL
    return None if scale is None else _DEFAULT_MODEL.rescaled(scale)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts by which the scores of a query are converted to confidences.

    `calibration` is that of the embedding model, or None if none is known. `keyword_limit` is the upper limit of the
    query's BM25 scores, which a chunk would approach if it repeated every term without end.
    """

    calibration: Calibration | None = None
    keyword_limit: float = 0.0


def confidences(
    scores: Mapping[str, Scores], evidence: Evidence, legible: float | None, floor: float = LOWEST_COSINE
) -> NDArray[np.float64] | None:
    """Return the confidence of each candidate, (n,), or None if it can't be known.

    It can be known if both routes were searched with the query's text. `legible` is the share of that text that the
    model can read, from 0 to 1; it is None if no text was embedded, or if examples changed its vector. Keywords alone
    decide if the share is below LEAST_LEGIBLE or if no calibration of the model is known, and for chunks whose vectors
    another model made. `floor` is the cosine that counts as nothing in fusion.
    """
    if legible is None or not {VECTOR, KEYWORD} <= scores.keys():
        return None
    limit = np.float32(evidence.keyword_limit)
    keyword = scores[KEYWORD] / limit if limit > 0 else np.zeros_like(scores[KEYWORD])
    relative = keyword / max(keyword.max(initial=0), np.finfo(np.float32).tiny)
    by_keywords = _logistic(_KEYWORD * keyword + _RELATIVE_KEYWORD * relative + _KEYWORD_BIAS)
    if legible < LEAST_LEGIBLE or evidence.calibration is None:
        return by_keywords
    fused = fuse(scores, Fusion().for_legibility(legible), len(scores[VECTOR]), floor)
    by_both = evidence.calibration.probabilities(scores[VECTOR], keyword, fused)
    return np.where(np.isnan(scores[VECTOR]), by_keywords, by_both)


def _logistic(evidence: Scores) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-evidence.astype(np.float64)))
    return probability
