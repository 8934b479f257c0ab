"""A file that keeps its reader busy, through the whole of `vsearch index`: what it costs, and that nothing outlives."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from process import Vsearch, assert_well_behaved, is_running, wait_for, wait_until, write_files

HASTY = """
from vsearch_core.text import limits, reading
reading.WORKER_LIMITS = limits.WorkerLimits(seconds=1.0, seconds_per_megabyte=0.0)
from vsearch_cli.main import main
main()
"""


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A text in RTF that takes many seconds to read."""
    return rb"{\rtf1 " + rb"\b x\par " * 600_000 + b"}"


@pytest.fixture
def busy(project: Path, slow: bytes) -> Path:
    """A project with a slow file between two that are not."""
    return write_files(project, {"a.txt": "The valve.", "b.rtf": slow, "c.html": "<p>The loaf.</p>"})


def children(pid: int) -> list[int]:
    """The processes that this one has started and that have not ended."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(child) for child, parent, state in rows if int(parent) == pid and not state.startswith("Z")]


def started(vsearch: Vsearch, project: Path) -> "tuple[subprocess.Popen[bytes], list[int]]":
    """`vsearch index` at work on the slow file, and its workers."""
    process = vsearch.start("index", ".", cwd=project, start_new_session=True)
    wait_until(lambda: bool(children(process.pid)), "a worker")
    return process, children(process.pid)


def test_a_file_that_takes_too_long_costs_itself(vsearch: Vsearch, busy: Path) -> None:
    command = [sys.executable, "-c", HASTY, "index", "."]
    done = subprocess.run(command, cwd=busy, env=dict(vsearch.environment), capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.decode() == "vsearch: b.rtf: took longer than 1 s to read; left out of the index\n"
    assert sorted(vsearch("query", "-k", "9", "--paths", "the loaf", cwd=busy).lines) == ["a.txt", "c.html"]


def test_an_example_is_read_under_guard(vsearch: Vsearch, busy: Path) -> None:
    assert vsearch("index", "a.txt", cwd=busy).status == 0
    command = [sys.executable, "-c", HASTY, "similar", "b.rtf"]
    done = subprocess.run(command, cwd=busy, env=dict(vsearch.environment), capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("vsearch: b.rtf: took longer than 1 s to read; ")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_does_not_wait_for_a_reader(vsearch: Vsearch, busy: Path, how: signal.Signals) -> None:
    process, workers = started(vsearch, busy)
    process.send_signal(how)
    result = assert_well_behaved(wait_for(process))
    assert result.status == 130
    assert result.err.count("\n") == 1
    assert "file" in result.err and "still to read" in result.err
    wait_until(lambda: not any(map(is_running, workers)), "the workers' end")


def test_readers_end_with_a_run_that_is_killed(vsearch: Vsearch, busy: Path) -> None:
    process, workers = started(vsearch, busy)
    process.kill()
    wait_for(process)
    wait_until(lambda: not any(map(is_running, workers)), "the workers' end")
