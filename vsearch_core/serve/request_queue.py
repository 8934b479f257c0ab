"""Run searches in a few threads, refuse more than can wait, and follow the index's commits."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Protocol, TypeVar

from vsearch_core.serve.problems import Problem

T = TypeVar("T")

WAITING = 32  # requests that may wait for a thread
SECONDS = 30.0  # that a request may take, with its wait
REFRESH_SECONDS = 0.5  # between two looks for a newer generation


class Refreshed(Protocol):
    """An index whose newest generation can be made visible."""

    def refresh(self) -> bool:
        """Make the newest committed generation visible to later searches. Return True if there is a newer one."""


class RequestQueue:
    """Runs functions in `threads` threads. At most WAITING further ones wait; any more are refused."""

    def __init__(self, index: Refreshed, threads: int, *, waiting: int = WAITING, seconds: float = SECONDS) -> None:
        """Refresh the index before a function runs, if the last look is REFRESH_SECONDS ago."""
        self._index = index
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="vsearch-search")
        self._most = threads + waiting
        self._seconds = seconds
        self._lock = Lock()
        self._looked = 0.0
        self.in_progress = 0

    async def run(self, job: Callable[[], T]) -> T:
        """Return the result of a function that runs in a thread.

        Raises Problem if too many wait (503), or if it takes too long (504); and the function's exceptions. A function
        that takes too long keeps its thread until it ends.
        """
        if self.in_progress >= self._most:
            raise Problem(503, "busy", "too many requests wait already; try again")
        self.in_progress += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._with_newest, job)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._seconds)
        except TimeoutError:
            raise Problem(504, "timeout", f"the answer took longer than {self._seconds:g} seconds") from None

    def _done(self, future: "asyncio.Future[T]") -> None:
        self.in_progress -= 1
        if not future.cancelled():
            future.exception()  # so that asyncio doesn't print one that nobody waits for any more

    def _with_newest(self, job: Callable[[], T]) -> T:
        with self._lock:
            is_due = time.monotonic() - self._looked >= REFRESH_SECONDS
            if is_due:
                self._looked = time.monotonic()
        if is_due:
            self._index.refresh()
        return job()

    def close(self) -> None:
        """Wait for the functions that run, and drop those that wait."""
        self._threads.shutdown(cancel_futures=True)
