from collections.abc import Mapping
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.evaluate.tune import _folds, _held_out, tune_fusion
from vsearch_core.model import Chunk
from vsearch_core.search.engine import CAPABILITIES, TEXT, Candidates
from vsearch_core.search.fusion import KEYWORD, VECTOR, Fusion
from vsearch_core.search.pipeline import EmbeddedQuery
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import StoredChunk

DOCUMENTS = 30


class Routes:
    """A Searcher with given scores: query number i is for document i."""

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


def questions(count: int) -> Dataset:
    queries = {str(number): f"question {number}" for number in range(count)}
    return Dataset(None, queries, {key: {f"{key}.md": 1} for key in queries})


def embed(text: str) -> EmbeddedQuery:
    return EmbeddedQuery(np.array([int(text.split()[1])], np.float32))


def noise(count: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0.1, 1, (count, DOCUMENTS)).astype(np.float32)


@pytest.mark.parametrize(("knowing", "alphas"), [(0, (0.55, 1.0)), (1, (0.0, 0.45))])
def test_the_route_that_knows_gets_the_weight(knowing: int, alphas: tuple[float, float]) -> None:
    routes = [noise(DOCUMENTS, 1), noise(DOCUMENTS, 2)]
    routes[knowing] = np.maximum(routes[knowing] * 0.8, np.eye(DOCUMENTS, dtype=np.float32))
    searcher = Routes(*routes)
    learned = tune_fusion(searcher, embed, questions(DOCUMENTS), str, Fusion())
    assert learned.wins
    assert learned.fusion.method == "convex"
    assert alphas[0] <= learned.fusion.alpha <= alphas[1]
    assert learned.ndcg_10 > learned.former_ndcg_10
    assert learned.p < 0.05
    assert learned.questions == searcher.searches == DOCUMENTS  # candidates are found once, not once a fusion


def test_chance_teaches_nothing() -> None:
    for seed in range(5):
        learned = tune_fusion(Routes(noise(20, seed), noise(20, seed + 9)), embed, questions(20), str, Fusion())
        assert not learned.wins


def test_what_is_in_force_stays_where_nothing_is_better() -> None:
    best = np.eye(DOCUMENTS, dtype=np.float32)
    learned = tune_fusion(Routes(best, best), embed, questions(20), str, Fusion("convex", 0.35, tuned=True))
    assert learned.fusion == Fusion("convex", 0.35, tuned=True)
    assert (learned.ndcg_10, learned.former_ndcg_10, learned.p, learned.wins) == (1.0, 1.0, 1.0, False)


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=2, max_size=12), st.data())
def test_held_out_values_against_a_plain_oracle(rows: list[tuple[int, int, int]], data: st.DataObject) -> None:
    folds = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    expected = []
    for row, fold in zip(rows, folds, strict=True):
        others = [each for each, of in zip(rows, folds, strict=True) if of != fold]
        means = [fmean(column) for column in zip(*others, strict=True)] if others else [0.0]
        expected.append(row[means.index(max(means))])
    values = np.array(rows, np.float64)
    assert _held_out(values, np.array(folds)).tolist() == expected


def test_folds_are_even_and_follow_the_text() -> None:
    texts = [f"question {number}" for number in range(25)]
    folds = _folds(texts)
    assert sorted(np.bincount(folds).tolist()) == [2] * 5 + [3] * 5
    assert _folds(texts[::-1]).tolist() == folds.tolist()[::-1]
