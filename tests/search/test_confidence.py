"""The confidence of hits: it tells an answer from noise, and is None where nothing is known of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.embed.model_files import DEFAULT_WEIGHTS
from vsearch_core.errors import ArgumentError, InputError
from vsearch_core.evaluate.calibration import confidence_scores, measure_confidence
from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.lexical.bm25 import BM25
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbeddedQuery, query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results_json import results_json, why_nothing

FACTS = {
    "pump": "the pump needs grease before frost",
    "bread": "the bread rises under a wet cloth",
    "mill": "the mill stops when wind fails",
    "boat": "the boat leaks near its keel",
}
ANSWERABLE = "pump needs grease before frost"
UNANSWERABLE = "violins of seventeenth century cremona"


class CalibratedEmbedder(WordEmbedder):
    """A WordEmbedder that passes for the default model."""

    def __init__(self, legible: float = 1.0) -> None:
        super().__init__()
        self.fingerprint = replace(self.fingerprint, weights=DEFAULT_WEIGHTS)
        self.legible = legible

    def legible_share(self, query: str) -> float:
        return self.legible


def searcher_of(root: Path, embedder: WordEmbedder) -> Iterator[LocalSearcher]:
    for name, text in FACTS.items():
        (root / f"{name}.txt").write_text(text)
    make_index(root, embedder, *(Path(f"{name}.txt") for name in FACTS))
    with open_snapshot(root / ".vsearch") as snapshot:
        yield LocalSearcher(snapshot)


@pytest.fixture
def searcher(tmp_path: Path) -> Iterator[LocalSearcher]:
    yield from searcher_of(tmp_path, CalibratedEmbedder())


EMBED = query_embedding(CalibratedEmbedder())


def test_an_answer_is_told_from_noise(searcher: LocalSearcher) -> None:
    found = search(searcher, SearchRequest(ANSWERABLE), EMBED)
    noise = search(searcher, SearchRequest(UNANSWERABLE), EMBED)
    assert (found.answered, noise.answered) == (True, False)
    best, worst = found.hits[0].confidence, noise.hits[0].confidence
    assert best is not None
    assert worst is not None
    assert best > 0.9
    assert worst < 0.2
    assert noise.hits[0].score > 0.5  # a score says nothing of that
    assert all(0 <= (hit.confidence or 0) <= best for hit in found.hits)


def test_json_has_the_confidence_and_whether_the_query_is_answered(searcher: LocalSearcher) -> None:
    value = results_json(search(searcher, SearchRequest(ANSWERABLE), EMBED))
    assert value["answered"] is True
    assert 0.9 < value["hits"][0]["confidence"] <= 1
    value = results_json(search(searcher, SearchRequest(ANSWERABLE, mode="keyword")))
    assert (value["answered"], value["hits"][0]["confidence"]) == (None, None)


def test_min_confidence_leaves_unlikely_hits_out(searcher: LocalSearcher) -> None:
    hits = search(searcher, SearchRequest(ANSWERABLE, min_confidence=0.5), EMBED).hits
    assert [hit.path for hit in hits] == ["pump.txt"]
    nothing = search(searcher, SearchRequest(UNANSWERABLE, min_confidence=0.5), EMBED)
    assert not nothing.hits
    assert nothing.answered is False
    assert why_nothing(nothing, has_min_score=False, has_min_confidence=True) == "below-min-confidence"


def test_keywords_alone_decide_if_nothing_is_known_of_the_model(tmp_path: Path) -> None:
    embedder = WordEmbedder()  # another model, and too few sentences to measure its scale
    for searcher in searcher_of(tmp_path, embedder):
        found, noise = (
            search(searcher, SearchRequest(text), query_embedding(embedder)) for text in (ANSWERABLE, UNANSWERABLE)
        )
        assert (found.answered, noise.answered) == (True, False)
        assert found.hits[0].path == "pump.txt"
        assert (found.hits[0].confidence or 0) > 0.5
        hits = search(searcher, SearchRequest(ANSWERABLE, min_confidence=0.5), query_embedding(embedder)).hits
        assert [hit.path for hit in hits] == ["pump.txt"]


def test_a_query_of_exclusions_alone_has_no_confidence(searcher: LocalSearcher) -> None:
    assert search(searcher, SearchRequest("-pump"), EMBED).answered is None
    with pytest.raises(InputError) as caught:
        search(searcher, SearchRequest("-pump", min_confidence=0.5), EMBED)
    assert caught.value.code == "confidence-unknown"


@pytest.mark.parametrize("embedder", [WordEmbedder(), CalibratedEmbedder()], ids=["other model", "default model"])
def test_keywords_alone_decide_if_the_model_cannot_read_the_query(tmp_path: Path, embedder: WordEmbedder) -> None:
    def embed(text: str) -> EmbeddedQuery:
        return EmbeddedQuery(np.roll(embedder.embed_queries([text])[0], 1), legible=0.3)  # a vector of noise

    for searcher in searcher_of(tmp_path, embedder):
        found = search(searcher, SearchRequest(ANSWERABLE), embed)
        noise = search(searcher, SearchRequest(UNANSWERABLE), embed)
        assert (found.answered, noise.answered) == (True, False)
        best = max(found.hits, key=lambda hit: hit.confidence or 0)
        assert best.path == "pump.txt"
        assert (best.confidence or 0) > 0.5
        assert max(hit.confidence or 0 for hit in noise.hits) < 0.1


@pytest.mark.parametrize("options", [{"mode": "keyword"}, {"mode": "vector"}, {"more_like": ("a.txt",)}])
def test_min_confidence_is_refused_where_hits_have_none(options: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match="min_confidence"):
        SearchRequest("pump", min_confidence=0.5, **options)  # type: ignore[arg-type]


def test_no_score_exceeds_the_limit(searcher: LocalSearcher) -> None:
    collection: BM25 = searcher._keywords.collection
    terms = ["pump", "pump", "greas", "the"]
    assert 0 < collection.scores(terms).max() < collection.limit(terms)
    assert collection.limit(["unknown"]) > collection.limit(["pump"])


def test_the_quality_of_confidences_is_measured(searcher: LocalSearcher) -> None:
    queries = {"1": ANSWERABLE, "2": UNANSWERABLE}
    dataset = Dataset(None, queries, {"1": {"pump.txt": 1}, "2": {"pump.txt": 0}})
    measured = measure_confidence(searcher, EMBED, dataset, str)
    assert measured is not None
    assert measured.auc == 1
    assert measured.hits == sum(each.hits for each in measured.bins) > 2


def test_calibration_error_and_auc() -> None:
    confidence = np.array([0.95, 0.95, 0.15, 0.15, 0.15, 0.15])
    relevant = np.array([True, True, True, False, False, False])
    measured = confidence_scores(confidence, relevant)
    assert measured.auc == pytest.approx((2 + 1 / 2) / 3)  # two of three are above all, one ties with all
    assert measured.calibration_error == pytest.approx((2 * 0.05 + 4 * 0.10) / 6)
    assert [(each.hits, each.relevant) for each in measured.bins] == [(4, 0.25), (2, 1.0)]
    assert confidence_scores(confidence, np.ones(6, np.bool_)).auc is None
