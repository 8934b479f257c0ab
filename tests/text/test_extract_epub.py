"""Books: sections in reading order, under their own titles or those of the table of contents."""

import io
import zipfile

import pytest
from packages import epub, pack

from vsearch_core.errors import ExtractionError
from vsearch_core.text.formats.epub import extract

SECTIONS = {
    "b.xhtml": "<p>first</p>",
    "a.xhtml": "<h1>Own title</h1><p>second</p>",
    "empty.xhtml": "",
    "c.xhtml": "<p>x</p>",
}


def test_sections() -> None:
    document = extract("a.epub", epub(SECTIONS, {"b.xhtml": "Foreword", "a.xhtml": "Chapter"}))
    assert [(span.page, span.heading, document.text[span.start : span.end].strip()) for span in document.spans] == [
        (1, ("Foreword",), "first"),
        (2, ("Own title",), "Own title\n\nsecond"),
        (4, (), "x"),
    ]
    assert (document.title, document.language) == ("The Book", "de")
    assert document.metadata == {"author": "A. Uthor, B. Uthor"}


def test_encrypted() -> None:
    locked = '<encryption><CipherReference URI="OPS/a.xhtml"/></encryption>'
    with pytest.raises(ExtractionError, match="is encrypted"):
        extract("a.epub", epub(SECTIONS, encryption=locked))


@pytest.mark.parametrize(
    "media_type", ["text/x-oeb1-document", "text/xml", "application/octet-stream", "", "text/plain"]
)
def test_sections_of_odd_media_types(media_type: str) -> None:
    document = extract("a.epub", epub({"a.html": "<p>first</p>", "b": "<p>second</p>"}, media_type=media_type))
    assert document.text.split() == ["first", "second"]


@pytest.mark.parametrize("spine", ["<spine/>", '<spine><itemref idref="other"/></spine>', ""])
def test_a_book_without_a_reading_order(spine: str) -> None:
    members = unpack(epub({"a.xhtml": "<p>first</p>", "b.xhtml": "<p>second</p>"}))
    package = members["OPS/book.opf"]
    members["OPS/book.opf"] = package[: package.index(b"<spine")] + spine.encode() + b"</package>"
    assert extract("a.epub", pack(members)).text.split() == ["first", "second"]


def test_a_book_without_a_container_file() -> None:
    members = unpack(epub({"a.xhtml": "<p>first</p>"}))
    del members["META-INF/container.xml"]
    assert extract("a.epub", pack(members)).text.split() == ["first"]


def unpack(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        return {name: package.read(name) for name in package.namelist()}


def test_pictures_in_the_reading_order_are_no_sections() -> None:
    assert extract("a.epub", epub({"a.svg": "<p>x</p>"}, media_type="image/svg+xml")).spans == ()
