"""Record the progress and the end of the update that writes an index, so that other processes can show them.

The record is the file RUN_FILE in the index folder. It is only for people and scripts that watch: no run depends on it,
so a record that can't be written is no error.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from vsearch_core.index.progress import Observer, Progress, StoppedError
from vsearch_core.json_text import parse_json
from vsearch_core.own_files import open_file, replace_file
from vsearch_core.store.lock import is_locked

RUN_FILE = "run.json"
LOG_FILE = "index.log"  # the output of updates in the background
STARTING, PAUSED = "starting", "paused"  # stages in addition to those of `Progress`
_MAX_BYTES = 1 << 16
_LONGEST_REASON = 2000  # characters
_WRITE_SECONDS = 0.5  # between two records
_PAUSE_SECONDS = 1.0  # between two looks whether a pause is over

Outcome = Literal["running", "done", "incomplete", "interrupted", "failed", "killed"]


@dataclass(frozen=True, slots=True)
class RunState:
    """The state of the update that writes an index, or of the last one.

    `pid` is its process and `since` the time when it started, in ISO format. `stage`, `done` and `total` are its
    progress, as in `Progress`. `outcome` is "running" until it ends. An "incomplete" update could not read some files.
    A "killed" one has recorded no end, but runs no more. `reason` is the error of a "failed" one, or "".
    """

    pid: int
    since: str
    stage: str = STARTING
    done: int = 0
    total: int = 0
    outcome: Outcome = "running"
    reason: str = ""


def read_run(index: Path) -> RunState | None:
    """Return the state of the running or the last update of an index; None if no update has recorded any."""
    state = _recorded(index)
    if state is None or state.outcome != "running" or is_locked(index):
        return state
    state = _recorded(index)  # it may have ended between the two looks
    return replace(state, outcome="killed") if state is not None and state.outcome == "running" else state


def _recorded(index: Path) -> RunState | None:
    try:
        with open_file(index / RUN_FILE, "rb") as file:
            values = parse_json(file.read(_MAX_BYTES))
        state = RunState(**values)
    except (OSError, ValueError, TypeError):
        return None
    numbers, texts = (state.pid, state.done, state.total), (state.since, state.stage, state.reason)
    is_valid = all(type(number) is int for number in numbers) and all(isinstance(text, str) for text in texts)
    return state if is_valid and state.outcome in get_args(Outcome) else None


class RunRecord:
    """Records an update. The caller has the writer lock, so no other process writes the record."""

    def __init__(self, index: Path, observer: Observer) -> None:
        """Record the start. `observer` are the callbacks of the update."""
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        self._path = index / RUN_FILE
        self._observer = observer
        self._state = RunState(os.getpid(), since)
        self._written = 0.0
        self._write()

    @property
    def observer(self) -> Observer:
        """Return the callbacks of the update, which also record its progress, and make it pause."""
        return replace(self._observer, progress=self._progress, should_stop=self._should_stop)

    def end(self, outcome: Outcome, reason: str = "") -> None:
        """Record the end of the update."""
        self._state = replace(self._state, outcome=outcome, reason=reason[:_LONGEST_REASON])
        self._write()

    def _progress(self, progress: Progress) -> None:
        is_new = progress.stage != self._state.stage
        self._state = replace(self._state, stage=progress.stage, done=progress.done, total=progress.total)
        if is_new or time.monotonic() - self._written >= _WRITE_SECONDS:
            self._write()
        self._observer.progress(progress)

    def _should_stop(self) -> bool:
        """Return True if the update should stop. While it should pause, wait."""
        before = self._state
        while not self._observer.should_stop():
            if not self._observer.should_pause():
                if self._state is not before:
                    self._state = before
                    self._write()
                return False
            if self._state is before:
                self._state = replace(before, stage=PAUSED)
                self._write()
            time.sleep(_PAUSE_SECONDS)
        return True

    def _write(self) -> None:
        with suppress(OSError):
            replace_file(self._path, json.dumps(asdict(self._state)).encode())
        self._written = time.monotonic()


@contextmanager
def recorded_run(index: Path, observer: Observer) -> Iterator[RunRecord]:
    """Yield the record of an update. If the block raises an exception, record that as the end of the update."""
    record = RunRecord(index, observer)
    try:
        yield record
    except (KeyboardInterrupt, StoppedError):
        record.end("interrupted")
        raise
    except Exception as error:
        record.end("failed", _text_of(error))
        raise


def _text_of(error: Any) -> str:
    subject, reason = getattr(error, "subject", ""), getattr(error, "reason", "")
    return f"{subject}: {reason}" if subject and reason else str(error)
