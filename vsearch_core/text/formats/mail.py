"""E-mail (EML, MBOX) and saved web pages (MHTML), read by the standard library's parser."""

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
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.failures import damaged, too_large
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions
from vsearch_core.text.formats.html import extract as extract_html

_KEYS = {"from": "author", "to": "recipients", "cc": "cc", "message-id": "message_id", "list-id": "list"}
_SHOWN = ("From", "To", "Cc", "Date", "Subject")  # headers that are part of the text
_MAX_VALUE = 4000  # characters of a header
_BOUNDARY = re.compile(rb"\bboundary=\s*\"?([^\"\s;]{1,100})", re.IGNORECASE)
_MAX_DEPTH = 20
_ENVELOPE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*\d{2}:\d{2}[^\r\n]*\r?\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return a message's headers and its text, the plain version if there is one; attachments by name only.

    Raises ExtractionError.
    """
    message = _parse(name, data, options.limits)
    builder = DocumentBuilder(name, options.limits)
    metadata = _metadata(message)
    _add(builder, message, metadata, 0, options)
    subject = metadata.pop("subject", None)
    return builder.document(str(subject) if subject else None, metadata=metadata)


def extract_mailbox(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return a page for each message of a mailbox (mboxrd); all its lines lead to the line on which it begins.

    Raises ExtractionError.
    """
    starts = [match.start() for match in _ENVELOPE.finditer(data)]
    if not starts:
        return extract(name, data, options)
    builder, limit = DocumentBuilder(name, options.limits), options.limits.parts
    if len(starts) > limit:
        builder.left_out.append(f"more than {limit:,} messages")
    line = counted = 0
    for number, (start, end) in enumerate(zip(starts[:limit], [*starts[1:], len(data)], strict=False), 1):
        line += data.count(b"\n", counted, start)
        counted = start
        content = _QUOTED_FROM.sub(rb"\1", data[data.index(b"\n", start) + 1 : end])
        message = _parse(name, content, options.limits)
        metadata = _metadata(message)
        builder.start_page(number, apart=True)
        builder.end_headings()
        builder.start_heading(1, str(metadata.get("subject", "")))
        _add(builder, message, metadata, line + 1, options)
    return builder.document()


def extract_web_page(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the HTML page in an MHTML file. Raises ExtractionError."""
    message = _parse(name, data, options.limits)
    for part, _ in _walk(message, options.limits.parts):
        if part.get_content_type() in {"text/html", "application/xhtml+xml"}:
            page = extract_html(name, _bytes(part), options)
            address = _header(message, "Snapshot-Content-Location")
            return replace(page, lines=None, metadata={**page.metadata, **({"address": address} if address else {})})
    raise ExtractionError(name, "has no page in it", "damaged-file")


class _Bounded(Compat32):
    """The parser's policy, with headers cut short: parsing their parameters takes quadratic time."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_MAX_VALUE]


def _is_bomb(data: bytes, limits: ExtractLimits) -> bool:
    """Return True for too many parts or headers: the parser makes an object of about a kilobyte of each."""
    if max(data.count(b"\n"), data.count(b"\r")) > limits.mail_lines:
        return True
    lowered = data.lower()
    if b"delivery-status" in lowered and sum(map(data.count, (b"\n\n", b"\r\n\r\n", b"\r\r"))) > limits.parts:
        return True
    if data.count(b"\n--") + data.count(b"\r--") <= limits.parts:
        return False
    boundaries = set(_BOUNDARY.findall(data))
    parts = sum(data.count(b"--" + boundary) for boundary in boundaries) if len(boundaries) <= 100 else len(data)
    return b"boundary*" in lowered or parts > limits.parts


def _parse(name: str, data: bytes, limits: ExtractLimits) -> Message:
    if _is_bomb(data, limits):
        raise too_large(name)
    try:
        return email.message_from_bytes(data, policy=_Bounded())
    except Exception as error:  # the parser should accept anything, but doesn't
        raise damaged(name, "message", error) from None


def _add(
    builder: DocumentBuilder, message: Message, metadata: dict[str, JsonValue], line: int, options: ExtractOptions
) -> None:
    """Add a message's headers and text, all of source line `line`; 0 if lines mean nothing."""

    def add(text: str) -> None:
        text = text.replace("\r\n", "\n").strip("\n").replace("\0", "\ufffd")
        builder.add(text, lines=[line] * (text.count("\n") + 1) if line else ())

    headers = ((key, _header(message, key)) for key in _SHOWN)
    add("\n".join(f"{key}: {value}" for key, value in headers if value))
    attached: list[JsonValue] = []
    for part in _bodies(message, options.limits.parts):
        file = _file_name(part)
        if file:
            attached.append(file)
        elif part.get_content_type() == "text/html":
            add(extract_html(builder.name, _bytes(part), options).text)
        elif part.get_content_maintype() == "text":
            add(decode(builder.name, _bytes(part) or b"", part.get_content_charset()))
    if attached:
        metadata["attachments"] = attached
        add("Attachments: " + ", ".join(map(str, attached)))


def _bodies(message: Message, max_parts: int) -> Iterator[Message]:
    """Yield the parts to read: of alternatives the plain text, or else the HTML."""
    alternatives: dict[int, bool] = {}  # id of the container -> its plain text was yielded
    for part, container in _walk(message, max_parts):
        kind = container.get_content_type() if container is not None else ""
        if kind == "multipart/alternative" and part.get_content_maintype() == "text":
            if alternatives.get(id(container)):
                continue
            alternatives[id(container)] = part.get_content_type() == "text/plain" and bool(_bytes(part).strip())
        yield part


def _walk(message: Message, max_parts: int) -> Iterator[tuple[Message, Message | None]]:
    """Yield the leaves of a message, each with its container, down to a limited depth and without recursion."""
    stack: list[tuple[Message, Message | None, int]] = [(message, None, 0)]
    count = 0
    while stack and count < max_parts:
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
    """Return an attachment's name; "" for a part of the text."""
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
        pass  # a malformed date is left out
    return {key: value for key, value in found.items() if value}


def _header(message: Message, key: str) -> str:
    value = message.get(key)
    return _decoded(str(value)) if value is not None else ""


def _decoded(value: str) -> str:
    """Return a header with its encoded words decoded, on one line."""
    from email.errors import MessageError
    from email.header import decode_header, make_header

    value = value[:_MAX_VALUE]
    with suppress(MessageError, ValueError, LookupError):  # else the header is used as it is
        value = str(make_header(decode_header(value)))
    return one_line(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
