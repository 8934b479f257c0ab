"""Files and folders that survive a power cut: `fsync` of a file makes its bytes durable, but not its name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path

from vsearch_core.errors import InputError


def refuse_foreign_name(path: Path) -> None:
    """Raise InputError unless the path is valid UTF-8: the catalog keeps no other text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(str(path), "its name is not valid UTF-8", "name-not-utf8") from None


def make_folder(path: Path) -> None:
    """Make a folder, where it is not there yet, and those above it; make its name durable. Raises OSError."""
    if not path.is_dir():
        if not path.parent.is_dir():
            make_folder(path.parent)
        path.mkdir(exist_ok=True)
    sync_folder(path.parent)  # a folder that is there may be the work of a run that was killed before this line


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return  # a folder that may be written and not read can't be synced
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def durable_file(path: Path) -> Iterator[BufferedWriter]:
    """A new file, written inside the block; its bytes are durable after it, its name once the folder is synced."""
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Make the bytes of a file that is there durable. Raises OSError."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
