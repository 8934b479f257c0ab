"""Start `vsearch index` in the background, and pause it while the computer runs on its battery."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .output import emit, say, to_json
from .start import PROGRAM

FLAG = "--background"
BATTERY_FLAG = "--pause-on-battery"
_LONGEST_LOG = 1_000_000  # bytes; a longer one is begun anew
_START_SECONDS = 60.0  # the longest wait for the process to begin
_LOOK_SECONDS = 0.05
_BATTERY_SECONDS = 5.0
_START = f"import os; hasattr(os, 'nice') and os.nice(15); {PROGRAM}"


def start(folder: Path, words: Sequence[str], *, as_json: bool, quiet: bool) -> int:
    """Run the command line `words`, without FLAG, in a process of low priority that outlives this one.

    Its output goes to a log in the index folder. Return when it has begun to write the index, or waits for another
    writer; if it has ended by then, print its output and return its exit status.
    """
    from vsearch_core.index.runs import LOG_FILE, read_run
    from vsearch_core.own_files import delete_file, open_file
    from vsearch_core.store.files import make_folder
    from vsearch_core.store.io_errors import storage_errors
    from vsearch_core.store.lock import is_locked

    log = folder / LOG_FILE
    with storage_errors(folder):
        make_folder(folder)
        if log.exists() and log.stat().st_size > _LONGEST_LOG:
            delete_file(log)
        with open_file(log, "ab+") as output:
            begin = output.seek(0, 2)
            arguments = [word for word in words if word != FLAG]
            process = _spawn([arguments[0], BATTERY_FLAG, *arguments[1:]], output.fileno())
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        run = read_run(folder)
        if (run is not None and run.pid == process.pid) or is_locked(folder):
            break
        time.sleep(_LOOK_SECONDS)
    if process.returncode is not None:
        with storage_errors(folder), open_file(log, "rb") as file:
            file.seek(begin)
            written = file.read().decode("utf-8", "replace").strip()
        (emit if process.returncode == 0 else say)(written or "done")
        return process.returncode
    if as_json:
        emit(to_json({"schema": "vsearch.background/1", "pid": process.pid, "log": str(log), "index": str(folder)}))
    elif not quiet:
        emit(f"indexing in the background: process {process.pid}, log {log}; `vsearch status --follow` shows progress")
    return 0


def _spawn(arguments: Sequence[str], output: int) -> "subprocess.Popen[bytes]":
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        detached = {"creationflags": flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    return subprocess.Popen(
        [sys.executable, "-c", _START, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output, **detached
    )


class BatteryPause:
    """A function that returns True while the computer runs on its battery. It reports when that changes."""

    def __init__(
        self,
        is_on_battery: Callable[[], bool],
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the function that asks the system, which is called every few seconds, and the one that writes a line."""
        self._is_on_battery = is_on_battery
        self._report = report
        self._clock = clock
        self._asked = -_BATTERY_SECONDS
        self._is_paused = False

    def __call__(self) -> bool:
        """Return True if the run should pause."""
        now = self._clock()
        if now - self._asked >= _BATTERY_SECONDS:
            self._asked, before = now, self._is_paused
            self._is_paused = self._is_on_battery()
            if self._is_paused != before:
                self._report("vsearch: " + ("paused: the computer runs on its battery" if not before else "continuing"))
        return self._is_paused
