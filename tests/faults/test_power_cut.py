"""A power cut that loses or reorders unsynced writes: the same guarantees hold as for a kill."""

import random

import pytest
from faults.disk import Disk, lay_out
from faults.oracle import check_generation, check_rerun
from faults.runner import Runner
from faults.scenarios import SCENARIOS, Project

from .conftest import Projects

NAMES = [scenario.name for scenario in SCENARIOS]
SHARES = (0.0, 0.5, 0.9)  # of the unsynced steps that survive


def cut_power(runner: Runner, project: Project, after: int, share: float) -> None:
    """Put on the disk what a power cut after that event may leave, and check that no acknowledged commit is lost."""
    events = project.undisturbed.events[:after]
    project.reset()
    disk = Disk(project.folder)
    disk.play(events)
    lay_out(project.folder, disk.cut(random.Random(f"{after} {share}"), share))
    committed = max((event.offset for event in events if event.kind == "committed"), default=0)
    embedded = sum(event.offset for event in events if event.kind == "embedded")
    try:
        check_generation(project, committed)
        check_rerun(runner, project, embedded)
    except Exception as error:
        error.add_note(f"{project.name}: power cut after event {after}, {events[-1:]}, share {share}")
        raise


@pytest.mark.parametrize("name", NAMES)
def test_some_power_cuts(runner: Runner, projects: Projects, name: str) -> None:
    project = projects(name)
    rng = random.Random(name)
    events = range(1, len(project.undisturbed.events) + 1)
    for after in [*rng.sample(events, 2), events[-1]]:
        cut_power(runner, project, after, rng.choice(SHARES))


@pytest.mark.faults
@pytest.mark.parametrize("name", NAMES)
def test_every_power_cut(runner: Runner, projects: Projects, name: str) -> None:
    project = projects(name)
    for after in range(1, len(project.undisturbed.events) + 1):
        for share in SHARES:
            cut_power(runner, project, after, share)
