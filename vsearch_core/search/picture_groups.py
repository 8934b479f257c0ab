"""Find groups of near-identical pictures by their perceptual hashes (see `text.extract.picture_hash`).

The hash of one picture is compared with the most similar hash of the other, which may be that of a window. Their
resemblance is 1 less 1.25 times the share of different bits, so that the usual threshold of texts, 0.8, suits pictures,
too: `benchmarks.pictures` shows it. Unrelated pictures reach about 0.6.
"""

import base64
import binascii
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vsearch_core.json_text import parse_json
from vsearch_core.model import HASH_BITS, HASH_WINDOWS, PICTURE
from vsearch_core.search.components import Components

LEAST_RESEMBLANCE = 0.75  # below it, most pairs are unrelated
_WEIGHT = 1.25  # of the share of different bits
_BLOCK = 256  # pictures that are compared with as many others at once
_SLACK = 1e-6  # the rounding error of a threshold

Hashes = NDArray[np.uint8]


def hashes_of(meta: str) -> Hashes | None:
    """Return a picture's hashes (HASH_WINDOWS, HASH_BITS / 8) from a file's metadata, or None if it has none."""
    if f'"{PICTURE}"' not in meta:
        return None
    try:
        kept = parse_json(meta)
        value = kept.get(PICTURE) if isinstance(kept, dict) else None
        encoded = value.get("hash") if isinstance(value, dict) else None
        data = base64.b64decode(encoded if isinstance(encoded, str) else "", validate=True)
    except (ValueError, binascii.Error):
        return None
    size = HASH_WINDOWS * HASH_BITS // 8
    return np.frombuffer(data, np.uint8).reshape(HASH_WINDOWS, -1) if len(data) == size else None


def is_undescribed(meta: str) -> bool:
    """Return True for the metadata of a picture whose text is only the name of its file and the like."""
    if f'"{PICTURE}"' not in meta:
        return False
    try:
        kept = parse_json(meta)
    except ValueError:
        return False
    value = kept.get(PICTURE) if isinstance(kept, dict) else None
    return isinstance(value, dict) and value.get("described") is False


def picture_groups(hashes: Sequence[Hashes], threshold: float) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    """Return the groups of pictures whose resemblance reaches the threshold, the largest first.

    Each group has the numbers of its pictures, ascending, and the resemblance of each to the first.
    """
    if not hashes:
        return []
    least = max(threshold, LEAST_RESEMBLANCE) - _SLACK
    packed = np.stack(hashes)
    components = Components(len(packed))
    for first in range(0, len(packed), _BLOCK):
        for other in range(first, len(packed), _BLOCK):
            near = resemblances(packed[first : first + _BLOCK], packed[other : other + _BLOCK]) >= least
            for one, two in np.argwhere(near).tolist():
                if first + one < other + two:
                    components.join(first + one, other + two)
    return [(tuple(group), _to_first(packed, group)) for group in components.groups()]


def _to_first(packed: Hashes, group: Sequence[int]) -> tuple[float, ...]:
    """Return the resemblance of each picture of a group to the first."""
    blocks = (group[start : start + _BLOCK] for start in range(0, len(group), _BLOCK))
    return tuple(value for block in blocks for value in resemblances(packed[group[:1]], packed[block])[0].tolist())


def resemblances(ones: Hashes, others: Hashes) -> NDArray[np.float32]:
    """Return the resemblance of each of `ones` (n, HASH_WINDOWS, HASH_BITS / 8) to each of `others`, (n, m)."""
    signs = [np.unpackbits(each, axis=2).astype(np.float32) * 2 - 1 for each in (ones, others)]
    found = np.maximum(_best(signs[0], signs[1]), _best(signs[1], signs[0]).T)
    different = (1 - found / HASH_BITS) / 2
    return (1 - _WEIGHT * different).astype(np.float32)


def _best(wholes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the number of equal less that of different bits, for the whole of one and the best window of another."""
    windows = others.reshape(-1, others.shape[2])
    best: NDArray[np.float32] = (wholes[:, 0] @ windows.T).reshape(len(wholes), len(others), -1).max(axis=2)
    return best
