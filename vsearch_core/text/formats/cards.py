"""Extracts the readable properties from calendars (iCalendar, RFC 5545) and address books (vCard, RFC 6350)."""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from vsearch_core.model import Document
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_PROPERTY = re.compile(
    r"(?:[\w-]{1,50}\.)?([A-Za-z][\w-]{0,50})((?:;[^:\";]{0,1000}|;[\w-]{1,50}=\"[^\"]{0,1000}\")*):(.*)"
)
_COMMON_NAME = re.compile(r";CN=(?:\"([^\"]*)\"|([^;:]*))", re.IGNORECASE)
_TITLES = frozenset({"SUMMARY", "FN"})
_SHOWN = frozenset(
    {
        "SUMMARY",
        "DESCRIPTION",
        "LOCATION",
        "COMMENT",
        "CONTACT",
        "CATEGORIES",
        "RESOURCES",
        "DTSTART",
        "DTEND",
        "DUE",
        "URL",
    }
    | {
        "ATTENDEE",
        "ORGANIZER",
        "FN",
        "NICKNAME",
        "ORG",
        "TITLE",
        "ROLE",
        "NOTE",
        "TEL",
        "EMAIL",
        "ADR",
        "LABEL",
        "BDAY",
    }
    | {"X-WR-CALNAME", "X-WR-CALDESC"}
)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(?:\d\d)?Z?)?")
_ESCAPE = re.compile(r"\\([nN,;:\\])")
_CUT_CHARACTER = re.compile(rb"([\xc2-\xf4][\x80-\xbf]{0,2})(\r?\n[ \t])([\x80-\xbf]{1,3})")  # by folding its line
_MAX_UNFOLDED = 100_000  # characters of one property


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return one line for each property, such as a date or address. Each event or person is a section.

    Its heading is the event's summary or the person's name. `Document.lines` gives the line of each property in the
    file. Pictures, keys and identifiers are left out. Raises BinaryFileError if the file isn't text.
    """
    rows: list[str] = []
    lines: list[int] = []
    headings: list[Heading] = []
    length = begin = 0
    title = None
    data = _CUT_CHARACTER.sub(rb"\1\3\2", data)
    properties = list(_properties(decode(name, data).split("\n")))
    named = _named_cards(properties)
    card = 0
    for number, written_key, parameters, written in properties:
        if written_key == "BEGIN":
            begin = length
            card += 1
        is_name = written_key == "N" and card not in named
        key, value = ("FN", _full_name(written)) if is_name else (written_key, written)
        if key == "X-WR-CALNAME":
            title = title or value
        if key not in _SHOWN:
            continue
        row = one_line(_shown(key, parameters, value))
        if not row:
            continue
        if key in _TITLES and len(headings) < options.limits.headings:
            headings.append(Heading(begin, 1, row[:MAX_TITLE]))
            begin = length
        rows.append(row)
        lines.append(number)
        length += len(row) + 1
    text = "\n".join(rows)
    starts: dict[int, Heading] = {}
    for heading in headings:
        starts.setdefault(heading.start, heading)
    if title is None and headings:
        title = headings[0].title
    return Document(text, spans_between(text, list(starts.values())), title, lines=tuple(lines) or None)


def _named_cards(properties: Sequence[tuple[int, str, str, str]]) -> set[int]:
    """Return the numbers of the cards, counted from 1, that have a name for people to read."""
    cards = accumulate(key == "BEGIN" for _, key, _, _ in properties)
    return {card for card, (_, key, _, _) in zip(cards, properties, strict=True) if key == "FN"}


def _full_name(value: str) -> str:
    """Return the parts of a name, stored as family, given, additional, prefixes and suffixes, as one writes them."""
    family, given, additional, prefixes, suffixes = (*value.split(";"), "", "", "", "", "")[:5]
    return " ".join(filter(None, map(str.strip, (prefixes, given, additional, family, suffixes))))


def _properties(source: list[str]) -> Iterator[tuple[int, str, str, str]]:
    """Yield each property as (line number, name, parameters, value). Folded lines are joined."""
    number = 0
    while number < len(source):
        first, parts = number, [source[number]]
        is_quoted = "QUOTED-PRINTABLE" in source[number][:1000].upper()
        length = len(parts[0])
        number += 1
        while number < len(source) and length < _MAX_UNFOLDED:
            if source[number][:1] in (" ", "\t"):
                parts.append(source[number][1:])
            elif is_quoted and parts[-1].endswith("="):
                parts[-1] = parts[-1][:-1]
                parts.append(source[number])
            else:
                break
            length += len(parts[-1])
            number += 1
        match = _PROPERTY.match("".join(parts))
        if match:
            value = _unquoted(match[3], match[2]) if is_quoted else match[3]
            yield first + 1, match[1].upper(), match[2], value


def _unquoted(value: str, parameters: str) -> str:
    import quopri

    charset = re.search(r"CHARSET=([\w-]{1,40})", parameters, re.IGNORECASE)
    decoded = quopri.decodestring(value.encode())
    try:
        return decoded.decode(charset[1] if charset else "utf-8", "replace").replace("\0", "")
    except (LookupError, ValueError):
        return decoded.decode("utf-8", "replace").replace("\0", "")


def _shown(key: str, parameters: str, value: str) -> str:
    if key in {"ATTENDEE", "ORGANIZER"}:
        name = _COMMON_NAME.search(parameters)
        return f"{(name[1] or name[2]) if name else ''} {value.removeprefix('mailto:').removeprefix('MAILTO:')}"
    if time := _TIME.fullmatch(value):
        return f"{time[1]}-{time[2]}-{time[3]}" + (f" {time[4]}:{time[5]}" if time[4] else "")
    if key in {"ADR", "ORG"}:
        value = ", ".join(filter(None, (part.strip() for part in value.split(";"))))
    return _ESCAPE.sub(lambda match: " " if match[1] in "nN" else match[1], value)
