"""A text's tokens, estimated from above without the tokenizer, which remote providers keep to themselves."""

import re

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.windows import WINDOW_OVERLAP

ESTIMATE = "1"  # in the fingerprint of whoever cuts by it: another estimate makes other windows
SHARE = 0.95  # of a provider's limit that a window may be estimated at

_UNLIKE_WORDS = re.compile(r"[A-Za-z0-9]*[0-9][A-Za-z0-9]*|[A-Za-z]{25,}")  # numbers, hashes, base64


def token_costs(text: str) -> NDArray[np.float64]:
    """Each character's share in the estimate, shape (len(text),).

    Half a token for a letter a-z and two thirds for a space; 1 for other ASCII, for a letter of a word with a digit or
    of more than 24 letters, and for the alphabets below U+0700; 2 for Han, kana and hangul; else as many as UTF-8 has
    bytes. Against vocabularies of 32,000 and 131,000 that is 2.3 times the tokens of English and 2 times those of
    Chinese or Russian, and too little by up to a third only where characters are drawn by lot from a large alphabet.
    """
    points = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
    costs = np.ones(len(points))
    costs[(points >= ord("a")) & (points <= ord("z"))] = 0.5
    for word in _UNLIKE_WORDS.finditer(text):
        costs[word.start() : word.end()] = 1
    costs[points == ord(" ")] = 2 / 3
    costs[(points < 0x20) & (points != ord("\t")) & (points != ord("\n"))] = 2
    costs[(points >= 0x300) & (points < 0x370)] = 3  # combining marks
    costs[points >= 0x700] = 2
    costs[points >= 0x800] = 3
    costs[((points >= 0x3000) & (points < 0xA000)) | ((points >= 0xAC00) & (points < 0xD800))] = 2
    costs[points >= 0x10000] = 4
    return costs


def text_windows(text: str, limit: float) -> list[tuple[str, float]]:
    """The windows that stand for `text`, each with its estimate: `text` itself where it fits, else pieces that overlap.

    A window ends after white space where there is some in its last fifth, and begins there if it can; neighbours share
    about WINDOW_OVERLAP tokens.
    """
    ends = np.cumsum(token_costs(text))
    total = float(ends[-1]) if len(ends) else 0.0
    if total <= limit:
        return [(text, total)]
    overlap = min(float(WINDOW_OVERLAP), limit / 4)
    windows, start, before = [], 0, 0.0
    while True:
        end = int(np.searchsorted(ends, before + limit, side="right"))
        if end < len(text):
            end = _after_space(text, end - (end - start) // 5, end)
        windows.append((text[start:end], float(ends[end - 1]) - before))
        if end == len(text):
            return windows
        start = max(start + 1, int(np.searchsorted(ends, ends[end - 1] - overlap, side="right")))
        start = next((place + 1 for place in range(start - 1, end - 1) if text[place].isspace()), start)
        before = float(ends[start - 1])


def halves(text: str) -> tuple[str, str]:
    """Two overlapping parts of a text of at least two characters, each shorter than it."""
    middle = _after_space(text, len(text) // 3, len(text) // 2) if len(text) > 8 else len(text) // 2
    overlap = min(4 * WINDOW_OVERLAP, middle // 4)
    return text[:middle], text[middle - overlap :]


def _after_space(text: str, low: int, high: int) -> int:
    """The place after the last white space in text[low:high], or `high` where there is none."""
    return next((place for place in range(high, low, -1) if text[place - 1].isspace()), high)
