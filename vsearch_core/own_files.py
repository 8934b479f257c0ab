"""Open and write vsearch's own files without following symbolic links.

These are the files of an index, and those in the user's cache, configuration and state folders. An index may come from
someone else, in a cloned repository or an archive, with links in place of its files and folders. Writing through such a
link could change any file of the user, and reading through it could show one. All code that reads or writes vsearch's
files uses this module; `tests/security/test_links.py` forbids other ways.

A new file is created in exclusive mode. An existing file is replaced by a rename, which replaces a link and doesn't
follow it.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from vsearch_core.config import INDEX_DIR
from vsearch_core.regular_files import checked, refuse_special, refuse_special_mode

if TYPE_CHECKING:
    import sqlite3

    from filelock import BaseFileLock

MEMORY = Path(":memory:")  # the name of a database without a file
COPY_BYTES = 1 << 20  # bytes copied at a time
_IS_LINK = "is a symbolic link, which is never followed here"
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.ENOSYS}
_SIDE_FILES = ("-journal", "-wal", "-shm")  # of an SQLite file
_HAS_DESCRIPTORS = hasattr(os, "O_NOFOLLOW") and hasattr(os, "O_DIRECTORY")  # not on Windows

Mode = Literal["rb", "r+b", "xb", "ab+"]  # none truncates


def open_file(
    path: Path, mode: Mode, *, within: Path | None = None, buffering: int = -1, permissions: int = 0o666
) -> IO[bytes]:
    """Open a regular file without following symbolic links, and return the binary file object.

    Mode "xb" creates a new file, "ab+" creates the file if it is missing, and the other modes need an existing file.
    Neither the file nor a folder below `within` (by default the file's own folder) may be a link. `within` itself may
    be one, unless its name is `.vsearch`. Raises OSError: errno ELOOP for a link, EINVAL for a pipe, socket or device.
    """

    def opener(name: str, flags: int) -> int:
        return _descriptor(Path(name), flags, permissions, within)

    return open(path, mode, buffering, opener=opener)


def replace_file(
    path: Path, data: bytes, *, within: Path | None = None, suffix: str = ".new", permissions: int = 0o666
) -> None:
    """Write data to a new file beside `path`, and rename the new file to `path`. Raises OSError.

    The new file's name is that of `path` plus `suffix` until then.
    """
    fresh = path.with_name(path.name + suffix)
    refuse_links(fresh.parent, within=within or fresh.parent)
    fresh.unlink(missing_ok=True)  # left by a run that was killed, or a link
    try:
        with open_file(fresh, "xb", within=within, permissions=permissions) as file:
            file.write(data)
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def copy_file(source: Path, target: Path, *, within: Path | None = None) -> Path:
    """Copy a file's bytes to the new file `target`, and return `target`.

    Links are refused in both; `within` is as for `open_file`. Raises OSError.
    """
    with open_file(source, "rb", within=within) as reader, open_file(target, "xb", within=within) as writer:
        while block := reader.read(COPY_BYTES):
            writer.write(block)
    return target


def link_file(source: Path, target: Path, *, within: Path | None = None) -> Path:
    """Give a file that is never changed a second name, and return it; on file systems without hard links, copy it.

    Symbolic links are refused in both; `within` is as for `open_file`. Raises OSError.
    """
    for path in (source, target):
        refuse_links(path, within=within)
    refuse_special(source)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return copy_file(source, target, within=within)
    return target


def list_folder(path: Path, *, within: Path | None = None) -> list[Path]:
    """Return the paths of a folder's entries, sorted.

    Neither the folder nor a folder below `within` may be a link; `within` is as for `open_file`. Raises OSError.
    """
    refuse_links(path, within=within)
    return sorted(path.iterdir())


def folder_bytes(path: Path, *, within: Path | None = None) -> int:
    """Return the bytes of all files in a folder and the folders below, 0 if it is missing or not a folder.

    A link counts with its own size. `within` is as for `list_folder`. Raises OSError.
    """
    try:
        entries = list_folder(path, within=within)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    total = 0
    for entry in entries:
        with suppress(FileNotFoundError):  # deleted meanwhile
            is_folder = entry.is_dir() and not entry.is_symlink()
            total += folder_bytes(entry) if is_folder else entry.lstat().st_size
    return total


def delete_folder(path: Path, *, within: Path | None = None) -> None:
    """Delete a folder with everything in it, or the file or link in its place. Targets of links stay.

    No folder below `within` may be a link; `within` is as for `open_file`. Raises OSError.
    """
    from shutil import rmtree

    refuse_links(path.parent, within=within or path.parent)
    if path.is_dir() and not path.is_symlink():
        rmtree(path)
    else:
        path.unlink()  # rmtree would open a pipe or a link's target before it refuses it


def delete_file(path: Path, *, within: Path | None = None) -> None:
    """Delete a file, or the link in its place. No folder below `within` may be a link. Raises OSError."""
    refuse_links(path.parent, within=within or path.parent)
    path.unlink()


def make_own_folder(path: Path, *, within: Path | None = None, permissions: int = 0o777) -> None:
    """Create a folder if it is missing. Its parent folder must exist.

    No link is followed; `within` is as for `open_file`. Raises OSError, with errno ELOOP for a link.
    """
    if not _HAS_DESCRIPTORS:
        refuse_links(path, within=within)
        path.mkdir(permissions, exist_ok=True)
        return
    with _folder(path.parent, _anchor(path, within)) as descriptor, _named(path):
        try:
            os.mkdir(path.name, permissions, dir_fd=descriptor)
        except FileExistsError:
            if not path.is_dir():
                raise
    refuse_links(path, within=within)


def make_own_folders(path: Path, permissions: int = 0o777) -> None:
    """Create a folder and its parents if they are missing, for files outside an index.

    Existing folders may be symbolic links, because the user made them. Raises OSError.
    """
    if not path.parent.is_dir():
        make_own_folders(path.parent)
    if not path.is_dir():  # a link that the user made of a folder of theirs is the user's choice
        make_own_folder(path, permissions=permissions)


def refuse_links(path: Path, *, within: Path | None = None) -> None:
    """Raise OSError with errno ELOOP if the path, or a folder between `within` and the path, is a link.

    Call this before another library opens a file by its name. `within` is as for `open_file`.
    """
    anchor = _anchor(path, within)
    for each in [path, *path.parents][: len(path.parts) - len(anchor.parts)]:
        if each.is_symlink():
            raise OSError(errno.ELOOP, _IS_LINK, str(each))


def connect_database(
    path: Path, *, query: str = "", within: Path | None = None, **options: Any
) -> "sqlite3.Connection":
    """Connect to an SQLite file without following symbolic links, and return the connection.

    `query` is the query part of the file's URI, such as "mode=ro", and `options` are those of `sqlite3.connect`. SQLite
    itself refuses links in place of its journals, but it would wait for a pipe. Raises OSError for a link, a pipe, a
    socket or a device, and sqlite3.Error.
    """
    import sqlite3

    target = str(path)
    if path != MEMORY:
        refuse_links(path, within=within)
        for suffix in ("", *_SIDE_FILES):
            refuse_special(path.with_name(path.name + suffix))
        target = str(path.absolute())
    if query:
        from urllib.parse import quote

        target = f"file:{quote(target)}?{query}"
    connection: sqlite3.Connection = sqlite3.connect(target, uri=bool(query), **options)
    return connection


def file_lock(path: Path, *, within: Path | None = None) -> "BaseFileLock":
    """Return a lock on a file, not yet acquired. Raises OSError if the file is a link, a pipe, a socket or a device.

    The package filelock truncates the file that it locks. Since version 3.20.1 it doesn't follow a link to do so.
    """
    from filelock import FileLock

    refuse_links(path, within=within)
    refuse_special(path)
    return FileLock(path)


def _descriptor(path: Path, flags: int, permissions: int, within: Path | None) -> int:
    """Open a regular file without following links. Return its descriptor. Raises OSError."""
    if not _HAS_DESCRIPTORS:
        refuse_links(path, within=within)
        refuse_special(path)
        return checked(os.open(path, flags, permissions), path)
    with _folder(path.parent, _anchor(path, within)) as folder:
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # O_NONBLOCK: a pipe would wait for its other end
        with _named(path):
            with suppress(FileNotFoundError):  # opening some devices changes them
                refuse_special_mode(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode, path)
            descriptor = os.open(path.name, flags, permissions, dir_fd=folder)
    return checked(descriptor, path)  # `open` itself refuses a folder


def _anchor(path: Path, within: Path | None) -> Path:
    """Return the last folder of the path that may be a link, because the user chose it."""
    anchor = within or path.parent
    return anchor.parent if anchor.name == INDEX_DIR else anchor


@contextmanager
def _folder(path: Path, anchor: Path) -> Iterator[int]:
    """Yield a descriptor of the folder; below the anchor, no component may be a link. Raises OSError."""
    flags = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)  # O_PATH: it need not be readable
    reached = anchor
    descriptor = os.open(anchor, flags)
    try:
        for name in path.relative_to(anchor).parts:
            reached /= name
            with _named(reached):
                below = os.open(name, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            above, descriptor = descriptor, below
            os.close(above)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Add the whole path to an OSError of a call that names a file within an open folder, and explain links."""
    try:
        yield
    except OSError as error:
        is_link = error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK} and path.is_symlink()
        number, reason = (errno.ELOOP, _IS_LINK) if is_link else (error.errno, error.strerror)
        raise OSError(number, reason, str(path)) from None
