"""Every file-system call that a command makes in the folders it writes to, counted; any of them can kill or fail.

Two ways lead from the product to the kernel. Python's (`open`, `os`, `mmap`) is replaced here by functions that ask the
shim first; SQLite's goes through the table of system calls that its VFS lets a test replace (`faults.sqlite_calls`).
What a call did is noted too, for the tests that cut the power.
"""

import builtins
import errno
import io
import mmap
import os
import shutil  # noqa: F401 - it looks at `os` when it is imported, so that has to be before `os` is replaced
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

READS = frozenset({"open", "read", "map", "list"})
WRITES = frozenset({"write", "truncate", "sync", "close", "rename", "link", "unlink", "mkdir", "rmdir"})


@dataclass(frozen=True)
class Plan:
    """What happens at call number `at` (from 1; 0: nothing ever does), and at all later ones where it is `lasting`.

    `action` is "kill", "tear" (half of a write, then kill), "short" (half of a write), or "fail" with `error`.
    """

    at: int = 0
    action: str = "kill"
    error: int = 0
    lasting: bool = False


IN_PEACE = Plan()


@dataclass(frozen=True)
class Event:
    """What a call did: `kind`, the path, the file's inode number, and what else replaying it takes."""

    kind: str
    path: str = ""
    inode: int = 0
    offset: int = 0  # of a write; the new size of a truncation; the number of a commit or of embedded documents
    data: bytes = field(default=b"", repr=False)
    target: str = ""  # of a rename or link


@dataclass
class Shim:
    """Counts the calls under `watched`, lets the plan happen, and notes calls (and events where it records)."""

    watched: tuple[str, ...] = ()
    plan: Plan = IN_PEACE
    recording: bool = False
    calls: list[str] = field(default_factory=list)  # kinds of calls, in order: call n is calls[n - 1]
    events: list[Event] = field(default_factory=list)
    paths: dict[int, str] = field(default_factory=dict)  # of open descriptors

    def sees(self, path: str | None) -> bool:
        """Whether the path, absolute, is watched."""
        return path is not None and path.startswith(self.watched)

    def ask(self, kind: str, path: str | None, size: int = 0) -> int:
        """Count a call, and let the plan happen to it: raises OSError, kills, or gives how many bytes to write."""
        if not self.watched or not self.sees(path):
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

    def after_write(self) -> None:
        """The second half of "tear"."""
        if self.plan.action == "tear" and len(self.calls) == self.plan.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def note(self, kind: str, path: str | None = None, fd: int | None = None, **more: Any) -> None:
        """Remember what a call did."""
        path = self.paths.get(fd) if path is None and fd is not None else path
        if self.recording and (path is None or self.sees(path)):
            inode = 0 if fd is None else _REAL["fstat"](fd).st_ino
            self.events.append(Event(kind, path or "", inode, **more))

    def opened(self, fd: int, path: str, *, created: bool, emptied: bool = False) -> None:
        """Remember a descriptor, and the file that its opening made or emptied."""
        self.paths[fd] = path
        if created:
            self.note("create", path, fd)
        elif emptied:
            self.note("truncate", path, fd)

    def synced(self, fd: int) -> None:
        """Remember that a file, or a folder's list of names, is on the disk."""
        path = self.paths.get(fd, "")
        self.note("sync folder" if os.path.isdir(path) else "sync", path, fd)  # noqa: PTH112 - strings throughout


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
    """Replace Python's calls for the rest of this process's life."""
    for name, kind in (("rename", "rename"), ("replace", "rename")):
        setattr(os, name, _renaming(shim, kind, _REAL[name]))
    for name, kind in (("unlink", "unlink"), ("remove", "unlink"), ("mkdir", "mkdir"), ("rmdir", "rmdir")):
        setattr(os, name, _naming(shim, kind, _REAL[name]))
    for name in ("scandir", "listdir"):
        setattr(os, name, _listing(shim, _REAL[name]))
    os.link, os.sendfile = _linking(shim), _sending(shim)
    for name in ("symlink", "truncate"):
        setattr(os, name, _unknown(shim, name, _REAL[name]))
    os.open, os.close = _opening(shim), _closing(shim)
    os.read, os.write, os.fsync, os.ftruncate = _reading(shim), _writing(shim), _syncing(shim), _truncating(shim)
    mmap.mmap = _mapping(shim)
    builtins.open = io.open = _opening_file(shim)


def _absolute(shim: Shim, path: Any, folder: int | None = None) -> str | None:
    """The path that a call means; None for one that is a descriptor we know nothing of."""
    if isinstance(path, int):
        return shim.paths.get(path)
    text = os.fsdecode(path)
    if folder is not None:
        return os.path.join(shim.paths.get(folder, ""), text)  # noqa: PTH118
    return os.path.abspath(text)  # noqa: PTH100


def _renaming(shim: Shim, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(source: Any, target: Any, **folders: Any) -> None:
        path, other = _absolute(shim, source), _absolute(shim, target)
        shim.ask(kind, path if shim.sees(path) else other)
        real(source, target, **folders)
        shim.note(kind, path, target=other)

    return call


def _naming(shim: Shim, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any, *arguments: Any, dir_fd: int | None = None) -> None:
        name = _absolute(shim, path, dir_fd)
        shim.ask(kind, name)
        real(path, *arguments, dir_fd=dir_fd)
        shim.note(kind, name)

    return call


def _listing(shim: Shim, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any = ".") -> Any:
        shim.ask("list", _absolute(shim, path))
        return real(path)

    return call


def _unknown(shim: Shim, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(first: Any, *arguments: Any, **options: Any) -> Any:
        assert not shim.sees(_absolute(shim, first)), f"teach the shim os.{name}, which the product now calls"
        return real(first, *arguments, **options)

    return call


def _linking(shim: Shim) -> Callable[..., None]:
    def call(source: Any, target: Any, **options: Any) -> None:
        path, other = _absolute(shim, source), _absolute(shim, target)
        shim.ask("link", other)
        _REAL["link"](source, target, **options)
        shim.note("link", path, target=other)

    return call


def _sending(shim: Shim) -> Callable[..., int]:
    """Whoever copies by `sendfile` goes on by reading and writing where it is not supported, and that we count."""

    def call(target: int, *arguments: Any) -> int:
        if shim.sees(shim.paths.get(target)):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        return _REAL["sendfile"](target, *arguments)

    return call


def _opening(shim: Shim) -> Callable[..., int]:
    def call(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        name = _absolute(shim, path, dir_fd)
        if not shim.sees(name):
            fd = _REAL["open"](path, flags, mode, dir_fd=dir_fd)
            shim.paths.pop(fd, None)  # of one that `os.fdopen` took, and closed unseen
            return fd
        assert name is not None
        shim.ask("open", name)
        created = bool(flags & os.O_CREAT) and not os.path.lexists(name)
        fd = _REAL["open"](path, flags, mode, dir_fd=dir_fd)
        shim.opened(fd, name, created=created, emptied=bool(flags & os.O_TRUNC))
        return fd

    return call


def _closing(shim: Shim) -> Callable[[int], None]:
    def call(fd: int) -> None:
        path = shim.paths.pop(fd, None)
        _REAL["close"](fd)
        shim.ask("close", path)

    return call


def _reading(shim: Shim) -> Callable[..., bytes]:
    def call(fd: int, count: int) -> bytes:
        shim.ask("read", shim.paths.get(fd))
        return _REAL["read"](fd, count)

    return call


def _writing(shim: Shim) -> Callable[..., int]:
    def call(fd: int, data: Any) -> int:
        path, view = shim.paths.get(fd), memoryview(data).cast("B")
        count = shim.ask("write", path, len(view))
        at = os.lseek(fd, 0, os.SEEK_CUR) if shim.sees(path) else 0
        done = _REAL["write"](fd, view[:count])
        if shim.sees(path):
            shim.after_write()
            shim.note("write", path, fd, offset=at, data=bytes(view[:done]))
        return done

    return call


def _truncating(shim: Shim) -> Callable[..., None]:
    def call(fd: int, size: int) -> None:
        shim.ask("truncate", shim.paths.get(fd))
        _REAL["ftruncate"](fd, size)
        shim.note("truncate", fd=fd, offset=size)

    return call


def _syncing(shim: Shim) -> Callable[[Any], None]:
    def call(file: Any) -> None:
        fd = file if isinstance(file, int) else file.fileno()
        shim.ask("sync", shim.paths.get(fd))
        _REAL["fsync"](fd)
        shim.synced(fd)

    return call


def _mapping(shim: Shim) -> Callable[..., mmap.mmap]:
    def call(fd: int, *arguments: Any, **options: Any) -> mmap.mmap:
        shim.ask("map", shim.paths.get(fd))
        return _real_mmap(fd, *arguments, **options)

    return call


class _File(io.FileIO):
    """A raw file all of whose calls go through `os`, and so through the shim."""

    shim: Shim

    def readinto(self, buffer: Any) -> int:
        self.shim.ask("read", self.shim.paths.get(self.fileno()))
        return super().readinto(buffer) or 0

    def readall(self) -> bytes:
        self.shim.ask("read", self.shim.paths.get(self.fileno()))
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
        self.shim.ask("close", path)


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
        if isinstance(file, int) or not shim.sees(_absolute(shim, file)):
            return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = _File(file, mode.replace("b", "").replace("t", ""), opener=opener or os.open)
        if "b" in mode and buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        return kind(raw) if "b" in mode else io.TextIOWrapper(kind(raw), encoding, errors, newline)

    return call
