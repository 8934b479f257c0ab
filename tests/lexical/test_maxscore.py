"""The compiled kernel gives what scoring every row gives: the same rows, order and scores."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from postings_of_terms import build

from vsearch_core.ann.flat import top_k
from vsearch_core.kernels.keywords import WINDOW
from vsearch_core.lexical.bm25 import BM25
from vsearch_core.lexical.maxscore import MaxScore

VOCABULARY = 60


def documents(rows: int, seed: int, words: int = 12) -> list[list[str]]:
    """Return random documents: words by Zipf's law, similar within runs of rows as in real folders; some are empty."""
    random = np.random.default_rng(seed)
    drawn = np.minimum(random.zipf(1.3, (rows, words)), VOCABULARY) + (np.arange(rows) // 50 % 7)[:, None]
    sizes = random.integers(0, words, rows)
    return [[f"w{word}" for word in row[:size]] for row, size in zip(drawn, sizes, strict=True)]


def assert_same(
    collection: BM25, queries: Sequence[Sequence[str]], k: int, allowed: NDArray[np.bool_] | None = None
) -> None:
    found = MaxScore(collection).search(queries, k, allowed)
    for query, rows, scores, count in zip(queries, found.rows, found.scores, found.counts, strict=True):
        every = collection.scores(query)
        best = top_k(every, (every > 0) & (True if allowed is None else allowed), k)
        assert rows[:count].tolist() == best.tolist()
        assert scores[:count].tolist() == every[best].tolist()


@pytest.fixture(scope="module")
def collection() -> BM25:
    """Return four segments that span several windows: one is empty, and one has wider row numbers."""
    sizes = [WINDOW + 1000, 0, 70_000, 300]
    return BM25([build(documents(rows, seed)) for seed, rows in enumerate(sizes)])


@pytest.mark.parametrize("k", [1, 10, 100, 5000])
@pytest.mark.parametrize("share", [None, 0.5, 0.001, 0.0])
def test_it_equals_scoring_every_row(collection: BM25, k: int, share: float | None) -> None:
    random = np.random.default_rng(k)
    queries = [[f"w{word}" for word in random.integers(1, VOCABULARY + 10, size)] for size in range(12)]
    queries += [["w1"], ["w1", "w1", "w40"], ["w1", "w2", "w3", "w4", "w5"], ["unknown"], ["unknown", "w9"]]
    allowed = None if share is None else random.random(collection.rows) < share
    assert_same(collection, queries, k, allowed)


@settings(max_examples=50)
@given(st.data(), st.integers(0, 2**32), st.integers(1, 12))
def test_any_documents(data: st.DataObject, seed: int, k: int) -> None:
    parts = data.draw(st.lists(st.integers(0, 200), min_size=1, max_size=3))
    collection = BM25([build(documents(rows, seed + rows)) for rows in parts])
    query = data.draw(st.lists(st.sampled_from([f"w{word}" for word in (1, 2, 3, 5, 9, 30, 99)]), max_size=6))
    allowed = np.random.default_rng(seed).random(collection.rows) < 0.7
    assert_same(collection, [query, query[:1]], k, allowed)
    assert_same(collection, [query], k)


def test_ties_go_to_the_first_rows() -> None:
    same = BM25([build([["a", "b"]] * 3000), build([["b", "a"]] * 3000)])
    found = MaxScore(same).search([["a"], ["b", "a"]], 5)
    assert found.rows.tolist() == [[0, 1, 2, 3, 4]] * 2


def test_saturated_counts() -> None:
    assert_same(BM25([build([["a"] * 300, ["a"] * 255, ["a"], ["b"]])]), [["a"], ["a", "b"]], 3)


def test_no_queries_and_no_rows() -> None:
    assert MaxScore(BM25([build([["a"]])])).search([], 3).rows.shape == (0, 3)
    assert MaxScore(BM25([])).search([["a"]], 3).counts.tolist() == [0]
