"""`vsearch query -` at a terminal: a prompt for each query."""

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from process import DEADLINE, Vsearch

Converse = Callable[..., tuple[int, str]]
PROMPT = "query> "


@pytest.fixture
def converse(vsearch: Vsearch, library: Path) -> Converse:
    """Return a function that runs `vsearch query -` on a terminal and types a text at each prompt.

    The function returns the exit status, and what the terminal shows, without colours.
    """

    def run(*options: str, typed: tuple[str, ...]) -> tuple[int, str]:
        keyboard, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (50, 200))
        environment = {**vsearch.environment, "PAGER": "", "HOME": str(library)}
        process = subprocess.Popen(
            vsearch.command("query", *options, "-"),
            cwd=library,
            env=environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - Ctrl-C is a signal
        )
        os.close(terminal)
        shown, waiting = "", list(typed)
        while select.select([keyboard], [], [], DEADLINE)[0]:
            try:
                shown += os.read(keyboard, 65536).decode()
            except OSError:  # EIO: the command has ended
                break
            if waiting and shown.count(PROMPT) > len(typed) - len(waiting):
                os.write(keyboard, waiting.pop(0).encode())
        os.close(keyboard)
        return process.wait(DEADLINE), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).replace("\r\n", "\n")

    return run


@pytest.mark.parametrize("end", ["\r", "   \r", "\x04"])
def test_each_query_is_answered_until_an_empty_line_or_ctrl_d(converse: Converse, end: str) -> None:
    status, shown = converse("-k", "1", typed=("exponential backoff\r", "rye bread\r", end))
    assert status == 0
    assert shown.startswith("type a query; an empty line or Ctrl-D ends\n")
    first, second = shown.index("notes/retries.md:3"), shown.index("notes/deep/er/bread.txt:")
    assert first < second
    assert shown.count(PROMPT) == 3
    assert '"schema"' not in shown


def test_a_query_that_cannot_be_answered_does_not_end_the_loop(converse: Converse) -> None:
    status, shown = converse("--mode", "keyword", typed=("zzzz\r", "-pump\r", '"\r', "backoff\r", "\x04"))
    assert status == 0
    assert "no hit: no chunk has these words" in shown
    assert "notes/retries.md" in shown
    assert "Traceback" not in shown


def test_the_status_is_1_if_no_query_has_a_hit(converse: Converse) -> None:
    assert converse("--mode", "keyword", typed=("zzzz\r", "\r"))[0] == 1
    assert converse("--mode", "keyword", typed=("\r",))[0] == 1


def test_options_count_at_the_prompt(converse: Converse) -> None:
    _, shown = converse("--paths", "--mode", "keyword", typed=("backoff\r", "\r"))
    assert "\nnotes/retries.md\n" in shown
    _, shown = converse("--json", "--mode", "keyword", typed=("backoff\r", "\r"))
    assert '"schema": "vsearch.results/1", "query": "backoff"' in shown
    assert "has no effect" not in converse("--full", typed=("\r",))[1]


def test_ctrl_c_at_the_prompt_interrupts(converse: Converse) -> None:
    status, shown = converse(typed=("\x03",))
    assert status == 130
    assert "interrupted" in shown


def test_a_bad_filter_is_said_before_the_first_prompt(converse: Converse) -> None:
    status, shown = converse("--where", "nonsense(", typed=())
    assert status == 2
    assert PROMPT not in shown
