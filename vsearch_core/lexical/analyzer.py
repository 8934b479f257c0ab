"""Turn text of one language into terms, in the same way for documents and queries.

A word becomes its stem. Function words (such as "the") are dropped. In scripts without spaces between words, such as
Chinese, text becomes overlapping pairs of characters (bigrams), followed by the last character, so that each character
starts one term. A compound (`getUserName`, `foo.bar`, `2026.4.10`, `T-cell`, `me@example.com`) gives a term for the
whole and terms for its parts. A symbol (`🦆`, `%`) or an operator (`<=>`) is a term, too. A word with marks (`Dvořák`)
gives a second term, that of the word without marks, which ends in `~`: queries use it as a weaker match.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from itertools import chain
from operator import add
from typing import Any
from unicodedata import normalize

from vsearch_core.errors import ArgumentError
from vsearch_core.lexical.characters import (
    APOSTROPHES,
    HYPHENS,
    INNER,
    SYMBOLS,
    fold_case,
    fold_marks,
    normalize_characters,
)
from vsearch_core.lexical.language import LANGUAGES
from vsearch_core.lexical.stopwords import STOP_WORDS
from vsearch_core.scripts import COMMON_UNSPACED, FIRST_UNSPACED, RADICALS, UNSPACED

VERSION = 4  # increment it with every change to what `terms` returns: indexes record it
_WITH_SYMBOLS = 4  # the first version with symbols, and with the terms of words without their marks

WEAK = "~"  # ends the term of a word without its marks; starts a query's term that counts less
RESPELLED = "~~"  # starts a query's term for a misspelled word, which counts least

NO_STEMMING = "none"

# A word in another script is stemmed in the language mostly written in it, unless the index's own language uses it.
_SCRIPTS = (  # first and last code point, Snowball algorithm, other algorithms of the same script
    (0x0370, 0x03FF, "greek", ()),
    (0x0400, 0x04FF, "russian", ("serbian",)),
    (0x0530, 0x058F, "armenian", ()),
    (0x0600, 0x06FF, "arabic", ("persian",)),
    (0x0900, 0x097F, "hindi", ("nepali",)),
    (0x0B80, 0x0BFF, "tamil", ()),
)
_NOT_LATIN = {"arabic", "armenian", "greek", "hindi", "nepali", "persian", "russian", "tamil", "yiddish"}

# Stemming is repeated until nothing changes: Snowball mistakes a nominative on -ит for a verb, but not the other cases
# (дефицит, дефицитом). What still changes after all rounds is no word ("аааааааааа") and stays as it is.
_STEMMED_AGAIN = {"russian"}
_MOST_ROUNDS = 8

_JOINERS = rf".@&{APOSTROPHES}\uff0e{HYPHENS}"
# Possessive quantifiers prevent backtracking. A dot starts a token only where no sentence can have ended: .NET, a/.b
_TOKEN = re.compile(
    rf"(?:\w++|[{RADICALS}]|(?<![^\s\"'`(\[/])\.(?=[A-Za-z])\w++)"
    rf"(?:[{INNER}]\w*+|[{_JOINERS}]\w++)*+(?:\+\+|\#(?!\w))?"
)
# An operator has up to four ASCII symbols; more are a ruled line. Single ones that mark up texts are no operators.
_ASCII_SYMBOLS = r"\-!:?/\\<>=%&|^$+*~#@"
_OPERATOR = (
    rf"(?<![{_ASCII_SYMBOLS}])(?:[-!:?]?[<>=%&|^$+]{{2,3}}|[-!:?][<>=%&|^$+]|[%&^$]|\+(?!\w)|<->?|::)"
    rf"(?![-/\\<>=%&|^$+*~#@])"
)
_FLAGS = "\U0001f1e6-\U0001f1ff"  # letters, two of which are the flag of a country
_SYMBOL = rf"[{SYMBOLS}]|[{_FLAGS}]{{2}}|{_OPERATOR}"
_IS_SYMBOL = re.compile(_SYMBOL)
_TOKEN_OR_SYMBOL = re.compile(rf"{_TOKEN.pattern}|{_SYMBOL}")
_DASH = re.compile("[-']")
_LAST_WORD = re.compile(r"[-']?(?<![^\W\d_])[^\W\d_]++$")
_LEVELS = (re.compile("[@&]"), _DASH, re.compile(r"\."), re.compile("_"), re.compile(r"\+\+|#"))  # loosest first
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z0-9]+|[0-9]+")  # getUserName, HTTPServer, utf8
_MAX_PIECES = 8  # a word with more is a hash or a key, whose pieces mean nothing
_ACRONYMS = re.compile(r"(?<![A-Z])[A-Z]{2,}+s$")
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_RELEASE = re.compile(r"v\d[\d.]*\.\d")
_CLITICS = {"s", "re", "ve", "ll", "d", "m"}  # English: it's, we're, they've, we'll, I'd, I'm
_ELIDING = {"catalan", "french", "italian"}  # the apostrophe ends a word: l'homme

CACHE_SIZE = 1 << 17  # words; about 20 MB, and as many older ones
LONGEST_CACHED = 40  # characters


Match = tuple[int, int, frozenset[str]]  # start and end (exclusive) in characters, and the terms that match there


def tokenize(text: str) -> list[str]:
    """Split a text into words and compounds such as `foo.bar`; they are not changed."""
    return _TOKEN.findall(text)


class Analyzer:
    """Turns text of one language into terms. Only one thread may use it at a time.

    Indexes depend on the same text giving the same terms in every process.
    """

    def __init__(self, language: str = "en", version: int = VERSION, cache_size: int = CACHE_SIZE) -> None:
        """Set the language, an ISO 639-1 code; "none" means no stemming and no stop words.

        `version` is the version of the analyzer that made the index's postings. The terms of up to `cache_size` words
        are cached. Raises ArgumentError for an unsupported language.
        """
        if language != NO_STEMMING and language not in LANGUAGES:
            choices = ", ".join([*LANGUAGES, NO_STEMMING])
            reason = f"{language!r} is not a supported language"
            raise ArgumentError("language", reason, code="unsupported-language", choices=choices)
        self._cache = _TermCache(LANGUAGES.get(language), version, cache_size)
        self._token = self._cache.token

    def terms(self, text: str) -> list[str]:
        """Return the terms of a document's text in order, with repetitions."""
        return list(self.terms_of_words(text.split()))

    def terms_of_words(self, words: Iterable[str]) -> Iterator[str]:
        """Yield the terms of a text that was split at white space."""
        return chain.from_iterable(map(self._cache.__getitem__, words))

    def query_terms(self, text: str) -> list[str]:
        """Return the terms to search for, with repetitions.

        They are the same as for documents, except in scripts without spaces: a single character becomes a prefix
        (`国*`), and the last character of longer text is dropped, because the last bigram contains it.
        """
        if text.isascii():
            return self.terms(text)
        return list(chain.from_iterable(map(self.query_word, text.split())))

    def query_word(self, word: str) -> tuple[str, ...]:
        """Return the query terms of one word: a piece of a query between spaces, which may be a compound."""
        if word.isascii() or max(word) < FIRST_UNSPACED:
            return self._cache[word]
        common, runs = _common_runs()
        if common.fullmatch(word):  # most queries in such a script: a fast path
            return tuple(chain.from_iterable(map(_query_bigrams, runs.findall(word))))
        terms: list[str] = []
        for token in self._token.findall(word):
            for _, piece, unspaced in _pieces(token):
                terms += _query_bigrams(piece) if unspaced else self._cache[piece]
        return tuple(terms)

    def spans(self, text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        """Yield (start, end, terms) for each part of the text that has terms; `end` is exclusive, in characters.

        In scripts without spaces, each term is a part of its own, and parts may overlap.
        """
        for match in self._token.finditer(text):
            for offset, piece, unspaced in _pieces(match.group()):
                start = match.start() + offset
                terms = _bigrams(piece) if unspaced else self._cache[piece]
                if unspaced and len(terms) == len(piece):
                    end = start + len(piece)
                    yield from ((start + i, min(start + i + 2, end), (term,)) for i, term in enumerate(terms))
                elif terms:
                    yield start, start + len(piece), terms

    def matches(self, text: str, terms: Collection[str]) -> list[Match]:
        """Return the positions of the terms in the text, ascending and without overlaps.

        A term such as `bar*` matches all terms that start with "bar"; `~bar` and `~~bar` match "bar".
        """
        weak = {term.lstrip(WEAK): term for term in terms if term.startswith(WEAK)}
        prefixes = [term for term in terms if term.endswith("*")]
        found: list[Match] = []
        for start, end, span_terms in self.spans(text):
            matched = {term for term in span_terms if term in terms}
            matched.update(weak[term] for term in span_terms if term in weak)
            matched.update(prefix for prefix in prefixes for term in span_terms if term.startswith(prefix[:-1]))
            if not matched:
                continue
            if found and start < found[-1][1]:
                begin, _, others = found.pop()
                found.append((begin, end, others | matched))
            else:
                found.append((start, end, frozenset(matched)))
        return found


class _TermCache(dict[str, tuple[str, ...]]):
    """A cache from words, as blanks separate them, to terms: a known word costs one dictionary look-up.

    That is possible because no token contains a blank. When the cache is full, its words become the older ones, which
    replace those that were older before. An older word returns when it is met again, so frequent words stay.
    """

    def __init__(self, algorithm: str | None, version: int, size: int) -> None:
        super().__init__()
        self._algorithm = algorithm
        self._size = size
        self._rounds = _MOST_ROUNDS if version >= 3 else 1
        self._folds = version >= _WITH_SYMBOLS
        self.token = _TOKEN_OR_SYMBOL if version >= _WITH_SYMBOLS else _TOKEN
        self._stemmers: dict[str, Any] = {}
        self._older: dict[str, tuple[str, ...]] = {}

    def __missing__(self, word: str) -> tuple[str, ...]:
        terms = self._older.get(word)
        if terms is None:
            terms, recurs = self._terms_of(word)
            if not recurs:
                return terms
        if len(self) >= self._size:
            self._older = dict(self)
            self.clear()
        self[word] = terms
        return terms

    def _terms_of(self, word: str) -> tuple[tuple[str, ...], bool]:
        """Return the terms of a word, and True unless words of its kind rarely recur."""
        pieces = [piece for token in self.token.findall(word) for piece in _pieces(token)]
        unspaced = any(unspaced for _, _, unspaced in pieces)
        if len(pieces) == 1 and not unspaced and pieces[0][1] == word:
            terms = tuple(self._analyze(word))
        else:
            terms = tuple(
                chain.from_iterable(_bigrams(piece) if unspaced else self[piece] for _, piece, unspaced in pieces)
            )
        return terms, not unspaced and len(word) <= LONGEST_CACHED

    def _analyze(self, token: str) -> Iterator[str]:
        if self._folds and _IS_SYMBOL.fullmatch(token):
            yield token
            return
        token = normalize_characters(token)
        terms = list(self._terms(token))
        yield from terms
        if self._folds and not token.isascii() and terms and (unmarked := fold_marks(token)) != token:
            yield from (term + WEAK for term in self._terms(unmarked) if term not in terms)

    def _terms(self, token: str) -> Iterator[str]:
        if "'" in token:
            if self._algorithm in _ELIDING:
                return self._parts(token.split("'"), self._compound)
            token = _without_clitic(token)
        if token.isalpha() and token[1:].islower():  # most words: a fast path
            return self._word(token)
        return self._compound(token)

    def _compound(self, token: str) -> Iterator[str]:
        """Yield the term of a compound, then recursively those of its parts."""
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
        """Yield the terms of a whole compound that contains separators."""
        dashed = dashed and any(map(str.isalpha, whole))  # 10-15 is not 1015
        if dashed or _INITIALS.fullmatch(whole):  # e-mail is email, IL-2 is IL2, O'Neil is ONeil, U.S.A is USA
            yield from self._word("".join(segments))
        elif segments:
            yield whole
            if _RELEASE.fullmatch(whole):  # v1.2.3 is 1.2.3
                yield whole[1:]

    def _parts(self, parts: list[str], analyze: Callable[[str], Iterator[str]]) -> Iterator[str]:
        # A single letter means nothing; a digit may be a version or a dose.
        return chain.from_iterable(analyze(part) for part in parts if len(part) > 1 or part.isdigit())

    def _word(self, word: str) -> Iterator[str]:
        word = fold_case(word)
        algorithm = _algorithm_for(word, self._algorithm)
        if algorithm is None:
            yield word
        elif word not in STOP_WORDS.get(algorithm, ()):
            yield self._stem(algorithm, word)

    def _stem(self, algorithm: str, word: str) -> str:
        stemmer = self._stemmer(algorithm)
        if self._rounds == 1 or algorithm not in _STEMMED_AGAIN:
            return stemmer.stemWord(word) or word  # Arabic's stemmer leaves nothing of a lone tatweel
        stem = word
        for _ in range(self._rounds):
            longer, stem = stem, stemmer.stemWord(stem) or stem
            if stem == longer:
                return stem
        return word

    def _stemmer(self, algorithm: str) -> Any:
        if algorithm not in self._stemmers:
            from Stemmer import Stemmer

            self._stemmers[algorithm] = Stemmer(algorithm, 0)  # 0: no second cache
        return self._stemmers[algorithm]


def _algorithm_for(word: str, own: str | None) -> str | None:
    """Return the Snowball algorithm for a word, given the language's own; None if nothing is stemmed."""
    code = ord(word[0])
    if own is None:
        return None
    for first, last, algorithm, others in _SCRIPTS:
        if first <= code <= last:
            return own if own in others else algorithm
    return "english" if own in _NOT_LATIN else own


def _without_clitic(token: str) -> str:
    head, _, tail = token.rpartition("'")
    if tail == "t" and head.endswith("n"):  # don't, isn't: all are function words
        return _LAST_WORD.sub("", head)
    return head if tail.casefold() in _CLITICS else token


def _bigrams(run: str) -> tuple[str, ...]:
    run = normalize("NFKC", run)
    return tuple(map(add, run, [*run[1:], ""]))


def _query_bigrams(run: str) -> tuple[str, ...]:
    run = normalize("NFKC", run)
    return tuple(map(add, run, run[1:])) or (f"{run}*",)


def _pieces(token: str) -> list[tuple[int, str, bool]]:
    """Split a token into (start, piece, whether it is in an unspaced script)."""
    if max(token) < FIRST_UNSPACED or _IS_SYMBOL.fullmatch(token):
        return [(0, token, False)]
    return [(match.start(), match.group(), match.lastindex == 1) for match in _pieces_pattern().finditer(token)]


@cache
def _common_runs() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return a pattern for words of common unspaced characters and separators, and one that finds their runs."""
    return re.compile(rf"(?:[{COMMON_UNSPACED}]++|[^\w{INNER}{SYMBOLS}{_FLAGS}{_ASCII_SYMBOLS}]++)*+"), re.compile(
        rf"[{COMMON_UNSPACED}]++"
    )


@cache
def _pieces_pattern() -> re.Pattern[str]:
    # Compiled on first use: it takes milliseconds, and most queries don't need it.
    return re.compile(rf"([{UNSPACED}]++)|[^\W{UNSPACED}][^{UNSPACED}]*(?<![{_JOINERS}])")
