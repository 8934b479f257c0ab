"""What a command under way shows on stderr, and how it is asked to stop."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .output import PREPARING, say

if TYPE_CHECKING:
    from vsearch_core.index.progress import Observer, Progress


@contextmanager
def watched(*, quiet: bool) -> "Iterator[tuple[Bar, Observer]]":
    """What a command under way shows, and the observer of its run; `quiet` hides progress and news.

    A run that is stopped in the middle of a step counts as interrupted: KeyboardInterrupt.
    """
    from vsearch_core.index.progress import Observer, StoppedError

    with stop_flag() as stop, Bar(hidden=quiet or not sys.stderr.isatty()) as bar:
        try:
            yield (
                bar,
                Observer(
                    progress=bar.show,
                    compiling=lambda: None if quiet else bar.write(f"vsearch: {PREPARING}"),
                    should_stop=stop,
                ),
            )
        except StoppedError:
            raise KeyboardInterrupt from None


@contextmanager
def stop_flag() -> "Iterator[Stop]":
    """Turn the first SIGINT or SIGTERM into a flag; a second one ends the process as usual."""
    stop = Stop()
    former = {number: signal.signal(number, stop.raised) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def stopped_cleanly() -> Iterator[None]:
    """Let SIGTERM end the process as SIGINT does: what is unfinished is deleted."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


class Stop:
    """A flag that a signal handler sets; the handler does nothing else."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self) -> bool:
        return self._asked

    def raised(self, number: int, _frame: object) -> None:
        self._asked = True
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


class Bar:
    """Progress on stderr, one bar a stage; what is embedded while files are still being read stands beside theirs."""

    def __init__(self, *, hidden: bool) -> None:
        self._hidden = hidden
        self._stage = ""
        self._bar: Any = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away; what is shown next gets a new one."""
        if self._bar is not None:
            self._bar.close()
            self._bar, self._stage = None, ""

    def show(self, progress: "Progress") -> None:
        if self._hidden:
            return
        from tqdm import tqdm

        if self._stage == "reading" and progress.stage == "embedding" and self._bar.n < self._bar.total:
            self._bar.set_postfix_str(f"{progress.done:,} chunks embedded")
            return
        if self._bar is None or progress.stage != self._stage:
            self.close()
            unit = " files" if progress.stage == "reading" else " chunks"
            self._bar = tqdm(desc=progress.stage, total=progress.total, unit=unit, file=sys.stderr, leave=False)
            self._stage = progress.stage
        self._bar.update(progress.done - self._bar.n)

    def write(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        say(text)
        if self._bar is not None:
            self._bar.refresh()
