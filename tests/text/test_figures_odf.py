"""Figures in OpenDocument files: their places, titles, descriptions and captions, and pictures that are hostile."""

import base64
from collections.abc import Mapping

import pytest

from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.registry import extract, place_of

pytest.importorskip("PIL")

from figure_files import DOT, OTHER, PICTURE, places, taken_out, with_members
from packages import flat_odf, odf

OCR = ExtractOptions(ocr=True)


def frame(href: str, title: str = "", text: str = "", inside: str = "") -> str:
    about = "".join(f"<svg:{tag} xmlns:svg='s'>{each}</svg:{tag}>" for tag, each in (("title", title), ("desc", text)))
    image = f'<draw:image xmlns:xlink="x" xlink:href="{href}">{inside}<text:p/></draw:image>'
    return f"<draw:frame>{image}{about}</draw:frame>"


def file(kind: str, body: str, media: Mapping[str, bytes]) -> bytes:
    return with_members(odf(kind, body), {f"Pictures/{name}": data for name, data in media.items()})


MEDIA = {"a.png": PICTURE, "b b.jpg": OTHER, "dot.png": DOT}


def test_figures_of_a_text_come_last_with_their_texts_and_captions() -> None:
    number = '<text:sequence text:name="Figure">1</text:sequence>'
    box = f"<draw:frame><draw:text-box><text:p>{frame('./Pictures/a.png', 'Mill')}Figure {number}: From the left"
    body = f"<text:h>Mills</text:h><text:p>See {box}</text:p></draw:text-box></draw:frame> above.</text:p>"
    body += f"<text:p>{frame('Pictures/b%20b.jpg', 'weir.png', 'A weir')}</text:p><text:p/>"
    body += f"<text:p>Figure {number}: From the right</text:p><text:p>{frame('Pictures/dot.png', 'A bell')}</text:p>"
    body += f"<text:p>Table {number} has no picture</text:p>"
    assert places(extract("a.odt", file("text", body, MEDIA)), "a.odt") == [
        (None, "Mills See above. (A bell) Table 1 has no picture"),
        ("figure 1", "Mill Figure 1: From the left"),
        ("figure 2", "A weir Figure 1: From the right"),
    ]


def test_figures_of_a_text_follow_their_page() -> None:
    turn = "<text:soft-page-break/>"
    body = f"<text:p>One</text:p>{turn}<text:p>{frame('Pictures/a.png', 'A mill')}</text:p><text:p>Two</text:p>"
    body += f"{turn}<text:p>Three</text:p>"
    assert places(extract("a.odt", file("text", body, MEDIA)), "a.odt") == [
        ("page 1", "One Two"),
        ("page 2, figure 1", "A mill"),
        ("page 3", "Three"),
    ]


def test_figures_of_slides_and_their_words(words: list[tuple[int, int]]) -> None:
    title = '<draw:frame presentation:class="title"><draw:text-box><text:p>Mills</text:p></draw:text-box></draw:frame>'
    body = f"<draw:page>{title}{frame('Pictures/a.png')}{frame('Pictures/dot.png', 'A bell')}</draw:page>"
    body += f"<draw:page>{frame('Pictures/a.png')}{frame('Pictures/b b.jpg', 'A weir')}</draw:page>"
    document = extract("a.odp", file("presentation", body, MEDIA), OCR)
    assert places(document, "a.odp") == [
        ("slide 1", "Mills A bell"),
        ("slide 1, figure 1", "EXIT"),
        ("slide 2, figure 2", "A weir EXIT"),
    ]
    assert words == [(200, 100), (120, 110)]
    assert document.boxes is not None
    assert [box.page for box in document.boxes] == [1, 2]


def test_figures_of_a_sheet_have_the_rows_that_they_begin_at() -> None:
    cell = "<table:table-row><table:table-cell><text:p>{}</text:p>{}</table:table-cell></table:table-row>"
    sheet = '<table:table table:name="{}"><table:shapes>{}</table:shapes>{}</table:table>'
    rows = cell.format("one", "") + cell.format("two", frame("Pictures/a.png", "A mill"))
    body = sheet.format("My rows", frame("Pictures/dot.png"), rows)
    body += sheet.format("Empty", frame("Pictures/b b.jpg", "A weir"), "")
    document = extract("a.ods", file("spreadsheet", body, MEDIA))
    assert places(document, "a.ods") == [
        ("'My rows'!1:2", "My rows one two"),
        ("'My rows'!2:2, figure 1", "A mill"),
        ("Empty!1:1", "Empty"),
        ("Empty!1:1, figure 1", "A weir"),
    ]
    assert place_of("a.ods", 1, "figure 1", (1, 2)) == "'figure 1'!1:2"  # the name of a sheet


@pytest.mark.parametrize("data", [PICTURE, OTHER, DOT, b"no picture", PICTURE[:20]])
def test_flat_files_have_their_pictures_in_base64(data: bytes) -> None:
    encoded = base64.encodebytes(data).decode()
    binary = f"<office:binary-data>{encoded}</office:binary-data>"
    body = f"<text:p>Text {frame('', 'A mill', inside=binary)}</text:p>"
    found = places(extract("a.fodt", flat_odf("text", body)), "a.fodt")
    assert found == (
        [(None, "Text"), ("figure 1", "A mill")] if data in {PICTURE, OTHER} else [(None, "Text (A mill)")]
    )


@pytest.mark.parametrize("href", ["../Pictures/a.png", "/Pictures/a.png", "http://x.org/a.png", "gone.png", "", "."])
def test_pictures_that_are_no_members_are_none(href: str) -> None:
    body = f"<text:p>Text {frame(href, 'A mill')}</text:p>"
    assert places(extract("a.odt", file("text", body, MEDIA)), "a.odt") == [(None, "Text (A mill)")]


def test_the_first_picture_of_a_frame_that_can_be_read_is_its_figure() -> None:
    shown = '<draw:image xmlns:xlink="x" xlink:href="Pictures/a.png"/>'
    one = frame("Pictures/chart.svm", "A chart").replace("</draw:frame>", f"{shown}</draw:frame>")
    body = f"<text:p>{one}</text:p>"
    media = {**MEDIA, "chart.svm": b"VCLMTF"}
    assert places(extract("a.odt", file("text", body, media)), "a.odt") == [("figure 1", "A chart")]


def test_pictures_of_deleted_text_and_headers_are_left_out() -> None:
    deleted = f"<text:tracked-changes><text:p>{frame('Pictures/a.png', 'A mill')}</text:p></text:tracked-changes>"
    assert places(extract("a.odt", file("text", f"{deleted}<text:p>x</text:p>", MEDIA)), "a.odt") == [(None, "x")]


def test_pictures_of_figures_are_taken_out_again() -> None:
    turn = "<text:soft-page-break/>"
    body = f"<text:p>{frame('Pictures/a.png', 'A mill')}</text:p>{turn}<text:p>Two"
    body += f"{frame('Pictures/b%20b.jpg', 'A weir')}</text:p>"
    sizes = taken_out("a.odt", file("text", body, MEDIA))
    assert sizes == {"page 1, figure 1": (200, 100), "page 2, figure 1": (120, 110)}
