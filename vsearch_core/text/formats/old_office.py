"""Extracts text from files with an old Office suffix that are in another format: many programs save HTML as `.xls`."""

import re
from pathlib import PurePath

from vsearch_core.model import Document
from vsearch_core.text.extract.decode import OLE_CONTAINER, decode
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_HTML = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--(?:(?!-->).){0,500}-->\s*)?<(?:!doctype\s+html|html|head|body|title|meta|style"
    r"|script|link|base|table|tr|div|span|p|h[1-6]|center|font|b|ul|ol|br|hr)\b",
    re.IGNORECASE | re.DOTALL,
)
_BINARY = re.compile(rb"(<(?:\w{1,10}:)?binData\b[^<>]{0,200}>)[^<]*")  # pictures in XML of Word 2003
_HEAD = 2000  # characters that tell the format
_MHTML = "mime-version:"


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of a file that is named like an old Office file (`.doc`, `.xls`, `.ppt`) but has another format.

    The format is detected from the content. It may be HTML, MHTML, RTF, XML, a new Office format, plain text or, for
    `.xls`, a table of values. Raises BinaryFileError for a file in an old Office format, and ExtractionError if the
    file can't be read.
    """
    from vsearch_core.text.extract import registry

    kind = PurePath(name).suffix.lower()
    if data.startswith(b"PK\3\4"):
        inner = {".d": ".docx", ".x": ".xlsx"}.get(kind[:2], ".pptx")
    elif data.lstrip().startswith(b"{\\rtf"):
        inner = ".rtf"
    else:
        head = "" if data.startswith(OLE_CONTAINER) else decode(name, data)[:_HEAD]
        inner = ".csv" if kind[:2] == ".x" else ""
        if _HTML.match(head):
            inner = ".html"
        elif head.lstrip()[:20].lower().startswith("<?xml"):
            inner = ".xml"
            data = _BINARY.sub(rb"\1", data)
        elif _MHTML in head.lower():
            inner = ".mhtml"
    return registry.load(registry.format_of(f"file{inner}"))(name, data, options)
