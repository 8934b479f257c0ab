"""Calls that fail: one line and status 2, the generation before still answers, and the run goes on afterwards."""

import errno
import random
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from faults.oracle import check_after, check_generation
from faults.runner import Runner
from faults.scenarios import SCENARIOS, Project
from faults.server import Outcome
from faults.shim import NO_FAULT, Plan

from .conftest import Projects

NAMES = [scenario.name for scenario in SCENARIOS]
ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EMFILE)
PLANS = [
    *(Plan(0, "fail", error, lasting) for error in ERRORS for lasting in (False, True)),
    *(Plan(0, "short", 0, lasting) for lasting in (False, True)),
]
QUERY = ("query", "--json", "-k", "1000", "--mode", "hybrid", "pump valve")


def described(plan: Plan) -> str:
    """The plan as a test's name says it."""
    what = errno.errorcode[plan.error] if plan.error else plan.action
    return f"{what}-{'from then on' if plan.lasting else 'once'}"


def check_refused(outcome: Outcome) -> None:
    """The run ended in one line that names what failed, after what a repair has lost; or the call did not matter."""
    assert outcome.status in {0, 2}, outcome
    assert "Traceback" not in outcome.stderr, outcome
    assert "internal error" not in outcome.stderr, outcome
    if outcome.status == 2 and not outcome.stdout:
        lines = outcome.stderr.splitlines()
        assert all(line.startswith("vsearch: ") for line in lines), outcome
        assert len([line for line in lines if "lost" not in line and "can't be saved" not in line]) == 1, outcome


def fail_at(runner: Runner, project: Project, plan: Plan) -> None:
    project.reset()
    outcome = project.run(runner, plan=plan)
    check_refused(outcome)
    if plan.action == "short":
        assert project.is_done(outcome), "a short write is no failure"
    check_after(runner, project, outcome)


def plans_for(project: Project, call: int) -> list[Plan]:
    """What can go wrong at the call."""
    kind = project.undisturbed.calls[call - 1]
    return [replace(plan, at=call) for plan in PLANS if kind == "write" or plan.action == "fail"]


@pytest.mark.parametrize("name", NAMES)
def test_some_calls_that_fail(runner: Runner, projects: Projects, name: str) -> None:
    project = projects(name)
    rng = random.Random(name)
    calls = range(1, len(project.undisturbed.calls) + 1)
    for call in rng.sample(calls, 6):
        fail_at(runner, project, rng.choice(plans_for(project, call)))


def test_no_write_that_fails_leaves_half_a_catalog(runner: Runner, projects: Projects) -> None:
    """Closing SQLite says nothing of what it could not write, so a catalog takes its name only when all is in it."""
    project = projects("index")
    calls = project.undisturbed.calls
    for call, kind in enumerate(calls[: calls.index("rename")], 1):
        if kind == "write":
            fail_at(runner, project, Plan(call, "fail", errno.ENOSPC))


@pytest.mark.faults
@pytest.mark.parametrize("plan", PLANS, ids=described)
@pytest.mark.parametrize("name", NAMES)
def test_every_call_that_fails(runner: Runner, projects: Projects, name: str, plan: Plan) -> None:
    project = projects(name)
    for call, kind in enumerate(project.undisturbed.calls, 1):
        if kind == "write" or plan.action == "fail":
            fail_at(runner, project, replace(plan, at=call))


def run_query(runner: Runner, project: Project, plan: Plan = NO_FAULT) -> Outcome:
    return project.run(runner, *QUERY, plan=plan)


def hits(outcome: Outcome) -> object:
    import json

    return json.loads(outcome.stdout)["hits"]


def check_query(runner: Runner, project: Project, right: Outcome, plan: Plan) -> None:
    outcome = run_query(runner, project, plan)
    check_refused(outcome)
    assert (outcome.status == 2) == (not outcome.stdout), outcome
    if outcome.status == 0:
        assert hits(outcome) == hits(right)


def check_queries(runner: Runner, project: Project, error: int, calls: Callable[[int], Iterable[int]]) -> None:
    """The query is right, or an error, whichever of its calls fails; `calls` chooses among so many."""
    project.reset()
    right = run_query(runner, project)
    assert right.status == 0
    assert len(right.calls) > 20
    for call in calls(len(right.calls)):
        for lasting in (False, True):
            check_query(runner, project, right, Plan(call, "fail", error, lasting))
    check_generation(project)


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_a_query_some_of_whose_calls_fail(runner: Runner, projects: Projects, error: int) -> None:
    check_queries(runner, projects("reindex"), error, lambda count: random.Random(error).sample(range(1, count + 1), 6))


@pytest.mark.faults
@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_a_query_any_of_whose_calls_fails(runner: Runner, projects: Projects, error: int) -> None:
    check_queries(runner, projects("merge"), error, lambda count: range(1, count + 1))
