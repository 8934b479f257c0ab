"""Write files and folders so that they survive a power cut; read files in blocks and compute checksums.

`fsync` of a file makes its bytes durable, but not its name. That needs an `fsync` of its folder.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO

from vsearch_core.errors import InputError
from vsearch_core.own_files import make_own_folder, open_file, refuse_links

READ_BYTES = 1 << 20  # bytes held in memory at a time

Data = bytes | memoryview


def refuse_non_utf8_path(path: Path) -> None:
    """Raise InputError if the path is not valid UTF-8, because the catalog stores no other text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(str(path), "its name is not valid UTF-8", "name-not-utf8") from None


def make_folder(path: Path, within: Path | None = None) -> None:
    """Create a folder and its parents if they are missing, and make its name durable. Raises OSError.

    No link is followed; `within` is as for `own_files.open_file`.
    """
    if not path.is_dir():
        if not path.parent.is_dir():
            make_folder(path.parent, within if within != path else None)
        make_own_folder(path, within=within if within != path else None)
    refuse_links(path, within=within)
    sync_folder(path.parent)  # an existing folder may come from a run that was killed before this line


def sync_folder(path: Path) -> None:
    """Make the names of a folder's files durable by `fsync`. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return  # a folder that can be written but not read can't be synced
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def durable_file(path: Path, within: Path | None = None) -> Iterator[IO[bytes]]:
    """Create a file and yield it for writing. When the block ends, its bytes are durable.

    Its name is durable after `sync_folder` of its folder. Below `within`, by default this folder, no link is followed.
    """
    with open_file(path, "xb", within=within) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Make the bytes of an existing file durable by `fsync`. Raises OSError."""
    with open_file(path, "r+b") as file:
        os.fsync(file.fileno())


def read_blocks(path: Path, within: Path | None = None, size: int = READ_BYTES) -> Iterator[bytes]:
    """Yield the file's bytes, `size` at a time. Below `within`, by default its folder, no link is followed.

    Raises OSError.
    """
    with open_file(path, "rb", within=within) as file:
        while block := file.read(size):
            yield block


def checksum(blocks: Iterable[Data]) -> str:
    """Return the blake2b-128 hash of all bytes of the blocks, in hexadecimal."""
    digest = blake2b(digest_size=16)
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
