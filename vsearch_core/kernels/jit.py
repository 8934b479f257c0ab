"""The decorator of all kernels."""

from typing import Any

import numba

from vsearch_core import kernel_cache


def kernel(function: Any = None, **options: Any) -> Any:
    """Compile a function with numba when it is first called: without the GIL, and cached on disk.

    `options` are further ones of `numba.njit`. numba fixes a function's cache folder here, so it is set first.
    """
    kernel_cache.point_numba()
    return numba.njit(function, nogil=True, cache=True, **options)
