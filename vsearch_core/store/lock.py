"""One writer an index. The kernel frees the lock when its holder dies; the file is never unlinked."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsearch_core.errors import IndexLockedError

LOCK_FILE = "writer.lock"
WAIT = 2.0  # seconds: long enough for a commit by another writer to end, short enough not to look like a hang


@contextmanager
def writer_lock(index: Path, wait: float = WAIT) -> Iterator[None]:
    """Hold the index's writer lock inside the block.

    Raises IndexLockedError when another process still holds it after `wait` seconds.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(index / LOCK_FILE)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise IndexLockedError(
            str(index), "another vsearch is writing to this index", "wait until it ends, or stop it, and run this again"
        ) from None
    try:
        yield
    finally:
        lock.release()
