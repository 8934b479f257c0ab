"""Three estimates of a text's tokens, each made without a tokenizer.

- `token_costs` estimates from above, a character at a time: remote models reject or cut a text that is too long, and
  they keep their tokenizers to themselves.
- `count_tokens` comes close to what language models count: it packs hits into a budget for their prompts.
- `BYTES_PER_TOKEN` turns a total of bytes into tokens, for plans, which don't read each text's characters.
"""

import re
from functools import cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from vsearch_core import scripts

BYTES_PER_TOKEN = 4  # of UTF-8: English has 4 to 5 in the usual vocabularies, Chinese 3
COST_PER_TOKEN = 2.3  # by `token_costs` of an English token by BYTES_PER_TOKEN

ESTIMATE = "1"  # in the fingerprint of an embedder that cuts by it: another estimate makes other windows
SHARE = 0.95  # of a provider's limit: the longest window by our estimate

_CHARACTERS_PER_TOKEN = {"single": 1, "latin": 6, "digits": 3, "other": 2, "line": 1000, "mark": 1}
_UNLIKE_WORDS = re.compile(r"[A-Za-z0-9]*[0-9][A-Za-z0-9]*|[A-Za-z]{25,}")  # numbers, hashes, base64


def token_costs(text: str) -> NDArray[np.float64]:
    """Return an upper estimate of each character's tokens, float64 (len(text),); their sum is the text's estimate.

    Half a token for a letter a-z and two thirds for a space; 1 for other ASCII, for a letter of a word with a digit or
    of more than 24 letters, and for the alphabets below U+0700; 2 for Han, kana and hangul; else the number of bytes in
    UTF-8. Against vocabularies of 32,000 and 131,000 that is 2.3 times the tokens of English and 2 times those of
    Chinese or Russian; it is too low, by up to a third, only for random characters of a large alphabet.
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


def count_tokens(text: str) -> int:
    """Return about how many tokens a language model makes of a text.

    A word counts one token for every six Latin letters, or two letters of another alphabet, begun; a number, for every
    three digits begun. A letter of a script without spaces, a mark, and a run of line ends are a token each.
    """
    kinds = ((match.lastgroup or "mark", match.end() - match.start()) for match in _pieces().finditer(text))
    return sum(ceil(length / _CHARACTERS_PER_TOKEN[kind]) for kind, length in kinds)


@cache
def _pieces() -> re.Pattern[str]:
    """Return the pattern of what `count_tokens` counts; compiled when first needed, since that takes milliseconds."""
    return re.compile(
        rf"(?P<single>[{scripts.SOUTHEAST_ASIAN}{scripts.EAST_ASIAN}{scripts.HAN}{scripts.HANGUL_SYLLABLES}])"
        rf"|(?P<latin>[A-Za-z]+)|(?P<digits>[0-9]+)|(?P<other>[^\W\d_A-Za-z{scripts.EAST_ASIAN}]+)"
        r"|(?P<line>\n+)|(?P<mark>[^\s])"
    )
