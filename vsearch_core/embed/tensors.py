"""Reads the tensors of safetensors files, without running code that a file may hold."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.settings import FETCH_AGAIN, NEXT_STEP
from vsearch_core.errors import ModelError


class TensorReader:
    """The model's tensors by their names, read one at a time.

    A checkpoint of a model with a head puts "bert." or the like before the encoder's names: whatever stands before
    `anchor`, a name that must be there.
    """

    def __init__(self, path: Path, file: Any, anchor: str) -> None:
        self._path = path
        self._file = file
        self._names = set(file.keys())
        self._prefix = min((name.removesuffix(anchor) for name in self._names if name.endswith(anchor)), default="")

    def __call__(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The tensor; a length -1 in `shape` stands for any."""
        full = self._prefix + name
        if full not in self._names:
            raise ModelError(str(self._path), f"has no tensor {name!r}", NEXT_STEP)
        try:
            tensor = np.asarray(self._file.get_tensor(full)).astype(np.float32, copy=False)
        except (TypeError, ValueError) as error:  # bfloat16, which numpy doesn't have
            raise ModelError(str(self._path), f"{name!r} has a type that can't be read", NEXT_STEP) from error
        fits = len(tensor.shape) == len(shape) and all(w in (-1, g) for w, g in zip(shape, tensor.shape, strict=True))
        if not fits:
            raise ModelError(str(self._path), f"{name!r} has shape {tensor.shape}, not {shape}", NEXT_STEP)
        return tensor


def open_weights(path: Path) -> Any:
    """safetensors' reader, to be used in a `with`."""
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="numpy")
    except (OSError, SafetensorError) as error:
        raise ModelError(str(path), f"can't be read ({error})", FETCH_AGAIN) from error
