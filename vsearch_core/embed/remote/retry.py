"""Asking a provider: how fast, which failures are worth another try, and how long to wait between two.

tenacity is the only one who asks again; the providers' own clients are told not to. It waits as long as the provider
says, else by exponential back-off with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from tenacity import RetryCallState

Answer = TypeVar("Answer")
FailureKind = Literal["throttled", "server", "network", "answer", "quota", "too long", "refused"]

WORTH_ANOTHER_TRY = {"throttled", "server", "network", "answer"}
LONGEST_DELAY = 120.0  # seconds; a provider that asks for more ends the run
LONGEST_BACKOFF = 30.0  # seconds
INDEXING_PATIENCE = 600.0  # seconds that one request may spend waiting for its next try
ASKING_PATIENCE = 20.0  # the same where somebody waits for the answer
MOST_TRIES = 60
UNREACHED_TRIES = 4  # where the provider has not answered anything yet: it may not be there at all
BAD_ANSWERS = 8  # in a row; then the provider speaks another language
TOLD_FROM = 10.0  # seconds; a longer pause is reported
TICK = 0.1  # seconds between two looks at the stop flag
GRACE = 3.0  # seconds that a stopped run still waits for the answer under way, which is paid for


class RequestFailure(Exception):  # noqa: N818 - not an error until nobody can mend it
    """A request that failed, as the providers' adapters translate it. `delay`: seconds that the provider asks for.

    "quota" ends a run that may go on later, "too long" asks for shorter texts, "refused" is for good; `next_step` says
    what the user can do.
    """

    def __init__(self, kind: FailureKind, reason: str, *, delay: float | None = None, next_step: str = "") -> None:
        super().__init__(kind, reason)
        far = kind in {"throttled", "server"} and delay is not None and delay > LONGEST_DELAY
        self.kind: FailureKind = "quota" if far else kind
        self.reason = reason
        self.delay = delay
        self.next_step = next_step


class RequestStopped(Exception):  # noqa: N818 - somebody asked for it
    """The run was asked to stop while it waited."""


def _never() -> bool:
    return False


def _ignore(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RetryClock:
    """Seconds that only grow, and a pause; tests have their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """How a provider is asked: requests and tokens a minute (None: as fast as it answers), seconds for one answer.

    `stop` is looked at while waiting; `report` gets a line before a long pause.
    """

    rpm: int | None = None
    tpm: int | None = None
    timeout: float = 60.0
    stop: Callable[[], bool] = _never
    report: Callable[[str], None] = _ignore
    clock: RetryClock = field(default_factory=RetryClock)


class RateLimiter:
    """Keeps every minute, wherever it begins, to so many requests and tokens."""

    def __init__(self, rpm: int | None, tpm: int | None) -> None:
        self._limits = (rpm, tpm)
        self._spent: deque[tuple[float, int, int]] = deque()  # (time, requests, tokens) of the last minute

    def pause(self, now: float, requests: int, tokens: int) -> float:
        """Seconds from `now` until so much may be asked; more than a minute allows has to wait for an empty minute."""
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
        """Note what is asked now."""
        if self._limits != (None, None):
            self._spent.append((now, requests, tokens))


class RetryingClient:
    """Asks one provider, one request at a time, until it answers or there is no point in asking on."""

    def __init__(self, policy: RequestPolicy) -> None:
        self._manners = policy
        self._pace = RateLimiter(policy.rpm, policy.tpm)
        self._reached = False

    def __call__(self, ask: Callable[[], Answer], *, requests: int, tokens: int, patience: float) -> Answer:
        """What `ask` returns, which counts as so many requests and tokens. Raises RequestFailure and RequestStopped.

        `ask` raises RequestFailure; where that is worth another try it is called again, for at most `patience` seconds in all.
        """
        from tenacity import Retrying, retry_if_exception, wait_random_exponential

        now = self._manners.clock.now
        started, bad_in_a_row = now(), 0
        back_off = wait_random_exponential(multiplier=1, max=LONGEST_BACKOFF)

        def once() -> Answer:
            self._wait(self._pace.pause(now(), requests, tokens), "to keep to the pace asked for")
            self._pace.spend(now(), requests, tokens)
            return self._ask_once(ask, patience)

        def pause(state: "RetryCallState") -> float:
            delay = _failure(state).delay
            return back_off(state) if delay is None else delay

        def give_up(state: "RetryCallState") -> bool:
            nonlocal bad_in_a_row
            kind = _failure(state).kind
            bad_in_a_row = bad_in_a_row + 1 if kind == "answer" else 0
            tries = MOST_TRIES if self._reached or kind != "network" else UNREACHED_TRIES
            late = now() - started + state.upcoming_sleep > patience
            return late or bad_in_a_row >= BAD_ANSWERS or state.attempt_number >= tries

        return Retrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, RequestFailure) and error.kind in WORTH_ANOTHER_TRY
            ),
            wait=pause,
            stop=give_up,
            before_sleep=lambda state: self._tell(state.upcoming_sleep, _failure(state).reason),
            sleep=self._sleep,
            reraise=True,
        )(once)

    def _ask_once(self, ask: Callable[[], Answer], patience: float) -> Answer:
        """What `ask` returns. It runs in a thread that is left behind when its time is up or the run is stopped."""
        from concurrent.futures import Future, wait

        answer: Future[Answer] = Future()

        def run() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=run, name="provider", daemon=True).start()
        # The client's own timeout counts from byte to byte: an answer that drips would never run into it.
        deadline = time.monotonic() + min(1.5 * self._manners.timeout, patience)
        stopping = False
        while not wait([answer], TICK).done:
            if self._manners.stop() and not stopping:
                stopping, deadline = True, min(deadline, time.monotonic() + GRACE)
            if time.monotonic() >= deadline:
                if stopping:
                    raise RequestStopped
                raise RequestFailure("server", "no whole answer in time")
        failure = answer.exception()
        self._reached = self._reached or not (isinstance(failure, RequestFailure) and failure.kind == "network")
        return answer.result()

    def _wait(self, seconds: float, why: str) -> None:
        self._tell(seconds, why)
        self._sleep(seconds)

    def _tell(self, seconds: float, why: str) -> None:
        if seconds >= TOLD_FROM:
            self._manners.report(f"waiting {seconds:.0f} s: {why}")

    def _sleep(self, seconds: float) -> None:
        """A pause that ends when the run is asked to stop. Raises RequestStopped then."""
        clock = self._manners.clock
        until = clock.now() + seconds
        while True:
            if self._manners.stop():
                raise RequestStopped
            left = until - clock.now()
            if left <= 0:
                return
            clock.sleep(min(left, TICK))


def _failure(state: "RetryCallState") -> RequestFailure:
    """What made the last try fail: tenacity asks only after one that is worth another try."""
    failure = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(failure, RequestFailure):
        raise TypeError(failure)
    return failure
