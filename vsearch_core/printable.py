"""Replace the characters of a text that could control a terminal or hide text."""

import re

# C0 but tab and newline, DEL, C1, and the characters that reorder or hide text (bidi marks, overrides, isolates).
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Replace characters that control a terminal or hide text with U+FFFD. Line ends and tabs stay."""
    return _UNSAFE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Return the text as one line that is safe for a terminal: see `printable`."""
    return printable(" ".join(text.split()))
