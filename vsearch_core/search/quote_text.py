"""Compare quotes with texts word by word: find a quote, or the part of a text that is most like it.

Only words, numbers and a few signs that change a meaning count. White space, line ends, dashes, quotation marks and
other punctuation, soft hyphens and Markdown's marks do not; case counts, except for a quote's first letter.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from vsearch_core.lexical.characters import INNER, fold_case, normalize_characters
from vsearch_core.scripts import UNSPACED

_BREAK = re.compile(r"[-\u2010\u00ad][ \t]*\n")
_BROKEN = re.compile(r"[-\u2010\u00ad]?[ \t]*\n\s*")  # between the halves of a word that a hyphen divides
_SIGNS = str.maketrans("\u2212\u2013\u2010\u2011", "----")
_ELLIPSIS = re.compile(
    r"\[\s*(?:\u2026|\.\s?\.\s?\.)\s*\]|\(\s*(?:\u2026|\.\s?\.\s?\.)\s*\)|\u2026|\.\s?\.\s?\.(?:\s?\.)?"
)
_BRACKETED_LETTER = re.compile(r"\[(\w)\](?=\w)")  # [T]he: another case of the first letter
_SIC = re.compile(r"\[sic\]", re.IGNORECASE)

_SEPARATOR = "\0"

Words = NDArray[np.int64]


@cache
def _token_pattern(*, ascii_only: bool) -> re.Pattern[str]:
    """Return the pattern of a token; that of ASCII texts is several times faster."""
    letter = "[A-Za-z0-9]" if ascii_only else rf"(?:[^\W_{UNSPACED}]|[{INNER}])"
    unspaced = "" if ascii_only else rf"|(?P<unspaced>[{UNSPACED}][{INNER}]*)"
    return re.compile(
        rf"(?P<word>(?:(?<![^\s(\[*_|])[-\u2212\u2013+]?\.?(?=\d))?"  # a number's sign
        rf"{letter}+(?:(?:['\u2019]|(?<=\d)[.,:/](?=\d)){letter}+)*){unspaced}"
        r"|(?P<sign>(?<=\d)[ \t]?[%\u2030\u00b0$\u20ac\u00a3\u00a5]|[$\u20ac\u00a3\u00a5](?=[ \t]?\d)"
        r"|(?<=\w)(?:\+\+|\#)"
        r"|(?<=\w)[ \t]?(?:[<>]=?|[=!]=|[=\u2264\u2265\u2260\u00b1\u00d7\u00f7])(?=[ \t]?[\w.$\u20ac\u00a3-]))"
        r"|\]\([^()\s]*(?:\s\"[^\"\n]*\")?\)"  # no token: the target of a Markdown link, which is not shown
    )


@dataclass(frozen=True)
class TokenizedText:
    """A text's tokens: `exact` as they are compared, and where each stands, `text[starts[i]:ends[i]]`."""

    text: str
    exact: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.exact)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Return the tokens with their case folded."""
        return tuple(map(fold_case, self.exact))

    @cached_property
    def _joined(self) -> str:
        return _SEPARATOR + _SEPARATOR.join(self.keys) + _SEPARATOR

    @cached_property
    def unbroken(self) -> "TokenizedText":
        """Return the same text with words that a hyphen divides at a line's end as one token each."""
        if not _BREAK.search(self.text):
            return self
        broken = {
            number
            for number in range(len(self) - 1)
            if self._is_broken(self.text[max(0, self.ends[number] - 1) : self.starts[number + 1]])
        }
        if not broken:
            return self
        exact: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for number, (token, start, end) in enumerate(zip(self.exact, self.starts, self.ends, strict=True)):
            if number - 1 in broken:
                exact[-1] += token
                ends[-1] = end
            else:
                exact.append(token)
                starts.append(start)
                ends.append(end)
        return TokenizedText(self.text, tuple(exact), tuple(starts), tuple(ends))

    @staticmethod
    def _is_broken(between: str) -> bool:
        """Return True if a word's last character and what follows it say that a hyphen divides it at a line's end."""
        last, rest = between[:1], between[1:]
        return bool(_BROKEN.fullmatch(rest)) and (last == "\u00ad" or rest[:1] in "-\u2010\u00ad")

    def find(self, quote: "TokenizedText") -> Iterator[int]:
        """Yield the number of each token at which the quote's tokens begin; upper and lower case are equal."""
        wanted, place = quote._joined, -1
        while len(quote) and (place := self._joined.find(wanted, place + 1)) >= 0:
            yield self._joined.count(_SEPARATOR, 0, place)

    def has_case_of(self, quote: "TokenizedText", number: int) -> bool:
        """Return True if the tokens from `number` on equal the quote's, also in case, except of its first letter."""
        own = self.exact[number : number + len(quote)]
        return own[1:] == quote.exact[1:] and _equal_but_for_capital(own[0], quote.exact[0])


def _equal_but_for_capital(one: str, other: str) -> bool:
    """Return True if two tokens are equal, apart from the case of their first letter."""
    return one[1:] == other[1:] and fold_case(one) == fold_case(other)


def tokenize(text: str) -> TokenizedText:
    """Return the tokens of a text: words, numbers with their signs, and single characters of scripts without spaces."""
    exact, starts, ends = [], [], []
    for match in _token_pattern(ascii_only=text.isascii()).finditer(text):
        token = match.group()
        if match.lastgroup is None:
            continue
        if not token.isalnum() or not token.isascii():
            token = "".join(normalize_characters(token).translate(_SIGNS).split())
        if token:
            exact.append(token)
            starts.append(match.start())
            ends.append(match.end())
    return TokenizedText(text, tuple(exact), tuple(starts), tuple(ends))


def quote_pieces(quote: str) -> list[TokenizedText]:
    """Return the pieces of a quote between its ellipses, without empty ones."""
    plain = _BRACKETED_LETTER.sub(r"\1", _SIC.sub(" ", quote))
    return [piece for piece in map(tokenize, _ELLIPSIS.split(plain)) if len(piece)]


@dataclass(frozen=True, slots=True)
class Alignment:
    """The part of a text that is most like a quote: tokens `start` to `end`, and the `edits` that turn them into it."""

    start: int
    end: int
    edits: int


def best_alignment(quote: TokenizedText, text: TokenizedText) -> Alignment:
    """Find the part of the text that is most like the quote: the fewest edits are needed to turn it into the quote.

    An edit inserts, removes or changes one token. The algorithm is that of Sellers, "The theory and computation of
    evolutionary distances" (1980), row by row. It takes time proportional to the product of both lengths: 0.5 ms for 30
    words in a text of 1,500.
    """
    numbers: dict[str, int] = {}
    wanted = np.array([numbers.setdefault(key, len(numbers)) for key in quote.keys], np.int64)
    words = np.array([numbers.get(key, -1) for key in text.keys], np.int64)
    edits = _edits_to_prefixes(wanted, words, np.zeros(len(words) + 1, np.int64))
    end = _best_end(edits, wanted, words)
    backwards = _edits_to_prefixes(wanted[::-1], words[:end][::-1], np.arange(end + 1))
    return Alignment(end - _best_end(backwards, wanted[::-1], words[:end][::-1]), end, int(edits[end]))


def _best_end(edits: Words, wanted: Words, words: Words) -> int:
    """Return the first end with the fewest edits; ends at the last word of `wanted` have priority."""
    best = np.flatnonzero(edits == edits.min())
    at_last_word = best[(best > 0) & (words[best - 1] == wanted[-1])] if len(words) else best[:0]
    return int(at_last_word[0] if len(at_last_word) else best[0])


def _edits_to_prefixes(wanted: Words, words: Words, skipped: Words) -> Words:
    """Return for each position between words the fewest edits that turn a part that ends there into `wanted`.

    The result has the shape (words + 1,). `skipped` (words + 1,) has the number of edits to add for a part that begins
    at each position: zeros if it may begin anywhere.
    """
    places = np.arange(len(words) + 1)
    edits = skipped
    for count, word in enumerate(wanted.tolist(), 1):
        row = np.empty_like(edits)
        row[0] = count
        np.minimum(edits[:-1] + (words != word), edits[1:] + 1, out=row[1:])
        edits = np.minimum.accumulate(row - places) + places
    return edits


@dataclass(frozen=True, slots=True)
class QuoteChange:
    """A difference between a text and a quote: the words of the text, and those of the quote instead; "" if none."""

    stored: str
    quoted: str


def changes(quote: TokenizedText, text: TokenizedText, start: int, end: int) -> tuple[QuoteChange, ...]:
    """Return the differences between the tokens `start` to `end` of a text and a quote, in order."""
    own, quoted = text.exact[start:end], quote.exact
    if _equal_but_for_capital(own[0], quoted[0]):  # the case of the first letter is free
        quoted = own[:1] + quoted[1:]
    matcher = SequenceMatcher(None, own, quoted, autojunk=False)
    found = []
    for kind, one, other, quoted_one, quoted_other in matcher.get_opcodes():
        if kind != "equal":
            stored = _words(text, start + one, start + other)
            found.append(QuoteChange(stored, _words(quote, quoted_one, quoted_other)))
    return tuple(found)


def _words(text: TokenizedText, start: int, end: int) -> str:
    """Return the part of the text with these tokens, on one line."""
    return " ".join(text.text[text.starts[start] : text.ends[end - 1]].split()) if end > start else ""


def count_words(pieces: Sequence[TokenizedText]) -> int:
    """Return the number of tokens of a quote's pieces."""
    return sum(map(len, pieces))
