"""A file that takes too long to read: it is left out, and no worker outlives the run."""

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
    """Return an RTF file that takes many seconds to read."""
    return rb"{\rtf1 " + rb"\b x\par " * 600_000 + b"}"


@pytest.fixture
def busy(project: Path, slow: bytes) -> Path:
    """Return a project with a slow file between two fast ones."""
    return write_files(project, {"a.txt": "The valve.", "b.rtf": slow, "c.html": "<p>The loaf.</p>"})


def children(pid: int) -> list[int]:
    """Return the running child processes."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(child) for child, parent, state in rows if int(parent) == pid and not state.startswith("Z")]


def start_indexing(vsearch: Vsearch, project: Path) -> "tuple[subprocess.Popen[bytes], list[int]]":
    """Start `vsearch index`; return its process and its workers, one of which reads the slow file."""
    process = vsearch.start("index", ".", cwd=project, start_new_session=True)
    wait_until(lambda: bool(children(process.pid)), "a worker")
    return process, children(process.pid)


def test_a_file_that_takes_too_long_is_left_out(vsearch: Vsearch, busy: Path) -> None:
    command = [sys.executable, "-c", HASTY, "index", "."]
    done = subprocess.run(command, cwd=busy, env=dict(vsearch.environment), capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.decode() == "vsearch: b.rtf: took more than 1 s of CPU time to read; left out of the index\n"
    assert sorted(vsearch("query", "-k", "9", "--paths", "the loaf", cwd=busy).lines) == ["a.txt", "c.html"]


def test_an_example_file_is_read_in_a_worker_with_limits(vsearch: Vsearch, busy: Path) -> None:
    assert vsearch("index", "a.txt", cwd=busy).status == 0
    command = [sys.executable, "-c", HASTY, "similar", "b.rtf"]
    done = subprocess.run(command, cwd=busy, env=dict(vsearch.environment), capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("vsearch: b.rtf: took more than 1 s of CPU time to read; ")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_does_not_wait_for_a_worker(vsearch: Vsearch, busy: Path, how: signal.Signals) -> None:
    process, workers = start_indexing(vsearch, busy)
    process.send_signal(how)
    result = assert_well_behaved(wait_for(process))
    assert result.status == 130
    assert result.err.count("\n") == 1
    assert "file" in result.err and "still to read" in result.err
    wait_until(lambda: not any(map(is_running, workers)), "the workers' end")


def test_workers_end_when_the_run_is_killed(vsearch: Vsearch, busy: Path) -> None:
    process, workers = start_indexing(vsearch, busy)
    process.kill()
    wait_for(process)
    wait_until(lambda: not any(map(is_running, workers)), "the workers' end")
