"""Convert exceptions of SQLite and the operating system to StorageError and IndexCorruptError."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsearch_core.errors import IndexCorruptError, StorageError

NEARLY_FULL = 100_000  # free bytes below which an I/O error of SQLite means a full disk

_CODES = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EROFS: "read-only",
    errno.EMFILE: "too-many-open-files",
    errno.ELOOP: "is-a-link",
    **dict.fromkeys(
        (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.ENOENT), "malformed-path"
    ),
}
_SQLITE_CODES = {"SQLITE_FULL": "disk-full", "SQLITE_READONLY": "permission-denied", "SQLITE_PERM": "permission-denied"}

# Our own statements are right, so even a plain SQLITE_ERROR (no such table, malformed schema) means damage. An error
# without a name comes from text in the catalog that isn't UTF-8.
_DAMAGE = (
    *("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG"),
    *("SQLITE_FORMAT", "SQLITE_IOERR_SHORT_READ"),
)


@contextmanager
def file_errors(subject: Path | str) -> Iterator[None]:
    """Convert an OSError in the block to a StorageError about its file, or about `subject` if it has none."""
    try:
        yield
    except OSError as error:
        raise _from_os(subject, error) from error


@contextmanager
def sqlite_errors(index: Path) -> Iterator[None]:
    """Convert an SQLite error in the block to a StorageError or IndexCorruptError about `index`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _from_sqlite(index, error) from error


@contextmanager
def storage_errors(index: Path) -> Iterator[None]:
    """Convert an error of SQLite or the operating system in the block to StorageError or IndexCorruptError.

    If the error has a file name, the new error is about that file, otherwise about `index`.
    """
    try:
        yield
    except OSError as error:
        raise _from_os(index, error) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # UnicodeDecodeError: text in the catalog is damaged
        raise _from_sqlite(index, error) from error


def _from_os(subject: Path | str, error: OSError) -> StorageError:
    reason = (error.strerror or str(error)).lower()
    return StorageError(str(error.filename or subject), reason, _CODES.get(error.errno or 0))


def _from_sqlite(index: Path, error: sqlite3.Error | UnicodeDecodeError) -> StorageError | IndexCorruptError:
    name = str(getattr(error, "sqlite_errorname", ""))
    if not name or name.startswith(_DAMAGE):
        return IndexCorruptError(str(index), f"its catalog is damaged ({error})")
    for prefix, code in _SQLITE_CODES.items():
        if name.startswith(prefix):
            return StorageError(str(index), str(error), code)
    if name.startswith("SQLITE_IOERR") and _is_full(index):  # what SQLite raises if there is no room for its side files
        return StorageError(str(index), "no space left on device", "disk-full")
    if name.startswith("SQLITE_BUSY"):
        return StorageError(str(index), "another process has locked its catalog", "catalog-busy")
    return StorageError(str(index), f"its catalog can't be used ({error})", "catalog-unusable")


def _is_full(folder: Path) -> bool:
    from shutil import disk_usage

    try:
        return disk_usage(folder).free < NEARLY_FULL
    except OSError:
        return False
