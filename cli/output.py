"""Write to stdout and stderr: escape terminal controls, end quietly if a pipe closes, use colour only on terminals."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vsearch_core.errors import StorageError
from vsearch_core.printable import one_line as one_line  # noqa: PLC0414 - commands import both from here
from vsearch_core.printable import printable as printable  # noqa: PLC0414

from .interrupts import refuse_results_after_interrupt

if TYPE_CHECKING:
    from vsearch_core import FoundText, StoredText

PREPARING = "preparing the vector engine (the first time on a machine takes half a minute) …"

Colour = Literal["auto", "always", "never"]
COLOUR_HELP = "Colour the output: auto means on a terminal, unless NO_COLOR is set."
PATH, DIM, RESET = "\x1b[35m", "\x1b[2m", "\x1b[0m"  # colours of a terminal

_collected: ContextVar[list[bytes]] = ContextVar("collected")  # what is emitted, while `collected` is in use


def to_json(value: object) -> str:
    """Return the value as one line of JSON; see `safe_json`."""
    from vsearch_core.json_text import safe_json

    return safe_json(value)


def emit(text: str, end: str = "\n") -> None:
    """Write results to stdout. If the reader has closed the pipe, end the command quietly. Raises StorageError."""
    emit_bytes((text + end).encode("utf-8", "surrogateescape"))


def emit_bytes(data: bytes | memoryview) -> None:
    """Write bytes to stdout; see `emit`."""
    refuse_results_after_interrupt()
    parts = _collected.get(None)
    if parts is not None:
        parts.append(bytes(data))
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Python flushes stdout once more at exit: give it somewhere to write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            from typer import Exit  # not above: the client of a warm helper writes without it

            raise Exit(0) from None
        reason = (error.strerror or str(error)).lower()
        raise StorageError("stdout", reason, "stdout-failed") from None


@contextmanager
def collected() -> Iterator[list[bytes]]:
    """Yield a list that gets what the block emits, instead of stdout."""
    parts: list[bytes] = []
    token = _collected.set(parts)
    try:
        yield parts
    finally:
        _collected.reset(token)


def say(text: str) -> None:
    """Write a line of information to stderr."""
    try:
        print(one_line(text), file=sys.stderr, flush=True)
    except OSError:  # stderr is closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def complain(text: str) -> None:
    """Write an error or a warning to stderr, on one line."""
    say(f"vsearch: {text}")


def error_line(error: BaseException) -> str:
    """Return the type and the message of an unexpected error, such as "ValueError: too large"."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def open_missing_streams() -> None:
    """Open the null device in place of each standard stream (stdin, stdout, stderr) that is closed."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the process's life
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def wants_colour(choice: Colour) -> bool:
    """Return True if output is coloured: "always", or with "auto" if stdout is a terminal.

    With "auto", NO_COLOR (https://no-color.org) and TERM=dumb switch colours off.
    """
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def size_text(size: float) -> str:
    """Format a number of bytes for people, such as "1.2 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Format a count with its noun, such as "1 file" or "2,345 files". `nouns` is an irregular plural."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def shown_path(root: Path, stored: str) -> str:
    """Return a path relative to the working folder, for display.

    `stored` is the path as the index stores it: relative to `root`, or absolute, and then it stays so.
    """
    return stored if stored.startswith("/") else os.path.relpath(root / stored)


def shown_place(root: Path, found: "StoredText | FoundText") -> str:
    """Return the path of a found text with its lines, or with its place if its format has pages, sheets or the like."""
    from vsearch_core.text.extract.registry import split_member

    path = one_line(shown_path(root, found.path))
    member, _ = split_member(found.path, found.heading)
    if member:
        return f"{path}!{one_line(member)}"
    if found.place is not None:
        return f"{path}  {one_line(found.place)}"
    lines = str(found.start_line) if found.start_line == found.end_line else f"{found.start_line}-{found.end_line}"
    return f"{path}:{lines}"
