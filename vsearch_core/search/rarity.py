"""Weigh the rare words of a query: who asks for an error code, a version or a file wants the chunk that has it.

A model's vectors say little about such words, and BM25's share of the score is too small to bring the chunk to the top.
docs/adr/0040-rare-words.md has the figures.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log, sqrt

from vsearch_core.lexical.bm25 import idf, is_weak

LEAST_SHARE = 0.7  # of the idf of a term that a single chunk has; with less, a word is not rare
WORD_WEIGHT = 0.2  # of an ordinary word, where an exact one weighs 1
MANY_ROWS = 1000  # in an index of fewer chunks every word is rare, and ordinary ones weigh less

# Written like a name or a number rather than a word: with a digit, E4090 or 2026.4; with a mark or a capital inside,
# foo.bar, a/b, snake_case, getUser, Retry-After; or a symbol. An ordinal or a decade, 10th or 1960s, is a word.
_EXACT = re.compile(r"\d|\w[._/@&:\\]\w|[^\W\d_A-Z][A-Z]|[A-Z]\w*-[A-Z]")
_ORDINAL = re.compile(r"\W*\d+(?:st|nd|rd|th|s)\W*")


@dataclass(frozen=True, slots=True)
class RareWord:
    """A rare word of a query. A chunk has it if it has all of its `terms`; then `weight`, above 0, counts."""

    terms: tuple[str, ...]
    weight: float


def rare_words(
    words: Sequence[str], terms_of: Callable[[str], Sequence[str]], frequency: Callable[[str], int], rows: int
) -> list[RareWord]:
    """Return the rare words of a query.

    `words` are the query's, `terms_of(word)` the terms of each that are searched for, `frequency(term)` the number of
    rows that contain a term, and `rows` the number of all rows. The weight of a word rises from 0 to 1 with the idf of
    its rarest term, which is at least LEAST_SHARE of the idf of a term in one row. It falls with the square root of the
    sum of all words' idf: of many words, each says less.
    """
    highest = idf(rows, 1)
    discount = min(1.0, log(max(rows, 2)) / log(MANY_ROWS))
    total, found = 0.0, []
    for word in words:
        shares = {term: idf(rows, frequency(term)) / highest for term in terms_of(word) if _is_whole(term)}
        present = [term for term, share in shares.items() if share > 0]
        if not present:
            continue
        is_exact = is_exact_word(word)
        rarest = max(present, key=shares.__getitem__)
        total += shares[rarest] * (1 if is_exact else discount)
        weight = (1.0 if is_exact else WORD_WEIGHT * discount) * (shares[rarest] - LEAST_SHARE) / (1 - LEAST_SHARE)
        if weight > 0:
            found.append(RareWord(tuple(present) if is_exact else (rarest,), weight))
    return [replace(each, weight=each.weight / sqrt(max(1.0, total))) for each in found]


def is_exact_word(word: str) -> bool:
    """Return True if a word is written like a name, a number or a symbol."""
    if not any(map(str.isalnum, word)):
        return True
    return bool(_EXACT.search(word)) and not _ORDINAL.fullmatch(word)


def _is_whole(term: str) -> bool:
    return not (is_weak(term) or term.endswith("*"))
