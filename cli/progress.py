"""Show the progress of a long command, and let signals (such as Ctrl-C) stop it cleanly."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .advice import advice_for
from .interrupts import INTERRUPT, limit_orderly_stop, raise_interrupt
from .output import PREPARING, say

if TYPE_CHECKING:
    from vsearch_core import Observer, Progress


@contextmanager
def watched(*, quiet: bool) -> "Iterator[tuple[Bar, Observer]]":
    """Yield a progress bar, and an observer that updates the bar while the library works. `quiet` hides the bar.

    SIGINT and SIGTERM ask the library to stop. If it stops with StoppedError, this raises KeyboardInterrupt instead.
    """
    from vsearch_core import Observer, StoppedError

    with stop_flag() as stop, Bar(hidden=quiet or not sys.stderr.isatty()) as bar:
        try:
            yield (
                bar,
                Observer(
                    progress=bar.show,
                    preparing=lambda model: None if quiet else bar.write(f"preparing {model} (once per machine) …"),
                    compiling=lambda: None if quiet else bar.write(f"vsearch: {PREPARING}"),
                    should_stop=stop,
                    advice=advice_for,
                ),
            )
        except StoppedError:
            raise KeyboardInterrupt from None


@contextmanager
def stop_flag() -> "Iterator[StopFlag]":
    """Yield a flag that the first SIGINT or SIGTERM sets. A second signal ends the process as usual."""
    stop = StopFlag()
    former = {number: signal.signal(number, stop.raised) for number in (signal.SIGINT, signal.SIGTERM)}
    INTERRUPT.stops_in_order = True
    try:
        yield stop
    finally:
        INTERRUPT.stops_in_order = False
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def stopped_cleanly() -> Iterator[None]:
    """Let SIGTERM end the process as SIGINT does, so that unfinished files are deleted."""
    former = signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


class StopFlag:
    """A flag that a signal handler sets; the run looks at it between two steps."""

    def __init__(self) -> None:
        """Create a flag that is not set."""
        self._is_set = False

    def __call__(self) -> bool:
        """Return True if the flag is set."""
        if self._is_set:
            INTERRUPT.noticed = True
        return self._is_set

    def raised(self, number: int, _frame: object) -> None:
        """Handle a signal: set the flag, which must be noticed soon, and let the next signal end the process."""
        self._is_set = True
        limit_orderly_stop()
        signal.signal(number, raise_interrupt if number == signal.SIGINT else signal.SIG_DFL)


def unit_of(stage: str) -> str:
    """Return the word for the steps of a stage: "files", "pictures" or "chunks"."""
    return "pictures" if stage.endswith("pictures") else "files" if stage == "reading" else "chunks"


class Bar:
    """A progress bar on stderr, for one stage of the work (such as reading or embedding) at a time.

    While files are read, the number of chunks that are already embedded is shown after the bar.
    """

    def __init__(self, *, hidden: bool) -> None:
        """Create a bar; if `hidden`, it draws nothing."""
        self._hidden = hidden
        self._stage = ""
        self._bar: Any = None

    def __enter__(self) -> "Bar":
        """Return the bar."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Remove the bar from the terminal. The next call of `show` draws a new one."""
        if self._bar is not None:
            self._bar.close()
            self._bar, self._stage = None, ""

    def show(self, progress: "Progress") -> None:
        """Draw the progress of a stage. If the stage is new, replace the bar."""
        if self._hidden:
            return
        from tqdm import tqdm

        unit = unit_of(progress.stage)
        if self._stage == "reading" and progress.stage.startswith("embedding") and self._bar.n < self._bar.total:
            self._bar.set_postfix_str(f"{progress.done:,} {unit} embedded")
            return
        if self._bar is None or progress.stage != self._stage:
            self.close()
            self._bar = tqdm(desc=progress.stage, total=progress.total, unit=f" {unit}", file=sys.stderr, leave=False)
            self._stage = progress.stage
        self._bar.update(progress.done - self._bar.n)

    def write(self, text: str) -> None:
        """Write a line to stderr, above the bar."""
        if self._bar is not None:
            self._bar.clear()
        say(text)
        if self._bar is not None:
            self._bar.refresh()
