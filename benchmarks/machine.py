"""Describe the machine, and measure time and memory, for all benchmarks."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self


def describe() -> str:
    """Return processor, cores, system and Python version on one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def seconds(action: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def cpu_seconds(action: Callable[[], object]) -> float:
    """Return the CPU seconds of all threads of this process that a call takes."""
    started = time.process_time()
    action()
    return time.process_time() - started


def process_seconds(command: Sequence[str], runs: int, **options: object) -> list[float]:
    """Return the wall-clock seconds of `runs` processes, after one process that is not counted."""

    def run() -> None:
        subprocess.run(command, check=True, capture_output=True, **options)  # type: ignore[call-overload]

    run()
    return [seconds(run) for _ in range(runs)]


def spread(times: Sequence[float], scale: float = 1.0) -> str:
    """Return median and range as text, each time multiplied by `scale`."""
    values = [value * scale for value in times]
    return f"{statistics.median(values):.3f} ({min(values):.3f}-{max(values):.3f})"


def memory() -> dict[str, int]:
    """Return this process's resident bytes (Linux): "RssAnon" are its own, "RssFile" those of mapped files."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile")}


class _Peak:
    """Sample a number of bytes in another thread inside a `with` block; `peak` is the highest so far."""

    peak = 0

    def __init__(self, measure: Callable[[], int], interval: float) -> None:
        self._measure = measure
        self._interval = interval  # seconds
        self._done = Event()
        self._thread = Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Stop sampling."""
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(self._interval):
            self.peak = max(self.peak, self._measure())


class PeakMemory(_Peak):
    """Sample this process's own memory every 5 ms inside a `with` block; `added` is the peak minus the start, bytes."""

    def __init__(self) -> None:
        """Prepare to sample."""
        super().__init__(lambda: memory()["RssAnon"], 0.005)

    def __enter__(self) -> Self:
        """Start sampling."""
        self._before = self.peak = memory()["RssAnon"]
        return super().__enter__()

    @property
    def added(self) -> int:
        """Return the bytes by which the memory has grown."""
        return self.peak - self._before


class PeakOfProcesses(_Peak):
    """Sample the memory of a process and of all that it has started ten times a second inside a `with` block.

    `peak` is the highest sum of proportional set sizes so far, in bytes.
    """

    def __init__(self, root: int | None = None) -> None:
        """Prepare to sample the process with the id `root`, by default this one."""
        top = os.getpid() if root is None else root
        super().__init__(lambda: sum(map(_proportional_size, _with_descendants(top))), 0.1)


@dataclass(frozen=True)
class ProcessCost:
    """The seconds, the CPU seconds, and the peak of memory in bytes of a command, all its processes together."""

    seconds: float
    cpu_seconds: float
    peak: int
    output: bytes


def process_cost(command: Sequence[str], **options: object) -> ProcessCost:
    """Run a command to its end, and return what it and its processes took (Linux).

    Memory is the sum of their proportional set sizes, in which shared pages count once; it is sampled ten times a
    second.
    """
    before, started = os.times(), time.perf_counter()
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options) as process,  # type: ignore[call-overload]
        PeakOfProcesses(process.pid) as memory_used,
    ):
        output = process.communicate()[0]
    after = os.times()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return ProcessCost(time.perf_counter() - started, cpu, memory_used.peak, output)


def _with_descendants(root: int) -> list[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # it has just ended
            continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _proportional_size(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
