"""Open regular files to read them, and refuse pipes, sockets and devices.

These are files that the user named, or that a folder of the user's holds, such as a model or an evaluation folder.
Opening a pipe can wait for ever, a device can be endless, and opening some devices changes them. Symbolic links are
followed; for the files of an index, `own_files` follows none. `tests/security/test_special_files.py` forbids other ways
to open files for reading.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path | str) -> BufferedReader:
    """Open a regular file for reading, and return the binary file object.

    Raises OSError: errno EINVAL for a pipe, a socket or a device, EISDIR for a folder.
    """
    refuse_special(path)
    return open(path, "rb", opener=_open)


def read_text(path: Path) -> str:
    """Return the text of a regular UTF-8 file, without a byte order mark. Line ends become line feeds.

    Raises OSError as `open_regular` does, and UnicodeDecodeError.
    """
    with open_regular(path) as file:
        return file.read().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def refuse_special(path: Path | str) -> None:
    """Raise OSError with errno EINVAL if there is a pipe, a socket or a device at the path.

    Call this before another library opens a file by its name. Symbolic links are followed.
    """
    try:
        mode = Path(path).stat().st_mode
    except OSError:  # opening it raises the same error
        return
    refuse_special_mode(mode, path)


def refuse_special_mode(mode: int, path: Path | str) -> None:
    """Raise OSError with errno EINVAL if a file's mode is that of a pipe, a socket or a device."""
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise OSError(errno.EINVAL, f"is {file_kind(mode)}, not a regular file", str(path))


def file_kind(mode: int) -> str:
    """Return "a named pipe", "a folder", "a socket" or "a device" for the mode of a file that isn't regular."""
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"


def _open(path: str, flags: int) -> int:
    """Open the file without waiting, and check its kind again: it may have been replaced since it was looked at."""
    return checked(os.open(path, flags | getattr(os, "O_NONBLOCK", 0)), path)  # O_NONBLOCK: a pipe would wait


def checked(descriptor: int, path: Path | str) -> int:
    """Return the descriptor of a regular file or a folder. Close any other, and raise OSError with errno EINVAL."""
    try:
        refuse_special_mode(os.fstat(descriptor).st_mode, path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
