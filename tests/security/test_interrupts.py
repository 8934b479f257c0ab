"""The first Ctrl-C ends a command, also inside one long computation; a run that stops in order has its time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ENDLESS_SQL = "connection.execute('WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT max(x) FROM c')"
FUNCTION = "connection.create_function('f', 1, lambda x: x)\n"
COMPUTATIONS = {
    "Python": "while True: pass",
    "a regular expression": "import re; re.match('(a|aa)+$', 'a' * 100 + 'b')",
    "SQL": ENDLESS_SQL,
    "SQL that calls Python": FUNCTION + ENDLESS_SQL.replace("max(x)", "max(f(x))"),
    "SQL whose errors are caught": FUNCTION
    + "while True:\n    try: "
    + ENDLESS_SQL.replace("max(x)", "max(f(x))")
    + "\n    except sqlite3.Error: pass",
    "an array": "import numpy; a = numpy.ones((9000, 9000))\nwhile True: a @ a",
}
COMMAND = """
import sqlite3, sys
from vsearch_cli import interrupts, main, progress
interrupts.GRACE, interrupts.ORDERLY_GRACE = 1.0, 2.0
def command(*_arguments, **_options):
    connection = sqlite3.connect(':memory:')
    print('started', flush=True)
    if sys.argv[2:]:
        with progress.watched(quiet=True):
            computation(connection)
    else:
        computation(connection)
def computation(connection):
    exec(open('computation.py').read(), {'connection': connection, 'sqlite3': sqlite3})
main.make_app = lambda *_: command
main.main()
"""
STOPS_IN_ORDER = """
import sys, time
from vsearch_cli import interrupts, main, progress
interrupts.GRACE, interrupts.ORDERLY_GRACE = 0.5, 1.0
def command(*_arguments, **_options):
    with progress.watched(quiet=True) as (_, observer):
        print('started', flush=True)
        while not observer.should_stop():
            time.sleep(0.05)
        time.sleep(2.5)
        print('committed', flush=True)
    return 130
main.make_app = lambda *_: command
main.main()
"""


def run(tmp_path: Path, script: str, *arguments: str, number: int = signal.SIGINT, times: int = 1) -> tuple[int, str]:
    """Run the script, send it the signal, and return its status and all that it printed. It must end soon."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, "check", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    for _ in range(times):
        time.sleep(0.5)
        process.send_signal(number)
    try:
        out, _ = process.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out


@pytest.mark.parametrize("way", [(), ("in order",)], ids=["plain", "in order"])
@pytest.mark.parametrize("computation", COMPUTATIONS)
def test_the_first_signal_ends_a_long_computation(tmp_path: Path, computation: str, way: tuple[str, ...]) -> None:
    (tmp_path / "computation.py").write_text(COMPUTATIONS[computation])
    assert run(tmp_path, COMMAND, *way) == (130, "vsearch: interrupted\n")


def test_a_run_that_stops_in_order_is_not_cut_short(tmp_path: Path) -> None:
    assert run(tmp_path, STOPS_IN_ORDER) == (130, "committed\n")
    assert run(tmp_path, STOPS_IN_ORDER, number=signal.SIGTERM) == (130, "committed\n")


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    assert run(tmp_path, STOPS_IN_ORDER, times=2) == (130, "vsearch: interrupted\n")


LOSES_AN_INTERRUPT = """
import sys, time
from vsearch_cli import main, output
def command(*_arguments, **_options):
    try:
        print('started', flush=True)
        time.sleep(20)
    except KeyboardInterrupt:  # as SQLite does around a function of ours
        pass
    if sys.argv[2:]:
        raise RuntimeError('user-defined function raised exception')
    output.emit('a fault that there is not')
    return 2
main.make_app = lambda *_: command
main.main()
"""


@pytest.mark.parametrize("way", [(), ("raises",)], ids=["prints", "raises"])
def test_results_after_an_interrupt_that_was_lost_are_not_shown(tmp_path: Path, way: tuple[str, ...]) -> None:
    assert run(tmp_path, LOSES_AN_INTERRUPT, *way) == (130, "vsearch: interrupted\n")
