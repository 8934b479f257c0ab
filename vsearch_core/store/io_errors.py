"""The one place where SQLite's and the operating system's errors become ours."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsearch_core.errors import IndexCorruptError, StorageError
from vsearch_core.store.schema import CHECK

NEARLY_FULL = 100_000  # bytes: what the smallest step of a writer may need

_NEXT_STEP = {
    errno.ENOSPC: "free some space and run it again: what is committed is kept",
    errno.EDQUOT: "free some space and run it again: what is committed is kept",
    errno.EACCES: "check the folder's permissions",
    errno.EPERM: "check the folder's permissions",
    errno.EROFS: "choose a writable folder with --index",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}
_REASONS = {"SQLITE_FULL": errno.ENOSPC, "SQLITE_READONLY": errno.EACCES, "SQLITE_PERM": errno.EACCES}

# Our own statements are right, so that even a plain SQLITE_ERROR (no such table, malformed schema) means damage; no
# name at all, that SQLite's text is no UTF-8.
_DAMAGE = (
    *("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG"),
    *("SQLITE_FORMAT", "SQLITE_IOERR_SHORT_READ"),
)


@contextmanager
def storage_errors(index: Path) -> Iterator[None]:
    """Turn foreign errors raised inside into StorageError or IndexCorruptError about `index`."""
    try:
        yield
    except OSError as error:
        raise _from_os(index, error) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter for an error whose own text is damaged
        raise _from_sqlite(index, error) from error


@contextmanager
def sqlite_errors(index: Path) -> Iterator[None]:
    """As `storage_errors`, for SQLite's errors alone: around what may fail in other ways of its own."""
    try:
        yield
    except sqlite3.Error as error:
        raise _from_sqlite(index, error) from error


def _from_os(index: Path, error: OSError) -> StorageError:
    reason = (error.strerror or str(error)).lower()
    thing = str(error.filename or index)
    return StorageError(thing, reason, _NEXT_STEP.get(error.errno or 0, "check the disk and run it again"))


def _from_sqlite(index: Path, error: sqlite3.Error | UnicodeDecodeError) -> StorageError | IndexCorruptError:
    name = str(getattr(error, "sqlite_errorname", ""))
    if not name or name.startswith(_DAMAGE):
        return IndexCorruptError(str(index), f"its catalog is damaged ({error})", CHECK)
    for prefix, number in _REASONS.items():
        if name.startswith(prefix):
            return StorageError(str(index), str(error), _NEXT_STEP[number])
    if name.startswith("SQLITE_IOERR") and _is_full(index):  # SQLite's word for a disk too full for its side files
        return StorageError(str(index), "no space left on device", _NEXT_STEP[errno.ENOSPC])
    if name.startswith("SQLITE_BUSY"):
        return StorageError(str(index), "another process keeps its catalog busy", "try again in a moment")
    return StorageError(
        str(index), f"its catalog can't be used ({error})", "check the disk and the folder's permissions"
    )


def _is_full(folder: Path) -> bool:
    from shutil import disk_usage

    try:
        return disk_usage(folder).free < NEARLY_FULL
    except OSError:
        return False
