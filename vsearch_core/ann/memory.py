"""Arrays that begin on a cache line, and large ones on a large page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LINE = 64
_LARGE_PAGE = 2 << 20


def aligned(shape: int | Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """An array of zeros whose rows lie on no more cache lines than they must, where their size allows.

    A sketch of 64 bytes across two lines costs a walk 40 % of its speed. numpy asks the system for large pages where it
    gets 4 MB or more, but begins just behind a page's start.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    boundary = _LARGE_PAGE if size >= _LARGE_PAGE else _LINE
    memory = np.zeros(size + boundary, np.uint8)
    start = -memory.ctypes.data % boundary
    return memory[start : start + size].view(dtype).reshape(shape)


def aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    """The same values, aligned."""
    copy = aligned(array.shape, array.dtype)
    copy[...] = array
    return copy
