"""Show long output in a pager, such as less, if stdout is a terminal."""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from .output import collected, emit_bytes

# Set while a warm helper runs a command: what shows paged text to the user, whose terminal the helper doesn't have.
SHOW_ELSEWHERE: ContextVar[Callable[[bytes], None] | None] = ContextVar("show_elsewhere", default=None)
_DEFAULT = "less"
_LESS = "FRX"  # as git sets it: end if all fits, show colours, leave the text on the screen
_ESCAPES = re.compile(r"\x1b\]8;;[^\x1b]*\x1b\\|\x1b\[[0-9;]*m")  # links and colours take no room


@contextmanager
def paged() -> Iterator[None]:
    """Show what the block writes with `emit` in a pager, if stdout is a terminal and the text is longer than that.

    The pager is PAGER, or else less. None is used if PAGER is empty or "cat", or if the terminal is dumb.
    """
    if _pager() is None:
        yield
        return
    with collected() as parts:
        yield
    data = b"".join(parts)
    if show := SHOW_ELSEWHERE.get():
        show(data)
    elif not show_in_pager(data):
        emit_bytes(data)


def show_in_pager(data: bytes) -> bool:
    """Show text in the pager if it is longer than the terminal, and wait. Return False if it still has to be shown."""
    command = _pager()
    is_long = command is not None and _is_longer_than_the_terminal(data.decode("utf-8", "replace"))
    return is_long and command is not None and _show(command, data)


def _pager() -> list[str] | None:
    """Return the command of the pager, or None if output is not to be paged."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    import shlex

    with suppress(ValueError):  # a quote is not closed
        command = shlex.split(os.environ.get("PAGER", _DEFAULT))
        return command if command and command != ["cat"] else None
    return None


def _is_longer_than_the_terminal(text: str) -> bool:
    """Return True if the text takes more rows than the terminal has, but for the prompt's."""
    from unicodedata import east_asian_width

    with suppress(OSError):
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        used = 0
        for line in _ESCAPES.sub("", text).splitlines():
            width = len(line.expandtabs()) + sum(east_asian_width(char) in "WF" for char in line)
            used += max(1, -(-width // max(1, columns)))
            if used >= rows > 0:
                return True
    return False


def _show(command: list[str], data: bytes) -> bool:
    """Show the text in the pager, and wait for its end. Return False if the pager can't be started."""
    import subprocess

    sys.stdout.flush()
    try:
        pager = subprocess.Popen(command, stdin=subprocess.PIPE, env={"LESS": _LESS, **os.environ})
    except OSError:
        return False
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
    try:
        with suppress(BrokenPipeError):  # the user has quit
            pager.communicate(data)
        pager.wait()
    finally:
        signal.signal(signal.SIGINT, handler)
    return True
