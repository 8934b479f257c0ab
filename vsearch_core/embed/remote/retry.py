"""Sends requests to a provider: keeps to the rate limit, and retries after temporary failures.

Only this module retries (with the package tenacity); the retries of the providers' own packages are switched off. The
pause before a retry is the one that the provider asks for. If it asks for none, the pause is exponential back-off with
full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).
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
INDEXING_PATIENCE = 600.0  # seconds that one request may take with all its retries, while indexing
QUERY_PATIENCE = 20.0  # the same for a query
REPORT_FROM = 10.0  # seconds; longer pauses are reported
TICK = 0.1  # seconds between two checks whether the run should stop


class RequestFailure(Exception):  # noqa: N818 - an error only once no retry has helped
    """A request that failed, with the information that decides whether it is retried.

    Attributes:
        kind: "quota" means that the quota is used up: the run ends, and a later run can continue. "too long" means
            that the texts must be made shorter. "refused" is final. All other kinds are retried.
        reason: The cause, on one line.
        delay: The seconds until the provider allows the next request; None if it didn't state that.
        when: The time when another run can succeed, such as "after 2026-11-21 14:32"; "" if that isn't known.
        code: The `code` of the ProviderError that is raised in the end; "" for the default.
        details: The details of that ProviderError.
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
        """Set the attributes. If the provider asks for a pause longer than MAX_DELAY, the kind becomes "quota"."""
        super().__init__(kind, reason)
        far = kind in {"throttled", "server"} and delay is not None and delay > MAX_DELAY
        self.kind: FailureKind = "quota" if far else kind
        self.reason = reason
        self.delay = delay
        self.when = when
        self.code = code
        self.details = details


class RequestStopped(Exception):  # noqa: N818 - the caller asked for it
    """Raised if the run is asked to stop while it waits for a response or for the next try."""


def _never() -> bool:
    return False


def _ignore(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RetryClock:
    """A monotonic clock and a function that sleeps, both in seconds. Tests replace them."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """Limits on the retries of a request.

    Attributes:
        tries: The maximum number of tries of one request.
        tries_before_contact: The maximum number of tries if the network fails and the provider has never responded.
        bad_answers: The maximum number of invalid responses in a row.
        grace: The seconds that a stopped run waits for the response to its last request. The provider may charge for
            that request, so its result should not be lost.
    """

    tries: int = 60
    tries_before_contact: int = 4
    bad_answers: int = 8
    grace: float = 3.0


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Rate limits, timeout and callbacks of the requests to a provider.

    Attributes:
        rpm: The most requests per minute; None means no limit.
        tpm: The most tokens per minute, as `token_costs` estimates them; None means no limit.
        timeout: The seconds that the provider may take for a response.
        stop: Called while waiting; returns True to end the run.
        report: Called with a line of text before a long pause.
        clock: The clock that measures the pauses.
        limits: The limits on the retries of a request.
    """

    rpm: int | None = None
    tpm: int | None = None
    timeout: float = 60.0
    stop: Callable[[], bool] = _never
    report: Callable[[str], None] = _ignore
    clock: RetryClock = field(default_factory=RetryClock)
    limits: RetryLimits = field(default_factory=RetryLimits)


class RateLimiter:
    """Computes pauses that keep the requests and tokens of any 60 seconds within the provider's limits."""

    def __init__(self, rpm: int | None, tpm: int | None) -> None:
        """Allow `rpm` requests and `tpm` tokens per minute; None means no limit."""
        self._limits = (rpm, tpm)
        self._spent: deque[tuple[float, int, int]] = deque()  # (time, requests, tokens) of the last minute

    def pause(self, now: float, requests: int, tokens: int) -> float:
        """Return the seconds from `now` until these requests and tokens may be sent.

        If one request exceeds the limit of a minute by itself, it may be sent 60 seconds after the one before it.
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
        """Record that these requests and tokens are sent at the time `now`."""
        if self._limits != (None, None):
            self._spent.append((now, requests, tokens))


class RetryingClient:
    """Sends requests to one provider, one at a time, and retries each until it succeeds or a limit is reached."""

    def __init__(self, policy: RequestPolicy) -> None:
        """Set the rate limits, retry limits, clock and callbacks."""
        self._policy = policy
        self._limiter = RateLimiter(policy.rpm, policy.tpm)
        self._reached = False

    def request(self, send: Callable[[], T], *, requests: int, tokens: int, patience: float) -> T:
        """Call `send` and return its result. Call it again after a temporary failure.

        Args:
            send: A function that sends the request once, and raises RequestFailure if that fails.
            requests: The number of requests that one call counts for in the rate limit.
            tokens: The number of tokens that one call counts for in the rate limit.
            patience: The seconds after which no retry begins.

        Raises:
            RequestFailure: The last try failed.
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
        """Run `send` in a thread and return its result. The thread is abandoned on timeout or if the run is stopped."""
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
    """Return the failure of the last try. tenacity calls this only after a try that failed."""
    failure = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(failure, RequestFailure):
        raise TypeError(failure)
    return failure
