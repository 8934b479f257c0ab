from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.lexical.bm25 import idf, scores
from vsearch_core.lexical.postings import build

WORDS = st.sampled_from(list("abcdefg"))
SEGMENTS = st.lists(st.lists(st.lists(WORDS, max_size=10), max_size=8), min_size=1, max_size=4)


def oracle(documents: list[list[str]], query: list[str], k1: float, b: float) -> list[float]:
    mean = sum(map(len, documents)) / max(len(documents), 1)
    results = []
    for terms in documents:
        score = 0.0
        for term in query:
            n = sum(term in other for other in documents)
            if f := terms.count(term):
                weight = log(1 + (len(documents) - n + 0.5) / (n + 0.5))
                score += weight * f / (f + k1 * (1 - b + b * len(terms) / mean))
        results.append(score)
    return results


@given(SEGMENTS, st.lists(WORDS, max_size=5), st.floats(0, 3), st.floats(0, 1))
def test_segments_score_like_one_index(segments: list[list[list[str]]], query: list[str], k1: float, b: float) -> None:
    found = scores([build(segment) for segment in segments], query, k1=k1, b=b)
    assert [len(part) for part in found] == [len(segment) for segment in segments]
    assert all(part.dtype == np.float32 for part in found)
    documents = [terms for segment in segments for terms in segment]
    assert np.concatenate(found).tolist() == pytest.approx(oracle(documents, query, k1, b), rel=1e-5, abs=1e-6)


def test_idf_falls_with_frequency_and_stays_positive() -> None:
    parts = [build([["a", "b"], ["a"]]), build([["a"]])]
    everywhere, once, nowhere = idf(parts, ["a", "b", "c"])
    assert 0 < everywhere < once < nowhere


def test_no_parts_no_terms() -> None:
    assert scores([], ["a"]) == []
    assert scores([build([["a"]])], [])[0].tolist() == [0]
