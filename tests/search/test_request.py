"""A search request refuses bad values, parses its text once, and states the capabilities that it needs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vsearch_core.errors import ArgumentError, InputError
from vsearch_core.search.engine import (
    CLAUSES,
    CONTEXT,
    FEEDBACK,
    FILTERS,
    VECTORS,
    required_capabilities,
)
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import KEYWORD, VECTOR
from vsearch_core.search.request import SearchRequest, clean_query
from vsearch_core.search.rocchio import Example

EXAMPLE = Example(np.ones(1, np.float32), ("text",), np.empty(0, np.int64))


@pytest.mark.parametrize(
    ("values", "subject"),
    [
        ({"k": 0}, "k"),
        ({"offset": -1}, "offset"),
        ({"mode": "telepathy"}, "mode"),
        ({"fusion": "cold"}, "fusion"),
        ({"alpha": 1.5}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"diversity": float("nan")}, "diversity"),
        ({"min_score": float("nan")}, "min_score"),
        ({"context": -1}, "context"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"ef_search": 0}, "ef_search"),
        ({"ef_search": 65_537}, "ef_search"),
        ({"ef_search": 10, "exact": True}, "exact, ef_search"),
        ({"nprobe": 0}, "nprobe"),
        ({"nprobe": 65_537}, "nprobe"),
        ({"nprobe": 10, "exact": True}, "exact, nprobe"),
        ({"examples_only": True}, "examples_only"),
    ],
)
def test_bad_values_are_refused_by_the_argument_s_name(values: dict[str, Any], subject: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        SearchRequest("pump", **values)
    assert caught.value.subject == subject


@pytest.mark.parametrize("text", ["", "  \t\n", "\x00\x1b"])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        SearchRequest(text)
    assert caught.value.code == "empty-query"
    with pytest.raises(InputError):
        replace(SearchRequest("pump"), text=text)
    assert SearchRequest(text, more_like=(EXAMPLE,), examples_only=True).parsed.semantic_text == ""


def test_the_text_is_parsed_once() -> None:
    request = SearchRequest('the  "relief valve"\x07 -pump')
    assert request.parsed is request.parsed
    assert request.parsed.semantic_text == "the relief valve"
    assert replace(request, text="other").parsed.semantic_text == "other"
    assert replace(request, plain=True).parsed.semantic_text == clean_query(request.text)


@pytest.mark.parametrize(
    ("values", "capabilities"),
    [
        ({}, {VECTOR, KEYWORD}),
        ({"mode": "keyword"}, {KEYWORD}),
        ({"mode": "vector", "filters": Filters(path=("docs",))}, {VECTOR, FILTERS}),
        ({"text": "-pump valve"}, {VECTOR, KEYWORD, CLAUSES}),
        ({"text": "valv*"}, {VECTOR, KEYWORD, CLAUSES}),
        ({"text": "valv*", "plain": True}, {VECTOR, KEYWORD}),
        ({"less_like": (EXAMPLE,)}, {VECTOR, KEYWORD, FEEDBACK}),
        ({"mode": "vector", "collapse": True}, {VECTOR, VECTORS}),
        ({"mode": "vector", "diversity": 0.1}, {VECTOR, VECTORS}),
        ({"mode": "vector", "context": 2}, {VECTOR, CONTEXT}),
    ],
)
def test_the_capabilities_that_a_request_needs(values: dict[str, Any], capabilities: set[str]) -> None:
    assert required_capabilities(SearchRequest(**{"text": "pump", **values})) == capabilities
