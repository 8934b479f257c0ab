"""The relevance of keyword search alone: changes to the analyzer or the scoring must not lower it."""

import numpy as np
import pytest
from postings_of_terms import build
from support import SHARED

from vsearch_core.ann.flat import top_k
from vsearch_core.evaluate import metrics
from vsearch_core.evaluate.dataset import load_dataset
from vsearch_core.lexical.analyzer import Analyzer
from vsearch_core.lexical.bm25 import BM25


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "least"),
    [("scifact", 0.695), ("cisi", 0.40), ("cacm", 0.505), ("xquad-en", 0.96), ("xquad-ru", 0.945), ("xquad-zh", 0.955)],
)
def test_ndcg(name: str, least: float) -> None:
    if not (SHARED / "ir").is_dir():
        pytest.skip(f"{SHARED / 'ir'} is absent")
    dataset = load_dataset(SHARED / "ir" / name)
    assert dataset.documents is not None
    analyzer = Analyzer("en")  # the default: the other scripts must do well without being named
    part = build(analyzer.terms(f"{document.title} {document.text}") for document in dataset.documents.values())
    collection = BM25([part])
    ids = list(dataset.documents)
    found = []
    for key, query in dataset.queries.items():
        values = collection.scores(analyzer.query_terms(query))
        ranking = [ids[row] for row in top_k(values, values > 0, 10)]
        found.append(metrics.ndcg(ranking, dataset.judgements[key]))
    assert np.mean(found) >= least
