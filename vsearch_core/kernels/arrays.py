"""Arrays in the form that kernels take."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only, C-contiguous view of the array, or of a copy where it isn't contiguous.

    numba compiles a kernel once for each combination of argument types, and writability is part of a type.
    """
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view
