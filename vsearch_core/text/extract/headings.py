"""From headings found in a text to spans that know which headings enclose them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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


def with_code(spans: Sequence[Span], blocks: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """The spans, divided so that the blocks (start and end, in order) are code; see `Span.kind`."""
    return tuple(_divided(spans, blocks, keep=True))


def without(spans: Sequence[Span], blocks: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """The spans without the blocks (start and end, in order), which thus are not searched."""
    return tuple(_divided(spans, blocks, keep=False))


def _divided(spans: Sequence[Span], blocks: Sequence[tuple[int, int]], *, keep: bool) -> Iterator[Span]:
    place = 0
    for span in spans:
        position = span.start
        while place < len(blocks) and blocks[place][1] <= position:
            place += 1
        for start, end in itertools.islice(blocks, place, None):
            if start >= span.end:
                break
            if max(start, span.start) > position:
                yield replace(span, start=position, end=max(start, span.start))
            position = min(end, span.end)
            if keep:
                yield replace(span, start=max(start, span.start), end=position, kind="code")
        if position < span.end:
            yield replace(span, start=position)
