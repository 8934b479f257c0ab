"""Disks of many sizes, most too small for a run: one line, the generation before answers, and room lets it go on."""

import shutil
import subprocess
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


def resize(volume: Volume, size: int) -> None:
    command = [*volume.vsearch.prefix, "mount", "-o", f"remount,size={size}", str(volume.path)]
    subprocess.run(command, check=True)


def try_size(runner: Runner, volume: Volume, prepared: Project, size: int) -> int:
    """Run on a disk of that many bytes, check, and go on with more room. Gives the first run's status."""
    index = volume.outside / ".vsearch"
    shutil.rmtree(index, ignore_errors=True)
    resize(volume, size)
    replace(prepared, folder=volume.outside).reset()
    project = replace(prepared, folder=volume.path)
    outcome = project.run(runner)
    check_refused(outcome)
    if outcome.status:
        assert "free some space" in outcome.stderr, outcome
    runner.call(check_generation, project, outcome.committed)
    resize(volume, ROOMY)
    again = project.run(runner)
    if project.once and again.status:
        again = project.run(runner, *REFRESH)
    assert project.is_done(again), again
    runner.call(check_end, project)
    return outcome.status


@pytest.mark.faults
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_disks_of_many_sizes(projects: Projects, name: str, tmp_path: Path) -> None:
    prepared = projects(name)
    prepared = replace(prepared, undisturbed=replace(prepared.undisturbed, events=()))  # it travels to the server
    least = sum(-(-path.stat().st_size // 4096) + 1 for path in prepared.base.rglob("*")) + 1  # pages
    at, home = tmp_path / "disk", tmp_path / "home"
    for each in (at, home):
        each.mkdir()
    script = f'mount -t tmpfs -o size={ROOMY} tmpfs "$1"'
    with mounted(Vsearch({}), at, script) as volume, running(home, volume.vsearch.prefix) as runner:
        sizes = [4096 * int(least + 2 ** (number * 10 / SIZES)) for number in range(SIZES)]
        statuses = [try_size(runner, volume, prepared, size) for size in sizes]
    assert statuses[0] == 2
    assert statuses[-1] == 0
