"""Reads tensors from safetensors files, which hold no code."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import ModelError


class TensorReader:
    """Reads a model's tensors by name, one at a time.

    The checkpoint of a model with a head puts a prefix such as "bert." before the encoder's names: whatever is before
    `anchor`, the name of one of the encoder's tensors.
    """

    def __init__(self, path: Path, file: Any, anchor: str) -> None:
        """Read from `file`, an open safetensors file at `path`, whose encoder has the tensor `anchor`."""
        self._path = path
        self._file = file
        self._names = set(file.keys())
        self._prefix = min((name.removesuffix(anchor) for name in self._names if name.endswith(anchor)), default="")

    def __call__(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the tensor as float32; -1 in `shape` allows any length.

        Raises ModelError if there is no such tensor, or its type or shape doesn't fit.
        """
        full = self._prefix + name
        if full not in self._names:
            raise ModelError(str(self._path), f"has no tensor {name!r}", "model-unsupported")
        try:
            tensor = np.asarray(self._file.get_tensor(full)).astype(np.float32, copy=False)
        except (TypeError, ValueError) as error:  # bfloat16, which numpy doesn't have
            raise ModelError(str(self._path), f"{name!r} has a type that can't be read", "model-unsupported") from error
        fits = len(tensor.shape) == len(shape) and all(w in (-1, g) for w, g in zip(shape, tensor.shape, strict=True))
        if not fits:
            raise ModelError(str(self._path), f"{name!r} has shape {tensor.shape}, not {shape}", "model-unsupported")
        return tensor


def open_weights(path: Path) -> Any:
    """Return safetensors' reader of the file, to be used in a `with`. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="numpy")
    except (OSError, SafetensorError) as error:
        raise ModelError(str(path), f"can't be read ({error})", "model-damaged") from error
