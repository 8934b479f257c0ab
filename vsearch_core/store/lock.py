"""Lock an index for writing: it has one writer at a time.

The operating system releases the lock when its process dies; the lock file is never deleted. A forked child process
would keep the lock of its parent, so processes are spawned, never forked, while the lock is held.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from vsearch_core.errors import IndexLockedError
from vsearch_core.json_text import parse_json
from vsearch_core.own_files import file_lock, open_file, replace_file

LOCK_FILE = "writer.lock"
HOLDER_FILE = "writer.json"  # names the lock's holder; on Windows the lock file can't be read while it is locked
GIT_IGNORE = ".gitignore"
MAX_HOLDER_BYTES = 1 << 16
WAIT = 2.0  # seconds: long enough for a commit by another writer to end, short enough not to look like a hang


@contextmanager
def writer_lock(index: Path, wait: float = WAIT) -> Iterator[None]:
    """Acquire the writer lock of the index for the block, and release it afterwards.

    Raises IndexLockedError, which names the process that has the lock, if it is not released within `wait` seconds, and
    OSError if the lock file is a link.
    """
    from filelock import Timeout

    lock = file_lock(index / LOCK_FILE)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        reason = f"another vsearch is writing to this index{_holder(index)}"
        raise IndexLockedError(str(index), reason) from None
    try:
        _write_holder(index)
        _write_git_ignore(index)
        yield
    finally:
        with suppress(OSError):
            (index / HOLDER_FILE).unlink(missing_ok=True)
        lock.release()


def is_locked(index: Path) -> bool:
    """Return True if a process has the writer lock of the index.

    This tries to acquire the lock for a moment. Where the lock file can't be opened, the lock's holder decides.
    """
    from filelock import Timeout

    if not (index / LOCK_FILE).exists():
        return False
    try:
        lock = file_lock(index / LOCK_FILE)
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        return True
    except OSError:
        return bool(_holder(index))
    return False


def _write_holder(index: Path) -> None:
    """Write this process's id, host and time to the holder file. Ignore errors: only the lock itself matters."""
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    text = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since})
    with suppress(OSError):
        replace_file(index / HOLDER_FILE, text.encode())


def _write_git_ignore(index: Path) -> None:
    """Write a .gitignore that leaves out the whole folder, unless there is one: an index has all documents' text."""
    with suppress(OSError), open_file(index / GIT_IGNORE, "xb") as file:
        file.write(b"*\n")


def _holder(index: Path) -> str:
    """Return " (process … on …, since …)" for the lock's holder, or "" if it is unknown or has died."""
    try:
        with open_file(index / HOLDER_FILE, "rb") as file:
            signed = parse_json(file.read(MAX_HOLDER_BYTES))
        host, pid, since = str(signed["host"]), int(signed["pid"]), datetime.fromisoformat(signed["since"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    if host == socket.gethostname() and not _is_alive(pid):
        return ""
    return f" (process {pid} on {host}, since {since:%Y-%m-%d %H:%M:%S})"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # signal 0 is not sent; this only checks that it could be
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
