"""Disks of many sizes, most too small: the run fails with one line, the index stays usable, and space lets it go on."""

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
from process import Volume, Vsearch, mount

from vsearch_core.index.named_sources import record_named_sources
from vsearch_core.index.sources import Source
from vsearch_core.text.discover import DiscoverOptions

from .conftest import Projects
from .test_io_errors import check_refused

SIZES = 24
ROOMY = 1 << 26  # bytes
SMALL = {"feedback", "tune"}  # commands that write so little that they have room wherever the index can be opened
ANSWERING = {"fresh"}  # a query, which answers from the index as it is if it can't write


def resize(volume: Volume, size: int) -> None:
    command = [*volume.vsearch.prefix, "mount", "-o", f"remount,size={size}", str(volume.path)]
    subprocess.run(command, check=True)


def try_size(runner: Runner, volume: Volume, prepared: Project, size: int) -> bool:
    """Run on a disk of that many bytes, check, and go on with more space. Returns True if the first run completed."""
    index = volume.outside / ".vsearch"
    shutil.rmtree(index, ignore_errors=True)
    resize(volume, size)
    replace(prepared, folder=volume.outside).reset()
    project = replace(prepared, folder=volume.path)
    runner.call(
        record_named_sources, project.index, [Source(project.documents, DiscoverOptions())]
    )  # this HOME doesn't know them
    outcome = project.run(runner)
    check_refused(outcome)
    if not project.is_done(outcome):
        assert "free some space" in outcome.stderr, outcome
    if prepared.repaired is not None:
        resize(volume, ROOMY)  # reading its log takes space, too
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
    """Mount a file system in memory whose size can be set, and start a server that sees it."""
    at, home = tmp_path / "disk", tmp_path / "home"
    for each in (at, home):
        each.mkdir()
    script = f'mount -t tmpfs -o size={ROOMY} tmpfs "$1"'
    with mount(Vsearch({}), at, script) as volume, running(home, volume.vsearch.prefix) as runner:
        yield volume, runner


def portable(project: Project) -> Project:
    """Return the project in a form that can be pickled for the server."""
    return replace(project, undisturbed=replace(project.undisturbed, events=()))


@pytest.mark.parametrize("name", ["repair row", "repair header"])
def test_a_full_disk_is_not_mistaken_for_damage(projects: Projects, name: str, tmp_path: Path) -> None:
    """There is space for the copies that a repair makes, but not for the file that SQLite needs to read a log."""
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
    assert name in SMALL | ANSWERING or not done[0]
    assert done[-1]
