"""SIGKILL at every file-system call and at any time: no acknowledged commit is lost, and a re-run is cheap."""

import random
import signal
import time
from pathlib import Path

import pytest
from faults.oracle import check_after, check_end, check_rerun
from faults.runner import Runner
from faults.scenarios import SCENARIOS, Project
from faults.server import BATCH
from faults.shim import FaultPlan
from process import DEADLINE, Vsearch

from .conftest import OPTIONS, Projects, Workload, kept_vectors, query_all

NAMES = [scenario.name for scenario in SCENARIOS]
MOMENTS = 600  # over all scenarios


def kill_at(runner: Runner, project: Project, call: int, action: str = "kill") -> None:
    project.reset()
    outcome = project.run(runner, plan=FaultPlan(call, action), repeatable=True)
    assert outcome.status == -signal.SIGKILL, (call, outcome)
    check_after(runner, project, outcome)


def sample(project: Project, count: int) -> list[int]:
    """Return random calls of the run."""
    total = len(project.undisturbed.calls)
    return sorted(random.Random(5).sample(range(1, total + 1), count))


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_some_calls(runner: Runner, projects: Projects, name: str) -> None:
    project = projects(name)
    for call in sample(project, 3):
        kill_at(runner, project, call)


@pytest.mark.faults
@pytest.mark.parametrize("name", NAMES)
def test_killed_at_every_call(runner: Runner, projects: Projects, name: str) -> None:
    project = projects(name)
    for call, kind in enumerate(project.undisturbed.calls, 1):
        kill_at(runner, project, call)
        if kind == "write":
            kill_at(runner, project, call, "tear")


@pytest.mark.faults
@pytest.mark.parametrize("name", NAMES)
def test_killed_at_any_time(runner: Runner, projects: Projects, name: str) -> None:
    """A timer kills the run wherever it is, SQLite's own code included."""
    project = projects(name)
    rng = random.Random(name)
    project.reset()
    started = time.monotonic()
    project.run(runner)
    seconds = time.monotonic() - started
    for _ in range(MOMENTS // len(NAMES)):
        project.reset()
        outcome = project.run(runner, kill_after=rng.uniform(0, seconds))
        assert project.is_done(outcome) or outcome.status == -signal.SIGKILL, outcome
        check_after(runner, project, outcome)


@pytest.mark.faults
@pytest.mark.parametrize("name", NAMES)
def test_killed_again_and_again(runner: Runner, projects: Projects, name: str) -> None:
    """Each run continues the one before, and gets a little further."""
    project = projects(name)
    for step in (7, 31, 60):
        project.reset()
        embedded, kills, call = 0, 0, step
        while True:
            outcome = project.run(runner, plan=FaultPlan(call))
            embedded += outcome.embedded
            if project.is_done(outcome) or (project.once and outcome.status == 2):
                break
            assert outcome.status == -signal.SIGKILL, outcome
            call += step
            kills += 1
        # Resumed runs commit at other moments than one run does, so their generations differ.
        assert embedded <= project.undisturbed.embedded + BATCH * kills
        check_end(project)
        check_rerun(runner, project, outcome.embedded)


def test_the_installed_command_killed_again_and_again_loses_no_batch(
    vsearch: Vsearch, work: Workload, tmp_path: Path
) -> None:
    """Kill it with the real model at six moments of a run; each run continues the one before."""
    kills = 0
    kept = 0
    for number in range(6):
        started = time.monotonic()
        process = vsearch.start("index", "-q", *OPTIONS, work.documents, cwd=tmp_path)
        time.sleep(max(0.0, started + work.seconds * (number + 0.5) / 6 - time.monotonic()))
        process.kill()
        process.communicate(timeout=DEADLINE)
        kills += process.returncode == -signal.SIGKILL
        now = kept_vectors(tmp_path)
        assert now >= kept, "a stored vector is gone"
        kept = now
        if (tmp_path / ".vsearch" / "catalog.sqlite").exists():
            assert query_all(vsearch, tmp_path, "keyword") in ([[], [], []], work.keyword_hits)
            query_all(vsearch, tmp_path)  # with the vectors that are there, it answers, too
    assert kills >= 2
    result = vsearch("index", "--json", *OPTIONS, work.documents, cwd=tmp_path)
    assert (result.status, result.json["chunks"], result.json["embedded"]) == (0, work.chunks, work.chunks - kept)
    assert query_all(vsearch, tmp_path) == work.hits
