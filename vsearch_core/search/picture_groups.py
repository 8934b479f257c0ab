"""Find groups of near-identical pictures by their perceptual hashes (see `text.extract.picture_hash`).

The hash of one picture is compared with the most similar hash of the other, which may be that of a window. Their
resemblance is 1 less 1.25 times the share of different bits, so that the usual threshold of texts, 0.8, suits pictures,
too: `benchmarks.pictures` shows it. Unrelated pictures reach about 0.6.

Few pictures are compared with one another by products of matrices. Of many, a kernel compares all pairs, in about 40 ns
each (see `kernels.hamming`), and of very many only those with similar blocks of bits (see `hash_buckets`).
"""

import base64
import binascii
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vsearch_core.json_text import parse_json
from vsearch_core.model import HASH_BITS, HASH_WINDOWS, PICTURE
from vsearch_core.search.components import Components
from vsearch_core.search.hash_buckets import best_blocks, near_pairs

LEAST_RESEMBLANCE = 0.75  # below it, most pairs are unrelated
_WEIGHT = 1.25  # of the share of different bits
_BLOCK = 256  # pictures that are compared with as many others at once
_FEW = 500  # pictures that are compared before the kernel would be loaded
_PAIRS = 4096  # near pairs whose vectors are compared at once
_SLACK = 1e-6  # the rounding error of a threshold
_VECTOR_SLACK = 1e-4  # the rounding error of the cosine of vectors in fixed point

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


def picture_groups(
    hashes: Sequence[Hashes], threshold: float, vectors: NDArray[np.float32] | None = None
) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    """Return the groups of pictures whose resemblance reaches the threshold, the largest first.

    Each group has the numbers of its pictures, ascending, and the resemblance of each to the first. With the pictures'
    `vectors` (n, dimension), zeros for one that has none, the cosine of two must reach the threshold, too. Hashes are
    of grey pixels: they take two pictures that differ only in colour for one.
    """
    if not hashes:
        return []
    least = max(threshold, LEAST_RESEMBLANCE) - _SLACK
    packed = np.stack(hashes)
    components = Components(len(packed))
    for pairs in _near_pairs(packed, least, components.label):
        for start in range(0, len(pairs), _PAIRS):
            some = pairs[start : start + _PAIRS]
            if vectors is not None:
                some = some[_are_confirmed(vectors[some[:, 0]], vectors[some[:, 1]], least)]
            for one, two in some.tolist():
                components.join(one, two)
    return [(tuple(group), _to_first(packed, group)) for group in components.groups()]


def _are_confirmed(ones: NDArray[np.float32], others: NDArray[np.float32], least: float) -> NDArray[np.bool_]:
    """Return True for each pair whose cosine is high enough, and for those of which one has no vector."""
    near: NDArray[np.bool_] = np.einsum("ij,ij->i", ones, others) >= least - _VECTOR_SLACK
    return near | ~(ones.any(axis=1) & others.any(axis=1))


Pairs = Iterator[NDArray[np.int64]]  # of pictures, (m, 2); the same pair may come twice, also the other way around


def _near_pairs(packed: Hashes, least: float, labels: NDArray[np.int64]) -> Pairs:
    """Yield the pairs whose resemblance is at least `least`, without those that have one label by then."""
    if len(packed) <= _FEW:
        yield from _by_products(packed, least)
        return
    bits = np.arange(HASH_BITS + 1)
    radius = int(np.flatnonzero(_resemblance(HASH_BITS - 2 * bits.astype(np.float32)) >= least).max(initial=-1))
    blocks = best_blocks(len(packed), radius)
    words = _as_words(packed)
    yield from near_pairs(words, blocks, radius, labels) if blocks else _by_kernel(words, radius, labels)


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    """Yield the first pictures of all pairs of blocks."""
    for first in range(0, count, _BLOCK):
        for other in range(first, count, _BLOCK):
            yield first, other


def _by_products(packed: Hashes, least: float) -> Pairs:
    for first, other in _blocks(len(packed)):
        near = resemblances(packed[first : first + _BLOCK], packed[other : other + _BLOCK]) >= least
        pairs = np.argwhere(near) + np.array([first, other])
        yield pairs[pairs[:, 0] < pairs[:, 1]]


def _by_kernel(words: NDArray[np.uint64], radius: int, labels: NDArray[np.int64]) -> Pairs:
    from vsearch_core.kernels.hamming import mark_near

    count, wholes = len(words), words[:, 0].copy()
    words, spreads = _by_spread(words)
    for first, other in _blocks(count):
        ends = min(first + _BLOCK, count), min(other + _BLOCK, count)
        near = np.zeros((ends[0] - first, ends[1] - other), np.bool_)
        mark_near(wholes, words, spreads, labels, radius, (first, ends[0]), (other, ends[1]), near)
        yield np.argwhere(near) + np.array([first, other])


def _as_words(packed: Hashes) -> NDArray[np.uint64]:
    """Return the hashes (n, windows, 6) as words; the last is filled with zeros."""
    count, windows, size = packed.shape
    padded = np.zeros((count, windows, -(-size // 8) * 8), np.uint8)
    padded[:, :, :size] = packed
    return padded.view(np.uint64)


def _by_spread(words: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int16]]:
    """Return the hashes of each picture in another order, and how far these are from the first, in bits.

    The first hash of a picture is the one in the middle of all, and the others follow from the farthest one on.
    """
    ordered = np.empty_like(words)
    spreads = np.empty(words.shape[:2], np.int16)
    for number, each in enumerate(words):
        apart = np.bitwise_count(each[:, None] ^ each[None]).sum(axis=2, dtype=np.int16)
        middle = int(apart.sum(axis=0).argmin())
        others = np.argsort(-apart[middle], kind="stable")
        order = np.concatenate([[middle], others[others != middle]])
        ordered[number], spreads[number] = each[order], apart[middle][order]
    return ordered, spreads


def _to_first(packed: Hashes, group: Sequence[int]) -> tuple[float, ...]:
    """Return the resemblance of each picture of a group to the first."""
    blocks = (group[start : start + _BLOCK] for start in range(0, len(group), _BLOCK))
    return tuple(value for block in blocks for value in resemblances(packed[group[:1]], packed[block])[0].tolist())


def resemblances(ones: Hashes, others: Hashes) -> NDArray[np.float32]:
    """Return the resemblance of each of `ones` (n, HASH_WINDOWS, HASH_BITS / 8) to each of `others`, (n, m)."""
    signs = [np.unpackbits(each, axis=2).astype(np.float32) * 2 - 1 for each in (ones, others)]
    found = np.maximum(_best(signs[0], signs[1]), _best(signs[1], signs[0]).T)
    return _resemblance(found)


def _resemblance(equal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the resemblance of hashes by the number of equal less that of different bits."""
    different = (1 - equal / HASH_BITS) / 2
    return (1 - _WEIGHT * different).astype(np.float32)


def _best(wholes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the number of equal less that of different bits, for the whole of one and the best window of another."""
    windows = others.reshape(-1, others.shape[2])
    best: NDArray[np.float32] = (wholes[:, 0] @ windows.T).reshape(len(wholes), len(others), -1).max(axis=2)
    return best
