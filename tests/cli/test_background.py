"""`vsearch index --background`, `vsearch status --follow`, and a second `vsearch index` that waits for the first."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from process import DEADLINE, Vsearch, write_files

from vsearch_core.store.lock import writer_lock

FILES = {f"notes/{number}.txt": f"The pump number {number} needs grease.\n" for number in range(40)}


def wait_until_ended(vsearch: Vsearch, project: Path) -> int:
    return vsearch("status", "--follow", cwd=project).status


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_index_is_made_in_the_background(vsearch: Vsearch, project: Path) -> None:
    write_files(project, FILES)
    started = vsearch("index", "notes", "--background", "--jobs", "1", "--json", cwd=project)
    assert started.status == 0, started
    log = project / ".vsearch/index.log"
    facts = started.json
    if facts["schema"] == "vsearch.background/1":  # else it has ended within moments, and this is its summary
        assert (facts["log"], facts["index"]) == (str(log), str(project / ".vsearch"))
        assert facts["pid"] != os.getpid()
    followed = vsearch("status", "--follow", "--json", cwd=project)
    states = [json.loads(line) for line in followed.out.splitlines()]
    assert followed.status == 0
    assert {state["schema"] for state in states} == {"vsearch.run/1"}
    assert [state["outcome"] for state in states if state["outcome"] != "running"] == ["done"]
    assert states[-1]["outcome"] == "done"
    assert vsearch("query", "pump 7", "--mode", "keyword", cwd=project).status == 0
    assert vsearch("status", "--json", cwd=project).json["run"]["outcome"] == "done"
    assert '"schema": "vsearch.index/1"' in log.read_text()
    assert vsearch("status", "--follow", cwd=project).lines == ["done"]


def test_a_background_run_that_is_killed_is_continued_by_the_next(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {name: text * 300 for name, text in FILES.items()})
    pid = vsearch("index", "notes", "--background", "--json", cwd=project).json["pid"]
    os.kill(pid, signal.SIGKILL)
    assert wait_until_ended(vsearch, project) == 2
    assert vsearch("status", "--follow", cwd=project).lines == ["killed; run `vsearch index` to continue"]
    assert vsearch("index", "notes", "-q", cwd=project).status == 0
    assert vsearch("status", "--json", cwd=project).json["files"] == len(FILES)
    assert vsearch("check", cwd=project).status == 0


@pytest.mark.faults
def test_a_background_run_that_is_killed_at_any_point_loses_nothing(vsearch: Vsearch, project: Path) -> None:
    """Each run gets a little further than the one before. What one has committed, all later ones have."""
    write_files(project, {name: text * 300 for name, text in FILES.items()})
    files, delay, kills = 0, 0.0, 0
    while True:
        started = vsearch("index", "notes", "--background", "--json", cwd=project)
        assert started.status == 0, started
        if started.json["schema"] != "vsearch.background/1":  # it has ended already
            break
        time.sleep(delay)
        with suppress(ProcessLookupError):
            os.kill(started.json["pid"], signal.SIGKILL)
            kills += 1
        if wait_until_ended(vsearch, project) == 0:
            break
        delay = delay * 1.5 + 0.1
        if (project / ".vsearch/catalog.sqlite").exists():
            status = vsearch("status", "--json", cwd=project).json
            assert status["files"] >= files
            files = status["files"]
            assert vsearch("check", cwd=project).status == 0
            assert vsearch("query", "pump 7", "--mode", "keyword", cwd=project).status == (0 if files else 1)
    assert kills
    assert vsearch("status", "--json", cwd=project).json["files"] == len(FILES)
    assert vsearch("check", "--full", cwd=project).status == 0
    again = vsearch("index", "notes", "--json", cwd=project).json
    assert (again["unchanged"], again["embedded"]) == (len(FILES), 0)


def test_a_run_in_the_background_that_fails_at_once_says_why(vsearch: Vsearch, project: Path) -> None:
    failed = vsearch("index", "missing", "--background", cwd=project)
    assert failed.status == 2
    assert "missing" in failed.err
    refused = vsearch("index", "-", "--background", cwd=project)
    assert refused.status == 2 and "can't be combined" in refused.err
    unknown = vsearch("status", "--follow", cwd=project)
    assert unknown.status == 2


def test_a_second_index_waits_for_the_first_writer(vsearch: Vsearch, indexed: Path) -> None:
    write_files(indexed, {"new.txt": "A new text about mills.\n"})
    with writer_lock(indexed / ".vsearch"):
        pid = vsearch("index", "--background", "--json", cwd=indexed).json["pid"]
        wait_until(lambda: "waiting until it ends" in (indexed / ".vsearch/index.log").read_text())
        assert vsearch("status", "--json", cwd=indexed).json["files"] == 2
    wait_until(lambda: vsearch("status", "--json", cwd=indexed).json["run"]["pid"] == pid)
    assert wait_until_ended(vsearch, indexed) == 0
    assert vsearch("query", "mills", "--mode", "keyword", "--paths", cwd=indexed).lines == ["new.txt"]


def test_a_battery_pause_asks_the_system_now_and_then() -> None:
    from vsearch_cli.background import BatteryPause

    times, powers = [0.0, 1.0, 6.0, 7.0, 12.0], [False, True, False]
    lines: list[str] = []
    pause = BatteryPause(lambda: powers.pop(0), lines.append, lambda: times.pop(0))
    assert [pause() for _ in range(5)] == [False, False, True, True, False]
    assert lines == ["vsearch: paused: the computer runs on its battery", "vsearch: continuing"]
