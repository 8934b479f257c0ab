"""Outlook messages (MSG), through olefile; property numbers as in [MS-OXPROPS]."""

import datetime
import io
import struct
from typing import Any

from vsearch_core.errors import ExtractionError
from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.failures import damaged, too_large
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.formats.html import extract as extract_html

_STREAM = "__substg1.0_"
_SUBJECT, _BODY, _HTML = "0037", "1000", "1013"
_FACTS = {"0C1A": "author", "0E04": "recipients", "0E03": "cc", "1035": "message_id"}
_SENT, _RECEIVED = 0x00390040, 0x0E060040  # times, in the table of fixed properties
_FILE_NAMES = ("3707", "3704")  # of an attachment, long and short
_EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the headers and the text of a message; attachments by name only. Raises ExtractionError."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as container:
            return _document(_MessageReader(name, container, options))
    except ExtractionError:
        raise
    except Exception as error:  # olefile raises many kinds for damaged files, even when it only lists names
        raise damaged(name, "Outlook message", error) from None


def _document(reader: "_MessageReader") -> Document:
    subject = reader.text(_SUBJECT)
    metadata: dict[str, JsonValue] = {key: reader.text(number) for number, key in _FACTS.items()}
    metadata["date"] = reader.sent()
    metadata["attachments"] = list(reader.attachments())
    metadata = {key: value for key, value in metadata.items() if value}
    body = reader.text(_BODY)
    if not body.strip():
        body = extract_html(reader.name, reader.stream(f"{_STREAM}{_HTML}0102"), reader.options).text
    builder = DocumentBuilder(reader.name, reader.options.limits)
    labels = {"From": "author", "To": "recipients", "Cc": "cc", "Date": "date"}
    head = [f"{label}: {metadata[key]}" for label, key in labels.items() if key in metadata]
    builder.add("\n".join([*head, f"Subject: {subject}"]))
    builder.add(body.replace("\r\n", "\n").replace("\r", "\n"))
    return builder.document(subject, metadata=metadata)


class _MessageReader:
    def __init__(self, name: str, container: Any, options: ExtractOptions) -> None:
        self.name = name
        self.options = options
        self.container = container

    def stream(self, path: str) -> bytes:
        if not self.container.exists(path):
            return b""
        if self.container.get_size(path) > self.options.limits.text_chars:
            raise too_large(self.name)
        content: bytes = self.container.openstream(path).read()
        return content

    def text(self, number: str, folder: str = "") -> str:
        """Return a text property, in Unicode or in the sender's code page."""
        wide = self.stream(f"{folder}{_STREAM}{number}001F")
        if wide:
            return wide.decode("utf-16-le", errors="replace").replace("\0", "")
        return self.stream(f"{folder}{_STREAM}{number}001E").decode("cp1252", errors="replace").replace("\0", "")

    def sent(self) -> str | None:
        table = self.stream("__properties_version1.0")
        times: dict[int, int] = {}
        for start in range(32, len(table) - 15, 16):  # after a header of 32 bytes: tag, flags, value
            tag, _, value = struct.unpack_from("<IIQ", table, start)
            times[tag] = value
        ticks = times.get(_SENT) or times.get(_RECEIVED)  # of 100 ns
        try:
            return (_EPOCH + datetime.timedelta(seconds=ticks // 10_000_000)).isoformat() if ticks else None
        except OverflowError:
            return None

    def attachments(self) -> list[str]:
        folders = sorted({path[0] for path in self.container.listdir() if path[0].startswith("__attach")})
        names = (
            next(filter(None, (self.text(number, f"{folder}/") for number in _FILE_NAMES)), "") for folder in folders
        )
        return [name for name in names if name]
