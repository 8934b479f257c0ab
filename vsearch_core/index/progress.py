"""Define the callbacks of long runs, which report progress and problems with files and can stop the run."""

from collections.abc import Callable
from dataclasses import dataclass

from vsearch_core.errors import VsearchError

EMBEDDING_PICTURES = "embedding pictures"
RE_EMBEDDING = "re-embedding"  # the stage that makes the vectors which replace interim ones


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run in its present stage: `done` of `total` steps.

    `stage` is "reading" (of files), "embedding" (of chunks), RE_EMBEDDING (of chunks that have interim vectors),
    EMBEDDING_PICTURES, "linking" (of rows in a graph) or "rebuilding keywords" (of segments). Reading and embedding
    alternate, so the totals of chunks and pictures grow while there are files to read.
    """

    stage: str
    done: int
    total: int


class StoppedError(Exception):
    """The observer stopped a run in the middle of a step. The step has changed nothing."""


def _ignore(*_: object) -> None:
    pass


def _never() -> bool:
    return False


def _no_advice(_: VsearchError) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Observer:
    """The callbacks of a run; by default, they do nothing.

    `progress` is called with a `Progress`. `file_failed(path, reason)`: a file or folder can't be read, and is not in
    the index. `file_kept(path, reason)`: a file can't be read, and its former text stays in the index.
    `file_incomplete(path, reason)`: a part of a file can't be read. `file_skipped(path, reason)`: a file contains
    nothing to index. `source_missing(path)`: a source doesn't exist, and its files stay in the index.
    `preparing(model)`: an image model is prepared, which takes a while.

    `compiling()` is called, from another thread, if compiling the vector kernels takes a while. `should_stop()` is
    called between small steps; when it returns True, the run keeps its results and ends. `should_pause()` is called
    there, too: while it returns True, an update waits. `advice(error)` returns a hint for the user about a file that
    another option would make readable, or ""; the hint is stored with the reason.

    `interim_ready(model, coming, chunks)`: all chunks have interim vectors, made by `model`, which searches use until
    those of `coming` are complete. `not_quick(model)`: the index has vectors of `model` already, so that a quick update
    makes no interim ones.
    """

    progress: Callable[[Progress], None] = _ignore
    file_failed: Callable[[str, str], None] = _ignore
    file_kept: Callable[[str, str], None] = _ignore
    file_incomplete: Callable[[str, str], None] = _ignore
    file_skipped: Callable[[str, str], None] = _ignore
    source_missing: Callable[[str], None] = _ignore
    preparing: Callable[[str], None] = _ignore
    compiling: Callable[[], None] = _ignore
    should_stop: Callable[[], bool] = _never
    should_pause: Callable[[], bool] = _never
    advice: Callable[[VsearchError], str] = _no_advice
    interim_ready: Callable[[str, str, int], None] = _ignore
    not_quick: Callable[[str], None] = _ignore
