"""PDF, on files written here byte by byte."""

import io
import logging

import pytest
from pypdf import PdfReader, PdfWriter

from vsearch_core.errors import ExtractionError
from vsearch_core.model import PAGE_BREAK
from vsearch_core.text.extract.pdf import extract


def make_pdf(*pages: str, information: dict[str, str] | None = None) -> bytes:
    """A PDF with one line of Latin-1 text a page."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    bodies = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"]
    bodies.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for number, page in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 700 Td ({page}) Tj ET" if page else ""
        resources = "/MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
        bodies.append(f"<< /Type /Page /Parent 2 0 R {resources} /Contents {5 + 2 * number} 0 R >>")
        bodies.append(f"<< /Length {len(stream.encode('latin1'))} >>\nstream\n{stream}\nendstream")
    entries = " ".join(f"/{key} ({value})" for key, value in (information or {}).items())
    bodies.append(f"<< {entries} >>")
    data = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(bodies, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode("latin1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R /Info {len(bodies)} 0 R >>"
    return (
        data
        + f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{table}{trailer}\nstartxref\n{len(data)}\n%%EOF".encode()
    )


def encrypted(data: bytes, password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


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


def test_no_text_layer() -> None:
    with pytest.raises(ExtractionError, match=r"a.pdf: has no text layer .*OCR"):
        extract("a.pdf", make_pdf("", ""))


def test_encrypted_with_a_password() -> None:
    with pytest.raises(ExtractionError, match=r"a.pdf: is encrypted; "):
        extract("a.pdf", encrypted(make_pdf("secret"), "user"))


def test_encrypted_with_the_empty_password() -> None:
    assert extract("a.pdf", encrypted(make_pdf("open to all"), "")).text.strip() == "open to all"


@pytest.mark.parametrize(
    "data", [b"", b"no PDF at all", b"%PDF-1.4\n", make_pdf("x")[:200], b"%PDF-1.7\n" + bytes(1000)]
)
def test_damaged(data: bytes) -> None:
    with pytest.raises(ExtractionError, match="no readable PDF") as caught:
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


def test_one_unreadable_page_does_not_cost_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from pypdf import PageObject

    read = PageObject.extract_text

    def fails_on_the_second(page: PageObject) -> str:
        text = read(page)
        if text == "two":
            raise KeyError("/Odd")
        return text

    monkeypatch.setattr(PageObject, "extract_text", fails_on_the_second)
    document = extract("a.pdf", make_pdf("one", "two", "three"))
    assert [span.page for span in document.spans] == [1, 3]
    assert document.metadata["unreadable_pages"] == [2]


def test_ligatures_soft_hyphens_and_halves_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    from pypdf import PageObject

    monkeypatch.setattr(
        PageObject, "extract_text", lambda _: "e\ufb03cient hy\u00ad\nphen \ud83d\ude00 \udc00 x\u00b2\0"
    )
    assert extract("a.pdf", make_pdf("x")).text == "efficient hyphen \U0001f600 \ufffd x²\n\n"


def test_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    extract("a.pdf", make_pdf("x").replace(b"startxref\n", b"startxref\n9"))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("pypdf").getEffectiveLevel() == logging.CRITICAL


def with_outline(data: bytes, *entries: tuple[str, int, int]) -> bytes:
    """The PDF with an outline: title, page from 1, number of the entry above it or -1."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    items: list[object] = []
    for title, page, above in entries:
        items.append(
            writer.add_outline_item(title=title, page_number=page - 1, parent=items[above] if above >= 0 else None)
        )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_the_outline_heads_the_pages() -> None:
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


def test_a_damaged_outline_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise KeyError("/Odd")

    monkeypatch.setattr(PdfReader, "outline", property(fails))
    assert [span.heading for span in extract("a.pdf", make_pdf("x")).spans] == [()]


def test_running_heads_are_left_out() -> None:
    pages = [f"Head) Tj 0 -20 Td (Text {word}) Tj 0 -20 Td ({number}" for number, word in enumerate("abcd", 1)]
    document = extract("a.pdf", make_pdf(*pages))
    assert document.text.split() == ["Text", "a", "Text", "b", "Text", "c", "Text", "d"]
    assert [span.page for span in document.spans] == [1, 2, 3, 4]
