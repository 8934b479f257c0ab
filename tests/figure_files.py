"""Pictures for documents of all formats, and what a document with figures is split into. It needs Pillow."""

import io
import zipfile
from collections.abc import Mapping

from pictures import drawn

from vsearch_core.model import Document
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract.registry import place_of

PICTURE = drawn("PNG", size=(200, 100))
OTHER = drawn("JPEG", size=(120, 110))
ICON = drawn("PNG", size=(63, 400))
DOT = drawn("PNG", size=(16, 16))


def with_members(data: bytes, members: Mapping[str, str | bytes]) -> bytes:
    """Return a package with further or other members."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name not in members:
                new.writestr(name, old.read(name))
        for name, content in members.items():
            new.writestr(name, content)
    return out.getvalue()


def places(document: Document, name: str) -> list[tuple[str | None, str]]:
    """Return the place and the text of each chunk."""
    chunks = split(document, ChunkOptions())
    lines = [(chunk.start_line, chunk.end_line) for chunk in chunks]
    return [
        (place_of(name, chunk.page, chunk.heading, at), " ".join(chunk.text.split()))
        for chunk, at in zip(chunks, lines, strict=True)
    ]
