"""Extracts text from reStructuredText files: reads section titles and code blocks, and drops comments."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from vsearch_core.model import Document
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between, with_code
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+[ \t]*")
_INDENTATION = re.compile(r"[ \t]*(?:(?:[-*+•]|#\.|\d{1,9}[.)])[ \t]+)*")
_EXPLICIT = re.compile(r"[ \t]*\.\.[ \t]")
_DIRECTIVE = re.compile(r"[ \t]*\.\.[ \t]+(?:code|code-block|sourcecode|parsed-literal|testcode|doctest)::")
_COMMENT = re.compile(  # explicit markup that is no directive, hyperlink target with an address, footnote, substitution
    r"[ \t]*\.\.(?:[ \t]*$|[ \t]+(?!_[^\n]*:[ \t]+\S|__[ \t]|\[[^\]\n]*\]|\|[^\n]*\||[^\W_][\w+.:-]*::(?:[ \t]|$)))"
)
_FIELD = re.compile(r"\s|\.\.[ \t]|:[^:\n]+:|$")
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*:?[ \t]*")
_ROLE = re.compile(r":[\w:+.-]+:`([^`<]+?)(?:\s*<[^`]*>)?`|``?([^`<]+?)(?:\s*<[^`]*>)?``?_{0,2}|\*\*?([^*]+)\*\*?")


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text without comments, divided at section titles. Literal blocks are marked as code.

    Raises BinaryFileError if the file isn't text.
    """
    lines = decode(name, data).split("\n")
    _empty_comments(lines)
    text = "\n".join(lines)
    headings = list(islice(_headings(lines), options.limits.headings))
    if headings and all(map(_FIELD.match, text[: headings[0].start].split("\n"))):
        headings[0] = replace(headings[0], start=0)  # fields and directives above the title are below it too
    blocks = list(islice(_literal_blocks(lines), options.limits.headings))
    spans = with_code(spans_between(text, headings), blocks)
    bold = None if headings else _BOLD.fullmatch(next(filter(str.strip, lines), "").strip())
    title = headings[0].title if headings else bold and bold[1].strip()
    return Document(text, spans, title=title or None)


def _empty_comments(lines: list[str]) -> None:
    """Replace the lines of comments and of labels by empty ones, outside of literal blocks."""
    depth = block = -1  # indentation of the comment, and of the literal block, that the line may belong to
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        indentation = len(line) - len(line.lstrip())
        if block >= 0 and indentation > block:
            continue
        if depth >= 0 and indentation > depth:
            lines[number] = ""
            continue
        block, depth = _depth_before_block(lines, number), -1
        if block < 0 and _COMMENT.match(line):
            is_empty = line.strip() == ".." and not "".join(lines[number + 1 : number + 2]).strip()
            depth = -1 if is_empty else indentation
            lines[number] = ""


def _literal_blocks(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each literal block: the lines below `::` or a code directive that are indented deeper."""
    depth = -1
    start = end = position = 0
    for number, line in enumerate(lines):
        after = position + len(line) + 1
        if line.strip():
            if 0 <= depth < len(line) - len(line.lstrip()):
                start, end = (start if end else position), after
            else:
                if end:
                    yield start, end
                depth, end = _depth_before_block(lines, number), 0
        position = after
    if end:
        yield start, min(end, position - 1)


def _depth_before_block(lines: list[str], number: int) -> int:
    """Return the line's indentation, its bullet included, if a literal block follows it, else -1."""
    line = lines[number]
    is_last = not "".join(lines[number + 1 : number + 2]).strip()  # of its paragraph
    if _DIRECTIVE.match(line) or (is_last and line.rstrip().endswith("::") and not _EXPLICIT.match(line)):
        indentation = _INDENTATION.match(line)
        return len(indentation[0]) if indentation else 0
    return -1


def _headings(lines: list[str]) -> Iterator[Heading]:
    levels: dict[tuple[str, bool], int] = {}  # a style's level is set by the order of first appearance
    position = 0
    last = -1  # line of the previous title
    for number, line in enumerate(lines):
        style = _title_style(lines, number) if number > last else None
        if style:
            level = levels.setdefault(style, len(levels) + 1)
            title = lines[number + 1] if style[1] else line
            yield Heading(position, level, _plain(title))
            last = number + 1 + style[1]
        position += len(line) + 1


def _title_style(lines: list[str], number: int) -> tuple[str, bool] | None:
    """Return the character of the adornment and whether it overlines too, if a title begins on this line."""
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
    """Return the title without its inline markup."""
    return _ROLE.sub(lambda match: match[1] or match[2] or match[3], title[:MAX_TITLE]).strip()
