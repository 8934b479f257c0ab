"""Extracts text from e-mail (EML, EMLX, Maildir, MBOX) and saved web pages (MHTML), with Python's own parser."""

import base64
import codecs
import email
import quopri
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.message import Message
from email.policy import Compat32
from email.utils import parsedate_to_datetime
from functools import partial

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.attachments import Attachments
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import SAMPLE, decode, one_line
from vsearch_core.text.extract.failures import damaged, too_large
from vsearch_core.text.extract.figures import MAX_BYTES, Figures, Load
from vsearch_core.text.extract.linked_pictures import MessagePictures
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions
from vsearch_core.text.formats.html import PageFigures
from vsearch_core.text.formats.html import extract as extract_html
from vsearch_core.text.formats.plain import extract as extract_plain

_KEYS = {"from": "author", "to": "recipients", "cc": "cc", "message-id": "message_id", "list-id": "list"}
_SHOWN = ("From", "To", "Cc", "Date", "Subject")  # headers that are part of the text
_MAX_VALUE = 4000  # characters of a header
_BOUNDARY = re.compile(rb"\bboundary=\s*\"?([^\"\s;]{1,100})", re.IGNORECASE)
_MAX_DEPTH = 20
_ENVELOPE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*\d{2}:\d{2}[^\r\n]*\r?\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_LENGTH_LINE = re.compile(rb"\s{0,20}(\d{1,12})[ \t]*\r?\n")
_HEADER_LINE = re.compile(rb"(?:From |[!-9;-~]{1,70}:|[ \t])")
_MAIL_HEADER = re.compile(
    rb"^(from|date|to|subject|message-id|received|return-path|delivered-to):", re.IGNORECASE | re.MULTILINE
)
_ENCODED_WORD = re.compile(r"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*)\?=")
_CHARSET_SUFFIX = re.compile(r"(?<=\d)-[ei]\Z")  # iso-8859-8-i: the direction of writing
_ISO_DATE = re.compile(
    r"\s*(\d{4})([-/]?)(\d\d)\2(\d\d)(?:[T ]\s*([\d:.]+))?\s*([+-]\d\d:?\d\d|Z|UTC|GMT)?\s*(?:\([^()]*\))?\s*\Z"
)
_SEVEN_BIT = {"utf-7": "utf-7", "unicode-1-1-utf-7": "utf-7", "hz-gb-2312": "hz", "hz": "hz"}
_MESSAGES = frozenset({"message/rfc822", "message/global", "message/news"})
_NO_TEXT = frozenset({"audio", "video", "font"})
_SIGNATURES = frozenset(
    f"application/{kind}" for kind in ("pgp-signature", "pgp-keys", "pkcs7-signature", "x-pkcs7-signature")
)
_TRANSFERRED = {"base64", "quoted-printable"}
_BASE64_LINE = re.compile(r"[A-Za-z0-9+/=]{50,}\s?")
_STUB = 10_000  # characters; a longer plain version is the message's text, whatever the HTML version says
_WORD = re.compile(r"\w+")
_ARMOR = re.compile(r"[> ]*-----(BEGIN|END) PGP ([A-Z ]{1,40})-----\s*")
_ARMORED_LINE = re.compile(r"[> ]*+(?:[A-Za-z0-9+/=]*|[A-Z][A-Za-z-]{1,20}: .*)\s*")


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the headers and the text of a message, with forwarded messages and the text of attachments.

    If a message has its text as plain text and as HTML, the plain text is used, unless it is short and lacks most words
    of the HTML. Raises ExtractionError if the message can't be read.
    """
    message = _parse(name, data, options.limits)
    builder = DocumentBuilder(name, options.limits)
    metadata = _metadata(message)
    attachments = Attachments(len(data), options)
    _add(builder, message, metadata, 0, options, attachments)
    attachments.report(builder)
    subject = metadata.pop("subject", None)
    return builder.document(str(subject) if subject else None, metadata=metadata)


def extract_emlx(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of a message that Apple Mail has saved (EMLX). The property list at the file's end is left out.

    Raises ExtractionError if the message can't be read.
    """
    first = _LENGTH_LINE.match(data)
    if first is None:
        return extract(name, data, options)
    end = first.end() + int(first[1])
    if data[end : end + SAMPLE].lstrip()[:5] not in {b"<?xml", b""}:  # the length is wrong
        end = data.rfind(b"<?xml")
        end = end if end > first.end() and b"<plist" in data[end:] else len(data)
    return extract(name, data[first.end() : end], options)


def extract_stored(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of a message in a Maildir or MH folder. A file that isn't a message is read as plain text.

    Raises ExtractionError if the file can't be read.
    """
    return (extract if _is_message(data) else extract_plain)(name, data, options)


def extract_mailbox(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return a document with one page for each message of a mailbox (MBOX, variant mboxrd).

    `Document.lines` maps each line of a message to the line of the file on which the message begins. Raises
    ExtractionError if a message can't be read.
    """
    starts = [match.start() for match in _ENVELOPE.finditer(data)]
    if not starts:
        return extract(name, data, options)
    builder, limit = DocumentBuilder(name, options.limits), options.limits.parts
    if len(starts) > limit:
        builder.left_out.append(f"more than {limit:,} messages")
    attachments = Attachments(len(data), options)
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
        _add(builder, message, metadata, line + 1, options, attachments)
    attachments.report(builder)
    return builder.document()


def extract_web_page(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of the HTML page in an MHTML file, and after it its figures.

    Raises ExtractionError if it contains no page.
    """
    message = _parse(name, data, options.limits)
    leaves = [*_leaves(message, options.limits.parts)]
    for part in leaves:
        if part.get_content_type() in {"text/html", "application/xhtml+xml"}:
            figures = Figures(name, options)
            pictures = MessagePictures(_location(part), _pictures(leaves))
            page = extract_html(name, _bytes(part), options, PageFigures(figures, pictures))
            page = figures.reported(page, options.limits)
            address = _header(message, "Snapshot-Content-Location")
            return replace(page, lines=None, metadata={**page.metadata, **({"address": address} if address else {})})
    raise ExtractionError(name, "contains no HTML page", "damaged-file")


def _location(part: Message) -> str:
    return str(part.get("Content-Location", "")).strip()


def _pictures(leaves: Sequence[Message]) -> dict[str, Load]:
    """Return what loads the pictures of a message, by their URLs."""
    found: dict[str, Load] = {}
    for part in leaves:
        if part.get_content_maintype() == "image":
            identifier = str(part.get("Content-ID", "")).strip().strip("<>")
            for url in filter(None, (_location(part), identifier and f"cid:{identifier}")):
                found.setdefault(url, partial(_bytes_within, part))
    return found


def _bytes_within(part: Message) -> bytes:
    """Return the bytes of a picture; b"" if it has more than `MAX_BYTES`."""
    data = _bytes(part)
    return data if len(data) <= MAX_BYTES else b""


class _Bounded(Compat32):
    """The parser's policy, but it truncates long headers, because parsing their parameters takes quadratic time."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_MAX_VALUE]

    def header_fetch_parse(self, name: str, value: str) -> str:  # bytes beyond ASCII stay surrogates
        return value


def _is_message(data: bytes) -> bool:
    """Return True if the bytes begin with header lines, of which at least two are usual in e-mail."""
    head, blank, _ = data[:SAMPLE].replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
    lines = head.split(b"\n")
    if not blank and len(lines) > 1:
        lines.pop()  # it may be cut, or the text after headers without a blank line
    return all(map(_HEADER_LINE.match, lines)) and len({key.lower() for key in _MAIL_HEADER.findall(head)}) > 1


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
    if b"\0" in data[:64] or data.startswith(codecs.BOM_UTF8):
        with suppress(BinaryFileError):  # an editor has saved it in UTF-16, or with a byte order mark
            data = decode(name, data).encode("utf-8", "replace")
    if _is_bomb(data, limits):
        raise too_large(name)
    try:
        return email.message_from_bytes(data.lstrip(b"\r\n"), policy=_Bounded())
    except Exception as error:  # the parser should accept anything, but doesn't
        raise damaged(name, "message", error) from None


def _add(
    builder: DocumentBuilder,
    message: Message,
    metadata: dict[str, JsonValue],
    line: int,
    options: ExtractOptions,
    attachments: Attachments,
) -> None:
    """Add a message's headers, text and attachments, all of source line `line`; 0 if lines mean nothing."""
    reader = _MessageReader(builder.name, options)
    reader.read(message)
    if reader.attachments:
        metadata["attachments"] = [*reader.attachments]
        reader.blocks.append("Attachments: " + ", ".join(reader.attachments))
    for block in reader.blocks:
        text = block.replace("\r\n", "\n").strip("\n").replace("\0", "\ufffd")
        builder.add(text, lines=[line] * (text.count("\n") + 1) if line else ())
    for file, part in reader.readable:
        attachments.add(builder, file, _bytes(part), line)
    for file, part in reader.pictures:
        attachments.add_picture(builder, file, _bytes(part), line)


class _MessageReader:
    """Collects the blocks of a message's text, and the names of its attachments."""

    def __init__(self, name: str, options: ExtractOptions) -> None:
        self.name = name
        self.options = options
        self.blocks: list[str] = []
        self.attachments: list[str] = []
        self.readable: list[tuple[str, Message]] = []  # attachments that may have text, by name
        self.pictures: list[tuple[str, Message]] = []  # by name, in the text or attached
        self._texts: dict[int, str] = {}  # id of a part -> its text

    def read(self, message: Message) -> None:
        """Read all parts of a message, down to a limited depth, and append their texts to `blocks`."""
        stack: list[tuple[Message, int, bool, bool]] = [(message, 0, True, True)]  # part, depth, is message, is shown
        count = 0
        while stack and count < self.options.limits.parts:
            part, depth, is_message, is_shown = stack.pop()
            count += 1
            if is_message and is_shown:
                headers = ((key, _header(part, key)) for key in _SHOWN)
                self.blocks.append("\n".join(f"{key}: {value}" for key, value in headers if value))
            children = _children(part, self.options.limits)
            if children is None:
                self._read_leaf(part, is_shown)
            elif depth < _MAX_DEPTH:
                kind = part.get_content_type()
                hidden = self._hidden(children) if kind == "multipart/alternative" else set()
                stack += [
                    (child, depth + 1, kind in _MESSAGES, is_shown and id(child) not in hidden)
                    for child in reversed(children)
                ]

    def _read_leaf(self, part: Message, is_shown: bool) -> None:
        if part.get_content_maintype() == "multipart":  # its parts can't be told apart: the boundary is missing
            if is_shown:
                lines = _decode(_bytes(part), None).split("\n")
                self.blocks.append("\n".join(line for line in lines if not _BASE64_LINE.fullmatch(line)))
            return
        file = _file_name(part)
        if file:
            self.attachments.append(file)
            if part.get_content_maintype() == "image":
                if part.get_content_subtype() != "svg+xml":
                    self.pictures.append((file, part))
            elif part.get_content_maintype() not in _NO_TEXT and part.get_content_type() not in _SIGNATURES:
                self.readable.append((file, part))
        elif is_shown and part.get_content_maintype() == "text":
            self.blocks.append(self._text(part))

    def _hidden(self, alternatives: list[Message]) -> set[int]:
        """Return the ids of the alternatives to ignore: they are other versions of the text that is read."""
        plain = html = None
        for child in alternatives:
            kinds = {leaf.get_content_type() for leaf in _leaves(child, self.options.limits.parts)}
            if "text/html" in kinds:
                html = html or child
            elif "text/plain" in kinds:
                plain = plain or child
        if plain is None and html is None:
            return set()
        read = plain if html is None or (plain is not None and not self._is_stub(plain, html)) else html
        versions = (child for child in alternatives if child in (plain, html) or child.get_content_maintype() == "text")
        return {id(child) for child in versions if child is not read}

    def _is_stub(self, plain: Message, html: Message) -> bool:
        """Return True if the plain version is short and lacks most words of the HTML version."""
        text = self._all_text(plain)
        if len(text) > _STUB:
            return False
        if not text.strip():
            return True
        words = set(_WORD.findall(self._all_text(html).lower()))
        return len(words & set(_WORD.findall(text.lower()))) * 2 < len(words)

    def _all_text(self, part: Message) -> str:
        leaves = _leaves(part, self.options.limits.parts)
        return "\n".join(
            self._text(leaf) for leaf in leaves if leaf.get_content_maintype() == "text" and not _file_name(leaf)
        )

    def _text(self, part: Message) -> str:
        text = self._texts.get(id(part))
        if text is None:
            text = self._texts[id(part)] = self._decoded_text(part)
        return text

    def _decoded_text(self, part: Message) -> str:
        content, charset = _bytes(part), part.get_content_charset()
        if part.get_content_type() != "text/html":
            return _without_armor(_decode(content, charset))
        content = _decode(content, charset).encode("utf-8", "replace") if charset else content
        try:
            return _without_armor(extract_html(self.name, content, self.options).text)
        except BinaryFileError:
            return ""


def _children(part: Message, limits: ExtractLimits) -> list[Message] | None:
    """Return the parts of a multipart or the message within a part; None for a leaf."""
    payload = part.get_payload() if part.is_multipart() else None
    if not isinstance(payload, list):
        return None
    children = [child for child in payload if isinstance(child, Message)]
    encoding = _encoding(part)
    if part.get_content_type() in _MESSAGES and children and encoding in _TRANSFERRED:
        child = children[0]
        if encoding == "quoted-printable" or not child.keys():  # else some program has only claimed to encode it
            with suppress(Exception):  # what the generator can't write stays as the parser read it
                source = child.as_bytes()
                decoded = base64.b64decode(source) if encoding == "base64" else quopri.decodestring(source)
                return [_parse("", decoded, limits)]
    return children


def _encoding(part: Message) -> str:
    return str(part.get("Content-Transfer-Encoding", "")).strip().lower()


def _leaves(message: Message, max_parts: int) -> Iterator[Message]:
    """Yield the parts of a message that have no parts themselves, down to a limited depth."""
    stack = [(message, 0)]
    count = 0
    while stack and count < max_parts:
        part, depth = stack.pop()
        count += 1
        payload = part.get_payload() if part.is_multipart() else None
        if not isinstance(payload, list):
            yield part
        elif depth < _MAX_DEPTH:
            stack += [(child, depth + 1) for child in reversed(payload) if isinstance(child, Message)]


def _bytes(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        payload = None
    return payload if isinstance(payload, bytes) else b""


def _decode(content: bytes, charset: str | None) -> str:
    """Decode bytes with the declared charset. If it is unknown, guess it. Return "" if the bytes aren't text."""
    charset = _CHARSET_SUFFIX.sub("", (charset or "").lower()) or None
    if charset in _SEVEN_BIT:
        return content.decode(_SEVEN_BIT[charset], "replace")
    try:
        return decode("", content, charset)
    except BinaryFileError as error:
        return content.decode("utf-8", "replace") if error.code == "unknown-encoding" else ""


def _without_armor(text: str) -> str:
    """Return the text of a message without the blocks of inline OpenPGP: signatures, keys and encrypted text."""
    if "-----BEGIN PGP " not in text:
        return text
    lines: list[str] = []
    in_block = in_head = is_signed = False
    for line in text.split("\n"):
        mark = _ARMOR.fullmatch(line)
        if mark and mark[1] == "BEGIN":
            in_head = is_signed = mark[2] == "SIGNED MESSAGE"
            in_block = not in_head
        elif mark:
            in_block = is_signed = False
        elif in_head and _ARMORED_LINE.fullmatch(line):
            in_head = bool(line.strip("> \r"))  # the headers of the signed text end with a blank line
        elif not in_block or not _ARMORED_LINE.fullmatch(line):
            in_block = in_head = False
            lines.append(line[2:] if is_signed and line.startswith("- ") else line)
    return "\n".join(lines)


def _file_name(part: Message) -> str:
    """Return an attachment's name; "" for a part of the text."""
    try:
        file = _decoded(part.get_filename() or "", part)
    except (ValueError, LookupError, TypeError, AttributeError):
        file = ""
    if part.get_content_disposition() == "attachment" or part.get_content_maintype() != "text":
        return file or part.get_content_type().encode("ascii", "replace").decode()
    return file


def _metadata(message: Message) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {"subject": _header(message, "Subject")}
    found |= {ours: _header(message, theirs) for theirs, ours in _KEYS.items()}
    found["date"] = _date(_header(message, "Date"))
    return {key: value for key, value in found.items() if value}


def _date(value: str) -> str | None:
    """Return a date of RFC 5322 or ISO 8601 in UTC; None if it is malformed."""
    try:
        iso = _ISO_DATE.match(value)
        moment = _iso_moment(*iso.group(1, 3, 4, 5, 6)) if iso else parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        return None


def _iso_moment(year: str, month: str, day: str, time: str | None, zone: str | None) -> datetime:
    zone = "Z" if zone in {"UTC", "GMT"} else zone or ""
    return datetime.fromisoformat(f"{year}-{month}-{day}T{time or '00:00'}{zone}")


def _header(message: Message, key: str) -> str:
    value = message.get(key)
    return _decoded(str(value), message) if value is not None else ""


def _decoded(value: str, message: Message) -> str:
    """Return a header on one line, with its encoded words and its bytes beyond ASCII decoded."""
    value = value[:_MAX_VALUE]
    if not value.isascii():
        raw = value.encode("utf-8", "surrogateescape")
        try:
            value = raw.decode()
        except UnicodeDecodeError:
            value = _guessed_header(raw, message)
    return one_line(_without_encoded_words(value))


def _guessed_header(raw: bytes, message: Message) -> str:
    """Decode a header in the charset of the message's text, or else in one guessed from both."""
    first = next(_leaves(message, 1000), message)
    charset = first.get_content_charset()
    sample = b"" if charset else b"\n" + _bytes(first)[:_MAX_VALUE]
    text = _decode(b" " + b" ".join(raw.split()) + sample, charset)
    return text.split("\n", 1)[0]


def _without_encoded_words(value: str) -> str:
    """Decode the encoded words of a header (RFC 2047), and remove the space between two of them."""
    pieces: list[str] = []
    pending, charset, end = b"", "", 0
    for match in _ENCODED_WORD.finditer(value):
        gap = value[end : match.start()]
        if gap.strip() or not pending or match[1].lower() != charset:
            pieces += [_decode(pending, charset), gap if gap.strip() or not pending else ""]
            pending = b""
        charset = match[1].lower()
        pending += _word_bytes(match[2], match[3])
        end = match.end()
    return "".join([*pieces, _decode(pending, charset), value[end:]])


def _word_bytes(encoding: str, text: str) -> bytes:
    source = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return quopri.decodestring(source, header=True)
    try:
        return base64.b64decode(source + b"===")
    except ValueError:
        return source
