"""Headings and blocks found in a text, and the spans that follow from them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vsearch_core.model import Span

MAX_TITLE = 300  # characters; a longer "title" is a paragraph, and would be repeated with every chunk below it

_DEFAULT_TITLE = re.compile(  # what programs write by themselves, in the languages that most documents are in
    r"(?:untitled|unbenannt|sans titre|sin t[ií]tulo|senza titolo|sem t[ií]tulo|naamloos|без имени|无标题|無題)"
    r"(?:[ _-]?(?:document|presentation|spreadsheet|dokument))?[ _-]?\d*"
    r"|(?:document|dokument|documento|doc|presentation|pr[äée]sentation|presentación|presentazione|apresentação|book"
    r"|workbook|mappe|classeur|libro|cartella|sheet|title|titel|titre|t[ií]tulo|titolo|no slide title)[ _-]?\d*"
    r"|(?:slide|folie|diapositiv[ao]|diapositive|diap[oó]|dia|слайд|幻灯片|スライド) ?\d*"
    r"|(?:presenta|présenta|apresenta|prezent|презента)\w* (?:[\w-]+ ){0,2}powerpoint|powerpoint(?:[- ]\w+)?",
    re.IGNORECASE,
)
_PROGRAM = re.compile(r"Microsoft (?:Office )?(?:Word|PowerPoint|Excel) - ", re.IGNORECASE)
_SUFFIX = re.compile(r"\.(?:docx?|pptx?|xlsx?|rtf|odt)\Z", re.IGNORECASE)


def useful_title(title: str | None) -> str | None:
    """Return the title from a document's properties, or None if it is one that the program wrote by itself."""
    shown = (title or "").strip()
    if _PROGRAM.match(shown):
        shown = _SUFFIX.sub("", _PROGRAM.sub("", shown))
    return shown if shown and not _DEFAULT_TITLE.fullmatch(shown) else None


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that begins at character `start`. Level 1 is the outermost."""

    start: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a text that is code or the rows of a table; see `Span.kind` and `Span.header`."""

    start: int
    end: int
    kind: Literal["code", "rows"] = "code"
    header: str = ""


class HeadingTrail:
    """The headings that enclose a place in a document, outermost first."""

    def __init__(self) -> None:
        """Start outside of all sections."""
        self._open: list[tuple[int, str]] = []  # level, title

    def open(self, level: int, title: str) -> None:
        """End the sections of this level and deeper ones, then begin one with the title; an empty title begins none."""
        self.close(level)
        self._open.append((level, title))

    def close(self, level: int = 0) -> None:
        """End the sections of that level and deeper ones."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of the open sections."""
        return tuple(title for _, title in self._open if title)


def spans_between(text: str, headings: Sequence[Heading], start: int = 0) -> tuple[Span, ...]:
    """Return a span from each heading to the next, its own line included, and one for the text before the first.

    Together they cover the text from character `start` on; blank spans are left out.
    """
    trail = HeadingTrail()
    spans: list[Span] = []
    begin = start
    for heading in headings:
        if text[begin : heading.start].strip():
            spans.append(Span(begin, heading.start, trail.titles))
        trail.open(heading.level, heading.title)
        begin = heading.start
    if text[begin:].strip():
        spans.append(Span(begin, len(text), trail.titles))
    return tuple(spans)


def with_blocks(spans: Sequence[Span], blocks: Sequence[Block]) -> tuple[Span, ...]:
    """Return the spans, divided so that each of the blocks, which must be in order, has spans of its own."""
    return tuple(_divided(spans, blocks, keep=True))


def with_code(spans: Sequence[Span], blocks: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """Return the spans, divided so that the blocks (start and end, in order) are code."""
    return with_blocks(spans, [Block(start, end) for start, end in blocks])


def without(spans: Sequence[Span], blocks: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """Return the spans without the blocks (start and end, in order), which are not searched then."""
    return tuple(_divided(spans, [Block(start, end) for start, end in blocks], keep=False))


def _divided(spans: Sequence[Span], blocks: Sequence[Block], *, keep: bool) -> Iterator[Span]:
    first = 0  # the first block that does not end before the span
    for span in spans:
        position = span.start
        while first < len(blocks) and blocks[first].end <= position:
            first += 1
        for number in range(first, len(blocks)):
            block = blocks[number]
            if block.start >= span.end:
                break
            start = max(block.start, span.start)
            if start > position:
                yield replace(span, start=position, end=start)
            position = min(block.end, span.end)
            if keep:
                yield replace(span, start=start, end=position, kind=block.kind, header=block.header)
        if position < span.end:
            yield replace(span, start=position)
