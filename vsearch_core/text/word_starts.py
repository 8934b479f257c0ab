"""Finds where the words of a text start, as the chunker counts them.

A word is a run of characters without white space. In scripts without spaces (Han, kana, Thai …), each character is a
word. Two rules bound the text of a chunk: a run of more than `MAX_RUN` characters counts as several words, and each
`MAX_GAP` characters of white space in a row count as a word, too.

Most texts need neither: their words start where a character follows white space. Then no list of words is made. There
is one byte for each character, 1 where a word starts, and words are counted in these bytes.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate

from vsearch_core import scripts

MAX_RUN = 100  # characters
MAX_GAP = 100  # characters of white space

_UNSPACED = f"{scripts.SOUTHEAST_ASIAN}{scripts.RADICALS}{scripts.KANA}{scripts.HAN}{scripts.FULLWIDTH}"
_MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef"
)
WORD = re.compile(rf"[{_UNSPACED}][{_MARKS}]{{0,8}}|[^\s{_UNSPACED}]{{1,{MAX_RUN}}}|\s{{{MAX_GAP}}}")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_SPACED_WORD = re.compile(
    rf"\S{{1,{MAX_RUN}}}|\s{{{MAX_GAP}}}"
)  # finds the same in text without such characters, faster
_ASCII = bytes(range(128))
_IS_LETTER = bytes(not chr(code).isspace() for code in range(128)) + bytes(128)
_LONG_RUN, _LONG_GAP = b"\1" * (MAX_RUN + 1), b"\0" * MAX_GAP
_MOST_CHARS = 1 << 20  # of a text that is counted: its bytes take several times its memory for a moment
_BLOCK_BITS = 7  # the words in each 128 characters are counted beforehand


class ListedStarts:
    """The offsets at which the words of a text start, ascending, in a list."""

    def __init__(self, text: str, start: int, end: int) -> None:
        """Find the words that start from `start` to `end`, which is not included."""
        word = _SPACED_WORD if text.isascii() or not _IS_UNSPACED.search(text, start, end) else WORD
        self._starts = array("q", map(re.Match.start, word.finditer(text, start, end)))

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self._starts)

    def __getitem__(self, number: int) -> int:
        """Return the offset at which a word starts, given its number from 0."""
        return self._starts[number]

    def before(self, offset: int) -> int:
        """Return the number of words that start before an offset."""
        return bisect_left(self._starts, offset)


class CountedStarts:
    """The same as `ListedStarts`, from bytes that are 1 where a word starts."""

    def __init__(self, starts: bytes, first: int) -> None:
        """Count the words in blocks. `first` is the offset of the first byte in the text."""
        self._starts = starts
        self._first = first
        blocks = range(0, len(starts), 1 << _BLOCK_BITS)
        self._before = [0, *accumulate(starts.count(1, at, at + (1 << _BLOCK_BITS)) for at in blocks)]

    def __len__(self) -> int:
        """Return the number of words."""
        return self._before[-1]

    def __getitem__(self, number: int) -> int:
        """Return the offset at which a word starts, given its number from 0. Raises IndexError."""
        if not 0 <= number < self._before[-1]:
            raise IndexError(number)
        block = bisect_right(self._before, number) - 1
        at, find = (block << _BLOCK_BITS) - 1, self._starts.find
        for _ in range(number - self._before[block] + 1):
            at = find(1, at + 1)
        return self._first + at

    def before(self, offset: int) -> int:
        """Return the number of words that start before an offset."""
        at = min(max(offset - self._first, 0), len(self._starts))
        block = at >> _BLOCK_BITS
        return self._before[block] + self._starts.count(1, block << _BLOCK_BITS, at)


def word_starts(text: str, start: int, end: int) -> CountedStarts | ListedStarts:
    """Return where the words of a text start, from `start` to `end`, which is not included."""
    part = text[start:end] if end - start <= _MOST_CHARS else ""
    if not part.isascii():
        others = set(part.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass"))
        if any(map(_IS_UNSPACED.match, others)):
            return ListedStarts(text, start, end)
        for space in filter(str.isspace, others):
            part = part.replace(space, " ")
    letters = part.encode("ascii", "replace").translate(_IS_LETTER)  # "replace" makes one byte of each character
    if not letters or _LONG_RUN in letters or _LONG_GAP in letters:
        return ListedStarts(text, start, end)
    number = int.from_bytes(letters, "little")
    starts = number & (number ^ number << 8)  # a byte is 1 if its character is a letter and the one before is none
    return CountedStarts(starts.to_bytes(len(letters), "little"), start)
