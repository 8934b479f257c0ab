"""The parts of OpenAI's HTTP API that vary from server to server."""

import base64
import time
from email.utils import formatdate
from typing import Any

import numpy as np
import pytest

from vsearch_core.embed.remote.openai import _check_uncut, _delay, _error_message, _in_order
from vsearch_core.embed.remote.retry import RequestFailure


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": formatdate(0, usegmt=True)}, 0.0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], expected: float | None) -> None:
    assert _delay(headers) == expected


def test_a_date_to_wait_for() -> None:
    delay = _delay({"retry-after": formatdate(time.time() + 100, usegmt=True)})
    assert delay is not None
    assert 50 < delay <= 100


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"error": {"message": "no", "code": "insufficient_quota"}}', ("no", "insufficient_quota")),
        ('{"error": "no"}', ("no", "")),
        ('{"object": "error", "message": "no", "code": 400}', ("no", "400")),
        ('{"error": null}', ("None", "")),
        ("[1]", ("[1]", "")),
        ("<h1>no</h1>", ("<h1>no</h1>", "")),
    ],
)
def test_the_message_of_an_error(body: str, expected: tuple[str, str]) -> None:
    assert _error_message(body) == expected


def item(value: float, **more: Any) -> dict[str, Any]:
    return {"embedding": [value], **more}


def test_vectors_go_by_their_index() -> None:
    assert _in_order([item(1, index=1), item(0, index=0)]) == [[0], [1]]
    assert _in_order([item(0, index=0), item(1, index=0)]) == [[0], [1]]
    assert _in_order([item(0), item(1)]) == [[0], [1]]
    for wrong in ([item(0, index=1), item(1, index=1)], [item(0, index=5)]):
        with pytest.raises(ValueError, match="not the numbers of the texts"):
            _in_order(wrong)


def test_vectors_may_be_base64() -> None:
    numbers = np.array([0.5, -2.0, 1e-9], dtype="<f4")
    (read,) = _in_order([{"index": 0, "embedding": base64.b64encode(numbers.tobytes()).decode()}])
    assert read.tolist() == numbers.tolist()
    with pytest.raises(ValueError):
        _in_order([{"index": 0, "embedding": "not base64"}])


def test_a_cut_is_seen_by_the_tokens_that_were_read() -> None:
    _check_uncut({"usage": {"prompt_tokens": 3}}, ["one two three"])
    for unknown in ({}, {"usage": None}, {"usage": {"prompt_tokens": 0}}):
        _check_uncut(unknown, ["one two three"])
    _check_uncut({"usage": {"prompt_tokens": 3}}, ["one \ufffd \u200b \ufffd \u200b"])  # what BERT drops
    with pytest.raises(RequestFailure, match="too long"):
        _check_uncut({"usage": {"prompt_tokens": 2}}, ["one two three"])
