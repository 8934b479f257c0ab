"""Figures in RTF, FB2, notebooks, saved web pages and spreadsheets, and pictures in messages and archives."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from vsearch_core.model import Document
from vsearch_core.text.extract import attachments, figures
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.registry import extract

pytest.importorskip("PIL")

from figure_files import DOT, OTHER, PICTURE, places, taken_out, with_members
from packages import pack, relations, xlsx
from pictures import drawn, exif, png

OCR = ExtractOptions(ocr=True)
CUT = drawn("PNG", size=(500, 500))[:-60]


def encoded(data: bytes) -> str:
    return base64.encodebytes(data).decode()


# RTF


def pict(data: bytes, text: str = "", kind: str = "pngblip") -> str:
    about = rf"{{\*\picprop\shplid1025{{\sp{{\sn wzName}}{{\sv n}}}}{{\sp{{\sn wzDescription}}{{\sv {text}}}}}}}"
    digits = data.hex()
    lines = "\n".join(digits[at : at + 128] for at in range(0, len(digits), 128))
    return rf"{{\pict{about if text else ''}\picw9\{kind}\bliptag7{{\*\blipuid 0123abcd}}{lines}}}"


def rtf(body: str) -> Document:
    styles = r"{\stylesheet{\s1 heading 1;}{\s18 caption;}}"
    return extract("a.rtf", (r"{\rtf1\ansi" + styles + body + "}").encode())


def test_figures_of_rtf_come_last_with_their_descriptions_and_captions() -> None:
    body = r"{\pard\s1 Mills\par}\pard One {\*\shppict " + pict(PICTURE, "A mill") + r"}{\nonshppict " + pict(PICTURE)
    body += r"} two\par\pard " + pict(OTHER, kind="jpegblip") + r"\par\pard\par{\pard\s18 Figure 1: A weir\par}"
    body += r"{\pard\s18 No caption\par}\pard " + pict(DOT, "A bell") + r"\par End\par"
    assert places(rtf(body), "a.rtf") == [
        (None, "Mills One two No caption End"),
        ("figure 1", "A mill"),
        ("figure 2", "Figure 1: A weir"),
    ]


@pytest.mark.parametrize("is_before", [True, False])
def test_pictures_of_shapes_in_rtf(is_before: bool) -> None:
    parts = [rf"{{\sp{{\sn pib}}{{\sv {pict(PICTURE)}}}}}", r"{\sp{\sn wzDescription}{\sv A m\'fchle}}"]
    shape = rf"{{\shp{{\*\shpinst{''.join(parts[::-1] if is_before else parts)}}}{{\shprslt {pict(OTHER)}}}}}"
    body = rf"x{shape}\par{{\header {pict(OTHER, 'A logo')}}}{pict(PICTURE)}\par"
    assert places(rtf(body), "a.rtf") == [(None, "x"), ("figure 1", "A mühle")]


def test_binary_pictures_of_rtf(words: list[tuple[int, int]]) -> None:
    data = rb"{\rtf1 a{\pict\pngblip\bin%d " % len(PICTURE) + PICTURE + b"} b}"
    assert places(extract("a.rtf", data, OCR), "a.rtf") == [(None, "a b"), ("figure 1", "EXIT")]
    assert words == [(200, 100)]


@pytest.mark.parametrize(
    "body",
    [
        pict(PICTURE, "x", "emfblip"),
        pict(b"no picture", "x"),
        pict(PICTURE[:20], "x"),
        r"{\pict\pngblip 8}",
        r"{\pict\pngblip xyz}",
        r"{\pict\pngblip\bin99999999 }",
        r"{\pict\pngblip\bin-5 }",
        r"{\pict\pngblip",
        r"{\sp{\sn wzDescription}{\sv lost}}",
    ],
)
def test_pictures_of_rtf_that_are_none_cost_themselves_only(body: str) -> None:
    found = places(rtf(r"Text\par " + body), "a.rtf")
    assert found == [(None, "Text")]


# FB2


def fb2(body: str, pictures: Mapping[str, bytes]) -> Document:
    kept = "".join(
        f'<binary content-type="image/png" id="{name}">{encoded(data)}</binary>\n' for name, data in pictures.items()
    )
    head = "<?xml version='1.0'?>\n<FictionBook xmlns:l='x'><description><book-title>T</book-title></description>\n"
    return extract("a.fb2", f"{head}<body>{body}</body>\n{kept}</FictionBook>".encode())


def test_figures_of_a_book_stand_below_their_title_and_have_their_line() -> None:
    body = (
        "<section><title><p>Mills</p></title>\n<p>One</p>\n<image l:href='#a' alt='A mill' title='Seen from below'/>\n"
    )
    body += (
        "<p>Two <image l:href='#d' alt='A bell'/></p></section>\n<image l:href='#b'/><image l:href='#gone' alt='No'/>"
    )
    document = fb2(body, {"a": PICTURE, "b": OTHER, "d": DOT})
    found = places(document, "a.fb2")
    assert [place for place, _ in found] == [None, "figure 1"]
    assert found[1][1] == "A mill Seen from below"
    assert " ".join(found[0][1].split()) == "T Mills One Two A bell No"
    assert document.spans[-1].heading == ("Mills", "figure 1")
    assert document.lines is not None
    assert document.lines[document.text[: document.spans[-1].start].count("\n")] == 5
    assert len(document.lines) == document.text.count("\n") + 1


def test_words_in_the_figures_of_a_book(words: list[tuple[int, int]]) -> None:
    binary = f"<binary id='a'>{encoded(PICTURE)}</binary>"
    source = f"<FictionBook><body><p>x</p><image l:href='#a'/></body>{binary}</FictionBook>"
    document = extract("a.fb2", source.encode(), OCR)
    assert places(document, "a.fb2") == [(None, "x"), ("figure 1", "EXIT")]
    assert document.boxes is not None
    assert len(document.boxes) == len(words) == 1


# Notebooks


def notebook(*cells: dict[str, Any]) -> bytes:
    return json.dumps({"cells": list(cells), "metadata": {}}).encode()


def shown(data: bytes, kind: str = "image/png", alt: str = "", *, as_lines: bool = False) -> dict[str, Any]:
    text = encoded(data)
    value = text.splitlines(keepends=True) if as_lines else text
    return {"output_type": "display_data", "data": {kind: value}, "metadata": {kind: {"alt": alt}} if alt else {}}


def test_figures_of_a_notebook_follow_their_cell(words: list[tuple[int, int]]) -> None:
    mark: dict[str, Any] = {"cell_type": "markdown", "source": "# Mills\n![A weir](attachment:b%20b.jpg)"}
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "source": "draw()", "outputs": [shown(PICTURE, alt="A mill", as_lines=True), shown(DOT)]},
        {**mark, "attachments": {"b b.jpg": {"image/jpeg": encoded(OTHER)}}},
        {"cell_type": "code", "source": "", "outputs": [{"output_type": "display_data", "png": encoded(CUT)}]},
    ]
    plain = extract("a.ipynb", notebook(*cells))
    assert places(plain, "a.ipynb") == [
        ("cell 1", "draw()"),
        ("cell 1, figure 1", "A mill"),
        ("cell 2", "# Mills ![A weir](attachment:b%20b.jpg)"),
        ("cell 2, figure 1", "A weir"),
    ]
    document = extract("a.ipynb", notebook(*cells), OCR)
    assert places(document, "a.ipynb")[1] == ("cell 1, figure 1", "A mill EXIT")
    assert document.left_out == ("can't recognise words in damaged or too many pixels of cell 3, figure 1",)
    assert words == [(200, 100), (120, 110)]


@pytest.mark.parametrize("value", [7, None, [], ["x"], "", "embedded-picture:9", {"a": 1}, "iVBOR", ["iVBOR", 7]])
def test_outputs_that_are_no_pictures_cost_themselves_only(value: object) -> None:
    output = {"output_type": "display_data", "data": {"image/png": value, "text/plain": "a plot"}, "metadata": {"x": 7}}
    cell = {"cell_type": "code", "source": "draw()", "outputs": [output], "attachments": {"a": value}}
    assert places(extract("a.ipynb", notebook(cell)), "a.ipynb") == [("cell 1", "draw() a plot")]


# Messages, saved web pages and archives


def part(kind: str, data: bytes, **headers: str) -> str:
    lines = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: base64\n{lines}\n{encoded(data)}\n--B\n"


def message(*parts: str, head: str = "Subject: S\nFrom: a@x.org\n") -> bytes:
    return (
        f"{head}Content-Type: multipart/related; boundary=B\n\n--B\n{''.join(parts)}".removesuffix("\n").encode()
        + b"--\n"
    )


def test_figures_of_a_saved_web_page() -> None:
    page = b"<h1>Mills</h1><p>Text</p><img src='img/a.png' alt='A mill'><img src='cid:two@x' alt='A weir'>"
    page += b"<img src='http://elsewhere.org/c.png' alt='Nowhere'><img src='img/d.png' alt='A bell'>"
    data = message(
        part("text/html", page, Content_Location="http://x.org/p/page.html"),
        part("image/png", PICTURE, Content_Location="http://x.org/p/img/a.png"),
        part("image/jpeg", OTHER, Content_ID="<two@x>"),
        part("image/png", DOT, Content_Location="http://x.org/p/img/d.png"),
    )
    assert places(extract("a.mhtml", data), "a.mhtml") == [
        (None, "Mills Text Nowhere A bell"),
        ("figure 1", "A mill"),
        ("figure 2", "A weir"),
    ]


def test_pictures_of_a_message_are_attachments(words: list[tuple[int, int]]) -> None:
    described = drawn("JPEG", size=(120, 110), exif=exif({0x010E: "A heron"}))
    data = message(
        part("text/plain", b"Words"),
        part("image/png; name=a.png", PICTURE, Content_Disposition="attachment"),
        part("image/jpeg", described, Content_ID="<x>"),
        part("image/png; name=dot.png", DOT),
        part("image/png; name=again.png", PICTURE),
        part("application/octet-stream; name=b.jpg", OTHER),
        part("image/svg+xml; name=c.svg", b"<svg/>"),
    )
    assert places(extract("a.eml", data), "a.eml")[1:] == [("attachment image/jpeg", "A heron")]
    found = places(extract("a.eml", data, OCR), "a.eml")
    assert found[0][1].endswith("Words Attachments: a.png, image/jpeg, dot.png, again.png, b.jpg, c.svg")
    assert found[1:] == [
        ("attachment b.jpg", "EXIT"),
        ("attachment a.png", "EXIT"),
        ("attachment image/jpeg", "A heron EXIT"),
    ]
    assert words == [(120, 110), (200, 100), (120, 110)]


def test_a_picture_in_many_messages_is_read_once(words: list[tuple[int, int]]) -> None:
    one = message(part("text/plain", b"Words"), part("image/png; name=logo.png", PICTURE)).decode()
    box = "".join(f"From a Mon Feb  5 10:00:00 2024\n{one}\n" for _ in range(3)).encode()
    found = [place for place, _ in places(extract("a.mbox", box, OCR), "a.mbox")]
    assert found.count("message 1, attachment logo.png") == 1
    assert [place for place in found if place and "attachment" in place] == ["message 1, attachment logo.png"]
    assert len(words) == 1


def test_there_is_a_most_number_of_pictures_in_messages(
    monkeypatch: pytest.MonkeyPatch, words: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(attachments, "MAX_PICTURES", 2)
    parts = [part(f"image/png; name={at}.png", drawn("PNG", size=(200, 100 + at))) for at in range(4)]
    document = extract("a.eml", message(part("text/plain", b"Words"), *parts), OCR)
    assert document.left_out == ("pictures after the first 2, because there are too many",)
    assert len(words) == 2


def test_pages_of_a_comic_book_are_files_in_an_archive(words: list[tuple[int, int]]) -> None:
    document = extract("a.cbz", pack({"001.png": PICTURE, "002.jpg": OTHER, "003.png": CUT}), OCR)
    assert places(document, "a.cbz") == [("a.cbz!001.png", "EXIT"), ("a.cbz!002.jpg", "EXIT")]
    assert words == [(200, 100), (120, 110)]


# Spreadsheets


def test_figures_of_a_workbook_have_the_rows_that_they_begin_at() -> None:
    anchor = "<anchor><from><row>{}</row></from><pic><cNvPr descr='{}'/><blip xmlns:r='r' r:embed='{}'/></pic>"
    anchor += "</anchor>"
    shape = "<anchor><from><row>0</row></from><sp><cNvPr descr='A shape'/></sp></anchor>"
    shapes = shape + anchor.format(1, "A mill", "a") + anchor.format(4, "A bell", "d")
    rows = '<row r="1"><c r="A1" t="str"><v>one</v></c></row>'
    data = xlsx({"My rows": rows}, parts={("drawing", "drawing"): f"<x>{shapes}</x>"})
    related = relations({"a": ("image", "../media/a.png"), "d": ("image", "../media/d.png")})
    media: dict[str, str | bytes] = {
        "xl/media/a.png": PICTURE,
        "xl/media/d.png": DOT,
        "xl/parts/_rels/drawing.xml.rels": related,
    }
    document = extract("a.xlsx", with_members(data, media))
    assert places(document, "a.xlsx") == [
        ("'My rows'!1:5", "My rows one A shape A bell"),
        ("'My rows'!2:2, figure 1", "A mill"),
    ]


# All of them


FILES: dict[str, Callable[[bytes], bytes]] = {
    "rtf": lambda data: (r"{\rtf1 Body.\par " + pict(data, "A mill") + "}").encode(),
    "fb2": lambda data: (
        f"<FictionBook><p>Body.</p><image href='#a'/><binary id='a'>{encoded(data)}</binary></FictionBook>".encode()
    ),
    "ipynb": lambda data: notebook({"cell_type": "code", "source": "Body.", "outputs": [shown(data)]}),
    "mhtml": lambda data: message(
        part("text/html", b"<p>Body.<img src='cid:a'>"), part("image/png", data, Content_ID="<a>")
    ),
    "eml": lambda data: message(part("text/plain", b"Body."), part("image/png; name=a.png", data)),
    "cbz": lambda data: pack({"a.png": data, "b.txt": "Body."}),
    "xlsx": lambda data: with_members(
        xlsx(
            {"S": '<row r="1"><c r="A1" t="str"><v>Body.</v></c></row>'},
            parts={("drawing", "drawing"): "<x><pic><blip r:embed='a' xmlns:r='r'/></pic></x>"},
        ),
        {"xl/media/a": data, "xl/parts/_rels/drawing.xml.rels": relations({"a": ("image", "../media/a")})},
    ),
}
HOSTILE: dict[str, Callable[[], bytes]] = {
    "bomb": lambda: png(size=(60_000, 60_000)),
    "truncated": lambda: CUT,
    "cut header": lambda: PICTURE[:20],
    "no picture": lambda: b"GIF89a",
    "program": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 200\n",
}


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("suffix", FILES)
def test_pictures_of_figures_are_taken_out_again(suffix: str) -> None:
    is_part_of_another_file = suffix in {"eml", "cbz"}
    found = taken_out(f"a.{suffix}", FILES[suffix](PICTURE), OCR)
    assert list(found.values()) == ([] if is_part_of_another_file else [(200, 100)])


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_picture_costs_itself_only(suffix: str, kind: str, words: list[tuple[int, int]]) -> None:
    document = extract(f"a.{suffix}", FILES[suffix](HOSTILE[kind]()), OCR)
    assert "Body." in document.text
    assert "EXIT" not in document.text
    assert words == []
    assert len(document.left_out) <= 1


@pytest.mark.parametrize("suffix", FILES)
def test_an_index_with_recognised_words_knows_that_a_file_has_none(suffix: str, words: list[tuple[int, int]]) -> None:
    document = extract(f"a.{suffix}", FILES[suffix](DOT), OCR)
    if suffix != "cbz":  # where an icon is a file of its own
        assert (document.boxes, words) == ((), [])
    assert extract(f"a.{suffix}", FILES[suffix](DOT)).boxes is None


def test_a_picture_that_is_shown_without_end_is_shown_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_MAX_SHOWN", 3)
    data = (
        "<FictionBook>" + "<image href='#a' alt='A mill'/>" * 9 + f"<binary id='a'>{encoded(PICTURE)}</binary>"
    ).encode()
    document = extract("a.fb2", data)
    assert document.text.count("A mill") == 1 + 6
    assert document.left_out == ("pictures after the first 1, because there are too many",)
