"""Find snippets: the sentences of a chunk that match a query best, with the positions of the query's terms."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import log

from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.analyzer import Match

WIDTH = 360  # characters: three to four lines of a terminal
_LONGEST = 50_000  # characters of a chunk that are looked at: more than 5,000 words have
_MOST_MATCHES = 2000  # of a sentence that is cut which are looked at

# A full stop inside a word (2026.4.10, foo.bar) ends no sentence; CJK sentences end without a blank. A line end is a
# blank, except before an empty line or a list item, and around a Markdown heading.
_SENTENCE_END = re.compile(
    r"[.!?]+[\"'»”’)\]]*(?=\s)|[。！？]+[」』”’）]*|\n(?=[ \t\f]*\n)|\n(?=[ \t]*(?:[-*+>|•]|#{1,6}|\d+[.)])[ \t])"
    r"|^#{1,6}[ \t].*\n",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a chunk's text.

    `start` is the position of `text` in the chunk, in characters. `marks` are the (start, end) ranges of the query's
    terms within `text`.
    """

    text: str
    start: int
    marks: tuple[tuple[int, int], ...]


def best_snippet(chunk: str, weights: Mapping[str, float], analysis: Analysis, width: int = WIDTH) -> Snippet:
    """Return the best sentence of a chunk, and the sentences after it while they fit into `width` characters.

    `weights` has the idf of each term of the query. The best sentence has the highest sum of the weights of its
    distinct terms, of which those that many sentences of the chunk have count less. Of equal sentences, it is the
    first. A heading is only the best if there is nothing else. Only the first 50,000 characters of the chunk are read.
    """
    chunk = chunk[:_LONGEST]
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(chunk)), len(chunk)]
    sentences = [_stripped(chunk, start, end) for start, end in pairwise(ends) if chunk[start:end].strip()]
    if not sentences:
        return Snippet("", 0, ())
    matches = analysis.matches(chunk, weights.keys()) if weights else []
    lefts = [left for left, _, _ in matches]
    found = (matches[bisect_left(lefts, start) : bisect_left(lefts, end)] for start, end in sentences)
    terms = [_terms(some, end) for some, (_, end) in zip(found, sentences, strict=True)]
    counts = Counter(chain.from_iterable(terms))
    local = {term: weights[term] * log(1 + len(sentences) / count) for term, count in counts.items()}
    scores = [sum(local[term] for term in weights if term in some) for some in terms]
    rest = [number for number, (start, _) in enumerate(sentences) if not chunk.startswith("#", start)]
    best = max(rest or range(len(sentences)), key=scores.__getitem__)
    start, end = sentences[best]
    for begin, further in sentences[best + 1 :]:
        if further - start > width or chunk.startswith("#", begin):
            break
        end = further
    if end - start > width:
        inside = matches[bisect_left(lefts, start) :][:_MOST_MATCHES]
        start, end = _narrow(chunk, start, end, *_richest(weights, inside, start, width), width)
    marks = tuple((left - start, right - start) for left, right, _ in matches if start <= left and right <= end)
    return Snippet(chunk[start:end], start, marks)


def _terms(matches: Sequence[Match], end: int) -> set[str]:
    """Return the distinct terms of the matches that end by `end`."""
    return {term for _, right, terms in matches if right <= end for term in terms}


def _stripped(chunk: str, start: int, end: int) -> tuple[int, int]:
    """Return the range without surrounding blanks."""
    text = chunk[start:end]
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


def _richest(weights: Mapping[str, float], matches: Sequence[Match], start: int, width: int) -> tuple[int, int]:
    """Return the range of at most `width` characters with the highest sum of its distinct terms' weights.

    It begins at `start`, unless a later range weighs more; then at the last match that gives that weight.
    """
    best, end = _reach(weights, matches, start + width)
    begin, from_start = start, best
    for number, (left, _, _) in enumerate(matches):
        weight, right = _reach(weights, matches[number : number + width], left + width)
        if weight > from_start and weight >= best:
            best, begin, end = weight, left, right
    return begin, max(begin, end)


def _reach(weights: Mapping[str, float], matches: Sequence[Match], limit: int) -> tuple[float, int]:
    """Return the weight of the distinct terms that end by `limit`, and the end of the last that adds to it."""
    found: set[str] = set()
    end = 0
    for left, right, terms in matches:
        if left >= limit:
            break
        if right <= limit and not found.issuperset(terms):
            found.update(terms)
            end = right
            if len(found) == len(weights):
                break
    return sum(weight for term, weight in weights.items() if term in found), end


def _narrow(chunk: str, start: int, end: int, first: int, last: int, width: int) -> tuple[int, int]:
    """Cut a long sentence to `width` characters around the range from `first` to `last`.

    The cut is at the start of a line if one is near, else at blanks, if there are any.
    """
    if first > start:
        earliest = max(start, first - width // 3, last - width)
        line = chunk.rfind("\n", earliest, first)
        start = (line if line >= 0 else chunk.find(" ", earliest, first)) + 1 or first
        start += len(chunk[start:first]) - len(chunk[start:first].lstrip())
    if end - start > width:
        blank = chunk.rfind(" ", max(start + width // 2, last), start + width)
        end = blank if blank > 0 else start + width
    return start, end
