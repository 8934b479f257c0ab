"""Headings and blocks of code or tables in a text, and functions that make spans from them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vsearch_core.model import Span

MAX_TITLE = 300  # characters; a longer "title" is a paragraph, and would be repeated with every chunk below it

_DEFAULT_TITLE = re.compile(  # titles that programs write by default, in common languages
    r"(?:untitled|unbenannt|sans titre|sin t[ií]tulo|senza titolo|sem t[ií]tulo|naamloos|bez (?:názvu|tytułu|naslova)"
    r"|no(?:t)? (?:title|titled)|без имени|без названия|无标题|未命名|無題|제목 없음|uten navn|namnlös|nimetön)"
    r"(?:[ _-]?(?:document|presentation|spreadsheet|dokument))?[ _-]?\d*(?:\.\w{1,5})?"
    r"|(?:new )?(?:document|dokument|documento|doc|presentation|pr[äée]sentation|presentación|presentazione"
    r"|apresentação|book|workbook|mappe|classeur|libro|cartella|sheet|title|titel|titre|t[ií]tulo|titolo"
    r"|no slide title)[ _-]?\d*"
    r"|(?:slide|folie|diapositiv[ao]|diapositive|diap[oó]|dia|слайд|幻灯片|スライド) ?\d*"
    r"|(?:presenta|présenta|präsenta|apresenta|prezent|презента)\w* (?:[\w-]+ ){0,2}powerpoint|powerpoint(?:[- ]\w+)?"
    r"|click to edit master title style"
    r"|\(?(?:anonymous|unspecified|unknown|none|null|pdf|print|layout ?\d*|about:blank|full page fax print)\)?"
    r"|(?:file:/|/|[a-z]:\\)\S.*|[^\s/\\]+\.(?:docx?|dvi|indd|qxd|pmd|cdr|html?|rtf|odt|pptx?|xlsx?|pdf|ps"
    r"|tiff?|jpe?g|png|txt|tex)",  # where it was saved
    re.IGNORECASE,
)
_PROGRAM = re.compile(r"Microsoft (?:Office )?(?:Word|PowerPoint|Excel) - ", re.IGNORECASE)
_SUFFIX = re.compile(r"\.(?:docx?|pptx?|xlsx?|rtf|odt)\Z", re.IGNORECASE)


def useful_title(title: str | None) -> str | None:
    """Clean up a title from a document's properties. Return None if it is a program's default, such as "Document1"."""
    shown = (title or "").strip()
    if _PROGRAM.match(shown):
        shown = _SUFFIX.sub("", _PROGRAM.sub("", shown))
    return shown if shown and not _DEFAULT_TITLE.fullmatch(shown) else None


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in a text.

    Attributes:
        start: The offset of its first character.
        level: Its level; 1 is the outermost.
        title: Its text.
    """

    start: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a text that is code or a table.

    Attributes:
        start: The offset of its first character.
        end: The offset after its last character.
        kind: "code", or "rows" for a table.
        header: The row of column names of a table; "" if it has none.
    """

    start: int
    end: int
    kind: Literal["code", "rows"] = "code"
    header: str = ""


class HeadingTrail:
    """Tracks the headings that the current position in a document is under, outermost first."""

    def __init__(self) -> None:
        """Start without any heading."""
        self._open: list[tuple[int, str]] = []  # level, title

    def open(self, level: int, title: str) -> None:
        """End the sections of this level and deeper levels, then begin one. `titles` leaves out an empty title."""
        self.close(level)
        self._open.append((level, title))

    def close(self, level: int = 0) -> None:
        """End the sections of this level and deeper levels. Level 0 ends all sections."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()

    @property
    def titles(self) -> tuple[str, ...]:
        """Return the titles of the current sections, outermost first."""
        return tuple(title for _, title in self._open if title)


def spans_between(text: str, headings: Sequence[Heading], start: int = 0) -> tuple[Span, ...]:
    """Divide a text at its headings. Return a span from each heading to the next.

    A span includes the line of its heading. Text before the first heading gets a span of its own. Text before the
    offset `start` and blank spans are left out.
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
    """Split the spans so that each block has its own spans, of its kind. `blocks` must be sorted. Return all spans."""
    return tuple(_divided(spans, blocks, keep=True))


def with_code(spans: Sequence[Span], blocks: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """Split the spans at blocks of code, each given as (start, end). `blocks` must be sorted. Return all spans."""
    return with_blocks(spans, [Block(start, end) for start, end in blocks])


def without(spans: Sequence[Span], blocks: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """Remove blocks, each given as (start, end), from the spans, so that they aren't indexed. Return the spans.

    `blocks` must be sorted.
    """
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
