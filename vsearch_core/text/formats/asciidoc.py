"""Extracts text from AsciiDoc files: reads section titles, header attributes and listings, and drops comments."""

import re
from dataclasses import replace

from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between, with_code
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_TITLE = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,})[ \t]*")
_ATTRIBUTE = re.compile(r":([\w-]{1,50}):[ \t]*(.*)")
_AUTHOR = re.compile(r"[^\W\d_][^<>;\n]{0,200}<[^<>\s]+@[^<>\s]+>")
_REVISION = re.compile(r"v(\d[\w.+-]{0,30})(?:,[ \t]*([^:\n]{1,60}))?(?::[^\n]*)?")
_REFERENCE = re.compile(r"\{([A-Za-z0-9][\w-]{0,49})\}")
_MAX_VALUE = 80  # characters of an attribute that its references are replaced by
_KEYS = {"author", "email", "keywords", "description", "revdate", "revnumber", "lang"}
_NAMES = {"revdate": "date", "revnumber": "version", "lang": "language"}


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text without comments, divided at section titles. Listings are marked as code.

    The header below the title becomes metadata. References to header attributes, such as `{revdate}`, are replaced by
    their values. Raises BinaryFileError if the file isn't text.
    """
    lines = decode(name, data).split("\n")
    _empty_comments(lines)
    attributes = _take_header(lines)
    text = _REFERENCE.sub(lambda match: _value(match, attributes), "\n".join(lines))
    headings: list[Heading] = []
    blocks: list[tuple[int, int]] = []
    fence, fence_start, position = "", 0, 0
    for line in text.split("\n"):
        if len(headings) + len(blocks) > options.limits.headings:
            break
        end = position + len(line) + 1
        delimiter = _DELIMITER.fullmatch(line)
        if fence:
            if delimiter and delimiter[1] == fence:
                blocks.append((fence_start, min(end, len(text))))
                fence = ""
        elif delimiter:
            fence, fence_start = delimiter[1], position
        elif heading := _TITLE.fullmatch(line):
            headings.append(Heading(position, len(heading[1]), heading[2].strip()[:MAX_TITLE]))
        position = end
    if headings and not text[: headings[0].start].strip():
        headings[0] = replace(headings[0], start=0)
    metadata: dict[str, JsonValue] = {
        _NAMES.get(key, key): value for key, value in attributes.items() if key in _KEYS and value
    }
    language = metadata.pop("language", None)
    title = headings[0].title if headings else None
    spans = with_code(spans_between(text, headings), blocks)
    return Document(text, spans, title, str(language) if language else None, metadata)


def _empty_comments(lines: list[str]) -> None:
    """Replace the lines of comments by empty ones, outside of other blocks."""
    fence = ""
    for number, line in enumerate(lines):
        delimiter = _DELIMITER.fullmatch(line)
        closes = delimiter is not None and delimiter[1] == fence
        is_comment = fence.startswith("/") or (not fence and line.startswith("//") and not line.startswith("///"))
        if delimiter and (closes or not fence):
            is_comment = delimiter[1].startswith("/")
            fence = "" if closes else delimiter[1]
        if is_comment:
            lines[number] = ""


def _take_header(lines: list[str]) -> dict[str, str]:
    """Return the attributes of the header, with author and revision, and replace their lines by empty ones."""
    attributes: dict[str, str] = {}
    titled = 0  # the line below the title
    for number, line in enumerate(lines):
        attribute = _ATTRIBUTE.fullmatch(line)
        if attribute:
            attributes[attribute[1].lower()] = attribute[2].strip()
        elif titled == number and titled and _AUTHOR.match(line):
            attributes["author"] = "; ".join(part.partition("<")[0].strip() for part in line.split(";"))
        elif titled and "author" in attributes and (revision := _REVISION.fullmatch(line.strip())):
            attributes |= {"revnumber": revision[1], "revdate": (revision[2] or "").strip()}
        elif not titled and _TITLE.fullmatch(line):
            titled = number + 1
            continue
        elif not line.strip() and not titled:
            continue
        else:
            break
        lines[number] = ""
    return attributes


def _value(reference: re.Match[str], attributes: dict[str, str]) -> str:
    value = attributes.get(reference[1].lower(), "")
    return value if 0 < len(value) <= _MAX_VALUE else reference[0]
