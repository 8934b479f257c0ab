"""The decorator of all kernels, and all that they use of numba; no other module imports it.

An import by its name, before this module's, would let a file in the working folder steer numba.
"""

from importlib import import_module
from typing import Any

from vsearch_core import kernel_cache
from vsearch_core.numba_loader import import_numba

numba = import_numba()
config, types = numba.config, numba.types
cgutils: Any = import_module("numba.core.cgutils")
intrinsic: Any = import_module("numba.extending").intrinsic


def kernel(function: Any = None, **options: Any) -> Any:
    """Compile a function with numba when it is first called: without the GIL, and cached on disk.

    `options` are further ones of `numba.njit`. numba fixes a function's cache folder here, so it is set first.
    """
    kernel_cache.point_numba()
    return numba.njit(function, nogil=True, cache=True, **options)
