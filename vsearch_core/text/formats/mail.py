"""E-mail (EML, MBOX) and saved web pages (MHTML), through the standard library's parser."""

import email
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from email.message import Message
from email.policy import Compat32
from email.utils import parsedate_to_datetime

from vsearch_core.errors import ExtractionError
from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.builder import Builder
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.limits import MAX_PARTS, damaged, too_large
from vsearch_core.text.formats.html import extract as extract_html

_KEYS = {"from": "author", "to": "recipients", "cc": "cc", "message-id": "message_id", "list-id": "list"}
_SHOWN = ("From", "To", "Cc", "Date", "Subject")  # what heads a message's text
_MAX_VALUE = 4000  # characters of a header
_MAX_LINES = 2_000_000  # each may be a header
_BOUNDARY = re.compile(rb"\bboundary=\s*\"?([^\"\s;]{1,100})", re.IGNORECASE)
_MAX_DEPTH = 20
_ENVELOPE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*\d{2}:\d{2}[^\r\n]*\r?\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def extract(name: str, data: bytes) -> Document:
    """A message: its headers and its text, the plain version if there is one; attachments by name only.

    Raises ExtractionError.
    """
    message = _parse(name, data)
    builder = Builder(name)
    metadata = _metadata(message)
    _add(builder, name, message, metadata, 0)
    subject = metadata.pop("subject", None)
    return builder.document(str(subject) if subject else None, metadata=metadata)


def extract_mailbox(name: str, data: bytes) -> Document:
    """Each message of a mailbox (mboxrd) as a page; every row of it has the line on which the message begins."""
    starts = [match.start() for match in _ENVELOPE.finditer(data)]
    if not starts:
        return extract(name, data)
    builder = Builder(name)
    if len(starts) > MAX_PARTS:
        builder.left_out.append(f"more than {MAX_PARTS:,} messages")
    line = counted = 0
    for number, (start, end) in enumerate(zip(starts[:MAX_PARTS], [*starts[1:], len(data)], strict=False), 1):
        line += data.count(b"\n", counted, start)
        counted = start
        message = _parse(name, _QUOTED_FROM.sub(rb"\1", data[data.index(b"\n", start) + 1 : end]))
        metadata = _metadata(message)
        builder.start_page(number, apart=True)
        builder.end_headings()
        builder.start_heading(1, str(metadata.get("subject", "")))
        _add(builder, name, message, metadata, line + 1)
    return builder.document()


def extract_web_page(name: str, data: bytes) -> Document:
    """The page that an MHTML file was saved from. Raises ExtractionError."""
    message = _parse(name, data)
    for part in _parts(message):
        if part.get_content_type() in {"text/html", "application/xhtml+xml"}:
            page = extract_html(name, _bytes(part))
            address = _header(message, "Snapshot-Content-Location")
            return replace(page, lines=None, metadata={**page.metadata, **({"address": address} if address else {})})
    raise ExtractionError(name, "has no page in it", "open it in a browser, and save it again if it shows")


class _Bounded(Compat32):
    """The parser's policy, with headers cut short: their parameters take it time that grows with the square."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_MAX_VALUE]


def _is_bomb(data: bytes) -> bool:
    """Whether the parser would make an object of a kilobyte each of more parts than we read, or of as many headers."""
    if max(data.count(b"\n"), data.count(b"\r")) > _MAX_LINES:
        return True
    lowered = data.lower()
    if b"delivery-status" in lowered and sum(map(data.count, (b"\n\n", b"\r\n\r\n", b"\r\r"))) > MAX_PARTS:
        return True
    if data.count(b"\n--") + data.count(b"\r--") <= MAX_PARTS:
        return False
    boundaries = set(_BOUNDARY.findall(data))
    parts = sum(data.count(b"--" + boundary) for boundary in boundaries) if len(boundaries) <= 100 else len(data)
    return b"boundary*" in lowered or parts > MAX_PARTS


def _parse(name: str, data: bytes) -> Message:
    if _is_bomb(data):
        raise too_large(name)
    try:
        return email.message_from_bytes(data, policy=_Bounded())
    except Exception as error:  # the parser is meant to take anything; where it does not, it is this file's fault
        raise damaged(name, "message", error) from None


def _add(builder: Builder, name: str, message: Message, metadata: dict[str, JsonValue], line: int) -> None:
    """A message's headers and text; all on one `line`, 0 where lines mean nothing."""

    def add(text: str) -> None:
        text = text.replace("\r\n", "\n").strip("\n").replace("\0", "\ufffd")
        builder.add(text, lines=[line] * (text.count("\n") + 1) if line else ())

    headers = ((key, _header(message, key)) for key in _SHOWN)
    add("\n".join(f"{key}: {value}" for key, value in headers if value))
    attached: list[JsonValue] = []
    for part in _bodies(message):
        file = _file_name(part)
        if file:
            attached.append(file)
        elif part.get_content_type() == "text/html":
            add(extract_html(name, _bytes(part)).text)
        elif part.get_content_maintype() == "text":
            add(decode(name, _bytes(part) or b"", part.get_content_charset()))
    if attached:
        metadata["attachments"] = attached
        add("Attachments: " + ", ".join(map(str, attached)))


def _bodies(message: Message) -> Iterator[Message]:
    """The parts that tell something: of alternatives, the plain text; else the HTML."""
    alternatives: dict[int, bool] = {}  # whether an alternative's plain version was met, by the container's identity
    for part, container in _walk(message):
        kind = container.get_content_type() if container is not None else ""
        if kind == "multipart/alternative" and part.get_content_maintype() == "text":
            if alternatives.get(id(container)):
                continue
            alternatives[id(container)] = part.get_content_type() == "text/plain" and bool(_bytes(part).strip())
        yield part


def _parts(message: Message) -> Iterator[Message]:
    return (part for part, _ in _walk(message))


def _walk(message: Message) -> Iterator[tuple[Message, Message | None]]:
    """The leaves of a message, each with the container that it stands in. Without recursion, and not too deep."""
    stack: list[tuple[Message, Message | None, int]] = [(message, None, 0)]
    count = 0
    while stack and count < MAX_PARTS:
        part, container, depth = stack.pop()
        count += 1
        payload = part.get_payload() if part.is_multipart() else None
        if isinstance(payload, list):
            if depth < _MAX_DEPTH:
                stack += [(child, part, depth + 1) for child in reversed(payload) if isinstance(child, Message)]
        else:
            yield part, container


def _bytes(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        payload = None
    return payload if isinstance(payload, bytes) else b""


def _file_name(part: Message) -> str:
    """An attachment's name; "" for a part that is text to be read."""
    try:
        file = _decoded(part.get_filename() or "")
    except (ValueError, LookupError, TypeError, AttributeError):
        file = ""
    if part.get_content_disposition() == "attachment" or part.get_content_maintype() != "text":
        return file or part.get_content_type()
    return file


def _metadata(message: Message) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {"subject": _header(message, "Subject")}
    found |= {ours: _header(message, theirs) for theirs, ours in _KEYS.items()}
    try:
        moment = parsedate_to_datetime(_header(message, "Date"))
        found["date"] = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        pass  # a date that is none is no news
    return {key: value for key, value in found.items() if value}


def _header(message: Message, key: str) -> str:
    value = message.get(key)
    return _decoded(str(value)) if value is not None else ""


def _decoded(value: str) -> str:
    """A header in words, its encoded stretches read, on one line."""
    from email.errors import MessageError
    from email.header import decode_header, make_header

    value = value[:_MAX_VALUE]
    with suppress(MessageError, ValueError, LookupError):  # else it is shown as it stands
        value = str(make_header(decode_header(value)))
    return one_line(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
