"""Intercept, count and record every file-system call that a command makes in watched folders; any can kill or fail.

The product reaches the kernel in two ways. Python's calls (`open`, `os`, `mmap`) are replaced here by functions that
call the shim first; SQLite's go through the table of system calls that its VFS lets a test replace
(`faults.sqlite_calls`). The effect of each call is recorded, too, for the tests that cut the power.
"""

import builtins
import errno
import io
import mmap
import os
import shutil  # noqa: F401 - it inspects `os` at import, which must happen before `os` is patched
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

READS = frozenset({"open", "read", "map", "list"})
WRITES = frozenset({"write", "truncate", "sync", "close", "rename", "link", "unlink", "mkdir", "rmdir"})


@dataclass(frozen=True)
class FaultPlan:
    """The fault to inject at call number `at`, from 1 (0: none), and at all later calls if it is `lasting`.

    `action` is "kill", "tear" (half of a write, then kill), "short" (half of a write), or "fail" with `error`.
    """

    at: int = 0
    action: str = "kill"
    error: int = 0
    lasting: bool = False


NO_FAULT = FaultPlan()


@dataclass(frozen=True)
class Event:
    """The effect of a call: its kind, the path, the file's inode number, and what else replaying it takes."""

    kind: str
    path: str = ""
    inode: int = 0
    offset: int = 0  # of a write; the new size of a truncation; the number of a commit or of embedded documents
    data: bytes = field(default=b"", repr=False)
    target: str = ""  # of a rename or link


@dataclass
class Shim:
    """Counts the calls under `watched`, injects the plan's fault, and records events if `recording`."""

    watched: tuple[str, ...] = ()
    plan: FaultPlan = NO_FAULT
    recording: bool = False
    repeatable: bool = False  # random numbers and times are the same in each run
    calls: list[str] = field(default_factory=list)  # kinds of calls, in order: call n is calls[n - 1]
    events: list[Event] = field(default_factory=list)
    paths: dict[int, str] = field(default_factory=dict)  # of open descriptors
    folders: set[int] = field(default_factory=set)  # the descriptors that are folders

    def watches(self, path: str | None) -> bool:
        """Return True if the absolute path is watched."""
        return path is not None and path.startswith(self.watched)

    def intercept(self, kind: str, path: str | None, size: int = 0) -> int:
        """Count a call and apply the plan: raise OSError, kill the process, or return the number of bytes to write."""
        if not self.watched or not self.watches(path):
            return size
        self.calls.append(kind)
        number, plan = len(self.calls), self.plan
        if number != plan.at and not (plan.lasting and 0 < plan.at <= number):
            return size
        if plan.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if plan.action == "fail":
            raise OSError(plan.error, os.strerror(plan.error), path)
        return (size + 1) // 2

    def finish_tear(self) -> None:
        """Kill the process if the write was half of a "tear"."""
        if self.plan.action == "tear" and len(self.calls) == self.plan.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def record(self, kind: str, path: str | None = None, fd: int | None = None, **more: Any) -> None:
        """Record the effect of a call."""
        path = self.paths.get(fd) if path is None and fd is not None else path
        if self.recording and (path is None or self.watches(path)):
            inode = 0 if fd is None else _REAL["fstat"](fd).st_ino
            self.events.append(Event(kind, path or "", inode, **more))

    def record_open(self, fd: int, path: str, *, created: bool, emptied: bool = False) -> None:
        """Track a descriptor, and record the file that opening it created or truncated."""
        self.paths[fd] = path
        if created:
            self.record("create", path, fd)
        elif emptied:
            self.record("truncate", path, fd)

    def record_sync(self, fd: int) -> None:
        """Record that a file's bytes, or a folder's names, are synced."""
        path = self.paths.get(fd, "")
        self.record("sync folder" if os.path.isdir(path) else "sync", path, fd)  # noqa: PTH112 - strings throughout


_REAL: dict[str, Callable[..., Any]] = {
    name: getattr(os, name)
    for name in (
        *("open", "close", "read", "write", "fsync", "fstat", "ftruncate", "rename", "replace", "unlink", "remove"),
        *("mkdir", "rmdir", "scandir", "listdir", "sendfile", "link", "symlink", "truncate"),
    )
}
_real_open = io.open
_real_mmap = mmap.mmap


def install(shim: Shim) -> None:
    """Patch Python's calls for the rest of the process's life."""
    for name, kind in (("rename", "rename"), ("replace", "rename")):
        setattr(os, name, _renaming(shim, kind, _REAL[name]))
    for name, kind in (("unlink", "unlink"), ("remove", "unlink"), ("mkdir", "mkdir"), ("rmdir", "rmdir")):
        setattr(os, name, _naming(shim, kind, _REAL[name]))
    for name in ("scandir", "listdir"):
        setattr(os, name, _listing(shim, _REAL[name]))
    _patch(os, link=_linking(shim), sendfile=_sending(shim))
    for name in ("symlink", "truncate"):
        setattr(os, name, _unknown(shim, name, _REAL[name]))
    _patch(os, open=_opening(shim), close=_closing(shim), read=_reading(shim), write=_writing(shim))
    _patch(os, fsync=_syncing(shim), ftruncate=_truncating(shim))
    _patch(mmap, mmap=_mapping(shim))
    for module in (builtins, io):
        _patch(module, open=_opening_file(shim))


def _patch(module: ModuleType, **calls: Callable[..., Any]) -> None:
    for name, call in calls.items():
        setattr(module, name, call)


def _absolute(shim: Shim, path: Any, folder: int | None = None) -> str | None:
    """Return the absolute path of a call's argument; None for an unknown descriptor."""
    if isinstance(path, int):
        return shim.paths.get(path)
    text = os.fsdecode(path)
    if folder is not None:
        return os.path.join(shim.paths.get(folder, ""), text)  # noqa: PTH118
    return os.path.abspath(text)  # noqa: PTH100


def _renaming(shim: Shim, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(source: Any, target: Any, **folders: Any) -> None:
        path, other = _absolute(shim, source), _absolute(shim, target)
        shim.intercept(kind, path if shim.watches(path) else other)
        real(source, target, **folders)
        shim.record(kind, path, target=other)

    return call


def _naming(shim: Shim, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any, *arguments: Any, dir_fd: int | None = None) -> None:
        name = _absolute(shim, path, dir_fd)
        shim.intercept(kind, name)
        real(path, *arguments, dir_fd=dir_fd)
        shim.record(kind, name)

    return call


def _listing(shim: Shim, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any = ".") -> Any:
        shim.intercept("list", _absolute(shim, path))
        return real(path)

    return call


def _unknown(shim: Shim, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(first: Any, *arguments: Any, **options: Any) -> Any:
        assert not shim.watches(_absolute(shim, first)), (
            f"the product now calls os.{name}, which the shim does not intercept"
        )
        return real(first, *arguments, **options)

    return call


def _linking(shim: Shim) -> Callable[..., None]:
    def call(source: Any, target: Any, **options: Any) -> None:
        path, other = _absolute(shim, source), _absolute(shim, target)
        shim.intercept("link", other)
        _REAL["link"](source, target, **options)
        shim.record("link", path, target=other)

    return call


def _sending(shim: Shim) -> Callable[..., int]:
    """Refuse `sendfile`, so that copying falls back to reads and writes, which are intercepted."""

    def call(target: int, *arguments: Any) -> Any:
        if shim.watches(shim.paths.get(target)):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        return _REAL["sendfile"](target, *arguments)

    return call


def _opening(shim: Shim) -> Callable[..., int]:
    def call(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> Any:
        name = _absolute(shim, path, dir_fd)
        if not shim.watches(name):
            fd = _REAL["open"](path, flags, mode, dir_fd=dir_fd)
            shim.paths.pop(fd, None)  # its former use ended unseen, closed by a file of `os.fdopen`
            return fd
        assert name is not None
        if flags & os.O_DIRECTORY:  # on the way to a file: the caller sees its failure as one of the file's open
            fd = _REAL["open"](path, flags, mode, dir_fd=dir_fd)
            shim.paths[fd] = name
            shim.folders.add(fd)
            return fd
        shim.intercept("open", name)
        created = bool(flags & os.O_CREAT) and not os.path.lexists(name)
        fd = _REAL["open"](path, flags, mode, dir_fd=dir_fd)
        shim.record_open(fd, name, created=created, emptied=bool(flags & os.O_TRUNC))
        return fd

    return call


def _closing(shim: Shim) -> Callable[[int], None]:
    def call(fd: int) -> None:
        path = shim.paths.pop(fd, None)
        _REAL["close"](fd)
        if fd in shim.folders:
            shim.folders.remove(fd)
        else:
            shim.intercept("close", path)

    return call


def _reading(shim: Shim) -> Callable[..., bytes]:
    def call(fd: int, count: int) -> Any:
        shim.intercept("read", shim.paths.get(fd))
        return _REAL["read"](fd, count)

    return call


def _writing(shim: Shim) -> Callable[..., int]:
    def call(fd: int, data: Any) -> Any:
        path, view = shim.paths.get(fd), memoryview(data).cast("B")
        count = shim.intercept("write", path, len(view))
        at = os.lseek(fd, 0, os.SEEK_CUR) if shim.watches(path) else 0
        done = _REAL["write"](fd, view[:count])
        if shim.watches(path):
            shim.finish_tear()
            shim.record("write", path, fd, offset=at, data=bytes(view[:done]))
        return done

    return call


def _truncating(shim: Shim) -> Callable[..., None]:
    def call(fd: int, size: int) -> None:
        shim.intercept("truncate", shim.paths.get(fd))
        _REAL["ftruncate"](fd, size)
        shim.record("truncate", fd=fd, offset=size)

    return call


def _syncing(shim: Shim) -> Callable[[Any], None]:
    def call(file: Any) -> None:
        fd = file if isinstance(file, int) else file.fileno()
        shim.intercept("sync", shim.paths.get(fd))
        _REAL["fsync"](fd)
        shim.record_sync(fd)

    return call


def _mapping(shim: Shim) -> Callable[..., mmap.mmap]:
    def call(fd: int, *arguments: Any, **options: Any) -> mmap.mmap:
        shim.intercept("map", shim.paths.get(fd))
        return _real_mmap(fd, *arguments, **options)

    return call


class _File(io.FileIO):
    """A raw file whose calls go through `os`, and so through the shim."""

    shim: Shim

    def readinto(self, buffer: Any) -> int:
        self.shim.intercept("read", self.shim.paths.get(self.fileno()))
        return super().readinto(buffer) or 0

    def readall(self) -> bytes:
        self.shim.intercept("read", self.shim.paths.get(self.fileno()))
        return super().readall()

    def write(self, data: Any) -> int:
        return os.write(self.fileno(), data)

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        os.ftruncate(self.fileno(), size)
        return size

    def close(self) -> None:
        if self.closed:
            return
        path = self.shim.paths.pop(self.fileno(), None)
        super().close()
        self.shim.intercept("close", path)


def _opening_file(shim: Shim) -> Callable[..., Any]:
    _File.shim = shim

    def call(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        if isinstance(file, int) or not shim.watches(_absolute(shim, file)):
            return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = _File(file, mode.replace("b", "").replace("t", ""), opener=opener or os.open)
        if "b" in mode and buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        return kind(raw) if "b" in mode else io.TextIOWrapper(kind(raw), encoding, errors, newline)

    return call
