"""Text files that stay as they are: plain text, and tables of delimited values (CSV, TSV)."""

import re

from vsearch_core.model import Document, Span
from vsearch_core.text.extract.builder import MAX_HEADER
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_NUMBER = re.compile(r"[-+]?[\d.,:/\s%$€£-]+")
_SAMPLE = 20  # lines that the delimiter is guessed from


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return one span over the whole text. Raises BinaryFileError."""
    text = decode(name, data)
    return Document(text, (Span(0, len(text)),) if text.strip() else ())


def extract_table(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return one span of rows. Raises BinaryFileError."""
    text = decode(name, data)
    if not text.strip():
        return Document(text, ())
    return Document(text, (Span(0, len(text), kind="rows", header=_header(text)),))


def _header(text: str) -> str:
    """Return the first row if it is one line that names the columns and rows follow, else ""."""
    lines = [line for line in text[: MAX_HEADER * _SAMPLE].split("\n") if line.strip()][:_SAMPLE]
    if len(lines) < 2 or len(lines[0]) > MAX_HEADER:
        return ""
    plain = [_QUOTED.sub("q", line) for line in lines]
    delimiter = max(_DELIMITERS, key=lambda mark: sum(line.count(mark) == plain[0].count(mark) > 0 for line in plain))
    cells = plain[0].split(delimiter)
    names = len(cells) > 1 and all(cell.strip() and not _NUMBER.fullmatch(cell.strip()) for cell in cells)
    return lines[0].strip() if names else ""
