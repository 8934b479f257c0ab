from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.evaluate.metrics import ndcg, recall, reciprocal_rank

IDS = list("abcdefgh")
RANKINGS = st.permutations(IDS).flatmap(lambda ids: st.integers(0, len(ids)).map(lambda n: ids[:n]))
GRADES = st.dictionaries(st.sampled_from(IDS), st.integers(-1, 3))


def test_by_hand() -> None:
    judgements = {"a": 2, "b": 1, "c": 0}
    ranking = ["x", "b", "c", "a"]
    assert ndcg(ranking, judgements, 10) == pytest.approx((1 / log2(3) + 2 / log2(5)) / (2 + 1 / log2(3)))
    assert ndcg(ranking, judgements, 2) == pytest.approx((1 / log2(3)) / (2 + 1 / log2(3)))
    assert recall(ranking, judgements, 2) == 0.5
    assert recall(ranking, judgements, 4) == 1.0
    assert reciprocal_rank(ranking, judgements) == 0.5
    assert reciprocal_rank(ranking, judgements, 1) == 0.0


def test_nothing_relevant() -> None:
    for metric in (ndcg, recall, reciprocal_rank):
        assert metric(["a"], {"a": 0}) == 0.0
        assert metric([], {"a": 1}) == 0.0


@given(RANKINGS, GRADES, st.integers(1, 10))
def test_the_best_ranking_scores_one_and_no_other_more(ranking: list[str], grades: dict[str, int], k: int) -> None:
    best = sorted(grades, key=lambda key: -grades[key])
    relevant = any(grade > 0 for grade in grades.values())
    assert ndcg(best, grades, k) == pytest.approx(float(relevant))
    for metric in (ndcg, recall, reciprocal_rank):
        assert 0 <= metric(ranking, grades, k) <= metric(best, grades, k) + 1e-12


@given(RANKINGS, GRADES, st.integers(1, 10))
def test_against_plain_definitions(ranking: list[str], grades: dict[str, int], k: int) -> None:
    relevant = [grades.get(key, 0) > 0 for key in ranking[:k]]
    total = sum(grade > 0 for grade in grades.values())
    assert recall(ranking, grades, k) == (sum(relevant) / total if total else 0)
    assert reciprocal_rank(ranking, grades, k) == (1 / (relevant.index(True) + 1) if any(relevant) else 0)
