"""Find near pairs among very many hashes without comparing all: multi-index hashing, which misses none.

The bits of all hashes are cut into blocks, and a radius is chosen for each, so that hashes within the whole radius are
within that of at least one block: the blocks' radii and their number add up to the whole radius and one. For each
block, hashes are put into buckets by their bits in it, and each is compared with those in all buckets within the
block's radius. See Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012, and,
for unequal radii, Qin et al., "GPH: similarity search in Hamming space", ICDE 2018.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb

import numpy as np
from numpy.typing import NDArray

from vsearch_core.model import HASH_BITS, HASH_WINDOWS

_WIDEST = 24  # bits of a block
_BUCKET_COST = 15.0  # of looking into a bucket, in comparisons of two hashes in a row of the memory
_PAIR_COST = 6.0  # of a pair when all are compared: about 12, so that buckets are used where they take half the time
_UNEVEN = 1.5  # times as many hashes are in the buckets that are looked at as if all were equally full
_QUERIES = 256  # pictures that are looked for before the labels are renewed
_MOST_PAIRS = 4096  # that are returned at once

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class HashBlock:
    """Some bits of a hash, from `start` on, and the greatest distance in them."""

    start: int
    width: int
    radius: int

    @property
    def probes(self) -> int:
        """The number of buckets within the radius of one."""
        return sum(comb(self.width, different) for different in range(self.radius + 1))

    def masks(self) -> NDArray[np.int32]:
        """Return the differences, as bits, between a bucket and those within the radius."""
        chosen = (bits for count in range(self.radius + 1) for bits in combinations(range(self.width), count))
        return np.array([sum(1 << bit for bit in bits) for bits in chosen], np.int32)


def best_blocks(pictures: int, radius: int) -> tuple[HashBlock, ...]:
    """Return the blocks that take the least time, or none if to compare all pairs takes less."""
    choices = [
        cut_into(count, radius) for count in range(-(-HASH_BITS // _WIDEST), min(radius + 1, HASH_BITS // 8) + 1)
    ]
    costs = [sum(_cost(block, pictures) for block in blocks) for blocks in choices]
    if not choices or min(costs) > _PAIR_COST * pictures / 2:
        return ()
    return choices[int(np.argmin(costs))]


def cut_into(count: int, radius: int) -> tuple[HashBlock, ...]:
    """Return that many blocks of about equal widths for a radius, of at least their number less 1.

    The widest blocks get the greatest radii, because their buckets have fewest hashes.
    """
    edges = [HASH_BITS * number // count for number in range(count + 1)]
    widths = [end - start for start, end in pairwise(edges)]
    least, more = divmod(radius + 1 - count, count)
    by_width = sorted(range(count), key=lambda number: -widths[number])
    larger = set(by_width[:more])
    return tuple(HashBlock(edges[number], widths[number], least + (number in larger)) for number in range(count))


def _cost(block: HashBlock, pictures: int) -> float:
    """Return the time of one picture in a block, in comparisons."""
    return block.probes * (_BUCKET_COST + _UNEVEN * pictures * HASH_WINDOWS / (1 << block.width))


def near_pairs(
    words: Words, blocks: tuple[HashBlock, ...], radius: int, labels: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Yield near pairs of pictures as (m, 2): the whole of one is near a hash of the other.

    `words` are the hashes (n, windows, 6), of which the first is that of the whole picture. Pairs that have one label
    by then are left out; the caller changes labels between two yields. A pair can come more than once.
    """
    from vsearch_core.kernels.hash_buckets import fill_buckets, near_in_buckets

    count, windows, size = words.shape
    mixed = _mixed(words)
    wholes = np.ascontiguousarray(mixed[:, 0])
    flat = mixed.reshape(-1, size)
    pairs = np.empty((_MOST_PAIRS, 2), np.int64)
    order = np.empty(len(flat), np.int32)
    for block in blocks:
        keys, masks = _keys(flat, block), block.masks()
        starts = np.zeros((1 << block.width) + 1, np.int64)
        fill_buckets(keys, starts, order)
        ordered, owners = flat[order], order // np.int32(windows)
        own_keys = np.ascontiguousarray(keys[::windows])
        state = np.zeros(3, np.int64)
        for end in range(_QUERIES, count + _QUERIES, _QUERIES):
            last = min(end, count)
            while state[0] < last:
                found = near_in_buckets(
                    wholes, own_keys, masks, starts, ordered, owners, labels, radius, state, last, pairs
                )
                if found:
                    yield pairs[:found].copy()


def _mixed(words: Words) -> Words:
    """Return the hashes with their bits in another order, the same for all: neighbouring ones are often equal."""
    from vsearch_core.kernels.hash_buckets import mix_bits

    size = words.shape[2]
    moved = np.zeros((HASH_BITS, size), np.uint64)  # for each bit, a hash with only the bit that it becomes
    for old, new in enumerate(np.random.default_rng(0).permutation(HASH_BITS).tolist()):
        moved[old, new // 64] = np.uint64(1 << (new % 64))
    values = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.uint64)
    table = (values[None, :, :, None] * moved.reshape(-1, 1, 8, size)).sum(axis=2, dtype=np.uint64)
    mixed = np.zeros_like(words)
    mix_bits(words.reshape(-1, size).view(np.uint8), table, mixed.reshape(-1, size))
    return mixed


def _keys(flat: Words, block: HashBlock) -> NDArray[np.int32]:
    """Return the bits of each hash (n, 6) in the block as a number, int32."""
    word, bit = divmod(block.start, 64)
    keys = flat[:, word] >> np.uint64(bit)
    if bit + block.width > 64:
        keys |= flat[:, word + 1] << np.uint64(64 - bit)
    return (keys & np.uint64((1 << block.width) - 1)).astype(np.int32)
