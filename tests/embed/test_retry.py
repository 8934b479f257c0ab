"""Retries, pauses and rate limits, on a clock that the tests turn."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.embed.remote import retry
from vsearch_core.embed.remote.retry import (
    FailureKind,
    RateLimiter,
    RequestFailure,
    RequestPolicy,
    RequestStopped,
    RetryClock,
    RetryingClient,
    RetryLimits,
)


@dataclass
class FakeClock:
    """A clock whose pauses take no time."""

    seconds: float = 1000.0
    slept: float = 0.0

    def sleep(self, seconds: float) -> None:
        assert 0 <= seconds <= retry.TICK
        self.seconds += seconds
        self.slept += seconds

    @property
    def clock(self) -> RetryClock:
        return RetryClock(lambda: self.seconds, self.sleep)


@dataclass
class FailingRequest:
    """Fails as listed, then succeeds; `sent` are the times of the tries."""

    failures: Iterator[RequestFailure]
    time: FakeClock
    sent: list[float] = field(default_factory=list)

    def __call__(self) -> str:
        self.sent.append(self.time.seconds)
        failure = next(self.failures, None)
        if failure is not None:
            raise failure
        return "answer"


def send(
    *failures: RequestFailure,
    patience: float = 600,
    stop: Callable[[], bool] = lambda: False,
    report: list[str] | None = None,
) -> tuple[str | RequestFailure, FailingRequest]:
    now = FakeClock()
    request = FailingRequest(iter(failures), now)
    lines: list[str] = [] if report is None else report
    client = RetryingClient(RequestPolicy(clock=now.clock, stop=stop, report=lines.append))
    try:
        return client.request(request, requests=1, tokens=1, patience=patience), request
    except RequestFailure as failure:
        return failure, request


@pytest.mark.parametrize("kind", ["throttled", "server", "network", "answer"])
def test_a_passing_failure_is_retried(kind: FailureKind) -> None:
    answer, request = send(RequestFailure(kind, "x"), RequestFailure(kind, "x"))
    assert answer == "answer"
    assert len(request.sent) == 3


@pytest.mark.parametrize("kind", ["quota", "too long", "refused"])
def test_a_lasting_failure_is_not_retried(kind: FailureKind) -> None:
    failure, request = send(RequestFailure(kind, "x"))
    assert isinstance(failure, RequestFailure)
    assert len(request.sent) == 1
    assert request.time.slept == 0


def test_the_provider_says_how_long_to_wait() -> None:
    _, request = send(*(RequestFailure("throttled", "x", delay=delay) for delay in (0.1, 5.0, 120.0)))
    gaps = [after - before for before, after in zip(request.sent, request.sent[1:], strict=False)]
    assert gaps == pytest.approx([0.1, 5.0, 120.0])


@pytest.mark.parametrize("kind", ["throttled", "server"])
def test_a_delay_of_more_than_two_minutes_ends_the_run(kind: FailureKind) -> None:
    failure, request = send(RequestFailure(kind, "x", delay=120.5))
    assert isinstance(failure, RequestFailure)
    assert (failure.kind, failure.delay) == ("quota", 120.5)
    assert len(request.sent) == 1


def test_the_pauses_grow_and_have_full_jitter() -> None:
    gaps: list[list[float]] = [[] for _ in range(7)]
    for _ in range(60):
        _, request = send(*(RequestFailure("server", "x") for _ in range(7)))
        for number, (before, after) in enumerate(zip(request.sent, request.sent[1:], strict=False)):
            gaps[number].append(after - before)
    for number, row in enumerate(gaps):
        ceiling = min(2.0**number, retry.MAX_BACKOFF)
        assert max(row) <= ceiling + 2 * retry.TICK
        assert min(row) < 0.3 * ceiling
        assert max(row) > 0.7 * ceiling


def test_retries_end_with_the_patience() -> None:
    for patience in (20.0, 600.0):
        failure, request = send(*(RequestFailure("server", "x") for _ in range(1000)), patience=patience)
        assert isinstance(failure, RequestFailure)
        assert request.time.slept <= patience
        assert 3 <= len(request.sent) <= RetryLimits().tries
    _, request = send(*(RequestFailure("throttled", "x", delay=0.1) for _ in range(1000)))
    assert len(request.sent) == RetryLimits().tries


def test_a_server_that_never_responded_is_given_up_sooner() -> None:
    _, request = send(*(RequestFailure("network", "x") for _ in range(100)))
    assert len(request.sent) == RetryLimits().tries_before_contact
    _, request = send(RequestFailure("server", "x"), *(RequestFailure("network", "x") for _ in range(100)))
    assert len(request.sent) > RetryLimits().tries_before_contact


def test_invalid_responses_in_a_row_end_the_run() -> None:
    _, request = send(*(RequestFailure("answer", "x") for _ in range(100)))
    assert len(request.sent) == RetryLimits().bad_answers
    mixed = [RequestFailure(kind, "x", delay=0.0) for _ in range(10) for kind in ("answer", "answer", "throttled")]
    assert send(*mixed)[0] == "answer"


def test_a_stop_ends_a_pause() -> None:
    calls: list[int] = []

    def stop() -> bool:
        calls.append(0)
        return len(calls) > 20

    with pytest.raises(RequestStopped):
        send(RequestFailure("throttled", "x", delay=100.0), stop=stop)
    assert len(calls) < 30


def test_a_stop_waits_for_the_response_under_way_but_not_for_long() -> None:
    calls: list[int] = []

    def slowly() -> str:
        calls.append(0)
        time.sleep(0.3)
        return "paid for"

    def client(limits: RetryLimits) -> RetryingClient:
        return RetryingClient(RequestPolicy(stop=lambda: bool(calls), limits=limits))

    assert client(RetryLimits()).request(slowly, requests=1, tokens=1, patience=60) == "paid for"
    calls.clear()
    with pytest.raises(RequestStopped):
        client(RetryLimits(grace=0.0)).request(slowly, requests=1, tokens=1, patience=60)


def test_a_response_that_never_ends_is_given_up() -> None:
    policy = RequestPolicy(timeout=0.1, limits=RetryLimits(tries_before_contact=1))
    started = time.monotonic()
    with pytest.raises(RequestFailure, match="no complete response in time"):
        RetryingClient(policy).request(lambda: time.sleep(5), requests=1, tokens=1, patience=0.15)
    assert time.monotonic() - started < 4


def test_a_long_pause_is_reported_and_a_short_one_not() -> None:
    report: list[str] = []
    send(RequestFailure("throttled", "rate limit", delay=37.0), RequestFailure("server", "x", delay=1.0), report=report)
    assert report == ["waiting 37 s: rate limit"]


amounts = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 900), st.integers(0, 30)), min_size=1, max_size=60)


@given(amounts)
def test_no_minute_has_more_than_the_limits(amounts: list[tuple[int, int, int]]) -> None:
    limiter, now = RateLimiter(50, 1000), 0.0
    spent: list[tuple[float, int, int]] = []
    for requests, tokens, idle in amounts:
        now += idle
        pause = limiter.pause(now, requests, tokens)
        if pause:  # it would be too soon a moment earlier
            recent = [entry for entry in spent if entry[0] > now + pause - 1e-6 - 60]
            assert sum(e[1] for e in recent) + requests > 50 or sum(e[2] for e in recent) + tokens > 1000
        now += pause
        limiter.spend(now, requests, tokens)
        spent.append((now, requests, tokens))
    for end, _, _ in spent:
        minute = [entry for entry in spent if end - 60 < entry[0] <= end]
        assert sum(entry[1] for entry in minute) <= 50
        assert sum(entry[2] for entry in minute) <= 1000


def test_more_than_a_minute_allows_waits_for_an_empty_minute() -> None:
    limiter = RateLimiter(10, None)
    assert limiter.pause(0.0, 25, 1) == 0
    limiter.spend(0.0, 25, 1)
    assert limiter.pause(1.0, 1, 1) == 59
    assert RateLimiter(None, None).pause(0.0, 10**9, 10**9) == 0


def test_the_client_keeps_to_the_rate_limit() -> None:
    now = FakeClock()
    client = RetryingClient(RequestPolicy(rpm=2, clock=now.clock))
    request = FailingRequest(iter(()), now)
    for _ in range(5):
        client.request(request, requests=1, tokens=1, patience=600)
    assert request.sent == pytest.approx([1000, 1000, 1060, 1060, 1120])
