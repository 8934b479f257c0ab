"""SIGKILL at any moment, between any two steps: the index opens, answers from a committed generation, and goes on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process import DEADLINE, Vsearch, write_files

from .conftest import OPTIONS, Work, ask, kept_vectors

# Runs the command in this process and kills it at its n-th step: a file of the index that is opened, made, renamed or
# removed, or an SQL statement. Without a number it prints how many steps there are.
KILLED_AT = """
import os, signal, sqlite3, sys
last, steps = int(sys.argv.pop(1)), 0
def step(*_):
    global steps
    steps += 1
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)
def traced(*arguments, connect=sqlite3.connect, **options):
    connection = connect(*arguments, **options)
    connection.set_trace_callback(step)
    return connection
sqlite3.connect = traced
def hook(event, arguments):
    if event in {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.unlink"}:
        if ".vsearch" in str(arguments[0]):
            step()
sys.addaudithook(hook)
from vsearch_cli.main import main
try:
    main()
finally:
    if not last:
        print("steps", steps, file=sys.stderr)
"""


def complete(vsearch: Vsearch, project: Path, *arguments: str | Path) -> dict[str, int]:
    ran = vsearch("index", "--json", *arguments, cwd=project)
    assert ran.status == 0, ran
    return dict(ran.json)


def test_a_run_killed_again_and_again_loses_no_batch(vsearch: Vsearch, work: Work, tmp_path: Path) -> None:
    """Ten moments spread over a run; each run goes on from what the one before has left."""
    kills = 0
    kept = 0
    for number in range(10):
        started = time.monotonic()
        process = vsearch.start("index", "-q", *OPTIONS, work.documents, cwd=tmp_path)
        time.sleep(max(0.0, started + work.seconds * (number + 0.5) / 10 - time.monotonic()))
        process.kill()
        process.communicate(timeout=DEADLINE)
        kills += process.returncode == -signal.SIGKILL
        now = kept_vectors(tmp_path)
        assert now >= kept, "a vector that was kept is gone"
        kept = now
        if (tmp_path / ".vsearch" / "catalog.sqlite").exists():
            assert ask(vsearch, tmp_path) in ([[], [], []], work.answers)
    assert kills >= 3
    summary = complete(vsearch, tmp_path, *OPTIONS, work.documents)
    assert summary["chunks"] == work.chunks
    assert summary["embedded"] == work.chunks - kept
    assert ask(vsearch, tmp_path) == work.answers


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(60))
def test_a_kill_at_any_moment(vsearch: Vsearch, work: Work, tmp_path: Path, moment: int) -> None:
    process = vsearch.start("index", "-q", *OPTIONS, work.documents, cwd=tmp_path)
    time.sleep(work.seconds * (moment + 0.5) / 60)
    process.kill()
    process.communicate(timeout=DEADLINE)
    kept = kept_vectors(tmp_path)
    summary = complete(vsearch, tmp_path, *OPTIONS, work.documents)
    assert (summary["chunks"], summary["embedded"]) == (work.chunks, work.chunks - kept)
    assert ask(vsearch, tmp_path) == work.answers


# Between any two steps of a run that adds, changes and removes


def prepare(vsearch: Vsearch, project: Path) -> None:
    """An index, and then changes of every kind on the disk."""
    files = {f"{number}.txt": f"The pump number {number}." for number in range(4)}
    write_files(project, files)
    complete(vsearch, project, ".")
    write_files(project, {"0.txt": "The loaf that was a pump before.", "new.txt": "A new drill in the library."})
    (project / "1.txt").unlink()


def killed_at(vsearch: Vsearch, project: Path, step: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", KILLED_AT, str(step), "index", "-q", "."],
        cwd=project,
        env=dict(vsearch.environment),
        capture_output=True,
        check=False,
        text=True,
        timeout=DEADLINE,
    )


@pytest.fixture(scope="session")
def steps(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many steps the changing run has."""
    project = tmp_path_factory.mktemp("steps")
    prepare(vsearch, project)
    done = killed_at(vsearch, project, 0)
    assert done.returncode == 0, done
    count = int(done.stderr.split()[-1])
    assert count > 40
    return count


def found(vsearch: Vsearch, project: Path) -> list[str]:
    return sorted(vsearch("query", "--mode", "keyword", "--paths", "pump loaf drill", cwd=project).lines)


BEFORE = ["0.txt", "1.txt", "2.txt", "3.txt"]
CHANGED = ["0.txt", "1.txt", "2.txt", "3.txt", "new.txt"]  # the additions are committed before the removals
AFTER = ["0.txt", "2.txt", "3.txt", "new.txt"]


def check_killed_at(vsearch: Vsearch, project: Path, step: int) -> None:
    prepare(vsearch, project)
    assert killed_at(vsearch, project, step).returncode == -signal.SIGKILL
    assert found(vsearch, project) in (BEFORE, CHANGED, AFTER)
    complete(vsearch, project)
    assert found(vsearch, project) == AFTER
    status = vsearch("status", "--json", cwd=project).json
    assert (status["files"], status["chunks"], status["pending_files"]) == (4, 4, 0)
    assert len(list((project / ".vsearch" / "segments").iterdir())) == status["segments"]


@pytest.mark.parametrize("share", [0.02, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97])
def test_killed_between_two_steps(vsearch: Vsearch, steps: int, tmp_path: Path, share: float) -> None:
    check_killed_at(vsearch, tmp_path, max(1, round(steps * share)))


@pytest.mark.slow
def test_killed_between_any_two_steps(vsearch: Vsearch, steps: int, tmp_path: Path) -> None:
    for step in range(1, steps + 1):
        project = tmp_path / str(step)
        project.mkdir()
        check_killed_at(vsearch, project, step)


@pytest.mark.slow
def test_killed_between_any_two_steps_of_the_first_run(vsearch: Vsearch, tmp_path: Path) -> None:
    step = 0
    while True:
        step += 1
        project = write_files(tmp_path / str(step), {"a.txt": "The pump.", "b.txt": "The loaf."})
        if killed_at(vsearch, project, step).returncode == 0:
            break
        ran = vsearch("query", "--mode", "keyword", "--paths", "pump loaf", cwd=project)
        assert ran.status in {0, 1, 2}  # 2: there is no index yet
        complete(vsearch, project, ".")
        assert found(vsearch, project) == ["a.txt", "b.txt"]
    assert step > 40
