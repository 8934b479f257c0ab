"""Plain text and source code: the text is the file."""

from vsearch_core.model import Document, Span
from vsearch_core.text.extract.decode import decode


def extract(name: str, data: bytes) -> Document:
    """One span over the whole text. Raises BinaryFileError."""
    text = decode(name, data)
    return Document(text, (Span(0, len(text)),) if text.strip() else ())
