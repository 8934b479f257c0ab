"""Sends requests to a provider: at the allowed rate, again after a passing failure, with bounded waits.

Only this module retries, by tenacity; the providers' own clients are told not to. It waits as long as the provider
says, otherwise by exponential back-off with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from vsearch_core.model import JsonValue

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
FailureKind = Literal["throttled", "server", "network", "answer", "quota", "too long", "refused"]

RETRIED = {"throttled", "server", "network", "answer"}
MAX_DELAY = 120.0  # seconds; a provider that asks for a longer pause ends the run
MAX_BACKOFF = 30.0  # seconds
INDEXING_PATIENCE = 600.0  # seconds that one request may take with all its retries
QUERY_PATIENCE = 20.0  # the same while somebody waits for the result
REPORT_FROM = 10.0  # seconds; longer pauses are reported
TICK = 0.1  # seconds between two looks at the stop flag


class RequestFailure(Exception):  # noqa: N818 - an error only once no retry has helped
    """A failed request, as a provider's adapter describes it.

    Attributes:
        kind: Decides what follows: "quota" ends a run that can go on later, "too long" asks for shorter texts,
            "refused" is final, and the others are retried.
        reason: What went wrong, on one line.
        delay: The seconds after which the provider allows the next request, if it says so.
        when: When another run can succeed, such as "after 2026-11-21 14:32", if that is known.
        code: The code of the error that the failure becomes; "" for the default.
        details: That error's details.
    """

    def __init__(
        self,
        kind: FailureKind,
        reason: str,
        *,
        delay: float | None = None,
        when: str = "",
        code: str = "",
        **details: JsonValue,
    ) -> None:
        """Set the attributes; a throttled request that must wait longer than MAX_DELAY becomes a spent quota."""
        super().__init__(kind, reason)
        far = kind in {"throttled", "server"} and delay is not None and delay > MAX_DELAY
        self.kind: FailureKind = "quota" if far else kind
        self.reason = reason
        self.delay = delay
        self.when = when
        self.code = code
        self.details = details


class RequestStopped(Exception):  # noqa: N818 - the caller asked for it
    """The run was asked to stop while it waited."""


def _never() -> bool:
    return False


def _ignore(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RetryClock:
    """A monotonic clock in seconds, and how to sleep by it; tests have their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """Limits on retries of a failing request.

    Attributes:
        tries: The most tries of one request.
        tries_before_contact: The most tries while the provider has never responded: it may not be there at all.
        bad_answers: The most invalid responses in a row.
        grace: The seconds that a stopped run waits for the response to its last request, which is paid for.
    """

    tries: int = 60
    tries_before_contact: int = 4
    bad_answers: int = 8
    grace: float = 3.0


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Rate limits, timeout and callbacks of the requests to a provider.

    Attributes:
        rpm: The most requests a minute; None sends them as fast as the provider responds.
        tpm: The most tokens a minute, by our estimate.
        timeout: The seconds that one response may take.
        stop: Called while waiting; returns True to end the run.
        report: Called with a line of text before a long pause.
        clock: The clock that waits are measured by.
        limits: How long a failing request is retried.
    """

    rpm: int | None = None
    tpm: int | None = None
    timeout: float = 60.0
    stop: Callable[[], bool] = _never
    report: Callable[[str], None] = _ignore
    clock: RetryClock = field(default_factory=RetryClock)
    limits: RetryLimits = field(default_factory=RetryLimits)


class RateLimiter:
    """Keeps the requests and tokens of any 60 seconds within limits; None is no limit."""

    def __init__(self, rpm: int | None, tpm: int | None) -> None:
        """Allow `rpm` requests and `tpm` tokens a minute."""
        self._limits = (rpm, tpm)
        self._spent: deque[tuple[float, int, int]] = deque()  # (time, requests, tokens) of the last minute

    def pause(self, now: float, requests: int, tokens: int) -> float:
        """Return the seconds from `now` until these requests and tokens are allowed.

        More than a minute allows is let through once the last minute is empty.
        """
        while self._spent and self._spent[0][0] <= now - 60:
            self._spent.popleft()
        until = now
        for limit, column, wanted in zip(self._limits, (1, 2), (requests, tokens), strict=True):
            excess = 0 if limit is None else sum(entry[column] for entry in self._spent) + wanted - limit
            for entry in self._spent:
                if excess <= 0:
                    break
                excess -= entry[column]
                until = max(until, entry[0] + 60)
        return until - now

    def spend(self, now: float, requests: int, tokens: int) -> None:
        """Record what is sent at `now`."""
        if self._limits != (None, None):
            self._spent.append((now, requests, tokens))


class RetryingClient:
    """Sends one provider's requests, one at a time, each until it succeeds or retrying is pointless."""

    def __init__(self, policy: RequestPolicy) -> None:
        """Use the rate limits, retry limits, clock and callbacks of `policy`."""
        self._policy = policy
        self._limiter = RateLimiter(policy.rpm, policy.tpm)
        self._reached = False

    def request(self, send: Callable[[], T], *, requests: int, tokens: int, patience: float) -> T:
        """Return the result of `send`, which is called again after a failure that may pass.

        Args:
            send: Sends the request once; raises RequestFailure.
            requests: The number of requests that the rate limit counts for it.
            tokens: The number of tokens that the rate limit counts for it.
            patience: The seconds after which no retry begins.

        Raises:
            RequestFailure: The last failure.
            RequestStopped: The run was asked to stop.
        """
        from tenacity import Retrying, retry_if_exception, wait_random_exponential

        now, limits = self._policy.clock.now, self._policy.limits
        started, bad_in_a_row = now(), 0
        back_off = wait_random_exponential(multiplier=1, max=MAX_BACKOFF)

        def send_paced() -> T:
            pause = self._limiter.pause(now(), requests, tokens)
            self._report_pause(pause, "to keep to the rate limit")
            self._sleep(pause)
            self._limiter.spend(now(), requests, tokens)
            return self._send_once(send, patience)

        def pause(state: "RetryCallState") -> float:
            delay = _failure(state).delay
            return back_off(state) if delay is None else delay

        def give_up(state: "RetryCallState") -> bool:
            nonlocal bad_in_a_row
            kind = _failure(state).kind
            bad_in_a_row = bad_in_a_row + 1 if kind == "answer" else 0
            tries = limits.tries if self._reached or kind != "network" else limits.tries_before_contact
            late = now() - started + state.upcoming_sleep > patience
            return late or bad_in_a_row >= limits.bad_answers or state.attempt_number >= tries

        return Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, RequestFailure) and error.kind in RETRIED),
            wait=pause,
            stop=give_up,
            before_sleep=lambda state: self._report_pause(state.upcoming_sleep, _failure(state).reason),
            sleep=self._sleep,
            reraise=True,
        )(send_paced)

    def _send_once(self, send: Callable[[], T], patience: float) -> T:
        """Return the result of `send`, run in a thread that is abandoned on timeout or when the run is stopped."""
        from concurrent.futures import Future, wait

        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(send())
            except BaseException as error:
                result.set_exception(error)

        threading.Thread(target=run, name="provider", daemon=True).start()
        # The client's own timeout counts from byte to byte: a response that drips would never run into it.
        deadline = time.monotonic() + min(1.5 * self._policy.timeout, patience)
        stopping = False
        while not wait([result], TICK).done:
            if self._policy.stop() and not stopping:
                stopping, deadline = True, min(deadline, time.monotonic() + self._policy.limits.grace)
            if time.monotonic() >= deadline:
                if stopping:
                    raise RequestStopped
                raise RequestFailure("server", "no complete response in time")
        failure = result.exception()
        self._reached = self._reached or not (isinstance(failure, RequestFailure) and failure.kind == "network")
        return result.result()

    def _report_pause(self, seconds: float, why: str) -> None:
        if seconds >= REPORT_FROM:
            self._policy.report(f"waiting {seconds:.0f} s: {why}")

    def _sleep(self, seconds: float) -> None:
        """Sleep; raise RequestStopped as soon as the run is asked to stop."""
        clock = self._policy.clock
        until = clock.now() + seconds
        while True:
            if self._policy.stop():
                raise RequestStopped
            left = until - clock.now()
            if left <= 0:
                return
            clock.sleep(min(left, TICK))


def _failure(state: "RetryCallState") -> RequestFailure:
    """Return the failure of the last try: tenacity asks only after one that is retried."""
    failure = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(failure, RequestFailure):
        raise TypeError(failure)
    return failure
