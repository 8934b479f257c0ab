"""Text to terms: the one analysis that documents and queries share.

A word becomes its stem; function words vanish; a run of a script that puts no spaces between words becomes overlapping
bigrams, and the last character alone, so that each character begins one term; a compound (`getUserName`, `foo.bar`,
`2026.4.10`, `T-cell`, `me@example.com`) is kept whole and also split.
"""

import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from itertools import chain
from operator import add
from typing import Any
from unicodedata import normalize

from vsearch_core.errors import InputError
from vsearch_core.lexical.characters import APOSTROPHES, HYPHENS, INNER, fold_case, normalize_characters
from vsearch_core.lexical.language import LANGUAGES
from vsearch_core.lexical.stopwords import STOP_WORDS
from vsearch_core.scripts import COMMON_UNSPACED, FIRST_UNSPACED, RADICALS, UNSPACED

VERSION = 3  # raise it with every change to what `terms` returns: indexes remember it

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

# Stems of these are stemmed until that changes nothing: Snowball takes a nominative on -ит for a verb, its other cases
# not (дефицит, дефицитом).
_STEMMED_AGAIN = {"russian"}
_MOST_ROUNDS = 8

_JOINERS = rf".@&{APOSTROPHES}\uff0e{HYPHENS}"
# Possessive, so that nothing is tried twice. A dot opens a token only where no sentence can have ended: .NET, a/.b
_TOKEN = re.compile(
    rf"(?:\w++|[{RADICALS}]|(?<![^\s\"'`(\[/])\.(?=[A-Za-z])\w++)"
    rf"(?:[{INNER}]\w*+|[{_JOINERS}]\w++)*+(?:\+\+|\#(?!\w))?"
)
_DASH = re.compile("[-']")
_LAST_WORD = re.compile(r"[-']?(?<![^\W\d_])[^\W\d_]++$")
_LEVELS = (re.compile("[@&]"), _DASH, re.compile(r"\."), re.compile("_"), re.compile(r"\+\+|#"))  # loosest first
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z0-9]+|[0-9]+")  # getUserName, HTTPServer, utf8
_MAX_PIECES = 8  # a word of more is a hash or a key: its pieces mean nothing
_ACRONYMS = re.compile(r"(?<![A-Z])[A-Z]{2,}+s$")
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_RELEASE = re.compile(r"v\d[\d.]*\.\d")
_CLITICS = {"s", "re", "ve", "ll", "d", "m"}  # what English hangs on a word: it's, we're, they've, we'll, I'd, I'm
_ELIDING = {"catalan", "french", "italian"}  # their apostrophe ends a word of its own: l'homme

CACHE_SIZE = 1 << 17  # words; about 20 MB
LONGEST_CACHED = 40  # characters


Match = tuple[int, int, frozenset[str]]  # start and end in characters, and the terms; ascending, without overlaps


def tokenize(text: str) -> list[str]:
    """The words and compounds of a text, as they stand."""
    return _TOKEN.findall(text)


class Analyzer:
    """Turns text into terms. The same text gives the same terms in every process: an index depends on it.

    `language` is an ISO 639-1 code or "none" for no stemming and no stop words of that language. Raises InputError for
    an unknown one. `version` is that of the postings which questions are for, if these are older. An analyzer belongs
    to one thread.
    """

    def __init__(self, language: str = "en", version: int = VERSION) -> None:
        if language != NO_STEMMING and language not in LANGUAGES:
            choices = ", ".join([*LANGUAGES, NO_STEMMING])
            raise InputError(f"language {language!r}", "is not one that can be stemmed", f"choose one of {choices}")
        self._cache = _TermCache(LANGUAGES.get(language), version)

    def terms(self, text: str) -> list[str]:
        """The terms of a document in the text's order, repeats included; [] where it has none."""
        return list(chain.from_iterable(map(self._cache.__getitem__, text.split())))

    def query_terms(self, text: str) -> list[str]:
        """The terms to look for: those of the text, but for a character of an unspaced script that stands alone,
        which becomes a prefix (`国*`), and the last ones of longer runs, which say nothing new."""
        if text.isascii():
            return self.terms(text)
        return list(chain.from_iterable(map(self.query_word, text.split())))

    def query_word(self, word: str) -> tuple[str, ...]:
        """What `query_terms` makes of what stands between two blanks."""
        if word.isascii() or max(word) < FIRST_UNSPACED:
            return self._cache[word]
        common, runs = _common_runs()
        if common.fullmatch(word):  # most questions in such a script: spare them the search for anything else
            return tuple(chain.from_iterable(map(_wanted, runs.findall(word))))
        terms: list[str] = []
        for token in tokenize(word):
            for _, piece, unspaced in _pieces(token):
                terms += _wanted(piece) if unspaced else self._cache[piece]
        return tuple(terms)

    def spans(self, text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        """Each stretch of the text that has terms: start, end (exclusive, in characters) and the terms.

        A run of an unspaced script gives one stretch a term, so stretches may overlap there.
        """
        for match in _TOKEN.finditer(text):
            for offset, piece, unspaced in _pieces(match.group()):
                start = match.start() + offset
                terms = _bigrams(piece) if unspaced else self._cache[piece]
                if unspaced and len(terms) == len(piece):
                    end = start + len(piece)
                    yield from ((start + i, min(start + i + 2, end), (term,)) for i, term in enumerate(terms))
                elif terms:
                    yield start, start + len(piece), terms

    def matches(self, text: str, terms: Collection[str]) -> list[Match]:
        """Where the text has some of `terms`, of which one like `bar*` stands for all that begin so."""
        prefixes = [term for term in terms if term.endswith("*")]
        found: list[Match] = []
        for start, end, held in self.spans(text):
            asked = {term for term in held if term in terms}
            asked.update(prefix for prefix in prefixes for term in held if term.startswith(prefix[:-1]))
            if not asked:
                continue
            if found and start < found[-1][1]:
                begin, _, others = found.pop()
                found.append((begin, end, others | asked))
            else:
                found.append((start, end, frozenset(asked)))
        return found


class _TermCache(dict[str, tuple[str, ...]]):
    """Word -> terms, worked out when first asked for: a dictionary look-up is all that a known word costs.

    A word is what stands between blanks: no token goes beyond one.
    """

    def __init__(self, algorithm: str | None, version: int) -> None:
        super().__init__()
        self._algorithm = algorithm
        self._rounds = _MOST_ROUNDS if version >= 3 else 1
        self._stemmers: dict[str, Any] = {}

    def __missing__(self, word: str) -> tuple[str, ...]:
        pieces = [piece for token in tokenize(word) for piece in _pieces(token)]
        unspaced = any(unspaced for _, _, unspaced in pieces)
        if len(pieces) == 1 and not unspaced and pieces[0][1] == word:
            terms = tuple(self._analyze(word))
        else:
            terms = tuple(
                chain.from_iterable(_bigrams(piece) if unspaced else self[piece] for _, piece, unspaced in pieces)
            )
        if unspaced or len(word) > LONGEST_CACHED:  # these hardly ever repeat: not worth remembering
            return terms
        if len(self) >= CACHE_SIZE:
            self.clear()
        self[word] = terms
        return terms

    def _analyze(self, token: str) -> Iterator[str]:
        token = normalize_characters(token)
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
        word = fold_case(word)
        algorithm = _algorithm_for(word, self._algorithm)
        if algorithm is None:
            yield word
        elif word not in STOP_WORDS.get(algorithm, ()):
            yield self._stem(algorithm, word)

    def _stem(self, algorithm: str, word: str) -> str:
        stemmer = self._stemmer(algorithm)
        for _ in range(self._rounds if algorithm in _STEMMED_AGAIN else 1):
            stem = stemmer.stemWord(word)
            if stem in (word, ""):  # Arabic's leaves nothing of a lone tatweel
                break
            word = stem
        return word

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
        return _LAST_WORD.sub("", head)
    return head if tail.casefold() in _CLITICS else token


def _bigrams(run: str) -> tuple[str, ...]:
    run = normalize("NFKC", run)
    return tuple(map(add, run, [*run[1:], ""]))


def _wanted(run: str) -> tuple[str, ...]:
    run = normalize("NFKC", run)
    return tuple(map(add, run, run[1:])) or (f"{run}*",)


def _pieces(token: str) -> list[tuple[int, str, bool]]:
    """The stretches of a token, each with its start, that are or are not in an unspaced script."""
    if max(token) < FIRST_UNSPACED:
        return [(0, token, False)]
    return [(match.start(), match.group(), match.lastindex == 1) for match in _pieces_pattern().finditer(token)]


@cache
def _common_runs() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What matches a word of common unspaced characters and of what parts them, and what finds its runs."""
    return re.compile(rf"(?:[{COMMON_UNSPACED}]++|[^\w{INNER}]++)*+"), re.compile(rf"[{COMMON_UNSPACED}]++")


@cache
def _pieces_pattern() -> re.Pattern[str]:
    # Compiled when first needed: that takes milliseconds, which most queries can do without.
    return re.compile(rf"([{UNSPACED}]++)|[^\W{UNSPACED}][^{UNSPACED}]*(?<![{_JOINERS}])")
