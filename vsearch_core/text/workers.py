"""Worker processes that read files: a parser that hangs, dies or eats memory costs its file only.

Each worker has a thread here that hands it files, a few ahead, and keeps what comes of them; so they go on while the
run is busy with something else. Workers are started anew, not forked: they hold nothing of ours open, no lock either.
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
from tempfile import TemporaryDirectory
from typing import IO, Any

from vsearch_core.errors import ExtractionError, StorageError
from vsearch_core.machine import usable_cores
from vsearch_core.text.extract.limits import fatal, limits_of, too_hungry, too_slow
from vsearch_core.text.files import FileRead, FileToRead, Outcome
from vsearch_core.text.worker import READY, Result, Task, Work

MAX_WORKERS = 8  # of 20 MB each before they have read anything
AHEAD_FILES = 32  # in a worker's hands, at most
AHEAD_BYTES = 1 << 18
WINDOW_BYTES = 8 << 20  # of files being read and texts not yet taken
_MOST_UNREAD = WINDOW_BYTES // 4  # what a file counts at most while it is read: so many large ones at a time
_FILE_BYTES = 1 << 10  # what a file counts besides its text
_PIPE_BYTES = 1 << 20
_LOOK_SECONDS = 0.1  # between two looks at whether to stop
_GATHER_SECONDS = 0.2  # that outcomes wait for others, to be taken together
_START = "import sys; sys.path[:] = sys.argv[2:]; from vsearch_core.text.worker import main; main(sys.argv[1])"
_READ = "vsearch_core.text.reading:read"


class Pool:
    """A `Reader` with workers of its own, as many as there are cores and work for."""

    def __init__(
        self,
        files: Sequence[FileToRead],
        settings: tuple[object, ...],
        stop: Callable[[], bool],
        seconds: float,
        *,
        function: str = _READ,
        workers: int | None = None,
    ) -> None:
        self.work = Work(function, settings)
        self.closed = False
        self._files = files
        self._stop = stop
        self._seconds = seconds
        self._handed = self._taken = 0  # files, of those in their order
        self._workers = min(workers or usable_cores(), MAX_WORKERS)
        self._weights: dict[int, int] = {}  # bytes of files handed out and not yet taken
        self._load = 0  # their sum
        self._outcomes: dict[int, Outcome] = {}
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._threads = [_Thread(self) for _ in range(min(self._workers, len(files)))]
        for thread in self._threads:
            thread.start()

    def take(self, limit: int) -> list[Outcome]:
        """As `Reader.take`. Raises StorageError where the system allows no worker."""
        with self._changed:
            wanted = min(limit, len(self._files) - self._taken)
            self._changed.wait_for(lambda: self._is_ready(wanted) or self._is_full(), _GATHER_SECONDS)
            while not self._is_ready(min(wanted, 1)):
                self._changed.wait(_LOOK_SECONDS)
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
        """Whether so many outcomes can be taken, or something is to be told."""
        return not wanted or self._failure is not None or self._stop() or self._taken + wanted - 1 in self._outcomes

    def close(self) -> None:
        """End the workers."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.kill()
        for thread in self._threads:
            thread.join()

    def hand_out(self, *, wait: bool) -> list[tuple[int, int, Task]]:
        """The next files for a worker, with their numbers and the time; none where there is no more, or none yet."""
        with self._changed:
            while wait and not self.closed and self._handed < len(self._files) and self._is_full():
                self._changed.wait()
            if self.closed or self._is_full():
                return []
            batch: list[tuple[int, int, Task]] = []
            now, size = time.time_ns(), 0
            share = -(-(len(self._files) - self._handed) // (2 * self._workers))
            for file in self._files[self._handed : self._handed + min(AHEAD_FILES, share)]:
                if batch and size + file.size > AHEAD_BYTES:
                    break
                size += file.size
                self._weigh(self._handed, min(file.size, _MOST_UNREAD))
                batch.append((self._handed, now, Task(file, limits_of(file.size, self._seconds))))
                self._handed += 1
            return batch

    def _is_full(self) -> bool:
        return self._load >= WINDOW_BYTES

    def keep(self, number: int, outcome: Outcome) -> None:
        """Note what came of a file."""
        with self._changed:
            chunks = outcome.result.chunks if isinstance(outcome.result, FileRead) else None
            text = sum(len(chunk.text) for chunk in chunks or ())
            self._weigh(number, text)
            self._outcomes[number] = outcome
            self._changed.notify_all()

    def _weigh(self, number: int, size: int) -> None:
        self._load += size + _FILE_BYTES - self._weights.get(number, 0)
        self._weights[number] = size + _FILE_BYTES

    def fail(self, error: Exception) -> None:
        """Let the run end by this error."""
        with self._changed:
            self._failure = error
            self._changed.notify_all()


class _Thread(threading.Thread):
    """One worker at a time, and the files in its hands."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(daemon=True)
        self._pool = pool
        self._worker: _Worker | None = None
        self._ahead: deque[tuple[int, int, Task]] = deque()

    def run(self) -> None:
        try:
            while self._has_files():
                number, begun_ns, task = self._ahead[0]
                result = self._read(task)
                self._ahead.popleft()
                self._pool.keep(number, Outcome(begun_ns, result))
        except Exception as error:
            self._pool.fail(error)
        finally:
            self._end_worker()

    def kill(self) -> None:
        """End the worker under our hands."""
        worker = self._worker
        if worker is not None:
            worker.kill()

    def _has_files(self) -> bool:
        if len(self._ahead) < AHEAD_FILES // 2:
            more = self._pool.hand_out(wait=not self._ahead)
            self._ahead += more
            if self._worker is not None:
                self._worker.send([task for _, _, task in more])
        return bool(self._ahead) and not self._pool.closed

    def _read(self, task: Task) -> FileRead | ExtractionError | OSError:
        """What the worker makes of its first file.

        Where it fails and has read others before, a new worker tries again: what they left behind must not count.
        """
        while True:
            worker = self._worker or self._start_worker()
            is_new, error = not worker.answers, None
            try:
                result = worker.receive()
            except EOFError:
                status = self._end_worker()
                if sys.platform != "win32" and status == -signal.SIGALRM:
                    return too_slow(task.file.name, task.limits)
                error = fatal(task.file.name, status)
            else:
                if not isinstance(result, MemoryError):
                    return result
                self._end_worker()
                error = too_hungry(task.file.name, task.limits)
            if is_new or self._pool.closed:
                return error

    def _start_worker(self) -> "_Worker":
        worker = self._worker = _Worker()
        if self._pool.closed:
            worker.kill()
        worker.begin(self._pool.work)
        worker.send([task for _, _, task in self._ahead])
        return worker

    def _end_worker(self) -> int:
        worker, self._worker = self._worker, None
        return 0 if worker is None else worker.end()


class _Worker:
    """A process that runs `worker.main`, in a group of its own: Ctrl-C is for us to hear. `answers` counts them.

    Its temporary files are in a folder of its own, for it does not live to delete them.
    """

    def __init__(self) -> None:
        self.answers = 0
        alone: dict[str, Any] = {"process_group": 0}
        if sys.platform == "win32":
            alone = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        try:
            self._folder = TemporaryDirectory(prefix="vsearch-", ignore_cleanup_errors=True)
        except OSError as error:
            raise _no_worker((error.strerror or str(error)).lower()) from None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, self._folder.name, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                **alone,
            )
        except OSError as error:
            self._folder.cleanup()
            raise _no_worker((error.strerror or str(error)).lower()) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        _widen(self._input)
        _widen(self._output)

    def begin(self, work: Work) -> None:
        """Say what it is for, and wait until it is ready. Raises StorageError."""
        self.send([work])
        try:
            is_ready = pickle.load(self._output) == READY
        except EOFError:
            raise _no_worker(f"it ended at once, with status {self.end()}") from None
        except Exception:  # of no one kind, where it says what is no pickle
            is_ready = False
        if not is_ready:
            raise _no_worker("something else speaks in its place", "let nothing that Python runs as it starts print")

    def send(self, messages: Sequence[Work | Task]) -> None:
        """Hand it messages; that it has died is seen when the answer fails to come."""
        with suppress(BrokenPipeError):
            for message in messages:
                pickle.dump(message, self._input, pickle.HIGHEST_PROTOCOL)
            self._input.flush()

    def receive(self) -> Result:
        """Its next answer. Raises EOFError where it has died."""
        try:
            result: Result = pickle.load(self._output)
        except pickle.UnpicklingError:  # it died amid an answer
            raise EOFError from None
        self.answers += 1
        return result

    def kill(self) -> None:
        """End it, and all that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """End it, if it has not died already. Returns its exit status, negative where a signal ended it."""
        self.kill()
        status = self._process.wait()
        with suppress(BrokenPipeError):
            self._input.close()
        self._output.close()
        self._folder.cleanup()
        return status


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold more where the system allows it: then who writes waits less for who reads."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # a user's pipes may hold so much in all
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _no_worker(reason: str, step: str = "end other programs and run it again") -> StorageError:
    return StorageError("a process to read files with", f"can't be started ({reason})", step)
