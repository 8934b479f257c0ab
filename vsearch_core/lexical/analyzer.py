"""Text to terms: the one analysis that documents and queries share.

A word becomes its stem; function words vanish; a run of a script that puts no spaces between words becomes overlapping
bigrams; a compound (`getUserName`, `foo.bar`, `2026.4.10`, `T-cell`, `me@example.com`) is kept whole and also split.
"""

import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from itertools import chain
from operator import add
from typing import Any
from unicodedata import normalize

from vsearch_core.errors import InputError
from vsearch_core.lexical.stopwords import STOP_WORDS

VERSION = 1  # raise it with every change to what `terms` returns: indexes remember it

# ISO 639-1 code -> Snowball algorithm. Latin words in Chinese, Japanese and Korean texts are mostly English.
LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "ja": "english", "ko": "english", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish", "zh": "english",
}  # fmt: skip
NO_STEMMING = "none"

# A word is stemmed by what its script is mostly written in, unless the index's own language uses that script.
_SCRIPTS = (  # first and last code point, Snowball algorithm, other algorithms of the same script
    (0x0370, 0x03FF, "greek", ()),
    (0x0400, 0x04FF, "russian", ("serbian",)),
    (0x0530, 0x058F, "armenian", ()),
    (0x0600, 0x06FF, "arabic", ("persian",)),
    (0x0900, 0x097F, "hindi", ("nepali",)),
    (0x0B80, 0x0BFF, "tamil", ()),
)
_NOT_LATIN = {"arabic", "armenian", "greek", "hindi", "nepali", "persian", "russian", "tamil", "yiddish"}

# Scripts written without spaces, and Hangul, whose words are too inflected to match whole. Jamo, radicals and combining
# kana marks are here because decomposed text (file systems, PDFs) holds them.
_RADICALS = "\u2e80-\u2fdf"
_UNSPACED = (
    rf"{_RADICALS}\u1100-\u11ff\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u309a\u309d-\u309f"
    r"\u30a1-\u30fa\u30fc-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7fb"
    r"\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
    r"\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u1049\u1050-\u109d\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
)
_FIRST_UNSPACED = "\u0e01"
# What continues a word though `re` calls it no word character: characters that show nothing (soft hyphen, joiners),
# vowel signs, accents, points and radicals.
_INVISIBLE = "\u00ad\u200c\u200d\u2060"
_INNER = (
    rf"{_INVISIBLE}{_RADICALS}\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u0610-\u061a"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963"
    r"\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a03\u0a3c-\u0a4d\u0a81-\u0a83\u0abc-\u0acd\u0b01-\u0b03\u0b3c-\u0b4d\u0b82"
    r"\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c4d\u0c81-\u0c83\u0cbc-\u0ccd\u0d00-\u0d03\u0d3e-\u0d4d\u0d81-\u0d83"
    r"\u0dca-\u0ddf\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u109d\u17b4-\u17d3"
    r"\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f"
)
_HYPHENS = "\u2010\u2011-"
_APOSTROPHES = "'\u2019"
_JOINERS = rf".@&{_APOSTROPHES}\uff0e{_HYPHENS}"
# Possessive, so that nothing is tried twice. A dot opens a token only where no sentence can have ended: .NET, a/.b
_TOKEN = re.compile(
    rf"(?:\w++|[{_RADICALS}]|(?<![^\s\"'`(\[/])\.(?=[A-Za-z])\w++)"
    rf"(?:[{_INNER}]\w*+|[{_JOINERS}]\w++)*+(?:\+\+|\#(?!\w))?"
)
_DASH = re.compile("[-']")
_LEVELS = (re.compile("[@&]"), _DASH, re.compile(r"\."), re.compile("_"), re.compile(r"\+\+|#"))  # loosest first
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z0-9]+|[0-9]+")  # getUserName, HTTPServer, utf8
_MAX_PIECES = 8  # a word of more is a hash or a key: its pieces mean nothing
_ACRONYMS = re.compile(r"[A-Z]{2,}s$")
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_RELEASE = re.compile(r"v\d[\d.]*\.\d")
_FOLDS = str.maketrans(dict.fromkeys(_INVISIBLE) | dict.fromkeys(_HYPHENS, "-") | dict.fromkeys(_APOSTROPHES, "'"))
_CLITICS = {"s", "re", "ve", "ll", "d", "m"}  # what English hangs on a word: it's, we're, they've, we'll, I'd, I'm
_ELIDING = {"catalan", "french", "italian"}  # their apostrophe ends a word of its own: l'homme

_CACHE_SIZE = 1 << 17  # tokens; about 20 MB


class Analyzer:
    """Turns text into terms. The same text gives the same terms in every process: an index depends on it.

    `language` is an ISO 639-1 code or "none" for no stemming and no stop words of that language. Raises InputError for
    an unknown one. An analyzer belongs to one thread.
    """

    def __init__(self, language: str = "en") -> None:
        if language != NO_STEMMING and language not in LANGUAGES:
            choices = ", ".join([*LANGUAGES, NO_STEMMING])
            raise InputError(f"language {language!r}", "is not one that can be stemmed", f"choose one of {choices}")
        self._language = language
        self._cache = _TermCache(LANGUAGES.get(language))

    @property
    def signature(self) -> str:
        """Names this analysis. Equal signatures mean equal terms for every text."""
        return f"{VERSION}:{self._language}"

    def terms(self, text: str) -> list[str]:
        """The terms of a document or a query in the text's order, repeats included; [] where it has none."""
        return list(chain.from_iterable(map(self._cache.__getitem__, _TOKEN.findall(text))))

    def spans(self, text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        """Each stretch of the text that has terms: start, end (exclusive, in characters) and the terms.

        A run of an unspaced script gives one stretch a bigram, so stretches may overlap there.
        """
        for match in _TOKEN.finditer(text):
            for offset, piece, unspaced in _pieces(match.group()):
                start = match.start() + offset
                terms = _bigrams(piece) if unspaced else self._cache[piece]
                if unspaced and len(terms) == len(piece) - 1:
                    yield from ((start + i, start + i + 2, (term,)) for i, term in enumerate(terms))
                elif terms:
                    yield start, start + len(piece), terms

    def matches(self, text: str, terms: Collection[str]) -> list[tuple[int, int]]:
        """Where the text has one of `terms`: (start, end) in characters, ascending, overlapping ones joined."""
        ranges: list[tuple[int, int]] = []
        for start, end, found in self.spans(text):
            if not any(term in terms for term in found):
                continue
            if ranges and start < ranges[-1][1]:
                ranges[-1] = (ranges[-1][0], end)
            else:
                ranges.append((start, end))
        return ranges


class _TermCache(dict[str, tuple[str, ...]]):
    """Token -> terms, worked out when first asked for: a dictionary look-up is all that a known token costs."""

    def __init__(self, algorithm: str | None) -> None:
        super().__init__()
        self._algorithm = algorithm
        self._stemmers: dict[str, Any] = {}

    def __missing__(self, token: str) -> tuple[str, ...]:
        pieces = _pieces(token)
        if any(unspaced for _, _, unspaced in pieces):  # runs hardly ever repeat: not worth remembering
            return tuple(
                chain.from_iterable(_bigrams(piece) if unspaced else self[piece] for _, piece, unspaced in pieces)
            )
        terms = tuple(self._analyze(token))
        if len(self) >= _CACHE_SIZE:
            self.clear()
        self[token] = terms
        return terms

    def _analyze(self, token: str) -> Iterator[str]:
        if not token.isascii():
            token = normalize("NFKC", token).translate(_FOLDS)
        if "'" in token:
            if self._algorithm in _ELIDING:
                return self._parts(token.split("'"), self._compound)
            token = _without_clitic(token)
        if token.isalpha() and token[1:].islower():  # most words: spare them the search for parts
            return self._word(token)
        return self._compound(token)

    def _compound(self, token: str) -> Iterator[str]:
        """The term of the whole, then those of its parts, and of theirs."""
        for separator in _LEVELS:
            segments = [segment for segment in separator.split(token) if segment]
            if segments != [token]:
                yield from self._joined(token.casefold(), segments, dashed=separator is _DASH)
                yield from self._parts(segments, self._compound)
                return
        if _ACRONYMS.search(token):  # Snowball leaves the s of DNAs
            token = token[:-1]
        yield from self._word(token)
        pieces = _PIECES.findall(token)
        if 1 < len(pieces) <= _MAX_PIECES:
            yield from self._parts(pieces, self._word)

    def _joined(self, whole: str, segments: list[str], *, dashed: bool) -> Iterator[str]:
        """The terms that stand for all of a compound with separators in it."""
        dashed = dashed and any(map(str.isalpha, whole))  # but 10-15 is not 1015
        if dashed or _INITIALS.fullmatch(whole):  # e-mail is email, IL-2 is IL2, O'Neil is ONeil, U.S.A is USA
            yield from self._word("".join(segments))
        elif segments:
            yield whole
            if _RELEASE.fullmatch(whole):  # v1.2.3 is 1.2.3
                yield whole[1:]

    def _parts(self, parts: list[str], analyze: Callable[[str], Iterator[str]]) -> Iterator[str]:
        # A letter that is split off says nothing; a digit may be a release or a dose.
        return chain.from_iterable(analyze(part) for part in parts if len(part) > 1 or part.isdigit())

    def _word(self, word: str) -> Iterator[str]:
        word = word.casefold().replace("i\u0307", "i")  # what casefold makes of the Turkish capital I with its dot
        algorithm = _algorithm_for(word, self._algorithm)
        if algorithm is None:
            yield word
        elif word not in STOP_WORDS.get(algorithm, ()):
            yield self._stemmer(algorithm).stemWord(word) or word  # Arabic's leaves nothing of a lone tatweel

    def _stemmer(self, algorithm: str) -> Any:
        if algorithm not in self._stemmers:
            from Stemmer import Stemmer

            self._stemmers[algorithm] = Stemmer(algorithm, 0)  # 0: no second cache under ours
        return self._stemmers[algorithm]


def _algorithm_for(word: str, own: str | None) -> str | None:
    code = ord(word[0])
    if own is None:
        return None
    for first, last, algorithm, others in _SCRIPTS:
        if first <= code <= last:
            return own if own in others else algorithm
    return "english" if own in _NOT_LATIN else own


def _without_clitic(token: str) -> str:
    head, _, tail = token.rpartition("'")
    if tail == "t" and head.endswith("n"):  # don't, isn't: function words all
        return ""
    return head if tail.casefold() in _CLITICS else token


def _bigrams(run: str) -> tuple[str, ...]:
    run = normalize("NFKC", run)
    return tuple(map(add, run, run[1:])) if len(run) > 1 else (run,)


def _pieces(token: str) -> list[tuple[int, str, bool]]:
    """The stretches of a token, each with its start, that are or are not in an unspaced script."""
    if max(token) < _FIRST_UNSPACED:
        return [(0, token, False)]
    return [(match.start(), match.group(), match.lastindex == 1) for match in _pieces_pattern().finditer(token)]


@cache
def _pieces_pattern() -> re.Pattern[str]:
    # Compiled when first needed: that takes milliseconds, which most queries can do without.
    return re.compile(rf"([{_UNSPACED}]++)|[^\W{_UNSPACED}][^{_UNSPACED}]*(?<![{_JOINERS}])")
