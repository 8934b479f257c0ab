"""Retries, pauses and pace, on a clock that the tests turn."""

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
)


@dataclass
class FakeTime:
    """A clock whose pauses take no time; `pauses` are those of more than a tick, put together."""

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
class Provider:
    """Fails as listed, then answers; `asked` are the times at which it was asked."""

    failures: Iterator[RequestFailure]
    time: FakeTime
    asked: list[float] = field(default_factory=list)

    def __call__(self) -> str:
        self.asked.append(self.time.seconds)
        failure = next(self.failures, None)
        if failure is not None:
            raise failure
        return "answer"


def ask(
    *failures: RequestFailure,
    patience: float = 600,
    stop: Callable[[], bool] = lambda: False,
    report: list[str] | None = None,
) -> tuple[str | RequestFailure, Provider]:
    now = FakeTime()
    provider = Provider(iter(failures), now)
    lines: list[str] = [] if report is None else report
    caller = RetryingClient(RequestPolicy(clock=now.clock, stop=stop, report=lines.append))
    try:
        return caller(provider, requests=1, tokens=1, patience=patience), provider
    except RequestFailure as failure:
        return failure, provider


@pytest.mark.parametrize("kind", ["throttled", "server", "network", "answer"])
def test_what_may_pass_is_asked_again(kind: FailureKind) -> None:
    answer, provider = ask(RequestFailure(kind, "x"), RequestFailure(kind, "x"))
    assert answer == "answer"
    assert len(provider.asked) == 3


@pytest.mark.parametrize("kind", ["quota", "too long", "refused"])
def test_what_stays_is_not_asked_again(kind: FailureKind) -> None:
    failure, provider = ask(RequestFailure(kind, "x"))
    assert isinstance(failure, RequestFailure)
    assert len(provider.asked) == 1
    assert provider.time.slept == 0


def test_the_provider_says_how_long_to_wait() -> None:
    _, provider = ask(*(RequestFailure("throttled", "x", delay=delay) for delay in (0.1, 5.0, 120.0)))
    gaps = [after - before for before, after in zip(provider.asked, provider.asked[1:], strict=False)]
    assert gaps == pytest.approx([0.1, 5.0, 120.0])


@pytest.mark.parametrize("kind", ["throttled", "server"])
def test_a_delay_of_more_than_two_minutes_ends_the_run(kind: FailureKind) -> None:
    failure, provider = ask(RequestFailure(kind, "x", delay=120.5))
    assert isinstance(failure, RequestFailure)
    assert (failure.kind, failure.delay) == ("quota", 120.5)
    assert len(provider.asked) == 1


def test_the_pauses_grow_and_have_full_jitter() -> None:
    gaps: list[list[float]] = [[] for _ in range(7)]
    for _ in range(60):
        _, provider = ask(*(RequestFailure("server", "x") for _ in range(7)))
        for number, (before, after) in enumerate(zip(provider.asked, provider.asked[1:], strict=False)):
            gaps[number].append(after - before)
    for number, row in enumerate(gaps):
        ceiling = min(2.0**number, retry.LONGEST_BACKOFF)
        assert max(row) <= ceiling + 2 * retry.TICK
        assert min(row) < 0.3 * ceiling
        assert max(row) > 0.7 * ceiling


def test_patience_ends() -> None:
    for patience in (20.0, 600.0):
        failure, provider = ask(*(RequestFailure("server", "x") for _ in range(1000)), patience=patience)
        assert isinstance(failure, RequestFailure)
        assert provider.time.slept <= patience
        assert 3 <= len(provider.asked) <= retry.MOST_TRIES
    _, provider = ask(*(RequestFailure("throttled", "x", delay=0.1) for _ in range(1000)))
    assert len(provider.asked) == retry.MOST_TRIES


def test_a_server_that_is_not_there_is_given_up_soon_and_one_that_was_is_not() -> None:
    _, provider = ask(*(RequestFailure("network", "x") for _ in range(100)))
    assert len(provider.asked) == retry.UNREACHED_TRIES
    _, provider = ask(RequestFailure("server", "x"), *(RequestFailure("network", "x") for _ in range(100)))
    assert len(provider.asked) > retry.UNREACHED_TRIES


def test_nonsense_in_a_row_ends_the_run_and_nonsense_now_and_then_does_not() -> None:
    _, provider = ask(*(RequestFailure("answer", "x") for _ in range(100)))
    assert len(provider.asked) == retry.BAD_ANSWERS
    mixed = [RequestFailure(kind, "x", delay=0.0) for _ in range(10) for kind in ("answer", "answer", "throttled")]
    assert ask(*mixed)[0] == "answer"


def test_a_stop_ends_a_pause() -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(0)
        return len(asked) > 20

    with pytest.raises(RequestStopped):
        ask(RequestFailure("throttled", "x", delay=100.0), stop=stop)
    assert len(asked) < 30


def test_a_stop_waits_for_the_answer_under_way_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def slowly() -> str:
        asked.append(0)
        time.sleep(0.3)
        return "paid for"

    assert (
        RetryingClient(RequestPolicy(stop=lambda: bool(asked)))(slowly, requests=1, tokens=1, patience=60) == "paid for"
    )
    monkeypatch.setattr(retry, "GRACE", 0.0)
    asked.clear()
    with pytest.raises(RequestStopped):
        RetryingClient(RequestPolicy(stop=lambda: bool(asked)))(slowly, requests=1, tokens=1, patience=60)


def test_an_answer_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "UNREACHED_TRIES", 1)
    started = time.monotonic()
    with pytest.raises(RequestFailure, match="no whole answer in time"):
        RetryingClient(RequestPolicy(timeout=0.1))(lambda: time.sleep(5), requests=1, tokens=1, patience=0.15)
    assert time.monotonic() - started < 4


def test_a_long_pause_is_reported_and_a_short_one_not() -> None:
    report: list[str] = []
    ask(RequestFailure("throttled", "rate limit", delay=37.0), RequestFailure("server", "x", delay=1.0), report=report)
    assert report == ["waiting 37 s: rate limit"]


amounts = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 900), st.integers(0, 30)), min_size=1, max_size=60)


@given(amounts)
def test_no_minute_sees_more_than_the_pace(amounts: list[tuple[int, int, int]]) -> None:
    pace, now = RateLimiter(50, 1000), 0.0
    spent: list[tuple[float, int, int]] = []
    for requests, tokens, idle in amounts:
        now += idle
        pause = pace.pause(now, requests, tokens)
        if pause:  # it would be too soon a moment earlier
            recent = [entry for entry in spent if entry[0] > now + pause - 1e-6 - 60]
            assert sum(e[1] for e in recent) + requests > 50 or sum(e[2] for e in recent) + tokens > 1000
        now += pause
        pace.spend(now, requests, tokens)
        spent.append((now, requests, tokens))
    for end, _, _ in spent:
        minute = [entry for entry in spent if end - 60 < entry[0] <= end]
        assert sum(entry[1] for entry in minute) <= 50
        assert sum(entry[2] for entry in minute) <= 1000


def test_more_than_a_minute_allows_waits_for_an_empty_minute() -> None:
    pace = RateLimiter(10, None)
    assert pace.pause(0.0, 25, 1) == 0
    pace.spend(0.0, 25, 1)
    assert pace.pause(1.0, 1, 1) == 59
    assert RateLimiter(None, None).pause(0.0, 10**9, 10**9) == 0


def test_the_caller_keeps_the_pace() -> None:
    now = FakeTime()
    caller = RetryingClient(RequestPolicy(rpm=2, clock=now.clock))
    provider = Provider(iter(()), now)
    for _ in range(5):
        caller(provider, requests=1, tokens=1, patience=600)
    assert provider.asked == pytest.approx([1000, 1000, 1060, 1060, 1120])
