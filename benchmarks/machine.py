"""What every benchmark says first and does alike."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def describe() -> str:
    """The machine, on one line."""
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
    """How long it takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def process_seconds(command: Sequence[str], runs: int, **options: object) -> list[float]:
    """Wall times of whole processes, after one run that is not counted."""

    def run() -> None:
        subprocess.run(command, check=True, capture_output=True, **options)  # type: ignore[call-overload]

    run()
    return [seconds(run) for _ in range(runs)]


def spread(times: Sequence[float], scale: float = 1.0) -> str:
    """Median and range."""
    values = [value * scale for value in times]
    return f"{statistics.median(values):.3f} ({min(values):.3f}-{max(values):.3f})"
