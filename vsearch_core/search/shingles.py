"""Measure how much two texts have in common, by their shingles: all sequences of a few consecutive words.

The measure is Broder's ("On the resemblance and containment of documents", 1997). Two texts that share most of their
shingles are edited copies of each other. Vectors alone can't distinguish copies from texts on the same subject.
"""

import re

import numpy as np
from numpy.typing import NDArray

from vsearch_core import scripts

SHINGLE_WORDS = 5

Shingles = NDArray[np.uint64]

# A run of letters and digits, or one character of a script without spaces.
_WORD = re.compile(
    rf"[^\W{scripts.SOUTHEAST_ASIAN}{scripts.RADICALS}{scripts.KANA}{scripts.ENCLOSED}{scripts.HAN}]+|\w"
)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits well mixed: 2⁶⁴ over the golden ratio


def shingles(text: str) -> Shingles:
    """Return the hashes of all sequences of SHINGLE_WORDS consecutive words, distinct and ascending.

    Case and punctuation are ignored. A shorter text has one shingle, all its words; a text without words has none. The
    hashes of equal texts differ between processes.
    """
    words = np.fromiter(map(hash, _WORD.findall(text.casefold())), np.int64).view(np.uint64)
    length = min(SHINGLE_WORDS, len(words))
    if not length:
        return words
    runs = np.zeros(len(words) - length + 1, np.uint64)
    for place in range(length):
        runs = (runs ^ words[place : place + len(runs)]) * _MULTIPLIER
        runs ^= runs >> np.uint64(29)
    runs.sort()
    distinct: Shingles = runs[np.concatenate([[True], runs[1:] != runs[:-1]])]
    return distinct


def resemblance(one: Shingles, other: Shingles) -> float:
    """Return the Jaccard similarity of two sets, |A ∩ B| / |A ∪ B|; 0 if one is empty. Takes 10 µs for sets of 500."""
    shared = _shared(one, other)
    return shared / max(1, len(one) + len(other) - shared)


def containment(one: Shingles, other: Shingles) -> float:
    """Return the share of the smaller set that the other one has, too; 0 if one is empty."""
    return _shared(one, other) / max(1, min(len(one), len(other)))


def _shared(one: Shingles, other: Shingles) -> int:
    both = np.concatenate([one, other])
    both.sort(kind="stable")  # merges two ascending runs
    return int(np.count_nonzero(both[1:] == both[:-1]))
