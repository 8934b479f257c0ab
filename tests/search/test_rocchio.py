"""Examples move a question on both routes as Rocchio's formula says."""

from collections import Counter
from math import log

import numpy as np
from numpy.typing import NDArray

from vsearch_core.search.rocchio import AWAY, EXPANSION, REPEATS, TOWARDS, Example, Likeness

HELD = Counter({"pump": 50, "valve": 10, "heron": 2, "only": 1})


def unit(*values: float) -> NDArray[np.float32]:
    vector = np.array(values, np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def example(vector: NDArray[np.float32], text: str = "", *rows: int) -> Example:
    return Example(vector, (text,), np.array(rows, np.int64))


def terms(like: Likeness, question: str) -> Counter[str]:
    found = like.terms(question.split(), str.split, lambda asked: [HELD[term] for term in asked], 100)
    return Counter(found)


def test_the_vector_is_the_weighted_sum() -> None:
    asked, liked, other, disliked = unit(1, 0, 0), unit(0, 1, 0), unit(0, 1, 1), unit(0, 0, 1)
    found = Likeness((example(liked), example(other)), (example(disliked),)).vector(asked)
    expected = asked + TOWARDS * (liked + other) / 2 - AWAY * disliked
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)


def test_without_a_question_examples_are_all() -> None:
    liked = unit(1, 2, 3)
    np.testing.assert_allclose(Likeness((example(liked),)).vector(None), liked, atol=1e-6)


def test_terms_of_liked_examples_join_the_question_s() -> None:
    found = terms(Likeness((example(unit(1), "valve valve heron"),)), "pump pump")
    assert found["pump"] == 2 * REPEATS
    weights = {"valve": 2 * log(1 + 100 / 10), "heron": log(1 + 100 / 2)}
    highest = max(weights.values())
    for term, weight in weights.items():
        assert found[term] == round(REPEATS * TOWARDS * weight / highest)


def test_disliked_terms_lose_weight_and_never_count_against() -> None:
    like = Likeness((example(unit(1), "valve"),), (example(unit(1), "valve"), example(unit(1), "heron")))
    found = terms(like, "pump heron")
    assert found["valve"] == round(REPEATS * (TOWARDS - AWAY / 2))
    assert found["heron"] == round(REPEATS * (1 - AWAY / 2))
    assert terms(Likeness((), (example(unit(1), "heron"),)), "pump") == {"pump": REPEATS}


def test_a_term_that_only_the_example_holds_finds_nothing_and_is_left_out() -> None:
    assert "only" not in terms(Likeness((example(unit(1), "only valve", 7),)), "pump")
    assert "only" in terms(Likeness((example(unit(1), "only valve"),)), "pump")


def test_so_many_terms_at_most() -> None:
    like = Likeness((example(unit(1), " ".join(f"term{number}" for number in range(200))),))
    found = like.terms([], str.split, lambda asked: [5] * len(asked), 100)
    assert len(set(found)) == EXPANSION


def test_examples_are_no_answers() -> None:
    like = Likeness((example(unit(1), "", 1, 2),), (example(unit(1), "", 4),))
    mask = np.ones(6, np.bool_)
    assert np.flatnonzero(like.hidden(mask)).tolist() == [0, 3, 5]
    assert mask.all()


def test_examples_that_cancel_out_leave_nothing() -> None:
    assert Likeness((example(unit(1, 0)), example(unit(-1, 0)))).vector(None).tolist() == [0, 0]
