"""Ctrl-C and SIGTERM at any moment: a searchable index, and a next run that embeds only what is missing."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from process import CommandResult, Vsearch, assert_well_behaved, wait_for, wait_until

from .conftest import OPTIONS, Workload, kept_vectors, query_all

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAID = re.compile(
    r"vsearch: interrupted: finished vectors are kept,"
    r" ([\d,]+ files? still to read|([\d,]+ files? still to read and )?[\d,]+ chunks? still to embed"
    r"|segments still to merge|some changes still to commit);"
    r" run the same command again to continue\n"
)


def interrupted(vsearch: Vsearch, work: Workload, project: Path, after: float, number: int) -> CommandResult:
    """Start indexing, and send a signal `after` seconds after the process has installed its handler."""
    process = vsearch.start("index", "--json", *OPTIONS, work.documents, cwd=project)
    wait_until(lambda: catches(process.pid, signal.SIGTERM) or process.poll() is not None, "the signal handlers")
    time.sleep(after)
    process.send_signal(number)
    result = wait_for(process)
    if result.status == -number and result.stdout:
        return CommandResult(
            0, result.stdout, result.stderr
        )  # it had completed; the signal came while the interpreter shut down
    return assert_well_behaved(result)


def catches(process: int, number: int) -> bool:
    """Return True if the process has a handler for the signal."""
    status = Path(f"/proc/{process}/status").read_text()
    caught = re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def assert_kept(vsearch: Vsearch, work: Workload, project: Path, result: CommandResult) -> int:
    """Check that the run said how to go on, and left a searchable index, if any. Returns what it embedded."""
    if result.status == 0:  # it was done before the signal came
        return int(result.json["embedded"])
    assert result.status == 130
    if not result.stdout:  # the run had not begun
        assert result.err == "vsearch: interrupted\n"
        return 0
    assert SAID.fullmatch(result.err), result
    summary = result.json
    assert summary["interrupted"] is True
    status = vsearch("status", "--json", cwd=project).json
    assert status["chunks"] == summary["chunks"]
    assert len(query_all(vsearch, project)) == len(work.hits)
    return int(summary["embedded"])


def assert_whole(vsearch: Vsearch, work: Workload, project: Path, embedded: int) -> None:
    """Check that one more run completes the index, and embeds only what was missing."""
    result = vsearch("index", "--json", *OPTIONS, work.documents, cwd=project)
    assert result.status == 0, result
    assert (result.json["chunks"], result.json["pending"]) == (work.chunks, 0)
    assert embedded + result.json["embedded"] == work.chunks
    assert query_all(vsearch, project) == in_project(work, project)


def in_project(work: Workload, project: Path) -> object:
    """Return the hits of the uninterrupted run; the documents are outside both projects, so their paths are equal."""
    assert not work.documents.is_relative_to(project)
    return work.hits


def moments(work: Workload, count: int) -> Sequence[float]:
    """Return `count` moments spread over a run."""
    return [work.run_seconds * (number + 0.2) / count for number in range(count)]


@pytest.mark.parametrize("start", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_repeatedly_interrupted_run_loses_no_vector(
    vsearch: Vsearch, work: Workload, tmp_path: Path, start: int
) -> None:
    """There are ten moments in all, SIGINT and SIGTERM by turns, in two series of five resumed runs."""
    embedded, stops = 0, 0
    for turn, after in enumerate(moments(work, 10)[start::2]):
        result = interrupted(vsearch, work, tmp_path, after, SIGNALS[(turn + start) % 2])
        if (tmp_path / ".vsearch" / "catalog.sqlite").exists():
            embedded += assert_kept(vsearch, work, tmp_path, result)
        stops += result.status == 130
    assert stops  # not at every moment: a resumed run may be over by then
    assert_whole(vsearch, work, tmp_path, embedded)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_one_stop_halfway_keeps_what_was_embedded(
    vsearch: Vsearch, work: Workload, tmp_path: Path, number: signal.Signals
) -> None:
    process = vsearch.start("index", "--json", *OPTIONS, work.documents, cwd=tmp_path)
    wait_until(lambda: kept_vectors(tmp_path) > 0, "the first batch")
    process.send_signal(number)
    result = assert_well_behaved(wait_for(process))
    assert result.status == 130, result
    assert 0 < result.json["pending"] < work.chunks
    embedded = assert_kept(vsearch, work, tmp_path, result)
    assert_whole(vsearch, work, tmp_path, embedded)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(60))
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_stop_at_any_moment(
    vsearch: Vsearch, work: Workload, tmp_path: Path, number: signal.Signals, moment: int
) -> None:
    result = interrupted(vsearch, work, tmp_path, moments(work, 60)[moment], number)
    embedded = 0
    if (tmp_path / ".vsearch" / "catalog.sqlite").exists():
        embedded = assert_kept(vsearch, work, tmp_path, result)
    assert_whole(vsearch, work, tmp_path, embedded)


def test_a_second_signal_ends_the_run_at_once_and_loses_no_vector(
    vsearch: Vsearch, work: Workload, tmp_path: Path
) -> None:
    process = vsearch.start("index", "--json", *OPTIONS, work.documents, cwd=tmp_path)
    wait_until(lambda: kept_vectors(tmp_path) > 0, "the first batch")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    result = assert_well_behaved(wait_for(process))
    assert result.status == 130
    assert result.err.count("\n") == 1
    again = vsearch("index", "--json", *OPTIONS, work.documents, cwd=tmp_path)
    assert (again.status, again.json["chunks"]) == (0, work.chunks)
    assert query_all(vsearch, tmp_path) == work.hits


INTERRUPTED_AT_IMPORT = """
import os, signal, sys
def hook(event, arguments):
    if event == "import" and arguments[0] == module:
        os.kill(os.getpid(), signal.SIGINT)
module = sys.argv.pop(1)
sys.addaudithook(hook)
from vsearch_cli.main import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "vsearch_core.index.writer", "numpy", "onnxruntime"])
def test_ctrl_c_while_it_starts_shows_no_traceback(
    vsearch: Vsearch, work: Workload, tmp_path: Path, module: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_IMPORT, module, "index", *OPTIONS, work.documents],
        cwd=tmp_path,
        env=dict(vsearch.environment),
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") <= 1
    assert done.returncode in {130, -signal.SIGINT}
