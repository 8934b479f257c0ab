"""Find near pairs of pictures by the Hamming distances of their perceptual hashes."""

from typing import Any

from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.simd import count_bits
from vsearch_core.model import HASH_BITS

_WORDS = -(-HASH_BITS // 64)  # of a hash


@kernel
def mark_near(
    wholes: Any, words: Any, spreads: Any, labels: Any, radius: int, ones: Any, others: Any, near: Any
) -> None:
    """Set near[i, j] to True for each pair ones[0] + i < others[0] + j whose distance is at most `radius`.

    The distance of two pictures is that of the whole of one to the nearest hash of the other, in bits. `near` must be
    False before. Pairs of one label are left out.

    Hashes that can't be near are not read: if a hash of a picture is s bits from its first one, and the whole of
    another picture d bits from that, then these two are at least d - s bits apart (triangle inequality).

    Args:
        wholes: The hashes (n, 6), uint64, of whole pictures.
        words: All hashes (n, w, 6), uint64, of each picture.
        spreads: The distances (n, w), int16, of a picture's hashes to its first one; from the second on descending.
        labels: Labels (n,) of the pictures.
        radius: The greatest distance in bits.
        ones: The first picture, and the one after the last, that are compared,
        others: with these.
        near: The result, bool.
    """
    count = words.shape[1]
    for i in range(ones[0], ones[1]):
        for j in range(max(others[0], i + 1), others[1]):
            if labels[i] == labels[j]:
                continue
            found: Any = False
            for whole, other in ((i, j), (j, i)):
                least: Any = 0  # the least spread of a hash that may be near
                at: Any = 0
                while not found and at < count and (at == 0 or spreads[other, at] >= least):
                    distance: Any = 0
                    for word in range(_WORDS):
                        distance += count_bits(wholes[whole, word] ^ words[other, at, word])
                    found = distance <= radius
                    least = distance - radius if at == 0 else least
                    at += 1
            near[i - ones[0], j - others[0]] = found
