"""Find the blocks of a text that are read by lines: tables and code."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

_LONGEST = 300  # characters of a row or a line of code; a longer line is prose
_CODE_SHARE = 0.6  # of a text's lines: then the others are code, too, such as comments
_FEWEST_ROWS = 3  # of a table without a frame of "|"

_LINE = re.compile(r"[^\n]*\n?")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_FRAMED = re.compile(r"[ \t]*\|.*\|[ \t]*")
_RULE = re.compile(r"[-|: \t]*--[-|: \t]*")
_CODE = re.compile(
    r"[;{}][ \t]*$|^[ \t]*(?:[)\]}]+[,;]?[ \t]*$|#include\b|#!|//|/\*|\*/|@\w)|[\w\])]\([^()]*\)[:;,]?[ \t]*$"
    r"|[ \t](?:=|==|!=|<=|>=|=>|->|:=|\+=|-=|&&|\|\|)[ \t]|^[ \t]*[\w.]+=\S"
    r"|^[ \t]*(?:def|class|from|elif|else|try|except|func|fn|let|const|var|public|private|static|export|function|if|for"
    r"|while|with)\b.*[:({]$|^[ \t]*(?:return|import|raise)\b[^.!?]*$"
)

Range = tuple[int, int]  # the first character, and the one after the last


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Consecutive lines of a table ("rows") or of code.

    `lines` has the characters of each line, without its line end. `header` has those of the row of a table's column
    names, or is empty.
    """

    kind: Literal["rows", "code"]
    lines: Sequence[Range]
    header: Range = (0, 0)

    @property
    def start(self) -> int:
        """The first character."""
        return self.lines[0][0]

    @property
    def end(self) -> int:
        """The character after the last."""
        return self.lines[-1][1]


def line_blocks(text: str) -> list[LineBlock]:
    """Return the tables and the code of a text, in order. The rest is prose.

    Rows are lines in a frame of "|", or at least three lines with equally many " | ", tabs, ";" or ",". Code is between
    fences, or a paragraph of which half of the lines, and at least two, look like code. If most of the text's lines
    look like code, all are.
    """
    blocks: list[LineBlock] = []
    undecided: list[LineBlock] = []
    likely = count = 0
    for paragraph, is_fenced in _paragraphs(text):
        tables = [] if is_fenced else _tables(text, paragraph)
        as_lines = LineBlock("code", paragraph)
        if is_fenced or tables:
            blocks += tables or [as_lines]
            continue
        own = sum(end - start <= _LONGEST and _CODE.search(text[start:end]) is not None for start, end in paragraph)
        likely, count = likely + own, count + len(paragraph)
        (blocks if own >= max(2, len(paragraph) / 2) else undecided).append(as_lines)
    if likely > _CODE_SHARE * count:
        blocks += undecided
    return sorted(blocks, key=lambda block: block.start)


def _paragraphs(text: str) -> Iterator[tuple[list[Range], bool]]:
    """Yield the lines of each paragraph, without blank lines; or all lines from a fence to the next, with True."""
    lines: list[Range] = []
    is_fenced = False
    for match in _LINE.finditer(text):
        start, end = match.start(), match.end() - match[0].endswith("\n")
        if _FENCE.match(text, start, end):
            if lines and not is_fenced:
                yield lines, False
                lines = []
            lines.append((start, end))
            if is_fenced:
                yield lines, True
                lines = []
            is_fenced = not is_fenced
        elif text[start:end].strip():
            lines.append((start, end))
        elif lines and not is_fenced:
            yield lines, False
            lines = []
    if lines:
        yield lines, is_fenced


def _tables(text: str, paragraph: Sequence[Range]) -> list[LineBlock]:
    """Return the tables among the lines of a paragraph."""
    tables = []
    for columns, group in groupby(paragraph, lambda line: _columns(text[slice(*line)])):
        lines = list(group)
        if columns and len(lines) >= (2 if columns == "|" else _FEWEST_ROWS):
            tables.append(LineBlock("rows", lines, _header(text, lines, is_framed=columns == "|")))
    return tables


def _columns(line: str) -> str:
    """Return what the rows of a table have in common: the delimiter, and how often it is in the row; else ""."""
    if len(line) > _LONGEST:
        return ""
    if _FRAMED.fullmatch(line):
        return "|"
    if " | " in line or "\t" in line.strip():
        delimiter = " | " if " | " in line else "\t"
        return f"{delimiter}{line.count(delimiter)}"
    if ";" in line and not line.rstrip().endswith(";"):
        return f";{line.count(';')}"
    return f",{line.count(',')}" if line.count(",") > 1 and ", " not in line and not line.endswith(",") else ""


def _header(text: str, rows: Sequence[Range], *, is_framed: bool) -> Range:
    """Return the row of column names: one above a ruled line, or without a digit while other rows have some.

    A text that begins in a framed table begins with the names: they are repeated there.
    """
    first, *others = (text[slice(*row)] for row in rows)
    if is_framed and (_RULE.fullmatch(others[0]) or rows[0][0] == 0):
        return rows[0]
    has_digit = [any(map(str.isdigit, row)) for row in (first, *others)]
    return rows[0] if any(has_digit) and not has_digit[0] else (0, 0)
