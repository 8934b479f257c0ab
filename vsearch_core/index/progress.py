"""Callbacks of long runs: progress, what becomes of single files, and the request to stop."""

from collections.abc import Callable
from dataclasses import dataclass

from vsearch_core.errors import VsearchError


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run: `done` of `total`; `stage` is "reading" (files), "embedding" or "linking" (chunks).

    Reading and embedding alternate; the total of the chunks grows while there are files to read.
    """

    stage: str
    done: int
    total: int


class StoppedError(Exception):
    """The observer stopped a run in the middle of a step; the step has no effect."""


def _ignore(*_: object) -> None:
    pass


def _never() -> bool:
    return False


def _no_advice(_: VsearchError) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Observer:
    """Callbacks of a run.

    `file_failed(path, reason)`: a file or folder can't be read and is not in the index; `file_kept`: it can't be read,
    and its former text stays in the index; `file_incomplete`: a part of it can't be read; `file_skipped`: it holds
    nothing to read. `source_missing(path)`: a source is not there, and its files stay in the index.
    `compiling()` is called, from another thread, when compiling the vector engine takes a while.
    `should_stop()` is called between small steps; once it returns True, the run keeps what it has and ends.
    `advice(error)` returns what a user can do about a file that another option would make readable; it is stored with
    the reason.
    """

    progress: Callable[[Progress], None] = _ignore
    file_failed: Callable[[str, str], None] = _ignore
    file_kept: Callable[[str, str], None] = _ignore
    file_incomplete: Callable[[str, str], None] = _ignore
    file_skipped: Callable[[str, str], None] = _ignore
    source_missing: Callable[[str], None] = _ignore
    compiling: Callable[[], None] = _ignore
    should_stop: Callable[[], bool] = _never
    advice: Callable[[VsearchError], str] = _no_advice
