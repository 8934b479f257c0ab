"""Detect the language of a text by its function words, such as "the" and "of".

Function words make up half of most texts, and few languages share them. So a few dozen words are enough to distinguish
most languages. (Dunning, "Statistical Identification of Language", 1994, has finer methods for shorter texts.) No
language is detected in a text without function words, such as code or a table.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache

from vsearch_core.lexical.stopwords import STOP_WORDS

# ISO 639-1 code -> Snowball algorithm. Latin words in Chinese, Japanese and Korean texts are mostly English.
LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "ja": "english", "ko": "english", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish", "zh": "english",
}  # fmt: skip

SAMPLE = 4000  # characters at the start of a text that are examined
MIN_DISTINCT = 4  # distinct function words of a language; fewer may be chance
MIN_SHARE = 0.1  # of all words, which function words make up in any text of the language

_CACHE_SIZE = 1 << 16  # pieces between blanks
_LONGEST_CACHED = 40  # characters
_WORD = re.compile(r"[^\W\d_]{2,}")  # a lone letter is an initial or a formula in any language
_ASCII_WORD = re.compile(r"[a-z]{2,}")  # finds the same in small ASCII letters, in half the time


def detect(text: str) -> str | None:
    """Return the text's language as an ISO 639-1 code, or None if it has too few function words."""
    return detect_by_words(text[:SAMPLE].split())


def detect_by_words(words: Sequence[str]) -> str | None:
    """Return the same as `detect` for a text whose first SAMPLE characters were split at white space."""
    languages_by_word, counts = _languages_by_word(), Counter(map(_contents().__getitem__, words))
    total = 0
    for several in [each for each in counts if isinstance(each, tuple)]:
        times = counts.pop(several)
        for word in several:
            if word in languages_by_word:
                counts[word] += times
            else:
                total += times
    occurrences: defaultdict[str, int] = defaultdict(int)
    distinct: defaultdict[str, int] = defaultdict(int)
    for contents, times in counts.items():
        if isinstance(contents, str):
            total += times
            for code in languages_by_word[contents]:
                occurrences[code] += times
                distinct[code] += 1
        elif isinstance(contents, int):
            total += contents * times
    if not occurrences:
        return None
    best = max(occurrences, key=lambda code: (occurrences[code], distinct[code], code))
    enough = distinct[best] >= MIN_DISTINCT and occurrences[best] >= MIN_SHARE * total
    return best if enough else None


class _Contents(dict[str, "str | int | tuple[str, ...]"]):
    """A cache from what stands between blanks to the words in it, without case.

    It is the word itself if it is a function word alone, or the number of words if none is a function word, or else all
    the words. So counting the values of a text's pieces counts its function words, and few other values. When the
    cache is full, it is emptied: it holds nothing that isn't found again in microseconds.
    """

    def __missing__(self, piece: str) -> "str | int | tuple[str, ...]":
        known, folded = _languages_by_word(), piece.casefold()
        words = (_ASCII_WORD if folded.isascii() else _WORD).findall(folded)
        contents: str | int | tuple[str, ...] = len(words)
        if not known.keys().isdisjoint(words):
            contents = words[0] if len(words) == 1 else tuple(words)
        if len(piece) <= _LONGEST_CACHED:
            if len(self) >= _CACHE_SIZE:
                self.clear()
            self[piece] = contents
        return contents


@cache
def _contents() -> _Contents:
    return _Contents()


@cache
def _languages_by_word() -> dict[str, list[str]]:
    """Return the codes of the languages that each function word belongs to."""
    codes = {algorithm: code for code, algorithm in reversed(LANGUAGES.items())}
    languages: dict[str, list[str]] = {}
    for algorithm, words in STOP_WORDS.items():
        for word in words:
            languages.setdefault(word, []).append(codes[algorithm])
    return languages
