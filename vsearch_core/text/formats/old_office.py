"""Extracts text from files with an old Office suffix: of Office before 2007, or in another format, such as HTML."""

import io
import re
from pathlib import PurePath

from vsearch_core.errors import BinaryFileError, EncryptedError
from vsearch_core.model import Document
from vsearch_core.text.extract.decode import OLE_CONTAINER, decode
from vsearch_core.text.extract.failures import encrypted, require_decryption
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.extract.streams import Streams
from vsearch_core.text.formats.xls import extract as extract_xls

_HTML = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--(?:(?!-->).){0,500}-->\s*)?<(?:!doctype\s+html|html|head|body|title|meta|style"
    r"|script|link|base|table|tr|div|span|p|h[1-6]|center|font|b|ul|ol|br|hr)\b",
    re.IGNORECASE | re.DOTALL,
)
_BINARY = re.compile(rb"(<(?:\w{1,10}:)?binData\b[^<>]{0,200}>)[^<]*")  # pictures in XML of Word 2003
_HEAD = 2000  # characters that tell the format
_ENCRYPTED_PACKAGE = "EncryptedPackage"  # a stream
_SHEET = re.compile(rb"\x09[\x00\x02\x04\x08][\x04-\x10]\x00")  # how Excel files without a container begin
_MHTML = "mime-version:"


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of a file that is named like an old Office file (`.doc`, `.xls`, `.ppt`).

    The format is detected from the content. It may be one of Office before 2007, HTML, MHTML, RTF, XML, a new Office
    format, plain text or, for `.xls`, a table of values. Raises BinaryFileError if a module that reads an old format
    isn't installed, and ExtractionError if the file can't be read.
    """
    if data.startswith(OLE_CONTAINER):
        return _extract_old(name, data, options)
    if _SHEET.match(data):
        return extract_xls(name, data, options)
    from vsearch_core.text.extract import registry

    kind = PurePath(name).suffix.lower()
    if data.startswith(b"PK\3\4"):
        inner = {".d": ".docx", ".x": ".xlsx"}.get(kind[:2], ".pptx")
    elif data.lstrip().startswith(b"{\\rtf"):
        inner = ".rtf"
    else:
        head = decode(name, data)[:_HEAD]
        inner = ".csv" if kind[:2] == ".x" else ""
        if _HTML.match(head):
            inner = ".html"
        elif head.lstrip()[:20].lower().startswith("<?xml"):
            inner = ".xml"
            data = _BINARY.sub(rb"\1", data)
        elif _MHTML in head.lower():
            inner = ".mhtml"
    return registry.load(registry.format_of(f"file{inner}"))(name, data, options)


def _extract_old(name: str, data: bytes, options: ExtractOptions) -> Document:
    """Return the text of a file in an OLE container. Its streams tell the format, whatever the suffix says."""
    from vsearch_core.text.extract import registry
    from vsearch_core.text.formats import doc, ppt, xls

    streams = Streams(name, data, "Office file", options.limits)
    kind = PurePath(name).suffix.lower()
    if _ENCRYPTED_PACKAGE in streams:  # a new format with a password
        inner = {".d": ".docx", ".x": ".xlsx"}.get(kind[:2], ".pptx")
        return registry.load(registry.format_of(f"file{inner}"))(name, data, options)
    readers: dict[str, registry.Extractor] = {
        doc.STREAM: doc.extract,
        ppt.STREAM: ppt.extract,
        **dict.fromkeys(xls.STREAMS, xls.extract),
    }
    read = next((reader for stream, reader in readers.items() if stream in streams), None)
    if read is None:
        raise BinaryFileError(name, "is binary, not text")  # an installer, a database of pictures ...
    try:
        return read(name, data, options)
    except EncryptedError:
        return read(name, _decrypted(name, data, options.password), options)


def _decrypted(name: str, data: bytes, password: str) -> bytes:
    """Return an old Office file without its encryption. Raises EncryptedError if the password doesn't open it."""
    require_decryption(name, password)
    import msoffcrypto

    out = io.BytesIO()
    try:
        file = msoffcrypto.OfficeFile(io.BytesIO(data))
        file.load_key(password=password)
        file.decrypt(out)
    except MemoryError:
        raise
    except Exception:  # msoffcrypto raises many kinds, also for damaged files
        raise encrypted(name, password) from None
    return out.getvalue()
