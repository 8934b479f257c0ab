"""Failing calls: the run ends with one line and status 2, the index stays usable, and a re-run goes on."""

import errno
import random
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from faults.oracle import check_after, check_generation
from faults.runner import Runner
from faults.scenarios import SCENARIOS, Project
from faults.server import ServedRun
from faults.shim import NO_FAULT, FaultPlan

from .conftest import Projects

NAMES = [scenario.name for scenario in SCENARIOS]
ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EMFILE)
PLANS = [
    *(FaultPlan(0, "fail", error, lasting) for error in ERRORS for lasting in (False, True)),
    *(FaultPlan(0, "short", 0, lasting) for lasting in (False, True)),
]
NEWS = "those of words follow"  # the line about quick vectors ends so
QUERY = ("query", "--json", "-k", "1000", "--mode", "hybrid", "pump valve")


def described(plan: FaultPlan) -> str:
    """Return the plan's name in test ids."""
    what = errno.errorcode[plan.error] if plan.error else plan.action
    return f"{what}-{'from then on' if plan.lasting else 'once'}"


def check_refused(outcome: ServedRun) -> None:
    """Check that the run ended with one line that names the failure, after a repair's losses, or was not affected."""
    assert outcome.status in {0, 2}, outcome
    assert "Traceback" not in outcome.stderr, outcome
    assert "internal error" not in outcome.stderr, outcome
    if outcome.status == 2 and not outcome.stdout:
        lines = outcome.stderr.splitlines()
        assert all(line.startswith("vsearch: ") for line in lines), outcome
        assert len([line for line in lines if not line.endswith(NEWS) and "lost" not in line]) == 1, outcome


def fail_at(runner: Runner, project: Project, plan: FaultPlan) -> None:
    project.reset()
    outcome = project.run(runner, plan=plan, repeatable=True)
    check_refused(outcome)
    if plan.action == "short":
        assert project.is_done(outcome), "a short write is no failure"
    check_after(runner, project, outcome)


def plans_for(project: Project, call: int) -> list[FaultPlan]:
    """Return the faults that can happen at the call."""
    kind = project.undisturbed.calls[call - 1]
    return [replace(plan, at=call) for plan in PLANS if kind == "write" or plan.action == "fail"]


@pytest.mark.parametrize("name", NAMES)
def test_some_failing_calls(runner: Runner, projects: Projects, name: str) -> None:
    project = projects(name)
    rng = random.Random(name)
    calls = range(1, len(project.undisturbed.calls) + 1)
    for call in rng.sample(calls, 3):
        fail_at(runner, project, rng.choice(plans_for(project, call)))


def test_a_failing_write_never_leaves_a_partial_catalog(runner: Runner, projects: Projects) -> None:
    """Closing SQLite reports no failed write, so a catalog gets its name only once it is complete."""
    project = projects("index")
    calls = project.undisturbed.calls
    for call, kind in enumerate(calls[: calls.index("rename")], 1):
        if kind == "write":
            fail_at(runner, project, FaultPlan(call, "fail", errno.ENOSPC))


@pytest.mark.faults
@pytest.mark.parametrize("plan", PLANS, ids=described)
@pytest.mark.parametrize("name", NAMES)
def test_every_failing_call(runner: Runner, projects: Projects, name: str, plan: FaultPlan) -> None:
    project = projects(name)
    for call, kind in enumerate(project.undisturbed.calls, 1):
        if kind == "write" or plan.action == "fail":
            fail_at(runner, project, replace(plan, at=call))


def run_query(runner: Runner, project: Project, plan: FaultPlan = NO_FAULT) -> ServedRun:
    return project.run(runner, *QUERY, plan=plan)


def hits(outcome: ServedRun) -> object:
    import json

    return json.loads(outcome.stdout)["hits"]


def check_query(runner: Runner, project: Project, right: ServedRun, plan: FaultPlan) -> None:
    outcome = run_query(runner, project, plan)
    check_refused(outcome)
    assert (outcome.status == 2) == (not outcome.stdout), outcome
    if outcome.status == 0:
        assert hits(outcome) == hits(right)


def check_queries(runner: Runner, project: Project, error: int, calls: Callable[[int], Iterable[int]]) -> None:
    """Check that the query gives the right hits or fails, for each failing call that `calls` selects."""
    project.reset()
    right = run_query(runner, project)
    assert right.status == 0
    assert len(right.calls) > 20
    for call in calls(len(right.calls)):
        for lasting in (False, True):
            check_query(runner, project, right, FaultPlan(call, "fail", error, lasting))
    check_generation(project)


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_some_failing_calls_of_a_query(runner: Runner, projects: Projects, error: int) -> None:
    def some(count: int) -> list[int]:
        return [*random.Random(error).sample(range(1, count), 5), count]  # the last one is made after the answer

    check_queries(runner, projects("reindex"), error, some)


@pytest.mark.faults
@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_every_failing_call_of_a_query(runner: Runner, projects: Projects, error: int) -> None:
    check_queries(runner, projects("merge"), error, lambda count: range(1, count + 1))
