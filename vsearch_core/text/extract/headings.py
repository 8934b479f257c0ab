"""From headings found in a text to spans that know which headings enclose them."""

from collections.abc import Sequence
from dataclasses import dataclass

from vsearch_core.model import Span

MAX_TITLE = 300  # characters; a longer "title" is a paragraph, and would be repeated with every chunk below it


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that begins at character `start`. Level 1 is the outermost."""

    start: int
    level: int
    title: str


def spans_between(text: str, headings: Sequence[Heading], start: int = 0) -> tuple[Span, ...]:
    """One span from each heading to the next, the heading's own line included, and one for what comes before the first.

    Together they cover the text from `start` on; spans that would be blank are left out.
    """
    spans: list[Span] = []
    trail: list[Heading] = []
    begin = start
    for heading in headings:
        _add(spans, text, begin, heading.start, trail)
        while trail and trail[-1].level >= heading.level:
            trail.pop()
        trail.append(heading)
        begin = heading.start
    _add(spans, text, begin, len(text), trail)
    return tuple(spans)


def _add(spans: list[Span], text: str, start: int, end: int, trail: Sequence[Heading]) -> None:
    if not text[start:end].strip():
        return
    spans.append(Span(start, end, tuple(heading.title for heading in trail if heading.title)))
