"""Detect the language of a text by its function words, such as "the" and "of".

Function words make up half of most texts, and few languages share them. So a few dozen words are enough to distinguish
most languages. (Dunning, "Statistical Identification of Language", 1994, has finer methods for shorter texts.) No
language is detected in a text without function words, such as code or a table.
"""

import re
from collections import Counter, defaultdict
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

_WORD = re.compile(r"[^\W\d_]{2,}")  # a lone letter is an initial or a formula in any language
_ASCII_WORD = re.compile(r"[a-z]{2,}")  # finds the same in small ASCII letters, in half the time


def detect(text: str) -> str | None:
    """Return the text's language as an ISO 639-1 code, or None if it has too few function words."""
    sample, languages_by_word = text[:SAMPLE].casefold(), _languages_by_word()
    words = (_ASCII_WORD if sample.isascii() else _WORD).findall(sample)
    occurrences: defaultdict[str, int] = defaultdict(int)
    distinct: defaultdict[str, int] = defaultdict(int)
    for word, count in Counter(filter(languages_by_word.__contains__, words)).items():
        for code in languages_by_word[word]:
            occurrences[code] += count
            distinct[code] += 1
    if not occurrences:
        return None
    best = max(occurrences, key=lambda code: (occurrences[code], distinct[code], code))
    enough = distinct[best] >= MIN_DISTINCT and occurrences[best] >= MIN_SHARE * len(words)
    return best if enough else None


@cache
def _languages_by_word() -> dict[str, list[str]]:
    """Return the codes of the languages that each function word belongs to."""
    codes = {algorithm: code for code, algorithm in reversed(LANGUAGES.items())}
    languages: dict[str, list[str]] = {}
    for algorithm, words in STOP_WORDS.items():
        for word in words:
            languages.setdefault(word, []).append(codes[algorithm])
    return languages
