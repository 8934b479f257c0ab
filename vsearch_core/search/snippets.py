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
    start, end = _narrow(passage, start, end, [match for match in matches if match[0] >= start], width)
    marks = tuple((left - start, right - start) for left, right, _ in matches if start <= left and right <= end)
    return Snippet(passage[start:end], start, marks)


def _weight(weights: Mapping[str, float], matches: Sequence[Match], start: int, end: int) -> float:
    found = {term for left, right, terms in matches if start <= left and right <= end for term in terms}
    return sum(weight for term, weight in weights.items() if term in found)


def _stripped(passage: str, start: int, end: int) -> tuple[int, int]:
    """The range without its surrounding blanks."""
    text = passage[start:end]
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


def _narrow(passage: str, start: int, end: int, matches: Sequence[Match], width: int) -> tuple[int, int]:
    """Cut a long sentence to `width` characters around its first match, at blanks where there are any."""
    if end - start <= width:
        return start, end
    if matches and matches[0][1] > start + width:
        blank = passage.find(" ", max(start, matches[0][0] - width // 3), matches[0][0])
        start = blank + 1 if blank >= 0 else matches[0][0]
    if end - start > width:
        blank = passage.rfind(" ", start + width // 2, start + width)
        end = blank if blank > 0 else start + width
    return start, end
