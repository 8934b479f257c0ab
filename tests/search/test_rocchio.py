"""Examples move a query on both routes as Rocchio's formula says."""

from collections import Counter
from math import log

import numpy as np
from numpy.typing import NDArray

from vsearch_core.search.rocchio import AWAY, EXPANSION, REPEATS, TOWARDS, Example, RelevanceFeedback

DOCUMENT_FREQUENCIES = Counter({"pump": 50, "valve": 10, "heron": 2, "only": 1})


def unit(*values: float) -> NDArray[np.float32]:
    vector = np.array(values, np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def example(vector: NDArray[np.float32], text: str = "", *ids: int) -> Example:
    return Example(vector, (text,), np.array(ids, np.int64))


def terms(feedback: RelevanceFeedback, query: str) -> Counter[str]:
    found = feedback.terms(query.split(), str.split, lambda given: [DOCUMENT_FREQUENCIES[term] for term in given], 100)
    return Counter(found)


def test_the_vector_is_the_weighted_sum() -> None:
    query, liked, other, disliked = unit(1, 0, 0), unit(0, 1, 0), unit(0, 1, 1), unit(0, 0, 1)
    found = RelevanceFeedback((example(liked), example(other)), (example(disliked),)).vector(query)
    expected = query + TOWARDS * (liked + other) / 2 - AWAY * disliked
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)


def test_without_a_text_only_examples_count() -> None:
    liked = unit(1, 2, 3)
    np.testing.assert_allclose(RelevanceFeedback((example(liked),)).vector(None), liked, atol=1e-6)


def test_terms_of_liked_examples_are_added() -> None:
    found = terms(RelevanceFeedback((example(unit(1), "valve valve heron"),)), "pump pump")
    assert found["pump"] == 2 * REPEATS
    weights = {"valve": 2 * log(1 + 100 / 10), "heron": log(1 + 100 / 2)}
    highest = max(weights.values())
    for term, weight in weights.items():
        assert found[term] == round(REPEATS * TOWARDS * weight / highest)


def test_disliked_terms_lose_weight_but_never_below_zero() -> None:
    feedback = RelevanceFeedback((example(unit(1), "valve"),), (example(unit(1), "valve"), example(unit(1), "heron")))
    found = terms(feedback, "pump heron")
    assert found["valve"] == round(REPEATS * (TOWARDS - AWAY / 2))
    assert found["heron"] == round(REPEATS * (1 - AWAY / 2))
    assert terms(RelevanceFeedback((), (example(unit(1), "heron"),)), "pump") == {"pump": REPEATS}


def test_a_term_that_only_the_example_has_is_left_out() -> None:
    assert "only" not in terms(RelevanceFeedback((example(unit(1), "only valve", 7),)), "pump")
    assert "only" in terms(RelevanceFeedback((example(unit(1), "only valve"),)), "pump")


def test_the_number_of_added_terms_is_limited() -> None:
    feedback = RelevanceFeedback((example(unit(1), " ".join(f"term{number}" for number in range(200))),))
    found = feedback.terms([], str.split, lambda given: [5] * len(given), 100)
    assert len(set(found)) == EXPANSION


def test_feedback_lists_the_chunks_of_all_examples() -> None:
    feedback = RelevanceFeedback((example(unit(1), "", 1, 2),), (example(unit(1), "", 4),))
    assert feedback.ids.tolist() == [1, 2, 4]


def test_examples_that_cancel_out_leave_nothing() -> None:
    assert RelevanceFeedback((example(unit(1, 0)), example(unit(-1, 0)))).vector(None).tolist() == [0, 0]
