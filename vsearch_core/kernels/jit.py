"""The decorator for kernels, and the parts of numba that they use. No other module imports numba.

numba reads a configuration file from the working folder when it is imported. `import_numba` prevents that.
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
    """Decorate a function, so that numba compiles it at the first call, and caches the machine code on disk.

    The compiled function runs without the GIL. `options` are passed to `numba.njit`. numba chooses the cache folder
    when a function is decorated, so the folder is set before that.
    """
    kernel_cache.point_numba()
    return numba.njit(function, nogil=True, cache=True, **options)
