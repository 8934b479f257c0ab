"""What two passages have in common word by word: their shingles, and the share of them that both have.

Broder, "On the resemblance and containment of documents" (1997): texts that share most of their runs of w words are
copies of one another, give or take some edits, which vectors alone can't tell from texts on one subject.
"""

import re

import numpy as np
from numpy.typing import NDArray

from vsearch_core import scripts

SHINGLE_WORDS = 5

Shingles = NDArray[np.uint64]

# A run of letters and digits, or one character of a script that writes no spaces.
_WORD = re.compile(
    rf"[^\W{scripts.SOUTHEAST_ASIAN}{scripts.RADICALS}{scripts.KANA}{scripts.ENCLOSED}{scripts.HAN}]+|\w"
)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits well mixed: 2⁶⁴ over the golden ratio


def shingles(text: str) -> Shingles:
    """The hashes, ascending and each once, of all runs of SHINGLE_WORDS words; of all words where there are fewer.

    Case and punctuation don't count. A text without words has none. Comparable within one process only.
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
    """The Jaccard similarity of two sets: how many they share, over how many they have together; 0 for two empty ones.

    For sets of 500 this takes about 10 µs.
    """
    if not len(one) or not len(other):
        return 0.0
    both = np.concatenate([one, other])
    both.sort(kind="stable")  # two ascending runs: a merge
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)
