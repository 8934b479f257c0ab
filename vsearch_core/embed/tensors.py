"""Reads tensors from safetensors files. Unlike pickle files, they can't contain code."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import ModelError
from vsearch_core.regular_files import refuse_special


class TensorReader:
    """Reads a model's tensors by name, one at a time.

    Some files put a prefix such as "bert." before the names of an encoder's tensors. Names are given to the reader
    without the prefix.
    """

    def __init__(self, path: Path, file: Any, anchor: str) -> None:
        """Read from `file`, the open safetensors file at `path`.

        `anchor` is the name of a tensor that the model has. The text before it in the file is the prefix of all names.
        """
        self._path = path
        self._file = file
        self._names = set(file.keys())
        self._prefix = min((name.removesuffix(anchor) for name in self._names if name.endswith(anchor)), default="")

    def __call__(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the tensor as float32.

        `shape` is the expected shape; -1 allows any length. Raises ModelError if there is no such tensor, if its type
        can't be read, or if it has another shape.
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
    """Open a safetensors file for reading its tensors. Use the result in a `with`. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    try:
        refuse_special(path)
        return safe_open(path, framework="numpy")
    except (OSError, SafetensorError) as error:
        raise ModelError(str(path), f"can't be read ({error})", "model-damaged") from error
