"""Look for near hashes in buckets of hashes that have a block of bits in common."""

from typing import Any

from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.simd import count_bits
from vsearch_core.model import HASH_BITS

_WORDS = -(-HASH_BITS // 64)  # of a hash
_FIRST = 3  # words that tell most unrelated hashes apart


@kernel
def mix_bits(hashes: Any, table: Any, mixed: Any) -> None:
    """Set mixed (n, words), zeros before, to hashes (n, bytes) with their bits in another order.

    table[place, value] (words,), uint64, has the moved bits of a byte with this value at this place.
    """
    for number in range(len(hashes)):
        for place in range(len(table)):
            for word in range(mixed.shape[1]):
                mixed[number, word] |= table[place, hashes[number, place], word]


@kernel
def fill_buckets(keys: Any, starts: Any, order: Any) -> None:
    """Sort by counting: set order to the places of the keys, bucket by bucket.

    Args:
        keys: The bucket of each hash (n,), int32.
        starts: The result (buckets + 1,), int64: the place in `order` where each bucket begins. It must be zeros.
        order: The result (n,), int32.
    """
    for number in range(len(keys)):
        starts[keys[number] + 1] += 1
    for bucket in range(1, len(starts)):
        starts[bucket] += starts[bucket - 1]
    for number in range(len(keys)):
        bucket = keys[number]
        order[starts[bucket]] = number
        starts[bucket] += 1
    for bucket in range(len(starts) - 1, 0, -1):  # each start has moved to the next one's place
        starts[bucket] = starts[bucket - 1]
    starts[0] = 0


@kernel
def near_in_buckets(
    wholes: Any,
    keys: Any,
    masks: Any,
    starts: Any,
    words: Any,
    owners: Any,
    labels: Any,
    radius: int,
    state: Any,
    end: int,
    pairs: Any,
) -> Any:
    """Write pairs of pictures, of which a hash of one is near the whole of the other, and return their number.

    It returns before `end` if `pairs` is full; the next call goes on from there. Pairs of one label are left out.

    Args:
        wholes: The hashes (n, 6), uint64, of whole pictures.
        keys: The bucket of each of these (n,), int32.
        masks: The differences, as bits, of the buckets that are looked at.
        starts: Where each bucket begins, as `fill_buckets` returns it.
        words: All hashes, uint64, bucket by bucket.
        owners: The picture that each of these is of, int32.
        labels: Labels (n,) of the pictures.
        radius: The greatest distance in bits.
        state: The next picture, mask and place in its bucket, int64; it is changed.
        end: The picture after the last one to look for.
        pairs: The result (m, 2), int64.
    """
    found: Any = 0
    while state[0] < end:
        one = state[0]
        while state[1] < len(masks):
            bucket = keys[one] ^ masks[state[1]]
            at: Any = max(starts[bucket], state[2])
            while at < starts[bucket + 1]:
                distance: Any = 0
                for word in range(_FIRST):
                    distance += count_bits(wholes[one, word] ^ words[at, word])
                if distance <= radius:
                    for word in range(_FIRST, _WORDS):
                        distance += count_bits(wholes[one, word] ^ words[at, word])
                    other = owners[at]
                    if distance <= radius and labels[one] != labels[other]:
                        pairs[found, 0] = one
                        pairs[found, 1] = other
                        found += 1
                        if found == len(pairs):
                            state[2] = at + 1
                            return found
                at += 1
            state[1] += 1
            state[2] = 0
        state[0] += 1
        state[1] = 0
    return found
