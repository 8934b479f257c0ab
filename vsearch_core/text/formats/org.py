"""Org mode: headlines, keywords, and source blocks as code; drawers are left out."""

import re
from typing import TypeVar

from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between, with_code, without
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_T = TypeVar("_T")
_HEADLINE = re.compile(r"(\*{1,8})[ \t]+(\S.*)")
_STATE = re.compile(r"(?:TODO|DONE|NEXT|WAITING|CANCELLED|CANCELED)[ \t]+|\[#[A-Z]\][ \t]*")
_TAGS = re.compile(r"[ \t]+:[\w@#%:]+:[ \t]*$")
_KEYWORD = re.compile(r"#\+(\w{1,40}):[ \t]*(.*)")
_BEGIN = re.compile(r"[ \t]*#\+begin_(\w+)", re.IGNORECASE)
_DRAWER = re.compile(r"[ \t]*:(PROPERTIES|LOGBOOK|CLOCK):[ \t]*", re.IGNORECASE)
_KEYS = {"title", "author", "date", "language", "description", "keywords", "subtitle", "filetags", "email"}


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return spans between headlines; `#+KEYWORD:` lines become metadata. Raises BinaryFileError."""
    limit = options.limits.headings
    text = decode(name, data)
    headings: list[Heading] = []
    blocks: list[tuple[int, int]] = []
    drawers: list[tuple[int, int]] = []
    metadata: dict[str, JsonValue] = {}
    closing, start, found, position = "", 0, blocks, 0
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
            _append(headings, Heading(position, len(headline[1]), _plain(headline[2])), limit)
        elif keyword := _KEYWORD.fullmatch(line):
            if keyword[1].lower() in _KEYS and keyword[2].strip():
                metadata.setdefault(keyword[1].lower(), keyword[2].strip())
            _append(drawers, (position, end), limit)
        position = end
    title, language = metadata.pop("title", None), metadata.pop("language", None)
    title = str(title) if title else next((heading.title for heading in headings), None)
    spans = without(with_code(spans_between(text, headings), blocks), drawers)
    return Document(text, spans, title, str(language) if language else None, metadata)


def _append(found: list[_T], item: _T, limit: int) -> None:
    if len(found) < limit:
        found.append(item)


def _plain(title: str) -> str:
    return _TAGS.sub("", _STATE.sub("", title, count=2)).strip()[:MAX_TITLE]
