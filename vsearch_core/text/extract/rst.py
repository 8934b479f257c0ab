"""reStructuredText: titles are lines underlined, and perhaps overlined, with punctuation."""

import re
from collections.abc import Iterator

from vsearch_core.model import Document
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+[ \t]*")
_ROLE = re.compile(r":[\w:+.-]+:`([^`<]+?)(?:\s*<[^`]*>)?`|``?([^`<]+?)(?:\s*<[^`]*>)?``?_{0,2}|\*\*?([^*]+)\*\*?")


def extract(name: str, data: bytes) -> Document:
    """Spans between section titles; the first of them is the document's title. Raises BinaryFileError."""
    text = decode(name, data)
    headings = list(_headings(text))
    return Document(text, spans_between(text, headings), title=headings[0].title if headings else None)


def _headings(text: str) -> Iterator[Heading]:
    lines = text.split("\n")
    levels: dict[tuple[str, bool], int] = {}  # a style's level is set by the order of first appearance
    position = 0
    taken = -1  # last line that belongs to a title
    for number, line in enumerate(lines):
        style = _title_style(lines, number) if number > taken else None
        if style:
            level = levels.setdefault(style, len(levels) + 1)
            title = lines[number + 1] if style[1] else line
            yield Heading(position, level, _plain(title))
            taken = number + 1 + style[1]
        position += len(line) + 1


def _title_style(lines: list[str], number: int) -> tuple[str, bool] | None:
    """The adornment's character and whether it stands above too, if a title begins on this line."""
    if number and lines[number - 1].strip():
        return None  # a title begins a paragraph
    first, second, third = (line.rstrip() for line in [*lines[number : number + 3], "", ""][:3])
    if _ADORNMENT.fullmatch(first):
        text = second.strip()
        long_enough = len(first) >= len(text) or len(first) >= 4
        if text and first == third and long_enough and not _ADORNMENT.fullmatch(second):
            return first[0], True
        return None
    if first and not first[0].isspace() and _ADORNMENT.fullmatch(second) and len(second) >= min(len(first), 4):
        return second[0], False
    return None


def _plain(title: str) -> str:
    """The title without its inline marks."""
    return _ROLE.sub(lambda match: match[1] or match[2] or match[3], title[:MAX_TITLE]).strip()
