"""PDF, on files written byte by byte."""

import io
import logging

import pytest
from pdfs import encrypted, make_pdf, with_pictures
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, NameObject

from vsearch_core.errors import BinaryFileError, EncryptedError, ExtractionError, PicturesOnlyError
from vsearch_core.model import PAGE_BREAK
from vsearch_core.text.extract.options import ExtractOptions, remedy
from vsearch_core.text.formats.pdf import extract


def test_pages() -> None:
    document = extract("a.pdf", make_pdf("First page", "Second page"))
    assert document.text == "First page\n\f\nSecond page\n\n"
    assert [(span.start, span.end, span.page, span.heading) for span in document.spans] == [
        (0, 13, 1, ()),
        (13, 26, 2, ()),
    ]


def test_page_without_text_keeps_the_others_numbers() -> None:
    document = extract("a.pdf", make_pdf("one", "", "three"))
    assert [span.page for span in document.spans] == [1, 3]
    assert document.text.count(PAGE_BREAK) == 2


def test_information() -> None:
    information = {
        "Title": "The Title",
        "Author": "A. Uthor",
        "CreationDate": "D:20240506070809Z",
        "ModDate": "no date",
    }
    document = extract("a.pdf", make_pdf("x", information={**information, "ModDate": "no date"}))
    assert document.title == "The Title"
    assert document.metadata == {"author": "A. Uthor", "created": "2024-05-06T07:08:09+00:00"}


@pytest.mark.parametrize("in_forms", [False, True])
def test_pages_of_pictures(in_forms: bool) -> None:
    with pytest.raises(PicturesOnlyError, match=r"^a.pdf: has no text, only pictures$") as caught:
        extract("a.pdf", with_pictures(make_pdf("", "", ""), [1, 3], in_forms=in_forms))
    assert (caught.value.code, remedy(caught.value)) == ("pictures-only", "ocr")
    document = extract("a.pdf", with_pictures(make_pdf(*"abcdef"), [2, 3, 6], in_forms=in_forms))
    assert [span.page for span in document.spans] == [1, 4, 5]
    assert document.left_out == ("only pictures on pages 2-3, 6 (OCR reads them)",)


def test_forms_within_themselves() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(with_pictures(make_pdf("x", ""), [2], in_forms=True))))
    form = writer.pages[1]["/Resources"]["/XObject"].raw_get("/Picture")
    form.get_object()["/Resources"]["/XObject"][NameObject("/Picture")] = form
    out = io.BytesIO()
    writer.write(out)
    assert extract("a.pdf", out.getvalue()).left_out == ()


def test_blank_pages_hold_no_text() -> None:
    with pytest.raises(BinaryFileError, match=r"a.pdf: holds no text$"):
        extract("a.pdf", make_pdf("", ""))


def test_drawings_may_be_text() -> None:
    """Such as letters drawn as curves: the page has no image, and is not blank either."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf(""))))
    drawing = DecodedStreamObject()
    drawing.set_data(b"0 0 100 100 re f")
    writer.pages[0][NameObject("/Contents")] = writer._add_object(drawing)
    out = io.BytesIO()
    writer.write(out)
    with pytest.raises(PicturesOnlyError, match="only pictures"):
        extract("a.pdf", out.getvalue())


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_encrypted(algorithm: str) -> None:
    locked = encrypted(make_pdf("secret"), "user", algorithm)
    with pytest.raises(EncryptedError, match=r"a.pdf: is encrypted$"):
        extract("a.pdf", locked)
    with pytest.raises(EncryptedError, match=r"is encrypted, and the password does not open it$") as caught:
        extract("a.pdf", locked, ExtractOptions("wrong one"))
    assert caught.value.code == "wrong-password"
    assert "wrong one" not in str(caught.value)
    for password in ("user", "owner"):
        assert extract("a.pdf", locked, ExtractOptions(password)).text.strip() == "secret"
    for password in ("", "any"):
        open_to_all = encrypted(make_pdf("open to all"), "", algorithm)
        assert extract("a.pdf", open_to_all, ExtractOptions(password)).text.strip() == "open to all"
    assert extract("a.pdf", make_pdf("never locked"), ExtractOptions("any")).text.strip() == "never locked"


@pytest.mark.parametrize(
    "data", [b"", b"no PDF at all", b"%PDF-1.4\n", make_pdf("x")[:200], b"%PDF-1.7\n" + bytes(1000)]
)
def test_damaged(data: bytes) -> None:
    with pytest.raises(ExtractionError, match="not a readable PDF") as caught:
        extract("a.pdf", data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", range(20, 700, 23))
def test_damage_anywhere_is_an_extraction_error_or_harmless(place: int, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(make_pdf("some text", "more text", information={"Title": "T"}))
    data[place : place + 12] = b"\xff<<[(%\n1 0 R"
    try:
        extract("a.pdf", bytes(data))
    except ExtractionError as error:
        assert len(str(error)) < 400
    assert capfd.readouterr() == ("", "")


def test_an_unreadable_page_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from pypdf import PageObject

    read = PageObject.extract_text

    def fails_on_the_second(page: PageObject) -> str:
        text: str = read(page)
        if text == "two":
            raise KeyError("/Odd")
        return text

    monkeypatch.setattr(PageObject, "extract_text", fails_on_the_second)
    document = extract("a.pdf", make_pdf("one", "two", "three"))
    assert [span.page for span in document.spans] == [1, 3]
    assert document.left_out == ("can't read page 2",)


def test_ligatures_soft_hyphens_and_halves_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    from pypdf import PageObject

    monkeypatch.setattr(
        PageObject, "extract_text", lambda _: "e\ufb03cient hy\u00ad\nphen \ud83d\ude00 \udc00 x\u00b2\0"
    )
    assert extract("a.pdf", make_pdf("x")).text == "efficient hyphen \U0001f600 \ufffd x²\n\n"


def test_pypdf_prints_and_logs_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    extract("a.pdf", make_pdf("x").replace(b"startxref\n", b"startxref\n9"))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("pypdf").getEffectiveLevel() == logging.CRITICAL


def with_outline(data: bytes, *entries: tuple[str, int, int]) -> bytes:
    """Return the PDF with an outline of entries: title, page from 1, number of the parent entry or -1."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    items: list[object] = []
    for title, page, above in entries:
        items.append(
            writer.add_outline_item(title=title, page_number=page - 1, parent=items[above] if above >= 0 else None)
        )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_entries_of_the_outline_are_the_headings_of_pages() -> None:
    data = with_outline(
        make_pdf(*"abcdef"), ("One", 2, -1), ("Part", 2, 0), ("Deep", 3, 0), ("Two", 5, -1), ("Two b", 5, 3)
    )
    assert [(span.page, span.heading) for span in extract("a.pdf", data).spans] == [
        (1, ()),
        (2, ("One",)),
        (3, ("One", "Deep")),
        (4, ("One", "Deep")),
        (5, ("Two",)),
        (6, ("Two", "Two b")),
    ]


def test_a_damaged_outline_leaves_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise KeyError("/Odd")

    monkeypatch.setattr(PdfReader, "outline", property(fails))
    assert [span.heading for span in extract("a.pdf", make_pdf("x")).spans] == [()]


def test_page_headers_are_left_out() -> None:
    pages = [f"Head) Tj 0 -20 Td (Text {word}) Tj 0 -20 Td ({number}" for number, word in enumerate("abcd", 1)]
    document = extract("a.pdf", make_pdf(*pages))
    assert document.text.split() == ["Text", "a", "Text", "b", "Text", "c", "Text", "d"]
    assert [span.page for span in document.spans] == [1, 2, 3, 4]
