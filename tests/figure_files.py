"""Pictures for documents of all formats, and what a document with figures is split into. It needs Pillow."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace

from pictures import drawn

from vsearch_core.model import Document
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions, WantedFigure
from vsearch_core.text.extract.registry import extract, figure_number, place_of

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


def taken_out(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> dict[str, tuple[int, int] | None]:
    """Return the size of the picture at each place of a figure, which is taken out of the document again."""
    found: dict[str, tuple[int, int] | None] = {}
    for chunk in split(extract(name, data, options), ChunkOptions()):
        place = place_of(name, chunk.page, chunk.heading, (chunk.start_line, chunk.end_line))
        number = figure_number(name, place)
        if place is not None and number is not None:
            wanted = WantedFigure(chunk.page, number)
            extract(name, data, replace(options, ocr=False, wanted_figure=wanted))
            found[place] = None if wanted.image is None else wanted.image.size
    return found
