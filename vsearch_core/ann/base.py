"""Helpers for the vector algorithms: aligned arrays, threads and a check for finite values."""

import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vsearch_core.errors import InputError
from vsearch_core.kernels.constants import CACHE_LINE

Allocate = Callable[[int | Sequence[int], DTypeLike], NDArray[Any]]  # returns an array of zeros, as `aligned` does
_LARGE_PAGE = 2 << 20  # bytes
_ROWS_READ_AHEAD = 4096
_LARGE = 1 << 28  # bytes: a smaller file is assumed to stay in memory
_SPARSE = 16 << 10  # bytes from one row to the next, on average, above which only the rows' own pages are read
_REQUEST = 128 << 10  # bytes that are read ahead at a time: Linux ignores what exceeds its own `read_ahead_kb`


def aligned(shape: int | Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros whose data starts on a cache line, or on a large page if it fills one.

    Without alignment, each sketch of 64 bytes lies on two cache lines, and a graph search is 40 % slower. numpy
    requests large pages for arrays of 4 MB or more, but their data begins shortly after the start of a page.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    boundary = _LARGE_PAGE if size >= _LARGE_PAGE else CACHE_LINE
    memory = np.zeros(size + boundary, np.uint8)
    start = -memory.ctypes.data % boundary
    return memory[start : start + size].view(dtype).reshape(shape)


def aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of the array, aligned as by `aligned`."""
    copy = aligned(array.shape, array.dtype)
    copy[...] = array
    return copy


def run_in_chunks(action: Callable[[int, int], object], start: int, stop: int, chunk: int, threads: int) -> None:
    """Split the numbers start … stop - 1 into ranges of at most `chunk`, and call action(first, last) for each.

    The calls run on `threads` threads, in any order; an exception from a call is raised here.
    """
    ranges = [(first, min(stop, first + chunk)) for first in range(start, stop, max(1, chunk))]
    if threads == 1 or len(ranges) < 2:
        for each in ranges:
            action(*each)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(action, *each) for each in ranges]:
            done.result()


def check_finite(name: str, vectors: NDArray[np.float32]) -> None:
    """Raise InputError if any of the vectors (n, d) has a value that is not finite. The error names the first."""
    if np.isfinite(np.vdot(vectors, vectors)):  # one fast operation; it may overflow, but not the other way round
        return
    if not np.isfinite(vectors).all():
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        raise InputError(f"{name} {bad[0]}", "the vector has a value that is not finite")


def read_rows(array: NDArray[Any], rows: NDArray[np.integer]) -> NDArray[Any]:
    """Return a copy of array[rows]; `rows` (r,) ascend. The array may be in a mapped file: see `read_ahead`."""
    copy = np.empty((len(rows), *array.shape[1:]), array.dtype)
    row_bytes = array[:1].nbytes
    for start in range(0, len(rows), _ROWS_READ_AHEAD):
        some = rows[start : start + _ROWS_READ_AHEAD]
        first, stop = int(some[0]), int(some[-1]) + 1
        if (stop - first) * row_bytes <= len(some) * _SPARSE:
            read_ahead(array, first, stop)
        else:
            for row in some.tolist():
                read_ahead(array, row, row + 1)
        np.take(array, some, 0, copy[start : start + len(some)])
    return copy


def read_ahead(array: NDArray[Any], start: int, stop: int) -> None:
    """Ask the system to read the rows start … stop - 1 of an array into memory soon, if it is in a mapped file.

    Without that, each page is read when it is first used, one after the other.
    """
    memory = _mapping(array)
    if memory is None:
        return
    rows = array[start:stop]
    first = rows.ctypes.data - np.frombuffer(memory, np.uint8).ctypes.data
    for at in range(first // mmap.PAGESIZE * mmap.PAGESIZE, first + rows.nbytes, _REQUEST):
        memory.madvise(mmap.MADV_WILLNEED, at, min(_REQUEST, first + rows.nbytes - at))


def is_large_and_mapped(array: NDArray[Any]) -> bool:
    """Return True if the array is in a mapped file that may not stay in memory."""
    return array.nbytes >= _LARGE and _mapping(array) is not None


def expect_random_reads(array: NDArray[Any]) -> None:
    """Tell the system that rows of an array will be read at random, if it is large and in a mapped file.

    Else the system reads up to `read_ahead_kb` for each page that is not in memory. That pays off for a small file,
    which is soon in memory as a whole.
    """
    memory = _mapping(array)
    if memory is not None and array.nbytes >= _LARGE:
        memory.madvise(mmap.MADV_RANDOM)


@contextmanager
def reads_in_order(array: NDArray[Any]) -> Iterator[None]:
    """Take `expect_random_reads` back inside a `with` block, in which all rows are read."""
    memory = _mapping(array)
    if memory is None or array.nbytes < _LARGE:
        yield
        return
    memory.madvise(mmap.MADV_SEQUENTIAL)
    try:
        yield
    finally:
        memory.madvise(mmap.MADV_RANDOM)


def _mapping(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the mapped file that an array is in, or None: also where the system takes no advice, as Windows."""
    memory: Any = array
    while isinstance(memory, np.ndarray):
        memory = memory.base
    if isinstance(memory, memoryview):
        memory = memory.obj
    return memory if isinstance(memory, mmap.mmap) and hasattr(mmap, "MADV_WILLNEED") else None
