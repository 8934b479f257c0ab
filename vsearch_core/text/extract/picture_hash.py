"""Perceptual hashes of pictures: most of their bits stay when a picture is resized, saved again, or cropped a little.

A hash has the signs of the lowest frequencies of a picture (as pHash: Zauner, "Implementation and Benchmarking of
Perceptual Image Hash Functions", 2010). It is taken of the whole picture and of windows that are a little smaller, so
that a cropped picture equals one of them.
"""

import itertools
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# These make model.HASH_BITS bits of each window, and model.HASH_WINDOWS windows.
_SIDE = 64  # pixels of each side, of which frequencies are taken
_LOWEST = 19  # frequencies in each direction; the first is the mean, which is left out
# of the width or height: before and after the window
_CUTS = ((0.0, 0.0), (0.0, 0.05), (0.05, 0.0), (0.025, 0.025), (0.05, 0.05))
LARGEST = 256  # pixels of the longer side of the picture that is looked at
_LEAST_CONTRAST = 2.0  # the deviation of the 256 levels of grey; a blank picture is like any other


def picture_hash(image: Any) -> bytes | None:
    """Return the hashes of an image of Pillow (mode L, of at most LARGEST pixels): of all of it, then of its windows.

    Return None for a picture of one colour.
    """
    if np.asarray(image, dtype=np.float32).std() < _LEAST_CONTRAST:
        return None
    width, height = image.size
    hashes = []
    for (left, right), (top, bottom) in itertools.product(_CUTS, _CUTS):
        box = (left * width, top * height, width - right * width, height - bottom * height)
        part = image.resize((_SIDE, _SIDE), _bilinear(), box=box)
        frequencies = (_cosines() @ np.asarray(part, dtype=np.float32) @ _cosines().T).ravel()[1:]
        hashes.append(np.packbits(frequencies > np.median(frequencies)))
    return np.concatenate(hashes).tobytes()


@cache
def _cosines() -> NDArray[np.float32]:
    """Return the lowest rows of the matrix of the discrete cosine transform (DCT-II)."""
    places = np.pi * (2 * np.arange(_SIDE) + 1) / (2 * _SIDE)
    return np.cos(np.arange(_LOWEST)[:, None] * places).astype(np.float32)


def _bilinear() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR
