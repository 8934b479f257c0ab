"""A pool of worker processes that read files.

If a parser hangs, crashes or uses too much memory, only the file that it reads fails. For each worker, a thread of this
process sends files in advance and receives the results, so that workers stay busy while the main thread does something
else. Workers are started as new processes, not forked, so they inherit no open files or locks.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import IO, Any

from vsearch_core.errors import ExtractionError, StorageError
from vsearch_core.machine import usable_cores
from vsearch_core.text.extract.registry import has_attachments, is_archive
from vsearch_core.text.files import FileRead, FileToRead, Outcome
from vsearch_core.text.limits import WorkerLimits
from vsearch_core.text.worker import READ, READY, Result, Task, Work

MAX_WORKERS = 8  # each takes 20 MB of memory before it has read anything
AHEAD_FILES = 32  # the most files that a worker has been sent and hasn't read yet
AHEAD_BYTES = 1 << 18  # the most bytes of such files, unless it is one file
_LARGE_FILES = 4  # the most large files that are read at the same time
_FILE_BYTES = 1 << 10  # the bytes that a file counts for in the window, in addition to its text
_PIPE_BYTES = 1 << 20
_POLL_SECONDS = 0.1  # between two calls of `should_stop`
_GATHER_SECONDS = 0.2  # the time that `take` waits for more outcomes
_START = "import sys; sys.path[:] = sys.argv[2:]; from vsearch_core.text.worker import main; main(sys.argv[1])"


class WorkerPool:
    """A `Reader` that reads files in worker processes.

    It starts a worker for each core, but at most `MAX_WORKERS`, and no more than there are files.
    """

    def __init__(
        self,
        files: Sequence[FileToRead],
        settings: tuple[object, ...],
        should_stop: Callable[[], bool],
        limits: WorkerLimits,
        *,
        function: str = READ,
        workers: int | None = None,
    ) -> None:
        """Start the threads and workers.

        Args:
            files: The files to read.
            settings: The arguments of `function` after the file.
            should_stop: Called while waiting; returns True to stop reading.
            limits: The limits on time and memory.
            function: The function that reads a file, as "module:function".
            workers: The number of workers; None means one for each core.
        """
        self.work = Work(function, settings)
        self.closed = False
        self._files = files
        self._should_stop = should_stop
        self._limits = limits
        self._sent = self._taken = 0  # files, in their order
        self._workers = min(workers or usable_cores(), MAX_WORKERS)
        self._weights: dict[
            int, int
        ] = {}  # bytes of the window by number of the file, for files sent and not yet taken
        self._load = 0  # their sum
        self._outcomes: dict[int, Outcome] = {}
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._threads = [_WorkerThread(self) for _ in range(min(self._workers, len(files)))]
        for thread in self._threads:
            thread.start()

    def take(self, limit: int) -> list[Outcome]:
        """Return the next outcomes in order, at most `limit`. Return an empty list when all files have been read.

        If `should_stop` returns True, return without waiting for the next file. Raises StorageError if a worker process
        can't be started.
        """
        with self._changed:
            wanted = min(limit, len(self._files) - self._taken)
            self._changed.wait_for(lambda: self._is_ready(wanted) or self._is_full(), _GATHER_SECONDS)
            while not self._is_ready(min(wanted, 1)):
                self._changed.wait(_POLL_SECONDS)
            if self._failure is not None:
                raise self._failure
            outcomes: list[Outcome] = []
            while len(outcomes) < wanted and self._taken in self._outcomes:
                outcomes.append(self._outcomes.pop(self._taken))
                self._load -= self._weights.pop(self._taken)
                self._taken += 1
            self._changed.notify_all()
            return outcomes

    def _is_ready(self, wanted: int) -> bool:
        """Return True if `wanted` outcomes are ready, if a worker can't be started, or if the run should stop."""
        if not wanted or self._failure is not None or self._should_stop():
            return True
        return self._taken + wanted - 1 in self._outcomes

    def close(self) -> None:
        """Kill the workers and end their threads."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.kill()
        for thread in self._threads:
            thread.join()

    def next_tasks(self, *, wait: bool) -> list[tuple[int, int, Task]]:
        """Return the next tasks for a worker, each as (number of the file, current time in ns, task).

        Return an empty list if all files have been sent. If too many results wait to be taken, block until there is
        room if `wait` is True, or else return an empty list.
        """
        with self._changed:
            while wait and not self.closed and self._sent < len(self._files) and self._is_full():
                self._changed.wait()
            if self.closed or self._is_full():
                return []
            batch: list[tuple[int, int, Task]] = []
            now, size = time.time_ns(), 0
            share = -(-(len(self._files) - self._sent) // (2 * self._workers))
            for file in self._files[self._sent : self._sent + min(AHEAD_FILES, share)]:
                if batch and size + file.size > AHEAD_BYTES:
                    break
                size += file.size
                self._set_weight(self._sent, min(file.size, self._limits.window_bytes // _LARGE_FILES))
                batch.append((self._sent, now, Task(file, self._limits.for_file(file.size))))
                self._sent += 1
            return batch

    def _is_full(self) -> bool:
        return self._load >= self._limits.window_bytes

    def keep(self, number: int, outcome: Outcome) -> None:
        """Store the outcome of file `number` until `take` returns it."""
        with self._changed:
            self._set_weight(number, outcome.result.memory if isinstance(outcome.result, FileRead) else 0)
            self._outcomes[number] = outcome
            self._changed.notify_all()

    def _set_weight(self, number: int, size: int) -> None:
        self._load += size + _FILE_BYTES - self._weights.get(number, 0)
        self._weights[number] = size + _FILE_BYTES

    def fail(self, error: Exception) -> None:
        """Store an error that the next `take` raises."""
        with self._changed:
            self._failure = error
            self._changed.notify_all()


class SingleWorker:
    """Reads files one at a time in a worker process. It starts when the first file is read, and ends when idle."""

    def __init__(self, function: str, limits: WorkerLimits, idle_seconds: float) -> None:
        """Start nothing yet.

        Args:
            function: The function that reads a file, as "module:function".
            limits: The limits on time and memory.
            idle_seconds: The time after which a process without work is ended.
        """
        self._work = Work(function, ())
        self._limits = limits
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._timer: threading.Timer | None = None
        self._closed = False

    def read(self, file: FileToRead, *arguments: object) -> FileRead:
        """Return what the function returns for the file and the arguments. Other calls wait.

        Raises ExtractionError if the file can't be read within the limits, OSError, and StorageError if the process
        can't be started.
        """
        with self._lock:
            if self._closed:
                raise _not_started("it was closed")
            if self._timer is not None:
                self._timer.cancel()
            result = self._result(Task(file, self._limits.for_file(file.size), arguments))
            if self._worker is not None:
                self._timer = threading.Timer(self._idle_seconds, self._end_if_idle)
                self._timer.daemon = True
                self._timer.start()
        if not isinstance(result, FileRead):
            raise result
        return result

    def _result(self, task: Task) -> FileRead | ExtractionError | OSError:
        if self._worker is None:
            self._worker = _Worker()
            if self._closed:
                self._worker.kill()
            self._worker.begin(self._work)
        self._worker.send([task])
        try:
            result = self._worker.receive()
        except EOFError:
            status = self._end()
            return _too_slow(task, status) or _crashed(task, status)
        if isinstance(result, MemoryError):
            self._end()
            return _out_of_memory(task)
        return result

    def _end(self) -> int:
        worker, self._worker = self._worker, None
        return 0 if worker is None else worker.end()

    def _end_if_idle(self) -> None:
        with self._lock:
            if self._timer is threading.current_thread():  # else a file was read after the time was up
                self._end()

    def close(self) -> None:
        """End the process, and refuse further files. A file that is being read fails."""
        worker = self._worker
        self._closed = True
        if worker is not None:
            worker.kill()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._end()


class _WorkerThread(threading.Thread):
    """A thread that runs one worker process at a time, and keeps the tasks that have no result yet."""

    def __init__(self, pool: WorkerPool) -> None:
        super().__init__(daemon=True)
        self._pool = pool
        self._worker: _Worker | None = None
        self._tasks: deque[tuple[int, int, Task]] = deque()

    def run(self) -> None:
        try:
            while self._has_tasks():
                number, begun_ns, task = self._tasks[0]
                result = self._read(task)
                if _attachments_may_fail(task, result):
                    result = self._read_without_attachments() or result
                self._tasks.popleft()
                self._pool.keep(number, Outcome(begun_ns, result))
        except Exception as error:
            self._pool.fail(error)
        finally:
            self._end_worker()

    def _read_without_attachments(self) -> FileRead | None:
        """Read the message or archive of the first task again, without attachments. Return None if that fails, too."""
        number, begun_ns, task = self._tasks[0]
        task = replace(task, file=replace(task.file, with_attachments=False))
        self._tasks[0] = (number, begun_ns, task)
        self._end_worker()  # it may have begun the next file
        result = self._read(task)
        return result if isinstance(result, FileRead) else None

    def kill(self) -> None:
        """Kill the current worker."""
        worker = self._worker
        if worker is not None:
            worker.kill()

    def _has_tasks(self) -> bool:
        if len(self._tasks) < AHEAD_FILES // 2:
            more = self._pool.next_tasks(wait=not self._tasks)
            self._tasks += more
            if self._worker is not None:
                self._worker.send([task for _, _, task in more])
        return bool(self._tasks) and not self._pool.closed

    def _read(self, task: Task) -> FileRead | ExtractionError | OSError:
        """Return the worker's result for its first task.

        If a worker that has read other files fails, a new worker repeats the task: those files may be the cause.
        """
        while True:
            worker = self._worker or self._start_worker()
            is_new, error = not worker.answers, None
            try:
                result = worker.receive()
            except EOFError:
                status = self._end_worker()
                slow = _too_slow(task, status)
                if slow is not None:
                    return slow
                error = _crashed(task, status)
            else:
                if not isinstance(result, MemoryError):
                    return result
                self._end_worker()
                error = _out_of_memory(task)
            if is_new or self._pool.closed:
                return error

    def _start_worker(self) -> "_Worker":
        worker = self._worker = _Worker()
        if self._pool.closed:
            worker.kill()
        worker.begin(self._pool.work)
        worker.send([task for _, _, task in self._tasks])
        return worker

    def _end_worker(self) -> int:
        worker, self._worker = self._worker, None
        return 0 if worker is None else worker.end()


class _Worker:
    """A process that runs `worker.main`. `answers` is the number of results that it has sent.

    It is in its own process group, so that Ctrl-C doesn't reach it. Its temporary files are in its own folder, which
    the parent process deletes, because the worker may be killed at any time.
    """

    def __init__(self) -> None:
        self.answers = 0
        group: dict[str, Any] = {"process_group": 0}
        if sys.platform == "win32":
            group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        try:
            self._folder = TemporaryDirectory(prefix="vsearch-", ignore_cleanup_errors=True)
        except OSError as error:
            raise _not_started((error.strerror or str(error)).lower()) from None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, self._folder.name, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                **group,
            )
        except OSError as error:
            self._folder.cleanup()
            raise _not_started((error.strerror or str(error)).lower()) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        _widen(self._input)
        _widen(self._output)

    def begin(self, work: Work) -> None:
        """Send the `Work`, and wait until the process is ready. Raises StorageError if it doesn't start."""
        self.send([work])
        try:
            is_ready = pickle.load(self._output) == READY
        except EOFError:
            raise _not_started(f"it ended at once, with status {self.end()}") from None
        except Exception:  # unpickling of other output can raise anything
            is_ready = False
        if not is_ready:
            raise _not_started("something else writes to its output", "worker-output-mixed")

    def send(self, messages: Sequence[Work | Task]) -> None:
        """Send messages. If the process has died, ignore that; `receive` raises EOFError then."""
        with suppress(BrokenPipeError):
            for message in messages:
                pickle.dump(message, self._input, pickle.HIGHEST_PROTOCOL)
            self._input.flush()

    def receive(self) -> Result:
        """Return the next result of the process. Raises EOFError if the process has died."""
        try:
            result: Result = pickle.load(self._output)
        except pickle.UnpicklingError:  # it died while it sent
            raise EOFError from None
        self.answers += 1
        return result

    def kill(self) -> None:
        """Kill the process and all processes that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill the process unless it has exited, and clean up. Return its exit status, negative after a signal."""
        self.kill()
        status = self._process.wait()
        with suppress(BrokenPipeError):
            self._input.close()
        self._output.close()
        self._folder.cleanup()
        return status


def _attachments_may_fail(task: Task, result: FileRead | ExtractionError | OSError) -> bool:
    """Return True if reading a message or an archive broke a limit or crashed the parser, perhaps by a file in it."""
    broke_limit = isinstance(result, ExtractionError) and result.code == "over-limits"
    return broke_limit and (has_attachments(task.file.name) or is_archive(task.file.name))


def _widen(pipe: IO[bytes]) -> None:
    """Enlarge the buffer of a pipe if the system allows it, so that its writer waits less for its reader."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # the buffers of a user's pipes are limited together
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _not_started(reason: str, code: str = "worker-not-started") -> StorageError:
    return StorageError("a process to read files with", f"can't be started ({reason})", code)


def _too_slow(task: Task, status: int) -> ExtractionError | None:
    """Return the error if a worker ended with this status because its time for the task was up."""
    if sys.platform != "win32" and status == -signal.SIGPROF:
        time = f"more than {task.limits.cpu_seconds:.0f} s of CPU time"
    elif sys.platform != "win32" and status == -signal.SIGALRM:
        time = f"longer than {task.limits.clock_seconds:.0f} s"
    else:
        return None
    return ExtractionError(task.file.name, f"took {time} to read", "over-limits")


def _out_of_memory(task: Task) -> ExtractionError:
    return ExtractionError(task.file.name, f"needs more than {task.limits.memory / 1e6:.0f} MB to read", "over-limits")


def _crashed(task: Task, status: int) -> ExtractionError:
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return ExtractionError(task.file.name, f"crashed the parser ({how})", "over-limits")
