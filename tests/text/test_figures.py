"""Pictures inside documents: their places, their texts, the words in them, and pictures that are hostile."""

import base64
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vsearch_core.model import Document
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract import figures, recognition
from vsearch_core.text.extract.linked_pictures import linked_path
from vsearch_core.text.extract.options import ExtractOptions, WantedFigure
from vsearch_core.text.extract.registry import extract, place_of
from vsearch_core.text.files import FileToRead
from vsearch_core.text.reading import read

pytest.importorskip("PIL")

from figure_files import DOT, ICON, OTHER, PICTURE, places, taken_out, with_members
from packages import docx, epub, pptx, relations, shape
from pictures import drawn, png
from samples import pdf, stream

OCR = ExtractOptions(ocr=True)


# Word


def drawing(relation: str, text: str = "", own: str = "") -> str:
    return (
        f'<w:drawing xmlns:wp="wp" xmlns:pic="pic" xmlns:r="r"><wp:inline><wp:docPr id="1" name="p" descr="{text}"/>'
        f'<pic:cNvPr id="2" name="q" descr="{own}"/><a:blip r:embed="{relation}"/></wp:inline></w:drawing>'
    )


def paragraph(inside: str = "", text: str = "", style: str = "") -> str:
    style = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{style}<w:r>{inside}<w:t>{text}</w:t></w:r></w:p>"


def word(body: str, media: Mapping[str, bytes]) -> bytes:
    names = {"C": "caption", "H": "heading 1"}
    styles = "".join(f'<w:style w:styleId="{key}"><w:name w:val="{name}"/></w:style>' for key, name in names.items())
    related = {"s": ("styles", "styles.xml"), **{name: ("image", f"media/{name}") for name in media}}
    members: dict[str, str | bytes] = {"word/_rels/document.xml.rels": relations(related)}
    members |= {f"word/media/{name}": data for name, data in media.items()}
    return with_members(docx(body, styles), members)


def test_figures_of_a_word_document_without_pages_come_last_and_have_their_captions() -> None:
    body = paragraph(text="Pumps", style="H") + paragraph(drawing("a", "A pump")) + paragraph()
    body += paragraph(text="Figure 1: Seen from the left", style="C") + paragraph(text="Body.")
    body += paragraph(drawing("i", "An icon")) + paragraph(drawing("b", "pump.png", "A valve")) + paragraph(text="End.")
    body += paragraph(text="Table 1: No picture", style="C")
    data = word(body, {"a": PICTURE, "b": OTHER, "i": ICON})
    document = extract("a.docx", data)
    assert places(document, "a.docx") == [
        (None, "Pumps Body. An icon End. Table 1: No picture"),
        ("figure 1", "A pump Figure 1: Seen from the left"),
        ("figure 2", "A valve"),
    ]
    assert {span.heading for span in document.spans} == {("Pumps",), ("Pumps", "figure 1"), ("Pumps", "figure 2")}
    assert (document.boxes, document.left_out) == (None, ())


def test_figures_of_a_word_document_follow_their_page() -> None:
    turn = "<w:lastRenderedPageBreak/>"
    body = paragraph(drawing("a", "A pump"), "First.") + paragraph(turn, "Second.") + paragraph(drawing("b", "A valve"))
    body += paragraph(drawing("a", "A pump")) + paragraph(turn + drawing("b", "A gauge"), "Third.")
    document = extract("a.docx", word(body, {"a": PICTURE, "b": OTHER}))
    assert places(document, "a.docx") == [
        ("page 1", "First."),
        ("page 1, figure 1", "A pump"),
        ("page 2", "Second."),
        ("page 2, figure 1", "A valve"),
        ("page 3", "Third."),
        ("page 3, figure 1", "A gauge"),
    ]
    assert document.text.count("\f") == 2


def test_old_pictures_of_a_word_document_are_figures() -> None:
    old = '<w:pict xmlns:v="v" xmlns:r="r"><v:shape alt="A mill"><v:imagedata r:id="a"/></v:shape></w:pict>'
    old += '<w:pict xmlns:v="v" xmlns:r="r"><v:shape alt="A weir"><v:imagedata r:id="gone"/></v:shape></w:pict>'
    assert places(extract("a.docx", word(paragraph(old), {"a": PICTURE})), "a.docx") == [
        (None, "A weir"),
        ("figure 1", "A mill"),
    ]


def test_words_in_figures_follow_their_texts_with_their_places(words: list[tuple[int, int]]) -> None:
    body = paragraph(drawing("a", "EXIT of the mill"), "Body.") + paragraph(drawing("b")) + paragraph(drawing("a"))
    document = extract("a.docx", word(body, {"a": PICTURE, "b": OTHER}), OCR)
    assert places(document, "a.docx") == [
        (None, "Body."),
        ("figure 1", "EXIT of the mill EXIT"),
        ("figure 2", "EXIT"),
    ]
    assert document.boxes is not None
    assert [document.text[box.start : box.end] for box in document.boxes] == ["EXIT", "EXIT"]
    assert document.text.count("EXIT", 0, document.boxes[0].start) == 1
    assert words == [(200, 100), (120, 110)]  # the same picture is looked at once


@pytest.mark.parametrize("suffix", ["docx", "pptx", "epub", "html", "pdf"])
def test_an_index_with_recognised_words_knows_that_a_document_has_none(
    suffix: str, words: list[tuple[int, int]]
) -> None:
    data = {"docx": docx(paragraph(text="x")), "pptx": pptx(shape("x")), "epub": epub({"a.html": "x"}), "html": b"x"}
    document = extract(f"a.{suffix}", data.get(suffix, pages(TYPED)), OCR)
    assert (document.boxes, words) == ((), [])
    assert extract(f"a.{suffix}", data.get(suffix, pages(TYPED))).boxes is None


# PowerPoint


def picture(relation: str, text: str = "") -> str:
    return f'<p:pic><p:cNvPr id="4" name="n" descr="{text}"/><a:blip r:embed="{relation}"/></p:pic>'


def test_figures_of_slides() -> None:
    first = f'<p:bg><a:blip r:embed="b"/></p:bg>{shape("Mills", kind="title")}{picture("a", "A mill")}{shape("Text")}'
    first += picture("i", "A bell") + '<p:sp><p:cNvPr descr="Inline"/><a:blip r:embed="b"/></p:sp>'
    first += picture("b", "A weir")
    data = pptx(first, shape("Two"))
    related = relations({"a": ("image", "../media/a.png"), "b": ("image", "../media/b"), "i": ("image", "../media/i")})
    media = {"ppt/media/a.png": PICTURE, "ppt/media/b": OTHER, "ppt/media/i": DOT}
    document = extract("a.pptx", with_members(data, {"ppt/slides/_rels/s2.xml.rels": related, **media}))
    assert places(document, "a.pptx") == [
        ("slide 1", "Mills Text A bell Inline"),
        ("slide 1, figure 1", "A mill"),
        ("slide 1, figure 3", "A weir"),
        ("slide 2", "Two"),
    ]
    assert document.spans[1].heading == ("Mills", "figure 1")


# Books and HTML


def test_figures_of_books_are_found_from_the_folder_of_their_section() -> None:
    sections = {
        "text/a.html": '<p>One<img src="../images/a%20b.png?x#y" alt="A mill"></p>',
        "text/b.html": '<p>Two</p><img src="images/a.png" alt="Missing"><img src="../images/c.jpg" alt="A weir">'
        '<img src="../images/c.jpg" alt="A weir"><img src="../../../c.jpg" alt="Outside">',
    }
    data = with_members(epub(sections), {"OPS/images/a b.png": PICTURE, "OPS/images/c.jpg": OTHER, "c.jpg": PICTURE})
    assert places(extract("a.epub", data), "a.epub") == [
        ("section 1", "One"),
        ("section 1, figure 1", "A mill"),
        ("section 2", "Two Missing Outside"),
        ("section 2, figure 1", "A weir"),
    ]


def page(folder: Path, body: str, *, ocr: bool = False) -> Document:
    """Write a page into a folder and read it from there."""
    path = folder / "page.html"
    path.write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return extract("page.html", path.read_bytes(), ExtractOptions(folder=folder, ocr=ocr))


def test_figures_of_a_page_have_their_texts_and_lines(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a.png").write_bytes(PICTURE)
    (tmp_path / "b.JPG").write_bytes(OTHER)
    (tmp_path / "dot.png").write_bytes(DOT)
    body = """<h1>Mills</h1><p>Body <img src="dot.png" alt="A bell"> text.
<figure><picture><img src="files/a.png" alt="A mill" title="By Ann"></picture>
<figcaption>Seen from <b>the</b> weir</figcaption></figure>
<h2>Weirs</h2><table><tr><td>cell</td><td><img src="dot.png" data-src="b.JPG" alt="A weir"></td></tr></table>
<figure><img src="http://example.org/c.png" alt="Elsewhere"><figcaption>Far away</figcaption></figure>"""
    document = page(tmp_path, body)
    assert places(document, "page.html") == [
        (None, "Mills Body A bell text. Weirs cell | Elsewhere Far away"),
        ("figure 1", "A mill By Ann Seen from the weir"),
        ("figure 2", "A weir"),
    ]
    assert [chunk.start_line for chunk in split(document, ChunkOptions())] == [1, 2, 4]
    assert [span.heading for span in document.spans][-2:] == [("Mills", "figure 1"), ("Mills", "Weirs", "figure 2")]


def test_a_page_of_pictures_alone_has_a_text(tmp_path: Path, words: list[tuple[int, int]]) -> None:
    (tmp_path / "a.png").write_bytes(PICTURE)
    body = '<nav><a href="x">Menu</a></nav><img src="a.png"><img src="a.png" alt="A mill">'
    assert places(page(tmp_path, body), "page.html") == [("figure 2", "A mill")]
    assert places(page(tmp_path, body, ocr=True), "page.html") == [("figure 1", "EXIT"), ("figure 2", "A mill")]


@pytest.mark.parametrize("quote", ['"', "'", ""])
def test_embedded_pictures_are_figures(quote: str, tmp_path: Path) -> None:
    encoded = base64.b64encode(PICTURE).decode()
    url = f"{quote}data:image/png;charset=x;base64,{encoded}{quote}"
    broken = f"'data:image/png;base64,{encoded[:200]}\n {encoded[200:]}'"
    body = f"<p>Text<img src={url} alt='A mill'></p>\n<img alt='A weir' src={broken}><p>Last"
    document = page(tmp_path, body)
    assert places(document, "page.html") == [(None, "Text Last"), ("figure 1", "A mill"), ("figure 2", "A weir")]
    assert "embedded" not in document.text
    assert [chunk.start_line for chunk in split(document, ChunkOptions())] == [1, 1, 3]  # a tag's line is its last


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,",
        "data:image/png;base64,AAAA",
        "data:image/png;base64,A",
        "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode(),
        "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" * 99).decode(),
        "embedded-picture:0",
        "embedded-picture:-1",
        "embedded-picture:99999999999999999999",
    ],
)
def test_embedded_pictures_that_are_none_cost_themselves_only(url: str, tmp_path: Path) -> None:
    assert places(page(tmp_path, f"<p>Text<img src='{url}' alt='A mill'>"), "page.html") == [(None, "Text A mill")]


SOURCES = [
    *("../secret.png", "files/../../secret.png", "..%2fsecret.png", "%2e%2e/secret.png", "..\\secret.png"),
    *("/secret.png", "//secret.png", "file:secret.png", "file:///secret.png", "link.png", "linked/secret.png"),
    *(".hidden/secret.png", ".secret.png", "secret.png%00.png", "secret.txt", "pipe.png", "folder.png"),
    "C:\\secret.png",
    *("http://localhost/secret.png", "ftp://x/secret.png", "javascript:secret.png", "missing.png", "x" * 5000 + ".png"),
]


@pytest.mark.parametrize("source", SOURCES)
def test_a_page_reads_no_file_outside_of_its_folder(source: str, tmp_path: Path, words: list[tuple[int, int]]) -> None:
    folder = tmp_path / "pages"
    for inner in ("files", ".hidden", "folder.png"):
        (folder / inner).mkdir(parents=True)
    outside = tmp_path / "secret.png"
    outside.write_bytes(PICTURE)
    for name in (".hidden/secret.png", ".secret.png", "secret.txt"):
        (folder / name).write_bytes(PICTURE)
    (folder / "link.png").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.png")
    absolute = source.replace("/secret.png", str(outside)) if source.startswith(("/", "file:///")) else source
    document = page(folder, f"<p>Text<img src='{absolute}' alt='A mill'>", ocr=True)
    assert (places(document, "page.html"), words) == ([(None, "Text A mill")], [])


@pytest.mark.parametrize(
    ("address", "folder", "path"),
    [
        ("a.png", "", "a.png"),
        ("./x/../a.png?b#c", "", "a.png"),
        ("b/é%20.webp", "t", "t/b/é .webp"),
        ("../a.gif", "t", "a.gif"),
        ("../../a.gif", "t", None),
        ("a.svg", "", None),
        ("mailto:a.png", "", None),
        ("", "", None),
    ],
)
def test_paths_of_linked_pictures(address: str, folder: str, path: str | None) -> None:
    assert linked_path(address, folder) == path


def test_a_page_that_is_no_file_reads_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(PICTURE)
    data = b"<p>Text<img src='a.png' alt='A mill'>"
    given = read(FileToRead("page.html", 0, data=data), ChunkOptions())
    assert given.chunks is not None
    assert [chunk.heading for chunk in given.chunks] == [None]
    (tmp_path / "page.html").write_bytes(data)
    from_file = read(FileToRead(str(tmp_path / "page.html"), 0), ChunkOptions())
    assert from_file.chunks is not None
    assert [chunk.heading for chunk in from_file.chunks] == [None, "figure 1"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("page.html", data)
        out.writestr("a.png", PICTURE)
    (tmp_path / "a.zip").write_bytes(archive.getvalue())
    packed = read(FileToRead(str(tmp_path / "a.zip"), 0), ChunkOptions())
    assert packed.chunks is not None
    assert [chunk.heading for chunk in packed.chunks] == ["page.html"]


# PDF


def image(width: int, height: int, grey: int = 90) -> bytes:
    entries = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /FlateDecode"
    size = b" /Width %d /Height %d" % (width, height)
    return stream(zlib.compress(bytes([grey]) * min(width * height, 1_000_000)), entries + size)


FORM = stream(
    b"q 100 0 0 100 10 10 cm /A Do Q",
    b"/Type /XObject /Subtype /Form /BBox [0 0 200 200] /Matrix [2 0 0 1 0 0] /Resources << /XObject << /A 5 0 R >> >>",
)


def pages(
    *contents: str, entries: bytes = b"", catalog: bytes = b"", more: tuple[bytes, ...] = (), picture: bytes = b""
) -> bytes:
    """Return a PDF of pages with these contents. /A and /B are pictures, /I is an icon, /C a form that draws /A.

    The pictures have 300 x 200 and 200 x 80 pixels; `picture` stands for /A. `more` begins at object 9.
    """
    first = 9 + len(more)
    kids = b" ".join(b"%d 0 R" % (first + 2 * number) for number in range(len(contents)))
    resources = b"/Resources << /Font << /F1 3 0 R >> /XObject << /A 5 0 R /B 6 0 R /I 7 0 R /C 8 0 R >> >>"
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"null",
        *(picture or image(300, 200), image(200, 80, 50), image(20, 20), FORM, *more),
    ]
    for number, content in enumerate(contents):
        own = b"/Contents %d 0 R %s" % (first + 2 * number + 1, entries)
        bodies.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] %s %s >>" % (resources, own))
        bodies.append(stream(content.encode("latin1")))
    return pdf(bodies)


def text(x: float, y: float, *lines: str) -> str:
    shown = " 0 -12 Td ".join(f"({line}) Tj" for line in lines)
    return f"BT /F1 10 Tf {x} {y} Td {shown} ET\n"


def shows(name: str, x: float, y: float, width: float, height: float) -> str:
    return f"q {width} 0 0 {height} {x} {y} cm /{name} Do Q\n"


TYPED = text(72, 700, "Typed text")
TREE = (
    b"<< /Type /StructTreeRoot /K 10 0 R /ParentTree 12 0 R >>",
    b"<< /Type /StructElem /S /Document /P 9 0 R /K [11 0 R] >>",
    b"<< /Type /StructElem /S /Figure /P 10 0 R /Pg 13 0 R /K 0 /Alt (A heron) >>",
    b"<< /Nums [0 [11 0 R]] >>",
)
TAGGED: dict[str, Any] = {
    "entries": b"/StructParents 0",
    "catalog": b"/StructTreeRoot 9 0 R /MarkInfo << /Marked true >>",
    "more": TREE,
}


def marked(drawing: str) -> str:
    return f"/Figure << /MCID 0 >> BDC\n{drawing}EMC\n"


@pytest.mark.parametrize(
    "drawing",
    [
        shows("A", 72, 400, 200, 150),
        shows("C", 72, 400, 1, 1),  # within a form
        "72 400 m 200 500 l S\n",  # no picture
        shows("B", 72, 400, 200, 40) + shows("B", 72, 440, 200, 40),
    ],
)
def test_alternative_texts_of_tagged_figures(drawing: str) -> None:
    assert places(extract("a.pdf", pages(TYPED + marked(drawing), **TAGGED)), "a.pdf") == [
        ("page 1", "Typed text"),
        ("page 1, figure 1", "A heron"),
    ]


def test_an_alternative_text_that_is_the_name_of_a_file_is_none() -> None:
    tagged = {**TAGGED, "more": (*TREE[:2], TREE[2].replace(b"A heron", b"heron.png"), TREE[3])}
    data = pages(TYPED + marked(shows("A", 72, 400, 200, 150)), **tagged)
    assert places(extract("a.pdf", data), "a.pdf") == [("page 1", "Typed text")]


def test_a_tagged_icon_is_no_figure() -> None:
    data = pages(TYPED + marked(shows("I", 72, 400, 200, 150)), **TAGGED)
    assert places(extract("a.pdf", data), "a.pdf") == [("page 1", "Typed text")]


def test_a_page_with_only_a_described_picture_has_a_text() -> None:
    document = extract("a.pdf", pages(marked(shows("A", 72, 400, 200, 150)), **TAGGED))
    assert places(document, "a.pdf") == [("page 1, figure 1", "A heron")]
    assert document.left_out == ("only pictures on page 1 (OCR reads them)",)


def test_captions_below_pictures_of_a_pdf() -> None:
    first = TYPED + shows("A", 72, 500, 200, 150) + text(72, 485, "Figure 3: A pump", "with two valves.")
    first += text(72, 440, "Body text that follows") + shows("I", 500, 700, 10, 10)
    second = shows("A", 72, 500, 200, 150) + shows("B", 340, 500, 200, 150) + text(340, 490, "Abb. 4 Ein Ventil")
    document = extract("a.pdf", pages(first, second, TYPED))
    assert places(document, "a.pdf") == [
        ("page 1", "Typed text Figure 3: A pump with two valves. Body text that follows"),
        ("page 1, figure 1", "Figure 3: A pump with two valves."),
        ("page 2", "Abb. 4 Ein Ventil"),
        ("page 2, figure 2", "Abb. 4 Ein Ventil"),
        ("page 3", "Typed text"),
    ]
    assert document.text.count("\f") == 2


@pytest.mark.parametrize(
    ("content", "entries", "size"),
    [
        (shows("A", 72, 400, 150, 100), b"", (300, 200)),
        (shows("C", 72, 400, 1, 1), b"", (346, 173)),
        (shows("A", 72, 400, 150, 100), b"/Rotate 90", (200, 300)),
        (shows("A", 72, 400, 150, 100), b"/CropBox [50 50 500 700]", (300, 200)),
        (shows("A", -75, 400, 150, 100), b"", (150, 200)),  # half of it is off the page
        ("".join(shows("B", 72, 400 + 20 * at, 100, 20) for at in range(5)), b"", (283, 283)),
    ],
)
def test_words_in_figures_of_a_pdf(
    content: str, entries: bytes, size: tuple[int, int], words: list[tuple[int, int]]
) -> None:
    document = extract("a.pdf", pages(TYPED + content, TYPED + content, entries=entries), OCR)
    assert places(document, "a.pdf")[1] == ("page 1, figure 1", "EXIT")
    assert len(document.spans) == 3  # on the second page it is the same picture
    assert len(words) == 1
    assert all(abs(seen - wanted) <= 5 for seen, wanted in zip(words[0], size, strict=True)), words
    assert document.boxes is not None
    assert [(document.text[box.start : box.end], box.page, box.left) for box in document.boxes] == [("EXIT", 1, 2500)]


def test_the_picture_of_a_scanned_page_with_text_is_not_looked_at(words: list[tuple[int, int]]) -> None:
    lines = text(72, 700, *["Typed text of a scanned page"] * 9)
    assert len(extract("a.pdf", pages(shows("A", 0, 0, 612, 792) + lines), OCR).spans) == 1
    assert words == []


def test_too_many_pixels_in_a_pdf_are_not_drawn(words: list[tuple[int, int]]) -> None:
    bomb = pages(TYPED + shows("A", 72, 400, 150, 100), picture=image(30_000, 20_000))
    assert places(extract("a.pdf", bomb, OCR), "a.pdf") == [("page 1", "Typed text")]
    assert words == []


# Hostile pictures


HOSTILE: dict[str, Callable[[], bytes]] = {
    "bomb": lambda: png(size=(60_000, 60_000)),
    "truncated": lambda: drawn("PNG", size=(500, 500), mode="RGB")[:-60],
    "cut header": lambda: PICTURE[:20],
    "no picture": lambda: b"GIF89a",
    "empty": lambda: b"",
    "program": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 200\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_picture_costs_itself_only(kind: str, words: list[tuple[int, int]], tmp_path: Path) -> None:
    data, body = HOSTILE[kind](), paragraph(drawing("a", "A mill"), "Body.") + paragraph(drawing("b", "A weir"))
    document = extract("a.docx", word(body, {"a": data, "b": PICTURE}), OCR)
    shown_at = [place for place, _ in places(document, "a.docx")]
    assert words == [(200, 100)]
    if kind in {"bomb", "truncated"}:
        assert document.left_out == ("can't recognise words in damaged or too many pixels of figure 1",)
        assert shown_at == [None, "figure 1", "figure 2"]
    else:
        assert document.left_out == ()
        assert shown_at == [None, "figure 1"]
    (tmp_path / "a.png").write_bytes(data)
    shown = page(tmp_path, '<p>Body.<img src="a.png" alt="A mill"></p>', ocr=True)
    assert "A mill" in shown.text


def test_a_member_that_unpacks_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsearch_core.text.extract.office.MAX_BYTES", 1000)
    body = paragraph(drawing("a", "A mill"), "Body.") + paragraph(drawing("b", "A weir"))
    data = word(body, {"a": PICTURE + bytes(100_000), "b": PICTURE})
    assert [place for place, _ in places(extract("a.docx", data), "a.docx")] == [None, "figure 1"]


def test_external_pictures_and_those_that_lead_out_are_not_read() -> None:
    rels = relations({"a": ("image", "http://example.org/a.png"), "b": ("image", "../../../etc/a.png")})
    rels = rels.replace('Target="http', 'TargetMode="External" Target="http')
    body = paragraph(drawing("a", "A mill")) + paragraph(drawing("b", "A weir")) + paragraph(drawing("?", "A lock"))
    document = extract("a.docx", with_members(docx(body), {"word/_rels/document.xml.rels": rels}))
    assert places(document, "a.docx") == [(None, "A mill A weir A lock")]


def test_there_is_a_most_number_of_pictures(monkeypatch: pytest.MonkeyPatch, words: list[tuple[int, int]]) -> None:
    monkeypatch.setattr(figures, "MAX_PICTURES", 2)
    body = "".join(paragraph(drawing(f"r{at}", f"Mill {at}")) for at in range(4))
    data = word(body, {f"r{at}": drawn("PNG", size=(200, 100 + at)) for at in range(4)})
    document = extract("a.docx", data, OCR)
    assert places(document, "a.docx") == [
        (None, "Mill 2 Mill 3"),
        ("figure 1", "Mill 0 EXIT"),
        ("figure 2", "Mill 1 EXIT"),
    ]
    assert document.left_out == ("pictures after the first 2, because there are too many",)


def test_figures_for_which_no_time_is_left_are_named(monkeypatch: pytest.MonkeyPatch, words: list[Any]) -> None:
    monkeypatch.setattr(recognition.Recogniser, "has_time", property(lambda _: not words))
    data = pptx(picture("a", "A mill") + picture("b"), shape("x"))
    related = relations({"a": ("image", "../media/a.png"), "b": ("image", "../media/b")})
    media: dict[str, str | bytes] = {"ppt/media/a.png": PICTURE, "ppt/media/b": OTHER}
    media["ppt/slides/_rels/s2.xml.rels"] = related
    document = extract("a.pptx", with_members(data, media), OCR)
    assert document.left_out == ("no time left to recognise the words in slide 1, figure 2",)
    typed = pages(TYPED + shows("A", 72, 400, 150, 100), TYPED + shows("B", 72, 400, 100, 100))
    words.clear()
    assert extract("a.pdf", typed, OCR).left_out == ("no time left to recognise the words in page 2, figure 1",)


def test_without_pillow_alternative_texts_stay_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "has_pillow", lambda: False)
    data = word(paragraph(drawing("a", "A mill"), "Body."), {"a": PICTURE})
    assert places(extract("a.docx", data), "a.docx") == [(None, "A mill Body.")]


def test_an_attachment_says_in_which_figure() -> None:
    heading = "attachment a.docx > Pumps > figure 2"
    assert place_of("a.eml", 1, heading, (1, 2)) == "page 1, attachment a.docx, figure 2"
    assert place_of("a.eml", 1, "attachment a.md > figure 2", (1, 2)) == "page 1, attachment a.md"
    assert place_of("a.md", None, "figure 2", (1, 2)) is None
    assert place_of("a.html", None, "figure two", (1, 2)) is None


@pytest.fixture
def real_engine() -> Iterator[None]:
    pytest.importorskip("rapidocr")
    yield


@pytest.mark.slow
@pytest.mark.usefixtures("real_engine")
@pytest.mark.parametrize("rotation", [0, 90, 270])
def test_words_drawn_in_a_picture_are_found_in_documents(rotation: int) -> None:
    from PIL import Image, ImageDraw, ImageFont

    seen = Image.new("L", (600, 200), 255)
    ImageDraw.Draw(seen).text((40, 60), "Heron weir 1742", font=ImageFont.load_default(60), fill=0)
    entries = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /FlateDecode"
    picture = stream(zlib.compress(seen.tobytes()), entries + b" /Width 600 /Height 200")
    data = pages(TYPED + shows("A", 72, 400, 300, 100), entries=b"/Rotate %d" % rotation, picture=picture)
    found = places(extract("a.pdf", data, OCR), "a.pdf")
    assert found[0] == ("page 1", "Typed text")
    assert rotation or found[1] == ("page 1, figure 1", "Heron weir 1742")


def test_pictures_of_figures_are_taken_out_again(tmp_path: Path) -> None:
    turn = "<w:p><w:r><w:lastRenderedPageBreak/></w:r></w:p>"
    body = paragraph(drawing("a", "A mill")) + turn + paragraph(drawing("b", "A weir"))
    assert list(taken_out("a.docx", word(body, {"a": PICTURE, "b": OTHER})).values()) == [(200, 100), (120, 110)]
    without_pages = paragraph(drawing("a", "A mill")) + paragraph(drawing("b", "A weir"))
    data = word(without_pages, {"a": PICTURE, "b": OTHER})
    assert taken_out("a.docx", data) == {"figure 1": (200, 100), "figure 2": (120, 110)}
    sections = {
        "text/a.html": '<p>One<img src="../images/a.png" alt="A mill"></p>',
        "text/b.html": '<p>Two<img src="../images/b.jpg" alt="A weir"></p>',
    }
    book = with_members(epub(sections), {"OPS/images/a.png": PICTURE, "OPS/images/b.jpg": OTHER})
    assert taken_out("a.epub", book) == {"section 1, figure 1": (200, 100), "section 2, figure 1": (120, 110)}
    (tmp_path / "a.png").write_bytes(PICTURE)
    options = ExtractOptions(folder=tmp_path)
    assert taken_out("a.html", b"<p>Text<img src='a.png' alt='A mill'>", options) == {"figure 1": (200, 100)}
    first = TYPED + shows("A", 72, 500, 200, 150) + text(72, 485, "Figure 3: A pump")
    second = shows("A", 72, 500, 200, 150) + shows("B", 340, 500, 200, 80) + text(340, 490, "Abb. 4 Ein Ventil")
    assert taken_out("a.pdf", pages(first, second)) == {"page 1, figure 1": (283, 212), "page 2, figure 2": (200, 80)}
    outlines = marked("72 400 m 200 500 l S\n")
    assert list(taken_out("a.pdf", pages(TYPED + outlines, **TAGGED))) == ["page 1, figure 1"]


def test_a_damaged_picture_and_a_figure_that_is_not_there_are_not_taken_out() -> None:
    damaged = drawn("PNG", size=(500, 500))[:-60]
    assert taken_out("a.docx", word(paragraph(drawing("a", "A mill")), {"a": damaged})) == {"figure 1": None}
    for page, number in ((1, 2), (2, 1), (9, 1), (None, 1)):
        wanted = WantedFigure(page, number)
        extract("a.pdf", pages(TYPED + shows("A", 72, 500, 200, 150)), ExtractOptions(wanted_figure=wanted))
        assert wanted.image is None
