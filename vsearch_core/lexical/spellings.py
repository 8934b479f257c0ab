"""List the spellings that differ from a word by one edit, for words that occur nowhere in an index.

An edit adds, drops or replaces a letter, or swaps two neighbours (Damerau, "A technique for computer detection and
correction of spelling errors", CACM 1964).
"""

import re
from string import ascii_lowercase

SHORTEST = 5  # letters of a word; most words of four letters are one edit from another word
LONGEST = 30  # letters of a word
_LETTERS = re.compile(rf"\W*([^\W\d_]{{{SHORTEST},{LONGEST}}})\W*")
_BLOCK = 0x100  # code points; the letters of an alphabet are within few such blocks


def letters_of(word: str) -> str:
    """Return a word of a query without the punctuation around it; "" unless it is SHORTEST to LONGEST letters."""
    found = _LETTERS.fullmatch(word)
    return found[1].casefold() if found else ""


def one_edit_spellings(word: str) -> list[str]:
    """Return all texts that are one edit from a word of lower-case letters, each once, without the word itself.

    Letters are added from the word's own alphabet.
    """
    alphabet = _alphabet(word)
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    dropped = [head + tail[1:] for head, tail in cuts if tail]
    swapped = [head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1]
    replaced = [head + letter + tail[1:] for head, tail in cuts if tail for letter in alphabet]
    added = [head + letter + tail for head, tail in cuts for letter in alphabet]
    spellings = dict.fromkeys([*swapped, *dropped, *replaced, *added])
    spellings.pop(word, None)
    return list(spellings)


def _alphabet(word: str) -> str:
    """Return the lower-case letters that a word may be written with: a to z, or those of its own script."""
    first = ord(word[0])
    if first < _BLOCK:
        return "".join(dict.fromkeys(ascii_lowercase + word))
    start = first - first % _BLOCK
    block = (chr(code) for code in range(start, start + _BLOCK))
    return "".join(dict.fromkeys([*(char for char in block if char.isalpha() and char == char.casefold()), *word]))
