from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from postings_of_terms import build

from vsearch_core.lexical.bm25 import BM25, idf
from vsearch_core.lexical.postings import Postings

Arrays = dict[str, NDArray[Any]]
WORDS = st.sampled_from(list("abcdefg"))
SEGMENTS = st.lists(st.lists(st.lists(WORDS, max_size=10), max_size=8), min_size=1, max_size=4)


def oracle(documents: list[list[str]], query: list[str], k1: float, b: float) -> tuple[list[float], float]:
    """Return each document's score, and the highest possible score."""
    mean = sum(map(len, documents)) / max(len(documents), 1) or 1
    weights = {}
    for term in query:
        n = sum(term in other for other in documents)
        weights[term] = log(1 + (len(documents) - n + 0.5) / (n + 0.5)) if n else 0.0
    results = []
    for terms in documents:
        score = 0.0
        for term in query:
            if f := terms.count(term):
                score += weights[term] * f / (f + k1 * (1 - b + b * len(terms) / mean))
        results.append(score)
    return results, sum(weights[term] for term in query)


@given(SEGMENTS, st.lists(WORDS, max_size=5), st.floats(0, 3), st.floats(0, 1))
def test_segments_are_scored_as_one(segments: list[list[list[str]]], query: list[str], k1: float, b: float) -> None:
    collection = BM25([build(segment) for segment in segments], k1=k1, b=b)
    found = collection.scores(query)
    assert found.dtype == np.float32
    expected, highest = oracle([terms for segment in segments for terms in segment], query, k1, b)
    assert found.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6 * max(highest, 1))
    assert ((found > 0) == (np.array(expected) > 0)).all()


@given(SEGMENTS, st.lists(WORDS, max_size=5), st.data())
def test_scores_of_some_rows(segments: list[list[list[str]]], query: list[str], data: st.DataObject) -> None:
    collection = BM25([build(segment) for segment in segments])
    rows = np.array(sorted(data.draw(st.sets(st.sampled_from(range(collection.rows))))) if collection.rows else [], int)
    assert collection.scores_at(query, rows).tolist() == collection.scores(query)[rows].tolist()


@given(SEGMENTS, st.text(alphabet="ab", max_size=2))
def test_a_prefix_counts_words(segments: list[list[list[str]]], prefix: str) -> None:
    doubled = [[[word + word for word in terms] + terms for terms in segment] for segment in segments]
    found = BM25([build(segment) for segment in doubled]).prefix_counts(prefix)
    assert found.tolist() == [
        sum(word.startswith(prefix) for word in terms) for segment in doubled for terms in segment
    ]


def test_idf_falls_with_frequency_and_stays_positive() -> None:
    assert idf(10, 1) > idf(10, 2) > idf(10, 10) > 0 == idf(10, 0)


def test_no_parts_no_terms() -> None:
    assert BM25([]).scores(["a"]).tolist() == []
    assert BM25([build([["a"]])]).scores([]).tolist() == [0]


def test_a_defined_term_scores_like_a_word() -> None:
    collection = BM25([build([["a"], ["b", "b"], ["c"]])])
    collection.define("a*", [(np.array([0, 1]), np.array([1, 2], np.uint8))])
    assert collection.is_defined("a*") and not collection.is_defined("b*")
    plain = BM25([build([["x"], ["x", "x"], ["c"]])])
    assert collection.scores(["a*"]).tolist() == plain.scores(["x"]).tolist()
    assert collection.scores_at(["a*"], np.array([1, 2])).tolist() == plain.scores(["x"])[1:].tolist()


DAMAGES: dict[str, Callable[[Arrays], None]] = {
    "a row out of range": lambda arrays: arrays["postings_rows"].__setitem__(1, 9),
    "descending rows": lambda arrays: arrays["postings_rows"].__setitem__(slice(0, 2), [1, 0]),
    "a list past the end": lambda arrays: arrays["postings_offsets"].__setitem__(-1, 99),
    "a list that ends before it starts": lambda arrays: arrays["postings_offsets"].__setitem__(0, 3),
}


@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_lists_are_refused_before_they_are_used(change: Callable[[Arrays], None]) -> None:
    arrays = {name: np.array(array) for name, array in build([["a"], ["a"]]).arrays().items()}
    change(arrays)
    collection = BM25([Postings.from_arrays(arrays)])
    with pytest.raises(ValueError, match="list of postings"):
        collection.scores(["a"])


def test_postings_are_verified_when_first_used() -> None:
    calls = []
    collection = BM25([build([["a", "b"], ["a"]])], lambda *place: calls.append(place))
    for _ in range(2):
        collection.scores(["a", "c"])
    assert calls == [(0, 0, 2), (0, 0, 0)]


def test_too_many_terms_are_forgotten_between_queries() -> None:
    collection = BM25([build([["a", "b"], ["a"]])], max_terms=100)
    expected = collection.scores(["a"]).tolist()
    collection.scores([f"unknown {number}" for number in range(200)])
    assert len(collection.term_ids) > 200
    assert collection.scores(["a"]).tolist() == expected
    assert len(collection.term_ids) == 1
