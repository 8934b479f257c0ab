"""Disks of many sizes, each too small for a run: one line, the generation before answers, and room lets it go on."""

import subprocess
from dataclasses import replace

import pytest
from faults.oracle import check_after, check_generation
from faults.runner import Runner
from faults.scenarios import SCENARIOS
from process import Volume, Vsearch, mounted

from .conftest import Projects
from .test_io_errors import check_refused

SIZES = 24
MOUNT = 'mount -t tmpfs -o size={size} tmpfs "$1"'


def give_room(volume: Volume) -> None:
    subprocess.run([*volume.vsearch.prefix, "mount", "-o", "remount,size=64m", str(volume.path)], check=True)


@pytest.mark.faults
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_disks_of_many_sizes(runner: Runner, projects: Projects, name: str, tmp_path) -> None:
    prepared = projects(name)
    least = sum(path.stat().st_size + 8192 for path in prepared.base.rglob("*"))
    statuses = []
    for number in range(SIZES):
        size = 4096 * int(least / 4096 + 2 ** (number * 10 / SIZES))
        with mounted(Vsearch({}), tmp_path, MOUNT.format(size=size)) as volume:
            project = replace(prepared, folder=volume.outside)
            project.reset()
            outcome = project.run(runner)
            check_refused(outcome)
            if outcome.status:
                assert "free some space" in outcome.stderr, outcome
                check_generation(project, outcome.committed)
            give_room(volume)
            check_after(runner, project, outcome)
        statuses.append(outcome.status)
    assert statuses[0] == 2
    assert statuses[-1] == 0
