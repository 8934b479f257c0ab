"""Reranking: the part of a chunk that is read, and the time that it may take."""

import time
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch_core.errors import ArgumentError
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.rerank import BLOCK, Rerank, passages, scores_within


class CountingReranker:
    """Scores a text by its length; each pair of texts takes `seconds` of a clock of its own, loading takes 100."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.loaded = False

    def load(self) -> None:
        self.loaded = True
        self.now += 100

    def score(self, query: str, texts: Sequence[str], /) -> NDArray[np.float32]:
        self.now += self.seconds / 2 * len(texts)
        return np.array([len(text) / 100 for text in texts], np.float32)


CANDIDATES = [["x" * number, "x"] for number in range(1, 41)]


@pytest.mark.parametrize(
    ("seconds", "budget", "scored"),
    [(0.01, None, 40), (0.01, 1.0, 40), (0.1, 1.0, 8), (0.1, 0.81, 8), (0.1, 0.79, 4), (5.0, 0.1, BLOCK)],
)
def test_candidates_are_scored_while_the_budget_lasts(
    monkeypatch: pytest.MonkeyPatch, seconds: float, budget: float | None, scored: int
) -> None:
    reranker = CountingReranker(seconds)
    monkeypatch.setattr(time, "perf_counter", lambda: round(reranker.now, 9))
    scores = scores_within(reranker, "query", CANDIDATES, budget)
    np.testing.assert_allclose(scores, np.arange(1, scored + 1) / 100, rtol=1e-6)
    assert scores.dtype == np.float32
    assert reranker.loaded == (budget is not None)  # before the clock starts


def test_nothing_to_score_takes_no_budget() -> None:
    assert scores_within(CountingReranker(1), "query", [], 1.0).shape == (0,)


def test_a_reranker_reads_around_the_best_window_and_around_the_snippet() -> None:
    text = "one two three four five six seven eight nine ten"

    def read(window: str, snippet: str) -> list[str]:
        spans = [(text.index(each), text.index(each) + len(each)) for each in (window, snippet)]
        return passages(text, spans[0], spans[1])

    assert read("four five", "five") == ["four five six"]  # the snippet is inside
    assert read("one two", "two three") == ["one two", "one two three"]
    assert read("nine ten", "one two") == ["nine ten", "one two"]
    assert read("five six seven", "nine ten") == ["four five six seven eight", "nine ten"]
    assert passages(text, (-1, -1), (0, 3)) == [text]
    assert passages("全文検索は日本語でも動く。", (4, 8), (4, 8)) == ["検索は日本語でも"]


@pytest.mark.parametrize("budget", [0, -1, float("nan"), float("inf")])
def test_a_budget_is_a_number_of_seconds(budget: float) -> None:
    with pytest.raises(ArgumentError, match="must be a number of seconds above 0"):
        SearchRequest("pump", rerank=Rerank(CountingReranker(1)), rerank_budget=budget)


def test_a_budget_needs_a_reranker() -> None:
    with pytest.raises(ArgumentError, match="there is no reranker"):
        SearchRequest("pump", rerank_budget=1.0)
