"""Markdown: front matter, and headings of both kinds."""

import datetime
import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between, with_code

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_MAX_FRONT_MATTER = 1 << 16  # characters: a longer one is text between two rules
_MAX_VALUES = 10_000  # after aliases are expanded, which can multiply a few lines without end
_MAX_DEPTH = 50

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_FENCE_LINE = re.compile(rf"^{_FENCE.pattern}$", re.MULTILINE)
_ATX = re.compile(r" {0,3}(#{1,6})(?![^ \t])")
_CLOSING = re.compile(r"(?:^|[ \t])#+$")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*")
_PARAGRAPH = re.compile(
    r" {0,3}(?![#>|<]|[-+*][ \t]|\d{1,9}[.)][ \t]|\[\^)\S"
)  # a line that a rule below makes a title
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|\s*\{[#.][^}]*\}$")


def extract(name: str, data: bytes) -> Document:
    """Spans between headings, fenced code apart; the front matter becomes metadata and lies outside of them.

    Raises BinaryFileError.
    """
    text = decode(name, data)
    metadata, start = _front_matter(text)
    headings = list(find_headings(text, start))
    title = metadata.get("title")
    if not isinstance(title, str) or not title.strip():
        title = next((heading.title for heading in headings if heading.level == 1), None)
        title = title or next((heading.title for heading in headings), None)
    language = metadata.get("lang", metadata.get("language"))
    return Document(
        text,
        with_code(spans_between(text, headings, start), list(_code_blocks(text, start))),
        title=title.strip() if title else None,
        language=language if isinstance(language, str) else None,
        metadata=metadata,
    )


def _front_matter(text: str) -> tuple[dict[str, JsonValue], int]:
    """The YAML mapping before the text and where the text begins; nothing and 0 if there is no such mapping."""
    match = _FRONT_MATTER.match(text[: _MAX_FRONT_MATTER + 8])
    if not match:
        return {}, 0
    import yaml

    try:
        values = yaml.load(match[1], _loader())
        if values is None:
            return {}, match.end()
        if isinstance(values, dict):
            return _JsonSafe().mapping(values), match.end()
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        pass  # dashes around something else, or a mistake in it (PyYAML fails in all these ways): text like any other
    return {}, 0


@cache
def _loader() -> Any:
    """PyYAML's safe loader but for merge keys (`<<`), which it refuses: a few lines of them multiply without bounds."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            return yaml.constructor.BaseConstructor.construct_mapping(self, node, deep)

    return Loader


class _JsonSafe:
    """Turns what YAML can say into what JSON can. Raises ValueError where that has no end or no bounds."""

    def __init__(self) -> None:
        self.count = 0

    def mapping(self, values: dict[Any, Any], depth: int = 0) -> dict[str, JsonValue]:
        return {str(self.value(key, depth)): self.value(value, depth) for key, value in values.items()}

    def value(self, value: Any, depth: int) -> JsonValue:
        self.count += 1
        if self.count > _MAX_VALUES or depth > _MAX_DEPTH:
            raise ValueError("too many values")
        if isinstance(value, dict):
            return self.mapping(value, depth + 1)
        if isinstance(value, (list, tuple, set)):
            return [self.value(item, depth + 1) for item in value]
        if isinstance(value, (datetime.date, datetime.datetime)):
            return value.isoformat()
        if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
            return value
        return str(value).encode(errors="replace").decode()  # an escape can name half a surrogate pair


def find_headings(text: str, start: int) -> Iterator[Heading]:
    """The headings from character `start` on, in order; code blocks have none."""
    fence = ""  # what closes the code block that we are in
    previous, previous_start, alone = "", start, True  # the line before, and whether a paragraph begins with it
    position = start
    for line in text[start:].split("\n"):
        opening = _FENCE.fullmatch(line)
        if fence:
            if opening and opening[1].startswith(fence) and not opening[2].strip():
                fence = ""
            line_text = ""  # to the rules below, code is as good as a blank line
        elif opening and not (opening[1][0] == "`" and "`" in opening[2]):
            fence = opening[1]
            line_text = ""
        else:
            line_text = line
            if atx := _ATX.match(line):
                yield Heading(position, len(atx[1]), _plain(line[atx.end() :]))
                line_text = ""
            elif alone and (rule := _SETEXT.fullmatch(line)) and _PARAGRAPH.match(previous):
                yield Heading(previous_start, 1 if rule[1][0] == "=" else 2, _plain(previous))
                line_text = ""
        alone = not previous.strip()
        previous, previous_start = line_text, position
        position += len(line) + 1


def _code_blocks(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Where each fenced block begins and ends; one without an end goes to the end of the text."""
    begin = fence = None
    for opening in _FENCE_LINE.finditer(text, start):
        if fence is None and not (opening[1][0] == "`" and "`" in opening[2]):
            begin, fence = opening.start(), opening[1]
        elif fence is not None and opening[1].startswith(fence) and not opening[2].strip():
            yield begin or 0, min(opening.end() + 1, len(text))
            fence = None
    if fence is not None:
        yield begin or 0, len(text)


def _plain(title: str) -> str:
    """The title without its inline marks."""
    title = _CLOSING.sub("", title[:MAX_TITLE].strip())
    return _MARKS.sub("", _LINK.sub(r"\1", title)).strip()
