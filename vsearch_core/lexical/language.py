"""Which language a text is in, told by its function words.

They are half of what is written and hardly shared, so a few dozen words tell most languages apart. (Dunning,
"Statistical Identification of Language", 1994, has finer methods for shorter texts.) What has none of them, code or a
table, is in no language.
"""

import re
from collections import Counter
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

SAMPLE = 4000  # characters of a text that are looked at
ENOUGH = 4  # different function words of a language; fewer may be chance
SHARE = 0.1  # of all words are function words, at least, where somebody writes in that language

_WORD = re.compile(r"[^\W\d_]{2,}")  # a lone letter is an initial or a formula in any language


def detect(text: str) -> str | None:
    """The text's language as an ISO 639-1 code, None where it has too few function words to tell."""
    words = Counter(_WORD.findall(text[:SAMPLE].casefold()))
    found: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for word, count in words.items():
        for code in _speakers().get(word, ()):
            found[code] += count
            different[code] += 1
    if not found:
        return None
    best = max(found, key=lambda code: (found[code], different[code], code))
    enough = different[best] >= ENOUGH and found[best] >= SHARE * words.total()
    return best if enough else None


@cache
def _speakers() -> dict[str, list[str]]:
    """The languages that each function word belongs to."""
    codes = {algorithm: code for code, algorithm in reversed(LANGUAGES.items())}
    speakers: dict[str, list[str]] = {}
    for algorithm, words in STOP_WORDS.items():
        for word in words:
            speakers.setdefault(word, []).append(codes[algorithm])
    return speakers
