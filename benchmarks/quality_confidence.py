"""Measure if the confidence of the best hit tells queries that a collection answers from those that it can't."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_collections import Collection
from vsearch_core.evaluate.calibration import ConfidenceScores, area_under_curve, confidence_scores
from vsearch_core.search.filters import Filters
from vsearch_core.search.pipeline import search
from vsearch_core.search.request import SearchRequest

Values = NDArray[np.float64]


def best_confidences(collection: Collection, asked: Collection) -> Values:
    """Return the highest confidence of the hits for each query of the collection `asked`, searched in the first one."""
    texts = asked.dataset.queries.values()
    return np.array([_highest(collection, SearchRequest(text, plain=True), asked) for text in texts])


def hidden_answers(collection: Collection) -> Values:
    """Return the highest confidence of the hits for each own query, with the query's relevant files hidden."""
    paths = {collection.document_id(path): path for path in collection.snapshot.catalog.files(live=True)}
    found = []
    for key, text in collection.dataset.queries.items():
        relevant = [document for document, grade in collection.dataset.judgements[key].items() if grade > 0]
        quoted = ["'" + paths[document].replace("'", "''") + "'" for document in relevant if document in paths]
        others = Filters(where=f"path NOT IN ({', '.join(quoted)})")
        found.append(_highest(collection, SearchRequest(text, plain=True, filters=others), collection))
    return np.array(found)


def calibration_of_best(collection: Collection, foreign: Sequence[Values]) -> ConfidenceScores:
    """Return the quality of the best hits' confidences over own and foreign queries.

    `foreign` has the highest confidences of other collections' queries, which have no relevant hit. Own and foreign
    queries weigh the same.
    """
    confidence, relevant = [], []
    for key, text in collection.dataset.queries.items():
        for hit in search(collection.searcher, SearchRequest(text, 1, plain=True), collection.embed).hits:
            confidence.append(hit.confidence or 0.0)
            relevant.append(collection.dataset.judgements[key].get(collection.document_id(hit.path), 0) > 0)
    share = len(confidence) // max(1, len(foreign))
    some = np.concatenate([np.empty(0), *(values[:share] for values in foreign)])
    labels = np.concatenate([np.array(relevant, np.bool_), np.zeros(len(some), np.bool_)])
    return confidence_scores(np.concatenate([np.array(confidence), some]), labels)


def separation(answered: Values, unanswered: Values) -> float:
    """Return the AUC by which confidences tell answered queries from unanswered ones."""
    values = np.concatenate([answered, unanswered])
    area = area_under_curve(values, np.arange(len(values)) < len(answered))
    assert area is not None, "one of them is empty"
    return area


def _highest(collection: Collection, request: SearchRequest, asked: Collection) -> float:
    hits = search(collection.searcher, request, asked.embed).hits
    return max((hit.confidence or 0.0 for hit in hits), default=0.0)
