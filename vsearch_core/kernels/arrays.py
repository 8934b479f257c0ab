"""Convert arrays to the form that kernels accept."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only, C-contiguous view of an array, or of a copy if the array isn't contiguous.

    numba compiles a kernel again for each combination of argument types, and being read-only is part of a type.
    """
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view
