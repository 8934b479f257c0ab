"""Measure how well the confidence of hits tells relevant ones, and how far it is from their true share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.evaluate.run import has_passage
from vsearch_core.search.engine import Searcher
from vsearch_core.search.pipeline import EmbedQuery, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Hit

BINS = 10


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """The hits of similar confidence: their number, their mean confidence, and the share of relevant ones."""

    hits: int
    confidence: float
    relevant: float


@dataclass(frozen=True, slots=True)
class ConfidenceScores:
    """The quality of the confidences of `hits` hits.

    `auc` is the probability that a relevant hit has a higher confidence than one that isn't relevant, or None if all
    hits or none are relevant. `calibration_error` is the mean distance between confidence and share of relevant hits
    over the `bins` (expected calibration error; Guo et al., ICML 2017).
    """

    hits: int
    auc: float | None
    calibration_error: float
    bins: Sequence[ConfidenceBin]


def measure_confidence(
    searcher: Searcher, embed: EmbedQuery, dataset: Dataset, document_id: Callable[[str], str]
) -> ConfidenceScores | None:
    """Measure the confidence of the first hits of all judged queries; None if no hit has a confidence.

    `document_id` maps a hit's stored path to the judgements' id. What isn't judged counts as not relevant.
    """
    confidence: list[float] = []
    relevant: list[bool] = []
    for key, text in dataset.queries.items():
        for hit in search(searcher, SearchRequest(text, config.K, plain=True), embed).hits:
            if hit.confidence is not None:
                confidence.append(hit.confidence)
                relevant.append(_is_relevant(hit, dataset, key, document_id))
    return confidence_scores(np.array(confidence), np.array(relevant)) if confidence else None


def _is_relevant(hit: Hit, dataset: Dataset, query: str, document_id: Callable[[str], str]) -> bool:
    passage = dataset.passages.get(query)
    if passage is not None:
        return has_passage(hit, passage)
    return dataset.judgements[query].get(document_id(hit.path), 0) > 0


def confidence_scores(confidence: NDArray[np.float64], relevant: NDArray[np.bool_]) -> ConfidenceScores:
    """Return the quality of the confidences (n,) of n hits, at least one; `relevant` (n,) tells the relevant ones."""
    number = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    masks = [number == each for each in range(BINS) if (number == each).any()]
    bins = [ConfidenceBin(int(m.sum()), float(confidence[m].mean()), float(relevant[m].mean())) for m in masks]
    error = sum(each.hits * abs(each.confidence - each.relevant) for each in bins) / len(confidence)
    return ConfidenceScores(len(confidence), area_under_curve(confidence, relevant), error, bins)


def area_under_curve(confidence: NDArray[np.float64], relevant: NDArray[np.bool_]) -> float | None:
    """Return the area under the ROC curve of n confidences, or None if all hits or none are relevant.

    It is Mann and Whitney's U over the number of pairs; equal values count half.
    """
    positives, negatives = confidence[relevant], np.sort(confidence[~relevant])
    if not len(positives) or not len(negatives):
        return None
    below = np.searchsorted(negatives, positives, "left") + np.searchsorted(negatives, positives, "right")
    return float(below.mean() / 2 / len(negatives))
