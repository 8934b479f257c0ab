"""Extracts source code, divided at definitions such as functions and classes.

A regular expression for each language finds the first line of a definition. The definition ends where its indentation
ends. A parser for each language would be exact, but only on files without syntax errors; docs/adr/0019-formats.md
compares both.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from vsearch_core.model import Document
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.headings import Heading, spans_between
from vsearch_core.text.extract.left_alone import refuse_generated
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.extract.registry import program_suffix
from vsearch_core.text.formats.code_languages import LANGUAGES, PYTHON, Language

_LICENCE = re.compile(r"licen[cs]e|copyright|\(c\)|spdx|all rights reserved|without warranty", re.IGNORECASE)
_MAX_LICENCE = 20_000  # characters
_MAX_ABOVE = 200  # lines of comments and decorators that belong to a definition
MAX_LINE = 500  # characters; a longer line is data or generated
_TAB = 8
_SAMPLE = 20_000  # characters that the language is guessed from


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the code, divided at definitions. The heading of each part is the name of its definition.

    A licence comment at the top is left out. Raises BinaryFileError if the file isn't text, or was generated, such as
    minified code.
    """
    text = decode(name, data)
    refuse_generated(name, text)
    return divided(text, program_suffix(name), options)


def divided(text: str, suffix: str, options: ExtractOptions) -> Document:
    """Return a program's text, divided at definitions of the language of files with this suffix."""
    language = _language_of(suffix, text)
    start = _licence_end(text, language.comment)
    headings = list(islice(_definitions(text, start, language), options.limits.headings))
    return Document(text, tuple(replace(span, kind="code") for span in spans_between(text, headings, start)))


def _language_of(suffix: str, text: str) -> Language:
    """Return the language of files with this suffix; of several, the one that the text has most definitions of."""
    known = [language for language in LANGUAGES if suffix in language.suffixes] or [PYTHON]
    if len(known) == 1:
        return known[0]
    lines = [line for line in text[:_SAMPLE].split("\n") if len(line) <= MAX_LINE]
    return max(known, key=lambda language: sum(map(bool, map(language.definition.match, lines))))


def _definitions(text: str, start: int, language: Language) -> Iterator[Heading]:
    """Yield a heading where each definition begins, and one without a title where it ends.

    A definition begins with the comments and decorators above it. It ends before the next line that isn't indented more
    than its first line, unless that line closes it, such as with a bracket. In some languages, it ends only before the
    next definition. Several definitions of one name in a row, such as the clauses of Prolog, are one there.
    """
    lines = text.split("\n")
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    open_levels: list[int] = []
    last = -1  # line of the definition's first statement
    last_name = ""
    comment, closing = language.comment, language.closing
    for number, line in enumerate(lines):
        if offsets[number] < start or not line.strip() or number <= last:
            continue
        level = _indentation(line) + 1
        match = language.definition.match(text, offsets[number]) if len(line) <= MAX_LINE else None
        if match:
            name = language.name_in(match)
            last = text.count("\n", offsets[number], match.end()) + number
            if closing is None and open_levels[-1:] == [level] and name == last_name:
                continue
            last_name = name
            first = _first_above(lines, number, comment)
            while open_levels and open_levels[-1] >= level:
                open_levels.pop()
            open_levels.append(level)
            yield Heading(max(offsets[first], start), level, one_line(name)[:100])
        elif closing is not None and not _is_above(line, comment):
            reach = level + 1 if closing.match(line) else level  # a closing bracket belongs to its definition
            ended = 0
            while open_levels and open_levels[-1] >= reach:
                ended = open_levels.pop()
            if ended:
                yield Heading(offsets[number], ended, "")


def _indentation(line: str) -> int:
    blanks = line[: len(line) - len(line.lstrip())]
    return len(blanks.expandtabs(_TAB)) if len(blanks) < 1000 else 1000


def _is_above(line: str, comment: str) -> bool:
    """Return True if the line belongs to the definition below it: a comment, a decorator, an attribute."""
    return line.lstrip().startswith((comment, "@", "/*", "*", "#[", "[", '"""', "template"))


def _first_above(lines: list[str], number: int, comment: str) -> int:
    first = number
    while first and number - first < _MAX_ABOVE and lines[first - 1].strip() and _is_above(lines[first - 1], comment):
        first -= 1
    return first


def _licence_end(text: str, comment: str) -> int:
    """Return the offset after a licence comment at the top of the text; 0 if there is none."""
    head = text[:_MAX_LICENCE]
    first = re.match(r"(?:#![^\n]*\n)?\s*", head)
    start = first.end() if first else 0
    block = re.compile(r"/\*.*?\*/[ \t]*\n?", re.DOTALL).match(head, start)
    if block is None:
        block = re.compile(rf"(?:[ \t]*{re.escape(comment)}[^\n]*\n)+").match(head, start)
    if block is None or len(_LICENCE.findall(block[0])) < 2 or block[0].count("\n") < 3:
        return 0
    return block.end()
