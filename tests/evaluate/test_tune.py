"""Tuning of the fusion, with engines whose scores are given."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.evaluate.tune import _folds, _held_out, tune_fusion
from vsearch_core.model import TEXT, Chunk
from vsearch_core.search.engine import CAPABILITIES, Candidates, Ids, Searcher, Selection, Vectors
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import KEYWORD, VECTOR, Fusion
from vsearch_core.search.pipeline import EmbeddedQuery
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.snippets import Snippet
from vsearch_core.store.catalog import StoredChunk

DOCUMENTS = 30


class GivenScores(Searcher):
    """A Searcher whose scores are given; document i is relevant for query i."""

    generation = 1
    capabilities = CAPABILITIES
    fusion = Fusion()

    def __init__(self, vector: NDArray[np.float32], keyword: NDArray[np.float32]) -> None:
        self.routes = {VECTOR: vector, KEYWORD: keyword}
        self.searches = 0

    def prepare(self, request: SearchRequest) -> bool:
        return True

    def search(self, request: SearchRequest, vectors: Mapping[str, NDArray[np.float32]], depth: int) -> Candidates:
        self.searches += 1
        number = int(vectors[TEXT][0])
        ids = np.arange(DOCUMENTS)
        scores = {name: route[number] for name, route in self.routes.items()}
        return Candidates(ids, scores, ids, DOCUMENTS, DOCUMENTS)

    def hydrate(self, ids: NDArray[np.int64]) -> list[StoredChunk]:
        return [StoredChunk(f"{number}.md", 0, Chunk("", 0, 0, 1, 1, None, None)) for number in ids.tolist()]

    def vectors(self, ids: Ids, space: str = TEXT) -> Vectors:
        raise NotImplementedError

    def chunk_ids(self, path: str, first: int = 0, last: int | None = None) -> Ids:
        raise NotImplementedError

    def select(self, filters: Filters) -> Selection:
        raise NotImplementedError

    def excerpts(self, request: SearchRequest, texts: Sequence[str], width: int) -> list[Snippet]:
        raise NotImplementedError


class GivenProximity(GivenScores):
    """All terms stand together in the relevant document, and in no other."""

    looked_at: list[tuple[str, int]]

    def term_shares(self, request: SearchRequest, ids: Ids) -> NDArray[np.float32]:
        self.looked_at = [*getattr(self, "looked_at", []), *((request.text, number) for number in ids.tolist())]
        together = [f"query {number}" == request.text for number in ids.tolist()]
        return np.array([(float(each), 1.0) for each in together], np.float32)


def dataset_of(count: int) -> Dataset:
    queries = {str(number): f"query {number}" for number in range(count)}
    return Dataset(None, queries, {key: {f"{key}.md": 1} for key in queries})


def embed(text: str) -> EmbeddedQuery:
    return EmbeddedQuery(np.array([int(text.split()[1])], np.float32))


def noise(count: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0.1, 1, (count, DOCUMENTS)).astype(np.float32)


@pytest.mark.parametrize(("better", "alphas"), [(0, (0.55, 1.0)), (1, (0.0, 0.45))])
def test_the_better_route_gets_the_weight(better: int, alphas: tuple[float, float]) -> None:
    routes = [noise(DOCUMENTS, 1), noise(DOCUMENTS, 2)]
    routes[better] = np.maximum(routes[better] * 0.8, np.eye(DOCUMENTS, dtype=np.float32))
    searcher = GivenScores(*routes)
    result = tune_fusion(searcher, embed, dataset_of(DOCUMENTS), str, Fusion())
    assert result.wins
    assert result.fusion.method == "convex"
    assert alphas[0] <= result.fusion.alpha <= alphas[1]
    assert result.ndcg_10 > result.former_ndcg_10
    assert result.p < 0.05
    assert result.queries == searcher.searches == DOCUMENTS  # one search a query, not one a fusion


def test_random_scores_are_no_reason_to_change_the_fusion() -> None:
    for seed in range(5):
        result = tune_fusion(GivenScores(noise(20, seed), noise(20, seed + 9)), embed, dataset_of(20), str, Fusion())
        assert not result.wins


def test_the_fusion_in_force_stays_if_none_is_better() -> None:
    best = np.eye(DOCUMENTS, dtype=np.float32)
    result = tune_fusion(GivenScores(best, best), embed, dataset_of(20), str, Fusion("convex", 0.35, tuned=True))
    assert result.fusion == Fusion("convex", 0.35, tuned=True)
    assert (result.ndcg_10, result.former_ndcg_10, result.p, result.wins) == (1.0, 1.0, 1.0, False)


def test_terms_that_stand_together_count_and_are_looked_for_once() -> None:
    ranks = np.linspace(1, 0.5, DOCUMENTS, dtype=np.float32)
    route = np.stack([np.where(np.arange(DOCUMENTS) == number, ranks[1], ranks) for number in range(DOCUMENTS)])
    route[:, 0] = 1  # the relevant document is second
    searcher = GivenProximity(route, route)
    result = tune_fusion(searcher, embed, dataset_of(20), str, Fusion())
    assert result.former_ndcg_10 == 1.0
    assert len(searcher.looked_at) == len(set(searcher.looked_at)) > 0


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=2, max_size=12), st.data())
def test_held_out_values_equal_those_of_a_plain_loop(rows: list[tuple[int, int, int]], data: st.DataObject) -> None:
    folds = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    expected = []
    for row, fold in zip(rows, folds, strict=True):
        others = [each for each, of in zip(rows, folds, strict=True) if of != fold]
        means = [fmean(column) for column in zip(*others, strict=True)] if others else [0.0]
        expected.append(row[means.index(max(means))])
    values = np.array(rows, np.float64)
    assert _held_out(values, np.array(folds)).tolist() == expected


def test_folds_are_even_and_independent_of_the_order() -> None:
    texts = [f"query {number}" for number in range(25)]
    folds = _folds(texts)
    assert sorted(np.bincount(folds).tolist()) == [2] * 5 + [3] * 5
    assert _folds(texts[::-1]).tolist() == folds.tolist()[::-1]
