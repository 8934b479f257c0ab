"""Define the characters of words, as ranges for `re`, and normalise text so that variants of a word become equal."""

from functools import cache
from unicodedata import category, normalize

from vsearch_core.scripts import RADICALS

# Characters that continue a word although `re` doesn't count them as word characters: invisible ones (soft hyphen,
# joiners), vowel signs, accents, points and radicals.
INVISIBLE = "\u00ad\u200c\u200d\u2060"
INNER = (
    rf"{INVISIBLE}{RADICALS}\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u0610-\u061a"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963"
    r"\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a03\u0a3c-\u0a4d\u0a81-\u0a83\u0abc-\u0acd\u0b01-\u0b03\u0b3c-\u0b4d\u0b82"
    r"\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c4d\u0c81-\u0c83\u0cbc-\u0ccd\u0d00-\u0d03\u0d3e-\u0d4d\u0d81-\u0d83"
    r"\u0dca-\u0ddf\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u109d\u17b4-\u17d3"
    r"\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f"
)
HYPHENS = "\u2010\u2011-"
APOSTROPHES = "'\u2019"

# Symbols of which each is a term: currency, legal, arrows, mathematics, emoji. Their modifiers (skin colours, styles),
# bullets and lines of boxes are not.
SYMBOLS = (
    "\u00a2-\u00a7\u00a9\u00ac\u00ae\u00b0\u00b1\u00b6\u00d7\u00f7\u2030\u20a0-\u20cf\u2190-\u23ff\u2600-\u2bff"
    "\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff"
)

# Marks that readers leave out when they type. Vowel signs, such as those of Devanagari, are letters.
_MARKS = (("\u0300", "\u036f"), ("\u0591", "\u05c7"), ("\u0610", "\u061a"), ("\u064b", "\u065f"), ("\u06d6", "\u06ed"))
_UNMARKED = {  # letters that Unicode doesn't decompose
    "æ": "ae", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŋ": "n", "ø": "o", "œ": "oe", "þ": "th", "й": "й",
}  # fmt: skip

_FOLDS = str.maketrans(dict.fromkeys(INVISIBLE) | dict.fromkeys(HYPHENS, "-") | dict.fromkeys(APOSTROPHES, "'"))


def normalize_characters(text: str) -> str:
    """Return the text in Unicode form NFKC, without invisible characters, and with one kind of hyphen and apostrophe.

    The case of letters is not changed.
    """
    return text if text.isascii() else normalize("NFKC", text).translate(_FOLDS)


def fold_marks(text: str) -> str:
    """Return normalised text without the marks of its letters: Dvorak for Dvořák. Other text is returned as it is.

    A Russian й stays, because nobody writes и for it.
    """
    return text if text.isascii() else "".join(map(_unmarked, text))


@cache
def _unmarked(char: str) -> str:
    if char.lower() in _UNMARKED:
        base = _UNMARKED[char.lower()]
        return base if char.islower() else base.upper()
    kept = (each for each in normalize("NFD", char) if not (category(each) == "Mn" and _is_mark(each)))
    return normalize("NFC", "".join(kept))


def _is_mark(char: str) -> bool:
    return any(first <= char <= last for first, last in _MARKS)


def fold_case(text: str) -> str:
    """Return normalised text with its case folded, so that upper and lower case are equal."""
    return text.casefold().replace("i\u0307", "i")  # the Turkish dotted capital I, as casefold leaves it
