"""What a worker process runs: it reads files, one after the other, each within its limits.

Its messages are pickles. In comes `Work`, then `Task`s; out goes READY, then for each task what the function returned
or raised. It ends, and all that it may have started with it, when its input does: nothing outlives the run.
"""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from queue import SimpleQueue
from shutil import rmtree
from typing import BinaryIO

from vsearch_core.errors import ExtractionError
from vsearch_core.text.extract.limits import Limits
from vsearch_core.text.files import FileRead, FileToRead

READY = "ready"

Result = FileRead | ExtractionError | OSError | MemoryError


@dataclass(frozen=True, slots=True)
class Work:
    """The function that the tasks are for, "module:function", and its arguments behind the file."""

    function: str
    settings: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """A file, and what reading it may take."""

    file: FileToRead
    limits: Limits


def main(folder: str) -> None:
    """Work until the input ends. Temporary files, also those of programs that are run, go into the folder."""
    try:
        os.environ.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder))
        _work(folder, *_take_streams())
    finally:  # not by the interpreter's own way, which would wait for a thread that reads
        rmtree(folder, ignore_errors=True)  # the run may have been killed before we listened
        os._exit(1)


def _work(folder: str, source: BinaryIO, target: BinaryIO) -> None:
    _refuse_core_dumps()
    _heed_alarms()
    work: Work = pickle.load(source)
    module, _, name = work.function.partition(":")
    function = getattr(import_module(module), name)
    tasks: SimpleQueue[Task] = SimpleQueue()
    threading.Thread(target=_receive, args=(source, tasks, folder), daemon=True).start()
    _send(target, pickle.dumps(READY))
    while True:
        _send(target, _answer(tasks.get(), function, work.settings))


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Our input and output under other numbers, so that nothing that a parser prints or closes gets between them."""
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return source, target


def _receive(source: BinaryIO, tasks: "SimpleQueue[Task]", folder: str) -> None:
    """Pass the tasks on. When they end, the run was killed: so does the process, whatever it is at, and the folder."""
    try:
        while True:
            tasks.put(pickle.load(source))
    finally:
        rmtree(folder, ignore_errors=True)
        if sys.platform != "win32":
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(0)


def _answer(task: Task, function: Callable[..., FileRead], settings: tuple[object, ...]) -> bytes:
    """The result's pickle. The system ends this process when the time is over, even amid a call that ignores Python."""
    _limit_memory(task.limits.memory)
    _alarm(task.limits.seconds)
    result: Result
    try:
        result = function(task.file, *settings)
        return pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except (ExtractionError, OSError) as error:
        return pickle.dumps(error)
    except MemoryError:
        return pickle.dumps(MemoryError())
    finally:
        _alarm(0)


def _send(target: BinaryIO, message: bytes) -> None:
    target.write(message)
    target.flush()


def _alarm(seconds: float) -> None:
    """SIGALRM, which nothing here handles, after so many seconds; 0: never."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _heed_alarms() -> None:
    """Whoever started the run may have told it to ignore SIGALRM, or to put it off; both are inherited."""
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


def _limit_memory(limit: int) -> None:
    """Refuse this process more than so many bytes of its own: then there are MemoryErrors."""
    if sys.platform != "win32":
        import resource

        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (limit if most < 0 else min(limit, most), most))


def _refuse_core_dumps() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
