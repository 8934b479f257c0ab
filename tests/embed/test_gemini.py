"""The meaning of Gemini's error details."""

from typing import Any

import pytest

from vsearch_core.embed.remote.credentials import Credentials
from vsearch_core.embed.remote.gemini import _failure, _next_day, _seconds


def error(message: str = "", **detail: Any) -> Any:
    return {"error": {"code": 429, "message": message, "details": [detail] if detail else []}}


@pytest.mark.parametrize(
    ("body", "kind", "delay"),
    [
        (error("slow"), "throttled", None),
        (error("slow", retryDelay="5s"), "throttled", 5.0),
        (error("slow", retryDelay="0.1s"), "throttled", 0.1),
        (error("slow", retryDelay="3600s"), "quota", 3600.0),
        (error("Quota exceeded, limit: 0, model: x", retryDelay="5s"), "quota", None),
        (error("Quota exceeded, limit: 05"), "throttled", None),
        (error("", violations=[{"quotaId": "RequestsPerDayPerUser"}]), "quota", None),
        (error("", violations=[{"quotaId": "RequestsPerMinute", "quotaValue": "0"}]), "quota", None),
        ([error("slow", retryDelay="5s")], "throttled", 5.0),
        ({"error": "slow"}, "throttled", None),
        (None, "throttled", None),
        ([], "throttled", None),
    ],
)
def test_a_throttled_answer(body: Any, kind: str, delay: float | None) -> None:
    failure = _failure(429, body, Credentials("key-0123456789"))
    assert (failure.kind, failure.delay) == (kind, delay)


def test_durations() -> None:
    assert [_seconds(text) for text in ("5s", "0.25s", "5", "s", None, "1e9s")] == [5.0, 0.25, None, None, None, None]


def test_the_day_ends_in_california() -> None:
    assert _next_day().endswith("Pacific time)") or _next_day() == "after midnight Pacific time"
