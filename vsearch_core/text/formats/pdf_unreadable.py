"""Recognition of text from PDF that is none: its fonts don't say which letters they show."""

import math
import re
import string
import unicodedata
from collections import Counter

_MAX_ODD = 0.1  # of the characters: controls, private use and U+FFFD
_FEW_ODD = 2  # such characters make no page unreadable
_MAX_NAMES = 0.3  # of the characters: names of glyphs
_GLYPH_NAMES = re.compile(r"(?:/[A-Za-z]{1,8}\.?\d{1,5}|/uni[0-9A-F]{4}|\(cid:\d+\))+")
_MAX_SIGNS, _MAX_SIGN = 0.4, 0.1  # of the characters, signs of all kinds, of which each counts up to the second share
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_MIN_LETTERS = 40  # of a page; fewer say nothing about the language
_MIN_SHARE = 0.7  # of the characters are letters from A to Z on a page of shifted letters
_MIN_GAIN = 0.5  # nats a character by which shifted letters must be more like a language than the letters themselves
_LIKELY = -3.2  # nats a character of the letters of any language are more than this
_MAX_SHIFT = 31
_FREQUENCIES = (  # of letters, in percent, on average over European languages that are written with them
    dict(zip("abcdefghijklm", (8.5, 1.4, 3.2, 4.0, 12.5, 1.4, 1.8, 3.0, 7.5, 0.5, 1.3, 4.5, 2.8), strict=True))
    | dict(zip("nopqrstuvwxyz", (7.3, 6.6, 2.2, 0.4, 6.7, 6.6, 6.8, 4.0, 1.4, 1.0, 0.2, 1.0, 0.9), strict=True))
)
_RARE = math.log(0.0005)  # of a character that is no letter
_LOGS = {
    code: math.log(_FREQUENCIES[chr(code).lower()] / 100) if chr(code).isalpha() else _RARE for code in range(1, 127)
}


def without_controls(text: str) -> str:
    """Return the text without control characters, which are codes of glyphs and no text."""
    return _CONTROLS.sub("", text)


def is_unreadable(text: str) -> bool:
    """Return True if the text is mostly no text: names or codes of glyphs, characters that failed, shifted letters."""
    counts = Counter(text)
    for blank in [letter for letter in counts if letter.isspace()]:
        del counts[blank]
    total = counts.total()
    odd = sum(count for letter, count in counts.items() if _is_odd(letter))
    names = sum(len(match[0]) for match in _GLYPH_NAMES.finditer(text))
    is_odd = odd > max(_FEW_ODD, _MAX_ODD * total) or 0 < odd == total
    is_code = names > _MAX_NAMES * total or _is_mostly_signs(counts, total) or _is_shifted(counts)
    return total > 0 and (is_odd or is_code)


def _is_odd(letter: str) -> bool:
    """Return True for characters that text has rarely: among them the dingbats that names such as "a37" stand for."""
    return (
        letter == "\ufffd" or "\u2720" <= letter <= "\u27bf" or unicodedata.category(letter) in {"Cc", "Cn", "Co", "Cs"}
    )


def _is_mostly_signs(counts: Counter[str], total: int) -> bool:
    """Return True for many kinds of ASCII signs and few letters, as where glyphs are numbered from "!" on."""
    signs = sum(min(count, _MAX_SIGN * total) for sign, count in counts.items() if sign in string.punctuation)
    letters = sum(count for letter, count in counts.items() if letter.isalpha())
    return total >= _MIN_LETTERS and signs > _MAX_SIGNS * total and letters < _MAX_SIGNS / 2 * total


def _is_shifted(letters_of_text: Counter[str]) -> bool:
    """Return True if all codes moved by one number make a much better text, as where they are numbers of glyphs."""
    counts = {ord(letter): count for letter, count in letters_of_text.items() if letter.isascii()}
    letters = sum(count for code, count in counts.items() if chr(code).isalpha())
    if letters < max(_MIN_LETTERS, _MIN_SHARE * letters_of_text.total()):
        return False
    total = sum(counts.values())

    def likelihood(shift: int) -> float:
        return sum(count * _LOGS.get(code + shift, _RARE) for code, count in counts.items()) / total

    unshifted = likelihood(0)
    if unshifted > _LIKELY:
        return False
    return any(likelihood(shift) - unshifted > _MIN_GAIN for shift in range(-_MAX_SHIFT, _MAX_SHIFT + 1))
