"""The program of a worker process. It reads one file after the other, each within limits on time and memory.

Its messages are pickles on standard input and output. It receives one `Work`, then `Task`s. It sends READY, and then
for each task the return value of the function or the error. When its input ends, it exits and kills all processes that
it has started. So no process is left when the run ends.
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
from vsearch_core.text.files import FileRead, FileToRead
from vsearch_core.text.limits import TaskLimits

READY = "ready"
READ = "vsearch_core.text.reading:read"  # the function of a `Work` that only reads

Result = FileRead | ExtractionError | OSError | MemoryError


@dataclass(frozen=True, slots=True)
class Work:
    """The function that a worker calls for each file.

    Attributes:
        function: The function as "module:function". Its first argument is the file.
        settings: Its other arguments.
    """

    function: str
    settings: tuple[object, ...]

    def imported(self) -> Callable[..., FileRead]:
        """Import the function's module, and return the function."""
        module, _, name = self.function.partition(":")
        function: Callable[..., FileRead] = getattr(import_module(module), name)
        return function


@dataclass(frozen=True, slots=True)
class Task:
    """A message to a worker: a file to read, and the limits on time and memory for it.

    `arguments` follow the settings of the `Work` when its function is called.
    """

    file: FileToRead
    limits: TaskLimits
    arguments: tuple[object, ...] = ()


def main(folder: str) -> None:
    """Run the worker until its input ends. It and the programs that it starts put temporary files into `folder`."""
    try:
        os.environ.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder))
        _work(folder, *_take_streams())
    finally:  # not by the interpreter's own exit, which would wait for the thread that reads the input
        rmtree(folder, ignore_errors=True)  # the run may have been killed before that thread started
        os._exit(1)


def _work(folder: str, source: BinaryIO, target: BinaryIO) -> None:
    _refuse_core_dumps()
    _enable_alarms()
    work: Work = pickle.load(source)
    function = work.imported()
    tasks: SimpleQueue[Task] = SimpleQueue()
    threading.Thread(target=_receive, args=(source, tasks, folder), daemon=True).start()
    _send(target, pickle.dumps(READY))
    while True:
        _send(target, _answer(tasks.get(), function, work.settings))


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Move standard input and output to new descriptors, so that a parser that prints can't disturb the messages."""
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return source, target


def _receive(source: BinaryIO, tasks: "SimpleQueue[Task]", folder: str) -> None:
    """Queue the tasks that arrive. When the input ends, delete the folder and kill this process group at once."""
    try:
        while True:
            tasks.put(pickle.load(source))
    finally:
        rmtree(folder, ignore_errors=True)
        if sys.platform != "win32":
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(0)


def _answer(task: Task, function: Callable[..., FileRead], settings: tuple[object, ...]) -> bytes:
    """Perform a task and return its pickled result.

    When the time is up, the kernel ends this process, even inside a C function.
    """
    _limit_memory(task.limits.memory)
    _alarm(task.limits.cpu_seconds, task.limits.clock_seconds)
    result: Result
    try:
        result = function(task.file, *settings, *task.arguments)
        return pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except (ExtractionError, OSError) as error:
        return pickle.dumps(error)
    except MemoryError:
        return pickle.dumps(MemoryError())
    finally:
        _alarm(0, 0)


def _send(target: BinaryIO, message: bytes) -> None:
    target.write(message)
    target.flush()


def _alarm(cpu_seconds: float, clock_seconds: float) -> None:
    """Let SIGPROF end this process after that CPU time, and SIGALRM after that time by the clock; 0 cancels them."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        signal.setitimer(signal.ITIMER_REAL, clock_seconds)


def _enable_alarms() -> None:
    """Undo ignored or blocked signals of `_alarm`, which a process inherits from the one that started it."""
    if sys.platform != "win32":
        for alarm in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(alarm, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {alarm})


def _limit_memory(limit: int) -> None:
    """Limit the bytes of data of this process; beyond, allocations raise MemoryError."""
    if sys.platform != "win32":
        import resource

        maximum = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (limit if maximum < 0 else min(limit, maximum), maximum))


def _refuse_core_dumps() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
