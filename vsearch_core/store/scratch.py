"""Make arrays in temporary files that are mapped into memory, for work whose arrays don't fit in memory.

The system writes pages to the file and reads them back as it needs memory.
"""

import errno
import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vsearch_core.own_files import open_file

_BLOCK = 1 << 22  # bytes written at a time where the system can't reserve space


class ScratchArrays:
    """Makes arrays of zeros in files of a folder. A call takes shape and dtype, like `ann.base.aligned`."""

    def __init__(self, folder: Path) -> None:
        """Make the files in this folder. Each is deleted when nothing uses its array any more."""
        self._folder, self._made = folder, 0

    def __call__(self, shape: int | Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of zeros whose file has all its space on disk. Raises OSError if that can't be had."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if not size:
            return np.zeros(shape, dtype)
        path = self._folder / f"building-{self._made}"
        self._made += 1
        with open_file(path, "xb"):
            pass
        try:
            with open_file(path, "r+b") as file:
                _reserve(file.fileno(), size)
                memory = mmap.mmap(file.fileno(), size)
                if hasattr(mmap, "MADV_RANDOM"):  # else a page fault reads megabytes, in place of what is still needed
                    memory.madvise(mmap.MADV_RANDOM)
        finally:
            with suppress(PermissionError):  # Windows deletes no file that is mapped: the next writer does
                path.unlink()
        return np.frombuffer(memory, dtype).reshape(shape)


def _reserve(descriptor: int, size: int) -> None:
    """Give a file this size. On a full disk, writing to a mapped file without space would end the process."""
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    for start in range(0, size, _BLOCK):
        block = bytes(min(_BLOCK, size - start))
        while block:
            block = block[os.write(descriptor, block) :]
