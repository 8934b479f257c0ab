"""Disks of many sizes, most too small for a run: one line, the generation before answers, and room lets it go on."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from faults.oracle import REFRESH, check_end, check_generation
from faults.runner import Runner, running
from faults.scenarios import SCENARIOS, Project
from process import Volume, Vsearch, mounted

from .conftest import Projects
from .test_io_errors import check_refused

SIZES = 24
ROOMY = 1 << 26  # bytes
SMALL = {"feedback", "tune"}  # what these write has room wherever the index can be opened


def resize(volume: Volume, size: int) -> None:
    command = [*volume.vsearch.prefix, "mount", "-o", f"remount,size={size}", str(volume.path)]
    subprocess.run(command, check=True)


def try_size(runner: Runner, volume: Volume, prepared: Project, size: int) -> bool:
    """Run on a disk of that many bytes, check, and go on with more room. Says whether the first run did all."""
    index = volume.outside / ".vsearch"
    shutil.rmtree(index, ignore_errors=True)
    resize(volume, size)
    replace(prepared, folder=volume.outside).reset()
    project = replace(prepared, folder=volume.path)
    outcome = project.run(runner)
    check_refused(outcome)
    if not project.is_done(outcome):
        assert "free some space" in outcome.stderr, outcome
    if prepared.repaired is not None:
        resize(volume, ROOMY)  # to read its log takes room, too
    runner.call(check_generation, project, outcome.committed)
    resize(volume, ROOMY)
    again = project.run(runner)
    if project.once and again.status:
        again = project.run(runner, *REFRESH)
    assert project.is_done(again), again
    runner.call(check_end, project)
    return project.is_done(outcome)


@contextmanager
def small_disk(tmp_path: Path) -> Iterator[tuple[Volume, Runner]]:
    """A file system in memory whose size can be set, and a server that sees it."""
    at, home = tmp_path / "disk", tmp_path / "home"
    for each in (at, home):
        each.mkdir()
    script = f'mount -t tmpfs -o size={ROOMY} tmpfs "$1"'
    with mounted(Vsearch({}), at, script) as volume, running(home, volume.vsearch.prefix) as runner:
        yield volume, runner


def portable(project: Project) -> Project:
    """The project as it can travel to the server."""
    return replace(project, undisturbed=replace(project.undisturbed, events=()))


@pytest.mark.parametrize("name", ["repair row", "repair header"])
def test_a_disk_that_is_full_is_not_taken_for_damage(projects: Projects, name: str, tmp_path: Path) -> None:
    """The copies, one to keep and one to read, have room there, but not the file that SQLite reads a log with."""
    project = portable(projects(name))
    copied = sum(path.stat().st_size for path in project.base.glob("catalog.sqlite*"))
    with small_disk(tmp_path) as (volume, runner):
        replace(project, folder=volume.outside).reset()
        used = shutil.disk_usage(volume.outside).used
        for pages in range(1, 12, 2):
            assert not try_size(runner, volume, project, used + 2 * copied + 4096 * pages)


@pytest.mark.faults
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_disks_of_many_sizes(projects: Projects, name: str, tmp_path: Path) -> None:
    project = portable(projects(name))
    least = sum(-(-path.stat().st_size // 4096) + 1 for path in project.base.rglob("*")) + 1  # pages
    with small_disk(tmp_path) as (volume, runner):
        sizes = [4096 * int(least + 2 ** (number * 10 / SIZES)) for number in range(SIZES)]
        done = [try_size(runner, volume, project, size) for size in sizes]
    assert name in SMALL or not done[0]
    assert done[-1]
