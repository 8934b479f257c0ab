"""Tests of the test tools: the shim misses no call, and the model of a disk loses what it should."""

import random
from pathlib import Path

import pytest
from faults.disk import Disk, lay_out
from faults.runner import Runner
from faults.scenarios import SCENARIOS
from faults.shim import Event, FaultPlan

from .conftest import Projects


def files(top: Path) -> dict[str, bytes]:
    """Return all files except SQLite's shared memory and empty logs, which any reader creates."""
    found = {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if data and not name.endswith("-shm")}


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_replaying_the_events_of_a_run_gives_its_files(runner: Runner, projects: Projects, name: str) -> None:
    project = projects(name)
    project.reset()
    events = project.run(runner, recording=True).events
    left = files(project.folder)
    project.reset()
    disk = Disk(project.folder)
    disk.play(events)
    lay_out(project.folder, disk.cut(random.Random(0), share=1))
    assert files(project.folder) == left


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_equal_faults_leave_equal_files_if_runs_are_repeatable(runner: Runner, projects: Projects, name: str) -> None:
    project = projects(name)
    calls = len(project.undisturbed.calls)
    digests = []
    for _ in range(2):
        project.reset()
        project.run(runner, plan=FaultPlan(calls * 3 // 4), repeatable=True)
        digests.append(project.digest())
    assert digests[0] == digests[1]


def test_a_run_has_calls_of_every_kind(projects: Projects) -> None:
    kinds = set(projects("index").undisturbed.calls) | set(projects("reindex").undisturbed.calls)
    assert kinds >= {"open", "read", "map", "list", "write", "sync", "close", "rename", "unlink", "mkdir", "rmdir"}


def survivors(top: Path, *events: Event) -> dict[str, bytes | None]:
    disk = Disk(top)
    disk.play(events)
    return {path.name: content for path, content in disk.cut(random.Random(0), share=0).items()}


def test_only_synced_bytes_under_synced_names_are_certain(tmp_path: Path) -> None:
    def at(name: str) -> str:
        return str(tmp_path / name)

    written = [
        Event("create", at("a"), 1),
        Event("write", at("a"), 1, 0, b"first"),
        Event("sync", at("a"), 1),
        Event("write", at("a"), 1, 5, b" second"),
    ]
    named = Event("sync folder", at(""))
    renamed = Event("rename", at("a"), target=at("b"))
    assert survivors(tmp_path, *written) == {}
    assert survivors(tmp_path, *written, named) == {"a": b"first"}
    assert survivors(tmp_path, *written, named, renamed) == {"a": b"first"}
    assert survivors(tmp_path, *written, renamed, named) == {"b": b"first"}
    assert survivors(tmp_path, *written, named, Event("unlink", at("a"))) == {"a": b"first"}
