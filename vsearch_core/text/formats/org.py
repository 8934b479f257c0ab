"""Extracts text from Org mode files: reads headlines, keywords and source blocks, and drops drawers and comments."""

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TypeVar

from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between, with_code, without
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_T = TypeVar("_T")
_HEADLINE = re.compile(r"(\*{1,8})[ \t]+(\S.*)")
_STATES = ("TODO", "DONE", "NEXT", "WAITING", "CANCELLED", "CANCELED")
_STATE_WORD = re.compile(r"[^\s|()]+")
_PRIORITY = re.compile(r"\[#\w{1,2}\][ \t]*")
_MAX_STATES = 100
_COMMENT = re.compile(r"[ \t]*#(?:[ \t][^\n]*)?")
_PLANNING = re.compile(
    r"(?:[ \t]*(?:SCHEDULED|DEADLINE|CLOSED):[ \t]*(?:<[^<>\n]*>|\[[^\[\]\n]*\])(?:--<[^<>\n]*>)?)++[ \t]*"
    r"|[ \t]*CLOCK:[ \t]*\[[^\n]*",
    re.IGNORECASE,
)
_TAGS = re.compile(r"[ \t]+:[\w@#%:]+:[ \t]*$")
_KEYWORD = re.compile(r"[ \t]*#\+(\w{1,40}):[ \t]*(.*)")
_STATES_LINE = re.compile(r"^[ \t]*#\+(?:SEQ_|TYP_)?TODO:[ \t]*(.*)", re.IGNORECASE | re.MULTILINE)
_BEGIN = re.compile(r"[ \t]*#\+begin_(\w+)", re.IGNORECASE)
_DRAWER = re.compile(r"[ \t]*:(PROPERTIES|LOGBOOK|CLOCK):[ \t]*", re.IGNORECASE)
_PARENTHESES = re.compile(r"\([^()]*\)")
_KEYS = {"title", "author", "date", "language", "description", "keywords", "subtitle", "filetags", "email"}


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text, divided at headlines. Source blocks are marked as code; `#+KEYWORD:` lines become metadata.

    Drawers, planning lines (such as `SCHEDULED:`) and comments are left out. Raises BinaryFileError if the file isn't
    text.
    """
    limit = options.limits.headings
    text = decode(name, data)
    headings: list[Heading] = []
    blocks: list[tuple[int, int]] = []
    drawers: list[tuple[int, int]] = []
    metadata: dict[str, JsonValue] = {}
    closing, start, found, position = "", 0, blocks, 0
    states = set(_STATES)
    for declaration in islice(_STATES_LINE.finditer(text), _MAX_STATES):
        _take_states(declaration[1], states)
    commented: list[int] = []  # starts of headlines
    for line in text.split("\n"):
        end = min(position + len(line) + 1, len(text))
        if closing:
            if line.strip().lower() == closing:
                _append(found, (start, end), limit)
                closing = ""
            elif found is drawers and _HEADLINE.fullmatch(line):
                closing = ""
        if closing:
            pass
        elif begin := _BEGIN.match(line):
            closing, start, found = f"#+end_{begin[1].lower()}", position, blocks
        elif _DRAWER.fullmatch(line):
            closing, start, found = ":end:", position, drawers
        elif headline := _HEADLINE.fullmatch(line):
            heading, is_comment = _plain(headline[2], states)
            commented += [position] * is_comment
            _append(headings, Heading(position, len(headline[1]), heading), limit)
        elif _PLANNING.fullmatch(line) or (line.lstrip().startswith("#") and _COMMENT.fullmatch(line)):
            _append(drawers, (position, end), limit)
        elif keyword := _KEYWORD.fullmatch(line):
            _take_keyword(keyword[1].lower(), keyword[2].strip(), metadata)
            _append(drawers, (position, end), limit)
        position = end
    title, language = metadata.pop("title", None), metadata.pop("language", None)
    title = str(title) if title else next((each.title for each in headings), None)
    hidden = [*drawers, *_subtrees(headings, set(commented), len(text))]
    spans = without(with_code(spans_between(text, headings), blocks), _merged(hidden))
    return Document(text, spans, title, str(language) if language else None, metadata)


def _take_keyword(key: str, value: str, metadata: dict[str, JsonValue]) -> None:
    if key in _KEYS and value:
        metadata.setdefault(key, value)


def _take_states(value: str, states: set[str]) -> None:
    if len(states) < _MAX_STATES:
        states.update(_STATE_WORD.findall(_PARENTHESES.sub("", value))[:_MAX_STATES])


def _subtrees(headings: list[Heading], starts: set[int], length: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of the subtrees that begin at these places, those within others left out."""
    top: Heading | None = None
    for heading in headings:
        if top is not None and heading.level <= top.level:
            yield top.start, heading.start
            top = None
        if top is None and heading.start in starts:
            top = heading
    if top is not None:
        yield top.start, length


def _merged(blocks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the blocks in order, without those that begin within another."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(blocks):
        if not merged or start >= merged[-1][1]:
            merged.append((start, end))
    return merged


def _append(found: list[_T], item: _T, limit: int) -> None:
    if len(found) < limit:
        found.append(item)


def _plain(title: str, states: Collection[str]) -> tuple[str, bool]:
    """Return the title without state, priority and tags, and whether it is commented out."""
    first, _, rest = title.partition(" ")
    if first in states:
        title = rest.lstrip()
    title = _PRIORITY.sub("", title, count=1) if title.startswith("[#") else title
    is_comment = title.partition(" ")[0] == "COMMENT"
    title = title.removeprefix("COMMENT").lstrip() if is_comment else title
    return _TAGS.sub("", title[: 2 * MAX_TITLE]).strip()[:MAX_TITLE], is_comment
