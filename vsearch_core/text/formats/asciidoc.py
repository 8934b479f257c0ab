"""Extracts text from AsciiDoc files: reads section titles, header attributes and listings, and drops comments."""

import re
from dataclasses import replace

from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between, with_code
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_TITLE = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,})[ \t]*")
_ATTRIBUTE = re.compile(r":(!?[\w-]{1,50}!?):(?:[ \t]+(.*)|[ \t]*)")
_CONDITION = re.compile(r"(?:ifn?def|ifeval|endif)::[^\[\]\n]*\[[^\n]*\][ \t]*")
_CONTINUED = re.compile(r".*[ \t]\\[ \t]*")  # an attribute goes on in the next line
_ANCHOR = re.compile(r"\[\[[^\[\]\n]*\]\][ \t]*")
_UNDERLINE = re.compile(r"(={2,}|-{2,}|~{2,}|\^{2,}|\+{2,})[ \t]*")
_REMOVED = "\0"  # a line that is left out; it ends no header
_MAX_DIFFERENCE = 1  # characters between the lengths of a title and the line below it
_AUTHOR = re.compile(r"[^\W\d_][^<>;\n]{0,200}<[^<>\s]+@[^<>\s]+>")
_REVISION = re.compile(r"v(\d[\w.+-]{0,30})(?:,[ \t]*([^:\n]{1,60}))?(?::[^\n]*)?")
_UNDERLINES = "=-~^+"
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
    _mark_titles(lines)
    _empty_comments(lines)
    attributes = _take_header(lines)
    text = _REFERENCE.sub(lambda match: _value(match, attributes), "\n".join(lines).replace(_REMOVED, ""))
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
            headings.append(Heading(position, len(heading[1]), _ANCHOR.sub("", heading[2]).strip()[:MAX_TITLE]))
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
    """Remove the lines of comments and conditions, outside of other blocks."""
    fence = ""
    for number, line in enumerate(lines):
        delimiter = _DELIMITER.fullmatch(line)
        closes = delimiter is not None and delimiter[1] == fence
        is_comment = fence.startswith("/") or (not fence and line.startswith("//") and not line.startswith("///"))
        is_comment = is_comment or (not fence and _CONDITION.fullmatch(line) is not None)
        if delimiter and (closes or not fence):
            is_comment = delimiter[1].startswith("/")
            fence = "" if closes else delimiter[1]
        if is_comment:
            lines[number] = _REMOVED


def _mark_titles(lines: list[str]) -> None:
    """Write titles with a line of signs below them as titles on one line, outside of blocks."""
    fence = ""
    for number, line in enumerate(lines[:-1]):
        delimiter = _DELIMITER.fullmatch(line)
        if delimiter and (not fence or delimiter[1] == fence):
            fence = "" if fence else delimiter[1]
        rule = (
            None if fence or (number and lines[number - 1].strip("\0 \t")) else _UNDERLINE.fullmatch(lines[number + 1])
        )
        if rule and line[:1].isalnum() and abs(len(rule[1]) - len(line.rstrip())) <= _MAX_DIFFERENCE:
            lines[number] = f"{'=' * (_UNDERLINES.index(rule[1][0]) + 1)} {line}"
            lines[number + 1] = _REMOVED


def _take_header(lines: list[str]) -> dict[str, str]:
    """Return the attributes of the header, with author and revision, and replace their lines by empty ones."""
    attributes: dict[str, str] = {}
    titled = 0  # the line below the title
    is_continued = False  # the last line's attribute goes on
    for number, line in enumerate(lines):
        attribute = _ATTRIBUTE.fullmatch(line)
        if line == _REMOVED:
            titled += titled == number > 0
            continue
        if attribute:
            attributes[attribute[1].lower()] = (attribute[2] or "").strip()
        elif number and is_continued:
            pass
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
        is_continued = _CONTINUED.fullmatch(line) is not None and (attribute is not None or is_continued)
        lines[number] = ""
    return attributes


def _value(reference: re.Match[str], attributes: dict[str, str]) -> str:
    value = attributes.get(reference[1].lower(), "")
    return value if 0 < len(value) <= _MAX_VALUE else reference[0]
