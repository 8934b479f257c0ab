"""The warm helper's side of the socket: make it, answer one request after another, and end when nobody needs it."""

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vsearch_core.errors import InputError, StorageError
from vsearch_core.own_files import file_lock, make_own_folders
from vsearch_core.serve.warm_client import (
    LONGEST_PATH,
    PROTOCOL,
    RUN,
    STOP,
    WarmAnswer,
    file_identity,
    index_identity,
    is_private_folder,
    pack,
    peer_user,
    process_identity,
    receive,
    runtime_folder,
    send,
    socket_path,
    unpack,
)

IDLE_SECONDS = 600.0  # without a request, after which the helper ends
LOOK_SECONDS = 5.0  # between two looks at the index and the socket while nobody asks
CLIENT_SECONDS = 1.0  # that a client may take to send its request, or to read a part of the answer
WAITING = 16  # connections that the system keeps until they are accepted


@dataclass(frozen=True, slots=True)
class WarmRequest:
    """A command line to run: its words, its working folder, its variables, and which of its streams are terminals."""

    words: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]
    terminals: tuple[bool, bool, bool]


Run = Callable[[WarmRequest], WarmAnswer | None]


class _Listener:
    """A listening socket at a path, which others may delete or replace."""

    def __init__(self, path: bytes) -> None:
        """Listen, in place of a socket that a helper has left. Raises OSError, also if another file is in the way."""
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise FileExistsError(17, "is not a socket", os.fsdecode(path))
            Path(os.fsdecode(path)).unlink()
        self._path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        former = os.umask(0o177)
        try:
            self.socket.bind(path)
        finally:
            os.umask(former)
        self._identity = self._found()
        self.socket.listen(WAITING)

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def is_reachable(self) -> bool:
        """Return True if the path still leads to this socket."""
        return self._identity is not None and self._found() == self._identity

    def close(self) -> None:
        """Delete the socket, unless its path leads to another one."""
        if self.is_reachable():
            with suppress(OSError):
                Path(os.fsdecode(self._path)).unlink()
        self.socket.close()


class WarmServer:
    """Answers requests about one index, one at a time."""

    def __init__(
        self,
        index: Path,
        environment: Mapping[bytes, bytes],
        run: Run,
        *,
        code: Sequence[Path],
        idle: Callable[[], None],
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """Answer with `run`, which returns None for what it can't answer. `idle` is called when nobody asks.

        `environment` is that of this process, and `code` are the folders of its source code. Raises OSError if the
        index can't be read.
        """
        self._index = index
        self._environment = environment
        self._run = run
        self._idle = idle
        self._idle_seconds = idle_seconds
        self._identity = process_identity(environment)
        self._index_identity = index_identity(os.fsencode(index))
        self._code_folders = tuple(map(str, code))
        self._code = _code_stamp(self._code_folders)

    @contextmanager
    def listening(self) -> Iterator[_Listener]:
        """Yield the socket that clients find. Raises InputError, also if another helper runs, and StorageError."""
        from filelock import Timeout

        folder = runtime_folder(self._environment)
        path = socket_path(folder, os.fsencode(self._index))
        name = os.fsdecode(folder)
        if len(path) > LONGEST_PATH:
            raise InputError(name, f"is too long for a socket (at most {LONGEST_PATH} bytes)", "socket-path-too-long")
        try:
            make_own_folders(Path(name), 0o700)
            if not is_private_folder(folder):
                raise InputError(name, "is no folder of yours that nobody else may use", "folder-not-private")
            with file_lock(Path(os.fsdecode(path) + ".lock")).acquire(timeout=0):
                listener = _Listener(path)
                try:
                    yield listener
                finally:
                    listener.close()
        except Timeout:
            raise InputError(str(self._index), "a warm helper runs already", "helper-runs") from None
        except OSError as error:
            raise StorageError(str(error.filename or name), (error.strerror or str(error)).lower()) from None

    def serve(self, listener: _Listener) -> None:
        """Answer requests until one asks to stop, nobody has asked for a while, or the helper is out of date."""
        deadline = time.monotonic() + self._idle_seconds
        is_current = self._is_current()
        while is_current and listener.is_reachable():
            listener.socket.settimeout(max(0.01, min(LOOK_SECONDS, deadline - time.monotonic())))
            try:
                connection, _ = listener.socket.accept()
            except TimeoutError:
                if time.monotonic() >= deadline:
                    return
                self._idle()
                is_current = self._is_current()
                continue
            with connection:
                connection.settimeout(CLIENT_SECONDS)
                with suppress(OSError, ValueError):  # the client has gone, or isn't ours: it gets no answer
                    if not self._answer(connection):
                        return
            deadline = time.monotonic() + self._idle_seconds

    def _is_current(self) -> bool:
        """Return True while the index and the code are those that this process has loaded."""
        try:
            found = index_identity(os.fsencode(self._index)), _code_stamp(self._code_folders)
        except OSError:
            return False
        return found == (self._index_identity, self._code)

    def _answer(self, connection: socket.socket) -> bool:
        """Answer one request; an empty answer means that the client must run the command. Return False to end."""
        peer = peer_user(connection)
        if peer is None or peer[1] != os.geteuid():
            return True
        protocol, kind, *parts = unpack(receive(connection))
        if protocol != PROTOCOL:
            return True
        if kind == STOP:
            send(connection, pack([STOP]))
            return False
        is_current = self._is_current()
        answer = self._run_if_equal(parts) if kind == RUN and is_current else None
        flat = [] if answer is None else [part for pair in answer.output for part in pair]
        send(connection, pack([] if answer is None else [str(answer.status).encode(), *flat]))
        return is_current

    def _run_if_equal(self, parts: list[bytes]) -> WarmAnswer | None:
        """Run the command if the client's process, its index and its working folder are those seen here."""
        identity, index, cwd, here, terminals, environment, words = parts
        if (identity, index, here) != (self._identity, self._index_identity, file_identity(cwd)):
            return None
        variables = (os.fsdecode(each).partition("=") for each in unpack(environment))
        first, second, third = (kind == ord("t") for kind in terminals)
        return self._run(
            WarmRequest(
                tuple(map(os.fsdecode, unpack(words))),
                os.fsdecode(cwd),
                {name: value for name, _, value in variables},
                (first, second, third),
            )
        )


def _code_stamp(code: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """Return names, sizes and times of the source files in folders, and the time of the folder of other packages."""
    import numpy as np

    packages = Path(np.__file__).parent.parent
    found = [(str(packages), 0, packages.stat().st_mtime_ns)]
    folders = list(code)
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    status = entry.stat()
                    found.append((entry.path, status.st_size, status.st_mtime_ns))
                elif entry.is_dir() and entry.name != "__pycache__":
                    folders.append(entry.path)
    return tuple(sorted(found))
