"""The sentence of a passage that answers best, with the query's terms marked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.analyzer import Match

WIDTH = 240  # characters: two to three lines of a terminal

# A full stop inside a word (2026.4.10, foo.bar) ends nothing; CJK sentences end without a blank; a line end is a blank,
# but before an empty line, a list's next item and around a Markdown heading.
_SENTENCE_END = re.compile(
    r"[.!?]+[\"'»”’)\]]*(?=\s)|[。！？]+[」』”’）]*|\n(?=[ \t\f]*\n)|\n(?=[ \t]*(?:[-*+>|•]|#{1,6}|\d+[.)])[ \t])"
    r"|^#{1,6}[ \t].*\n",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of a passage: `text` starts at character `start` of the passage; `marks` are ranges within `text`."""

    text: str
    start: int
    marks: tuple[tuple[int, int], ...]


def best_snippet(passage: str, weights: Mapping[str, float], analysis: Analysis, width: int = WIDTH) -> Snippet:
    """The sentence whose different terms weigh most together, the earliest of equals, and the next as far as they fit.

    `weights`: the query's terms, and how telling each is. At most `width` characters.
    """
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(passage)), len(passage)]
    sentences = [_stripped(passage, start, end) for start, end in pairwise(ends) if passage[start:end].strip()]
    if not sentences:
        return Snippet("", 0, ())
    matches = analysis.matches(passage, weights.keys()) if weights else []
    best = max(range(len(sentences)), key=lambda at: (_weight(weights, matches, *sentences[at]), -at))
    start, end = sentences[best]
    for begin, further in sentences[best + 1 :]:
        if further - start > width or passage.startswith("#", begin):
            break
        end = further
    if end - start > width:
        inside = [match for match in matches if start <= match[0]]
        start, end = _narrow(passage, start, end, *_richest(weights, inside, start, width), width)
    marks = tuple((left - start, right - start) for left, right, _ in matches if start <= left and right <= end)
    return Snippet(passage[start:end], start, marks)


def _weight(weights: Mapping[str, float], matches: Sequence[Match], start: int, end: int) -> float:
    found = {term for left, right, terms in matches if start <= left and right <= end for term in terms}
    return sum(weight for term, weight in weights.items() if term in found)


def _stripped(passage: str, start: int, end: int) -> tuple[int, int]:
    """The range without its surrounding blanks."""
    text = passage[start:end]
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


def _richest(weights: Mapping[str, float], matches: Sequence[Match], start: int, width: int) -> tuple[int, int]:
    """The range, of at most `width` characters, whose different terms weigh most together.

    It begins at `start` if nothing further on weighs more, else at the last match that makes it weigh as much.
    """
    best, end = _reach(weights, matches, start + width)
    begin, from_start = start, best
    for number, (left, _, _) in enumerate(matches):
        weight, right = _reach(weights, matches[number : number + width], left + width)
        if weight > from_start and weight >= best:
            best, begin, end = weight, left, right
    return begin, max(begin, end)


def _reach(weights: Mapping[str, float], matches: Sequence[Match], limit: int) -> tuple[float, int]:
    """What the terms of the matches before `limit` weigh together, and where the last that adds to it ends, or 0."""
    found: set[str] = set()
    end = 0
    for left, right, terms in matches:
        if left >= limit:
            break
        if right <= limit and not found.issuperset(terms):
            found.update(terms)
            end = right
    return sum(weight for term, weight in weights.items() if term in found), end


def _narrow(passage: str, start: int, end: int, first: int, last: int, width: int) -> tuple[int, int]:
    """Cut a long sentence to `width` characters that hold the range from `first` to `last`.

    They begin at a line's start where one is near, else at a blank, and end at a blank, where there are any.
    """
    if first > start:
        earliest = max(start, first - width // 3, last - width)
        line = passage.rfind("\n", earliest, first)
        start = (line if line >= 0 else passage.find(" ", earliest, first)) + 1 or first
        start += len(passage[start:first]) - len(passage[start:first].lstrip())
    if end - start > width:
        blank = passage.rfind(" ", max(start + width // 2, last), start + width)
        end = blank if blank > 0 else start + width
    return start, end
