"""Extracts text from Outlook messages (MSG), with the package olefile. [MS-OXPROPS] defines the property numbers."""

import datetime
import io
import re
import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.attachments import Attachments
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.failures import damaged, too_large
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.formats.html import extract as extract_html
from vsearch_core.text.formats.rtf import extract as extract_rtf

_STREAM = "__substg1.0_"
_PROPERTIES = "__properties_version1.0"
_SUBJECT, _BODY, _HTML, _RTF, _HEADERS, _MESSAGE_ID = "0037", "1000", "1013", "1009", "007D", "1035"
_SENDERS = (("0C1A", ("5D01", "0C1F")), ("0042", ("5D02", "0065")))  # name, addresses; the second is "on behalf of"
_DISPLAYED = {1: "0E04", 2: "0E03"}  # kind of recipient -> their names
_RECIPIENT_NAME, _RECIPIENT_ADDRESSES = "3001", ("39FE", "3003")
_RECIPIENT_KIND = 0x0C150003
_SENT, _RECEIVED = 0x00390040, 0x0E060040  # times, in the table of fixed properties
_CODE_PAGES = (0x3FFD0003, 0x3FDE0003)  # of the message, of the Internet
_CONTENT = "3701"  # of an attachment that is a file
_FILE_NAMES = ("3707", "3704")  # of an attachment, long and short
_ATTACHED_MESSAGE = f"{_STREAM}3701000D"
_EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)
_CHARSET = re.compile(r"charset=\"?([\w.:-]{2,40})", re.IGNORECASE)
_CODECS = {  # code pages whose codec is not named by the number
    **{28590 + part: f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15)},
    **dict.fromkeys((936, 54936), "gb18030"),
    950: "big5",
    10000: "mac_roman",
    20127: "ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    51932: "euc-jp",
    51949: "euc-kr",
    65001: "utf-8",
}
_LONG = 64  # bytes whose encoding can be guessed
_MAX_RECIPIENTS = 1000
_MAX_MESSAGES = 100  # that are read, attached to one another
_MAX_VALUE = 1 << 16  # bytes of a name or an address
_LZFU_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20"
    b"\\b\\i\\u\\tab\\tx"
)


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the headers and the text of a message, of messages attached to it, and of its other attachments.

    Raises ExtractionError if the message can't be read.
    """
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as container:
            return _document(_MessageReader(name, container, options), Attachments(len(data), options))
    except ExtractionError:
        raise
    except Exception as error:  # olefile raises many kinds for damaged files, even when it only lists names
        raise damaged(name, "Outlook message", error) from None


def _document(reader: "_MessageReader", attachments: Attachments) -> Document:
    builder = DocumentBuilder(reader.name, reader.options.limits)
    stack = [reader]
    count = 0
    while stack and count < _MAX_MESSAGES:
        message = stack.pop()
        count += 1
        _add(builder, message)
        for file, content in message.attached_files():
            attachments.add(builder, file, content)
        stack += reversed([*islice(message.attached_messages(), _MAX_MESSAGES)])
    attachments.report(builder)
    return builder.document(reader.text(_SUBJECT), metadata=reader.metadata)


def _add(builder: DocumentBuilder, message: "_MessageReader") -> None:
    labels = {"From": "author", "To": "recipients", "Cc": "cc", "Date": "date"}
    head = [f"{label}: {message.metadata[key]}" for label, key in labels.items() if key in message.metadata]
    builder.add("\n".join([*head, f"Subject: {message.text(_SUBJECT)}"]))
    builder.add(message.body().replace("\r\n", "\n").replace("\r", "\n"))


class _MessageReader:
    """Reads the properties of a message. It is the whole file, or an attached message in a folder of the file."""

    def __init__(self, name: str, container: Any, options: ExtractOptions, folder: str = "") -> None:
        self.name = name
        self.options = options
        self.container = container
        self.folder = folder
        depth, inside = folder.count("/"), folder.split("/")[:-1]
        paths = (path for path in container.listdir() if path[:depth] == inside and len(path) > depth + 1)
        self._folders = sorted({path[depth] for path in paths})  # directly inside the message
        self._fixed = self.fixed("", 24 if folder else 32)
        self._charset = self._declared_charset()
        self.metadata = self._metadata()

    def stream(self, path: str, limit: int | None = None) -> bytes:
        """Return the bytes of a stream; b"" if there is no such stream, or if it is larger than `limit` bytes."""
        path = self.folder + path
        if not self.container.exists(path) or (limit and self.container.get_size(path) > limit):
            return b""
        if self.container.get_size(path) > self.options.limits.text_chars:
            raise too_large(self.name)
        content: bytes = self.container.openstream(path).read()
        return content

    def text(self, number: str, folder: str = "") -> str:
        """Return a text property by its number in hex, such as "0037" for the subject; "" if there is none."""
        limit = None if number == _BODY else _MAX_VALUE
        wide = self.stream(f"{folder}{_STREAM}{number}001F", limit)
        if wide:
            return wide.decode("utf-16-le", errors="replace").replace("\0", "")
        return self.decoded(self.stream(f"{folder}{_STREAM}{number}001E", limit).rstrip(b"\0"))

    def decoded(self, content: bytes) -> str:
        """Decode bytes with the message's charset. If it states none, guess it; for a short text, use cp1252."""
        charset = self._charset or (None if len(content) >= _LONG else "cp1252")
        try:
            return decode(self.name, content, charset).replace("\0", "")
        except BinaryFileError:
            return content.decode("cp1252", errors="replace").replace("\0", "")

    def fixed(self, folder: str, header: int) -> dict[int, int]:
        """Return the properties of fixed size, each tag with its value. `header` is the size of the table's header."""
        table = self.stream(folder + _PROPERTIES)
        values: dict[int, int] = {}
        for start in range(header, len(table) - 15, 16):
            tag, _, value = struct.unpack_from("<IIQ", table, start)
            values[tag] = value
        return values

    def _declared_charset(self) -> str | None:
        for tag in _CODE_PAGES:
            page = self._fixed.get(tag, 0) & 0xFFFFFFFF
            if page:
                return _CODECS.get(page, f"cp{page}")
        headers = self.stream(f"{_STREAM}{_HEADERS}001E", _MAX_VALUE).decode("latin-1")
        match = _CHARSET.search(headers)
        return match[1] if match else None

    def _metadata(self) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {
            "author": self.sender(),
            "recipients": self.recipients(1),
            "cc": self.recipients(2),
            "message_id": self.text(_MESSAGE_ID),
            "date": self.sent(),
            "attachments": list(self.attachments()),
        }
        return {key: value for key, value in found.items() if value}

    def sender(self) -> str:
        for name, addresses in _SENDERS:
            if found := _mailbox(self.text(name), *map(self.text, addresses)):
                return found
        return ""

    def recipients(self, kind: int) -> str:
        """Return the recipients of a kind (1: To, 2: Cc) with their addresses.

        If the message has no addresses, return the names that Outlook displays.
        """
        found = []
        for folder in self.folders("__recip")[:_MAX_RECIPIENTS]:
            if self.fixed(f"{folder}/", 8).get(_RECIPIENT_KIND, 1) & 0xF == kind:
                texts = (self.text(number, f"{folder}/") for number in (_RECIPIENT_NAME, *_RECIPIENT_ADDRESSES))
                found.append(_mailbox(*texts))
        displayed = one_line(self.text(_DISPLAYED[kind]))
        return ", ".join(filter(None, found)) if any("@" in each for each in found) else displayed

    def body(self) -> str:
        text = self.text(_BODY)
        if text.strip():
            return text
        html = self.stream(f"{_STREAM}{_HTML}0102")
        if html:
            return extract_html(self.name, html, self.options).text
        rtf = _decompressed_rtf(self.stream(f"{_STREAM}{_RTF}0102"), self.options.limits.html_chars)
        return extract_rtf(self.name, rtf, self.options).text if rtf.startswith(b"{\\rtf") else ""

    def sent(self) -> str | None:
        ticks = self._fixed.get(_SENT) or self._fixed.get(_RECEIVED)  # of 100 ns
        try:
            return (_EPOCH + datetime.timedelta(seconds=ticks // 10_000_000)).isoformat() if ticks else None
        except OverflowError:
            return None

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly inside the message that begin with the prefix."""
        return [folder for folder in self._folders if folder.startswith(prefix)]

    def attachments(self) -> list[str]:
        return list(filter(None, map(self._attachment_name, self.folders("__attach"))))

    def _attachment_name(self, folder: str) -> str:
        return next(filter(None, (self.text(number, f"{folder}/") for number in _FILE_NAMES)), "")

    def attached_files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the bytes of each attached file. Attached messages are no files."""
        for folder in self.folders("__attach")[: self.options.limits.parts]:
            name, content = (
                self._attachment_name(folder),
                self.stream(f"{folder}/{_STREAM}{_CONTENT}0102", self.options.limits.text_chars),
            )
            if name and content:
                yield name, content

    def attached_messages(self) -> Iterator["_MessageReader"]:
        for folder in self.folders("__attach"):
            inner = f"{folder}/{_ATTACHED_MESSAGE}/"
            if self.container.exists(self.folder + inner + _PROPERTIES):
                yield _MessageReader(self.name, self.container, self.options, self.folder + inner)


def _mailbox(name: str, *addresses: str) -> str:
    """Return "name <address>". An internal address of Exchange, which isn't an e-mail address, is left out."""
    name = one_line(name)
    address = next((one_line(each) for each in addresses if "@" in each), "")
    return f"{name} <{address}>" if name and address and address.lower() not in name.lower() else name or address


def _decompressed_rtf(data: bytes, limit: int) -> bytes:
    """Return the RTF that a message stores compressed ([MS-OXRTFCP]), cut off after about `limit` bytes."""
    if data[8:12] == b"MELA":
        return data[16:]
    if data[8:12] != b"LZFu":
        return b""
    window = bytearray(_LZFU_DICTIONARY.ljust(4096, b" "))
    place = len(_LZFU_DICTIONARY)
    out = bytearray()
    position = 16
    while position < len(data) and len(out) < limit:
        control = data[position]
        position += 1
        for bit in range(8):
            if control >> bit & 1:
                reference = int.from_bytes(data[position : position + 2], "big")
                position += 2
                start = reference >> 4
                if start == place or position > len(data):
                    return bytes(out)
                for offset in range((reference & 15) + 2):
                    byte = window[(start + offset) % 4096]
                    out.append(byte)
                    window[place] = byte
                    place = (place + 1) % 4096
            elif position < len(data):
                out.append(data[position])
                window[place] = data[position]
                place = (place + 1) % 4096
                position += 1
    return bytes(out)
