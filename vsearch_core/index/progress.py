"""What a long run tells whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `stage` is "reading" (files), "embedding" or "linking" (chunks).

    Reading and embedding alternate; while there are files to read, the total of the chunks grows.
    """

    stage: str
    done: int
    total: int


class StoppedError(Exception):
    """The observer said stop in the middle of a step, which is left undone."""


def _ignore(*_: object) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Observer:
    """Callbacks of a run. `stop` is asked between small steps; once it is true, the run keeps what it has and ends.

    `failed` gets the path and the reason of a file or folder that could not be read, `kept` instead of one whose former
    text stays in the index, `partly` of one that could be read in part, `skipped` of one that holds nothing to read,
    `missing` the path of a source that is not there.
    `preparing` is called, from another thread, when compiling the vector engine takes a while.
    """

    progress: Callable[[Progress], None] = _ignore
    failed: Callable[[str, str], None] = _ignore
    kept: Callable[[str, str], None] = _ignore
    partly: Callable[[str, str], None] = _ignore
    skipped: Callable[[str, str], None] = _ignore
    missing: Callable[[str], None] = _ignore
    preparing: Callable[[], None] = _ignore
    stop: Callable[[], bool] = _never
