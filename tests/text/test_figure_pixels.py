"""The pixels of pictures inside documents, for an image model: their places, and the bounds on them."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from vsearch_core.model import FigurePixels, PixelFormat
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract import figure_pixels
from vsearch_core.text.extract.options import DEFAULTS
from vsearch_core.text.extract.registry import place_of
from vsearch_core.text.files import FileRead, FileToRead
from vsearch_core.text.reading import read

pytest.importorskip("PIL")

from coloured_documents import (
    coloured_archive,
    coloured_book,
    coloured_message,
    coloured_notebook,
    coloured_open_document,
    coloured_pdf,
    coloured_slides,
    coloured_web_page,
    coloured_word,
)
from figure_files import with_members
from image_models import COLOURS, ColourModel, coloured

FORM = PixelFormat(16, None, (16, 16), 3)
SHOWN = replace(DEFAULTS, pixels=FORM)


def read_as(name: str, data: bytes, pixels: PixelFormat | None = FORM) -> FileRead:
    return read(FileToRead(name, len(data), data=data), ChunkOptions(), replace(DEFAULTS, pixels=pixels))


def colour_of(figure: FigurePixels) -> str:
    red, green, blue = figure.pixels[-3:]
    distances = {name: abs(red - r) + abs(green - g) + abs(blue - b) for name, (r, g, b) in COLOURS.items()}
    return min(distances, key=distances.__getitem__)


def shown(name: str, data: bytes) -> list[tuple[str, str | None]]:
    """Return the colour and the place of each figure."""
    return [
        (colour_of(each), place_of(name, each.page, " > ".join(each.titles), (each.line, each.line)))
        for each in read_as(name, data).figures
    ]


REPORT = coloured_pdf(("First page", ["red"]), ("", ["blue"]), ("Third page", ["green", "red", "yellow"]))
FORMATS: Mapping[str, tuple[bytes, list[tuple[str, str | None]]]] = {
    "report.pdf": (
        REPORT,
        [
            ("red", "page 1, figure 1"),
            ("blue", "page 2, figure 1"),
            ("green", "page 3, figure 1"),
            ("yellow", "page 3, figure 3"),
        ],
    ),
    "talk.pptx": (
        coloured_slides(("Title", []), ("", ["red"]), ("Two", ["blue", "green"])),
        [("red", "slide 2, figure 1"), ("blue", "slide 3, figure 1"), ("green", "slide 3, figure 2")],
    ),
    "a.docx": (coloured_word("Text", "red", "blue"), [("red", "figure 1"), ("blue", "figure 2")]),
    "book.epub": (coloured_book("Text", "green"), [("green", "section 1, figure 1")]),
    "a.odt": (coloured_open_document("Text", "purple"), [("purple", "figure 1")]),
    "a.html": (coloured_web_page("Text", "red", "orange"), [("red", "figure 1"), ("orange", "figure 2")]),
    "a.ipynb": (coloured_notebook("print(1)", "yellow"), [("yellow", "cell 1, figure 1")]),
    "a.eml": (coloured_message("See the picture.", "blue"), [("blue", "attachment photo.png")]),
    "a.zip": (
        coloured_archive(note_md=b"A note", photo_png=coloured("red"), a_docx=coloured_word("Text", "green")),
        [("red", "a.zip!photo.png"), ("green", "a.zip!a.docx")],
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_figures_about_which_nothing_is_said_have_pixels_and_a_place(name: str) -> None:
    data, expected = FORMATS[name]
    assert shown(name, data) == expected
    with_pixels, without = read_as(name, data), read_as(name, data, None)
    assert with_pixels.chunks == without.chunks
    assert without.figures == ()
    assert with_pixels.left_out == without.left_out
    assert all(each.start == each.end for each in with_pixels.figures)


def test_what_is_said_about_a_figure_is_its_chunk() -> None:
    data = coloured_pdf(("First page", ["red", "blue"]), captions={"blue": "Figure 7: A pump"})
    result = read_as("a.pdf", data)
    red, blue = result.figures
    assert (red.chunk, red.start, red.end) == (0, red.end, red.start)
    assert result.chunks is not None
    said = result.chunks[blue.chunk]
    assert said.text == "Figure 7: A pump"
    assert (blue.start, blue.end) == (said.start_char, said.end_char)
    assert said.heading == " > ".join(blue.titles) == "figure 2"
    assert blue.line == said.start_line


def test_a_document_of_pictures_alone_has_no_chunks() -> None:
    result = read_as("scan.pdf", coloured_pdf(("", ["red"]), ("", ["blue"])))
    assert result.chunks == []
    assert [(each.page, each.chunk, each.start, each.line) for each in result.figures] == [(1, 0, 0, 1), (2, 0, 0, 1)]
    assert result.left_out == ("only pictures on pages 1-2 (OCR reads them)",)


def test_icons_and_equal_pictures_are_shown_once() -> None:
    slides = coloured_slides(("One", ["red"]), ("Two", ["red", "blue"]))
    assert shown("a.pptx", slides) == [("red", "slide 1, figure 1"), ("blue", "slide 2, figure 2")]


def test_a_document_has_a_bounded_number_of_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_pixels, "MOST_FIGURES", 2)
    for name in ("report.pdf", "talk.pptx"):
        result = read_as(name, FORMATS[name][0])
        assert len(result.figures) == 2
        assert "what figures show after the first 2, because there are too many" in result.left_out
    archive = coloured_archive(a_png=coloured("red"), b_docx=coloured_word("Text", "green", "blue"), c_md=b"Note")
    result = read_as("a.zip", archive)
    assert len(result.figures) == 2
    assert result.left_out == ("what figures show after the first 2, because there are too many",)
    assert [chunk.text for chunk in result.chunks or ()] == ["Text", "Note"]
    one = 16 * 16 * 3
    monkeypatch.setattr(figure_pixels, "MOST_FIGURES", 100)
    monkeypatch.setattr(figure_pixels, "MOST_BYTES", 3 * one)
    assert len(read_as("report.pdf", REPORT).figures) == 3


def test_figures_have_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_pixels, "SECONDS", -1.0)
    result = read_as("a.docx", FORMATS["a.docx"][0])
    assert result.left_out == ("what figures show after the first 0, because no time was left",)
    assert [chunk.text for chunk in result.chunks or ()] == ["Text"]


def test_damaged_pictures_cost_themselves_only() -> None:
    slides = coloured_slides(("One", ["red", "blue"]))
    media = {"ppt/media/red.png": coloured("red")[:200]}
    result = read_as("a.pptx", with_members(slides, media))
    assert [colour_of(each) for each in result.figures] == ["blue"]
    assert result.left_out == ("what a figure shows, because of damaged or too many pixels",)


def test_pixels_count_as_memory() -> None:
    result = read_as("report.pdf", REPORT)
    assert result.memory - read_as("report.pdf", REPORT, None).memory == 4 * 16 * 16 * 3
    assert ColourModel().pixel_format == FORM
