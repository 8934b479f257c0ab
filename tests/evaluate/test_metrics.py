"""Measures, compared with hand-computed values, plain definitions and trec_eval."""

from math import log2
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.evaluate.metrics import ndcg, recall, reciprocal_rank
from vsearch_core.evaluate.run import measure_run

IDS = list("abcdefgh")
RANKINGS = st.permutations(IDS).flatmap(lambda ids: st.integers(0, len(ids)).map(lambda n: ids[:n]))
GRADES = st.dictionaries(st.sampled_from(IDS), st.integers(-1, 3))


def test_measures_of_a_small_ranking() -> None:
    judgements = {"a": 2, "b": 1, "c": 0}
    ranking = ["x", "b", "c", "a"]
    assert ndcg(ranking, judgements, 10) == pytest.approx((1 / log2(3) + 2 / log2(5)) / (2 + 1 / log2(3)))
    assert ndcg(ranking, judgements, 2) == pytest.approx((1 / log2(3)) / (2 + 1 / log2(3)))
    assert recall(ranking, judgements, 2) == 0.5
    assert recall(ranking, judgements, 4) == 1.0
    assert reciprocal_rank(ranking, judgements) == 0.5
    assert reciprocal_rank(ranking, judgements, 1) == 0.0


def test_measures_without_a_relevant_document_are_0() -> None:
    for metric in (ndcg, recall, reciprocal_rank):
        assert metric(["a"], {"a": 0}) == 0.0
        assert metric([], {"a": 1}) == 0.0


@given(RANKINGS, GRADES, st.integers(1, 10))
def test_the_ideal_ranking_has_the_highest_measures(ranking: list[str], grades: dict[str, int], k: int) -> None:
    best = sorted(grades, key=lambda key: -grades[key])
    relevant = any(grade > 0 for grade in grades.values())
    assert ndcg(best, grades, k) == pytest.approx(float(relevant))
    for metric in (ndcg, recall, reciprocal_rank):
        assert 0 <= metric(ranking, grades, k) <= metric(best, grades, k) + 1e-12


@given(RANKINGS, GRADES, st.integers(1, 10))
def test_measures_equal_their_plain_definitions(ranking: list[str], grades: dict[str, int], k: int) -> None:
    relevant = [grades.get(key, 0) > 0 for key in ranking[:k]]
    total = sum(grade > 0 for grade in grades.values())
    assert recall(ranking, grades, k) == (sum(relevant) / total if total else 0)
    assert reciprocal_rank(ranking, grades, k) == (1 / (relevant.index(True) + 1) if any(relevant) else 0)


@given(
    st.dictionaries(st.sampled_from("123"), st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), min_size=1)),
    st.dictionaries(
        st.sampled_from("1234"),
        st.dictionaries(st.sampled_from(IDS), st.integers(-4, 4).map(lambda score: score / 4), min_size=1),
    ),
)
def test_measures_equal_those_of_trec_eval(
    judgements: dict[str, dict[str, int]], scores: dict[str, dict[str, float]]
) -> None:
    """This covers ties, unjudged documents, and queries that are only in the run or only in the judgements."""
    trec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval is not installed")
    run = {query: ordered(ranking) for query, ranking in scores.items()}
    ours = dict(zip(judgements, measure_run(run, judgements).tolist() if judgements else [], strict=True))
    if not judgements.keys() & scores.keys():
        assert all(values == [0, 0, 0, 0] for values in ours.values())
        return
    names = ("ndcg_cut_10", "recall_10", "recall_100", "recip_rank")  # runs are short, so recip_rank needs no cut
    theirs = trec_eval.RelevanceEvaluator(judgements, {"ndcg_cut", "recall", "recip_rank"}).evaluate(scores)
    for query, values in ours.items():
        expected = [theirs[query][name] for name in names] if query in theirs else [0] * 4
        assert values == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.integers(0, 2), min_size=12, max_size=150), st.randoms(use_true_random=False))
def test_measures_of_long_rankings_equal_those_of_trec_eval(grades: list[int], rng: Random) -> None:
    trec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval is not installed")
    judgements = {"q": {f"d{number}": grade for number, grade in enumerate(grades)}}
    scores = {"q": {document: float(rng.randrange(9)) for document in judgements["q"] if rng.random() < 0.9}}
    if not scores["q"]:
        return
    (ours,) = measure_run({"q": ordered(scores["q"])}, judgements).tolist()
    theirs = trec_eval.RelevanceEvaluator(judgements, {"ndcg_cut", "recall"}).evaluate(scores)["q"]
    assert ours[:3] == pytest.approx([theirs[name] for name in ("ndcg_cut_10", "recall_10", "recall_100")], abs=1e-6)


def ordered(scores: dict[str, float]) -> list[tuple[str, float]]:
    """Order a run as `read_run` does."""
    return sorted(scores.items(), key=lambda item: (item[1], item[0]), reverse=True)
