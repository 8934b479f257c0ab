"""Show the progress of an update that another process runs, and wait for it."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.errors import IndexLockedError, InputError

from .interrupts import INTERRUPTED
from .output import emit, one_line, to_json
from .progress import Bar, unit_of, watched

if TYPE_CHECKING:
    from vsearch_core.index.runs import Outcome, RunState

_LOOK_SECONDS = 0.25
_STATUSES: "Mapping[Outcome, int]" = {"done": 0, "incomplete": 2, "interrupted": INTERRUPTED, "failed": 2, "killed": 2}
_ENDS: "Mapping[Outcome, str]" = {
    "done": "done",
    "incomplete": "done, but some files could not be read; `vsearch status --files` says which",
    "interrupted": "interrupted; run `vsearch index` to continue",
    "failed": "failed",
    "killed": "killed; run `vsearch index` to continue",
}


def follow(folder: Path, *, as_json: bool) -> int:
    """Print the progress of the update that runs, until it ends. Return the exit status that tells how it ended."""
    from vsearch_core.index.runs import read_run

    shown = None
    on_terminal = not as_json and sys.stdout.isatty() and sys.stderr.isatty()
    with Bar(hidden=not on_terminal) as bar:
        while True:
            state = read_run(folder)
            if state is None:
                raise InputError("--follow", "no update of this index is known; run `vsearch index` first")
            has_ended = state.outcome != "running"
            if has_ended:
                bar.close()
            if as_json and state != shown:
                emit(to_json({"schema": "vsearch.run/1", **asdict(state)}))
            elif on_terminal and not has_ended:
                _show(bar, state)
            elif state != shown:
                emit(one_line(progress_text(state)))
            if has_ended:
                return _STATUSES[state.outcome]
            shown = state
            time.sleep(_LOOK_SECONDS)


def progress_text(state: "RunState") -> str:
    """Return the progress or the end of an update in words."""
    from vsearch_core.index.runs import PAUSED

    if state.outcome != "running":
        return _ENDS[state.outcome] + (f": {state.reason}" if state.reason else "")
    if state.stage == PAUSED:
        return "paused: the computer runs on its battery"
    return f"{state.stage} {state.done:,} of {state.total:,} {unit_of(state.stage)}" if state.total else state.stage


def joined(run: Callable[[], int], folder: Path, *, quiet: bool) -> int:
    """Run an update and return its exit status. If another process writes the index, wait until that has ended."""
    while True:
        try:
            return run()
        except IndexLockedError as error:
            if error.subject != str(folder):
                raise
            _wait(folder, f"vsearch: {error.subject}: {error.reason}; waiting until it ends", quiet=quiet)


def _wait(folder: Path, reason: str, *, quiet: bool) -> None:
    """Show the progress of the process that writes the index until it ends. Raises KeyboardInterrupt after a signal."""
    from vsearch_core.index.runs import read_run
    from vsearch_core.store.lock import is_locked

    with watched(quiet=quiet) as (bar, observer):
        if not quiet:
            bar.write(reason)
        while is_locked(folder):
            if observer.should_stop():
                raise KeyboardInterrupt
            state = read_run(folder)
            if state is not None and state.outcome == "running":
                _show(bar, state)
            time.sleep(_LOOK_SECONDS)


def _show(bar: Bar, state: "RunState") -> None:
    from vsearch_core import Progress

    bar.show(Progress(state.stage, state.done, state.total))
