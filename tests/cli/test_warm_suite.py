"""Each query of the black-box suites gets the same bytes and status from a warm helper as from the command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from both_ways import COUNTED

HERE = Path(__file__).parent
SUITES = sorted(
    path.name
    for path in (
        *HERE.glob("test_query*.py"),
        *HERE.glob("test_similar.py"),
        HERE / "test_places.py",
        HERE / "test_hostile.py",
    )
)
# Helpers are for these: a suite with fewer answers asks them nothing, or they have stopped to answer.
LEAST_ANSWERS = {"test_query.py": 20, "test_query_json.py": 15, "test_query_filters.py": 15, "test_places.py": 10}


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_a_helper_answers_a_suite_as_the_command_does(suite: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "both_ways", "-p", "no:cacheprovider", str(HERE / suite)]
    done = subprocess.run(
        command,
        cwd=HERE.parent.parent,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    counted = COUNTED.search(done.stdout)
    assert counted is not None
    assert int(counted[1]) >= LEAST_ANSWERS.get(suite, 0)
