"""PDF, on files written byte by byte."""

import io
import logging

import pytest
from pdfs import Run, annotated, drawn, encrypted, make_pdf, with_pictures
from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.errors import DependencyError
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)
from samples import pdf, pdf_page, stream

from vsearch_core.errors import BinaryFileError, EncryptedError, ExtractionError, PicturesOnlyError
from vsearch_core.model import PAGE_BREAK
from vsearch_core.text.extract.options import ExtractOptions, remedy
from vsearch_core.text.extract.page_headers import PageText
from vsearch_core.text.formats.pdf import extract, with_whole_words
from vsearch_core.text.formats.pdf_text import PdfiumDocument, ReadPage
from vsearch_core.text.formats.pdf_unreadable import is_unreadable


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


def test_a_page_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """PDFium doesn't read it, and then pypdf fails, too."""

    def fails(_: PageObject) -> str:
        raise KeyError("/Odd")

    read = PdfiumDocument.page
    monkeypatch.setattr(PdfiumDocument, "page", lambda self, at, fonts: None if at == 2 else read(self, at, fonts))
    monkeypatch.setattr(PageObject, "extract_text", fails)
    document = extract("a.pdf", make_pdf("one", "two", "three"))
    assert [span.page for span in document.spans] == [1, 3]
    assert document.left_out == ("can't read page 2",)


def test_pypdf_reads_what_pdfium_can_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PdfiumDocument, "page", lambda *_: None)
    assert extract("a.pdf", make_pdf("one", "two")).text == "one\n\f\ntwo\n\n"


def test_ligatures_soft_hyphens_controls_and_halves_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    text = PageText("e\ufb03cient hy\u00ad\nphen \ud83d\ude00 \udc00 x\u00b2\0\x03")
    monkeypatch.setattr(PdfiumDocument, "page", lambda *_: ReadPage(text, 0.0, annotated=False))
    assert extract("a.pdf", make_pdf("x")).text == "efficient hyphen \U0001f600 \ufffd x²\n\n"


def test_letters_beyond_the_first_plane() -> None:
    assert extract("a.pdf", drawn([(72, 700, "a \U0001f600 b")], identity=True)).text == "a \U0001f600 b\n\n"


def test_text_from_right_to_left() -> None:
    words = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"
    assert extract("a.pdf", drawn([(72, 700, words[::-1])], identity=True)).text.strip() == words


UNREADABLE = [
    (drawn([(72, 700, "nothing on this page can be read")], identity=True, mapped=False), "numbers of glyphs"),
    (drawn([(72, 700, "1RWKLQJRQWKLVSDJHFDQEHUHDGEDQBRQH" * 2)]), "letters shifted by 29"),
    (drawn([(72, 700, "\ufffd\ufffd\ufffdx\ufffd")], identity=True), "replacement characters"),
    (drawn([(72, 700, "\ue001\ue002\ue003\ue001")], identity=True), "private use"),
]


@pytest.mark.parametrize(("data", "kind"), UNREADABLE, ids=[kind for _, kind in UNREADABLE])
def test_text_without_a_map_to_letters_is_not_read(data: bytes, kind: str) -> None:
    assert kind
    with pytest.raises(PicturesOnlyError, match="no readable text: its fonts don't say which letters") as caught:
        extract("a.pdf", data)
    assert (caught.value.code, remedy(caught.value)) == ("unreadable-fonts", "ocr")


def test_pages_without_a_map_to_letters_leave_the_others() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf("one", "two"))))
    for page in PdfReader(io.BytesIO(UNREADABLE[0][0])).pages:
        writer.insert_page(page, 1)
    out = io.BytesIO()
    writer.write(out)
    document = extract("a.pdf", out.getvalue())
    assert [span.page for span in document.spans] == [1, 3]
    assert document.left_out == ("fonts without a map to letters on page 2 (OCR reads them)",)


@pytest.mark.parametrize("text", ["/g37/g12/g99 /g4/g18/g77", "(cid:12)(cid:9)(cid:44)"])
def test_names_of_glyphs_are_no_text(text: str) -> None:
    assert is_unreadable(text)
    assert not is_unreadable("Words about the path /g37 of some length.")


@pytest.mark.parametrize(
    "text",
    [
        "ISBN 978 0 13 468599 1, EAN 4006381333931, tel. 030 1234567, 12.5 kg, 4.411,50 EUR, 20.04.2024 " * 3,
        "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG AND RUNS AWAY FROM THE HOUNDS OF THE KING.",
        "Zażółć gęślą jaźń. Szczebrzeszyn z tego słynie, że w nim chrząszcz brzmi w trzcinie.",
        "Árvíztűrő tükörfúrógép, hogy mindenki megtalálja a legközelebbi könyvtárat ezen a héten.",
        "def f(x): return [y for y in x if y]; ATGCATGCATTTGGCCAATTACGT; XKCD RFC HTTP TLS QR",
    ],
)
def test_odd_texts_are_readable(text: str) -> None:
    assert not is_unreadable(text)


def test_dingbats_for_names_of_glyphs_are_no_text() -> None:
    assert is_unreadable("❚❍❊ ◗❯■❈❑ ❇❘❖❲◆")
    assert not is_unreadable("✔ paid ✔ sent ✘ returned, and the words of the list")


def test_a_page_that_is_drawn_twice() -> None:
    page: list[Run] = [(60, 700 - 16 * at, f"row {at} of the harbour dues") for at in range(4)]
    again = [(x + 0.3, y, text) for x, y, text in page]
    assert extract("a.pdf", drawn(page + again)).text.strip().split("\n") == [text for _, _, text in page]
    elsewhere = [(x + 250, y, text) for x, y, text in page]
    assert extract("a.pdf", drawn(page + elsewhere)).text.count("row 2 of the harbour dues") == 2


def test_two_columns_drawn_row_by_row() -> None:
    left = ["The archive keeps every ledger", "since the founding of the guild", "and opens on market days only."]
    right = ["Visitors must leave their bags", "at the desk of the porter and carry", "a pencil instead of a pen."]
    rows = [(at, *pair) for at, pair in enumerate(zip(left, right, strict=True))]
    for offset in (0, 5):  # points that the right column stands lower
        page: list[Run] = [(60, 760, "A heading of the whole page, over both of its columns")]
        page += [run for at, a, b in rows for run in ((60, 700 - 16 * at, a), (330, 700 - offset - 16 * at, b))]
        page.append((60, 600, "A line below."))
        text = extract("a.pdf", drawn(page)).text
        assert text.split("\n")[1:-3] == left + right
        assert text.startswith("A heading") and text.endswith("below.\n\n")


def test_two_columns_drawn_at_once_line_by_line() -> None:
    left = ["The archive keeps every ledger", "since the founding of the guild", "and opens on market days only."]
    right = ["Visitors must leave their bags", "at the desk of the porter and carry", "a pencil instead of a pen."]
    ends = [167.4, 159.4, 170.1]  # widths of the left lines in Helvetica, in points
    gaps = [(270 - end) / 12 * 1000 for end in ends]
    rows = "\n".join(f"[({a}) {-gap:.0f} ({b})] TJ 0 -16 Td" for a, b, gap in zip(left, right, gaps, strict=True))
    text = extract("a.pdf", pdf_page(stream(f"BT /F1 12 Tf 60 700 Td {rows} ET".encode()))).text
    assert text.split("\n")[:-2] == left + right


def test_justified_lines_are_no_columns() -> None:
    rows = "\n".join(f"{word} Tw (The archive keeps every ledger since then) Tj 0 -16 Td" for word in (3, 3.5, 4, 3.2))
    text = extract("a.pdf", pdf_page(stream(f"BT /F1 12 Tf 60 700 Td {rows} ET".encode()))).text
    assert text.split("\n")[:-2] == ["The archive keeps every ledger since then"] * 4


@pytest.mark.parametrize(
    "cells",
    [
        ("Brass kettle, two litres, polished", "12,50 EUR"),
        ("Kettle", "made of brass and polished by hand"),
        ("The Archive of the Old Guild", "The Library of the New Town"),
    ],
)
def test_tables_stay_in_rows(cells: tuple[str, str]) -> None:
    page = [run for at in range(6) for run in ((60, 700 - 16 * at, cells[0]), (330, 700 - 16 * at, cells[1]))]
    assert extract("a.pdf", drawn(page)).text.strip().split("\n") == [" ".join(cells)] * 6


@pytest.mark.parametrize("offset", [0.0, 0.4, 1.0])
def test_text_drawn_several_times_comes_once(offset: float) -> None:
    bold: list[Run] = [(72 + offset * at, 700, "Guest list") for at in range(3)]
    assert extract("a.pdf", drawn([*bold, (72, 680, "plain words")])).text == "Guest list\nplain words\n\n"


def test_words_torn_by_wide_letters_are_whole() -> None:
    """In scanned pages, the last letter of each word may be drawn apart, as far as the others are."""
    words = [(72.0, 700.0, "x")]
    stream = b"BT /F1 12 Tf 72 700 Td 1.7 Tc " + b" ".join(
        b"(%s) Tj 0 Tc (%s) Tj 1.7 Tc (  ) Tj" % (word[:-1], word[-1:])
        for word in b"Compania Ocean Shipping Lines".split()
    )
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(drawn(words))))
    content = DecodedStreamObject()
    content.set_data(stream + b" ET")
    writer.pages[0][NameObject("/Contents")] = writer._add_object(content)
    out = io.BytesIO()
    writer.write(out)
    assert extract("a.pdf", out.getvalue()).text.split() == ["Compania", "Ocean", "Shipping", "Lines"]


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (["the infor-", "mation of the day"], "the information\nof the day"),
        (["a well-known e-", "mail and a well-", "known one"], "a well-known e-mail\nand a well-known\none"),
        (["in 1990-", "2000 they went to Baden-", "Baden."], "in 1990-2000\nthey went to Baden-Baden."),
        (["state-of-the-", "art tools"], "state-of-the-art\ntools"),
        (["a mother-", "in-law"], "a mother-in-law"),
        (["one -", "two"], "one -\ntwo"),
    ],
)
def test_words_broken_at_the_end_of_a_line_are_whole(lines: list[str], whole: str) -> None:
    page: list[Run] = [(72, 700 - 14 * at, line) for at, line in enumerate(lines)]
    assert extract("a.pdf", drawn(page)).text.strip() == whole
    assert with_whole_words(["\n".join(line.strip() for line in lines)]) == [whole]  # as pypdf reads it


def appearance(text: str) -> DictionaryObject:
    """Return an annotation's appearance that draws this text."""
    font = {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1")}
    font[NameObject("/BaseFont")] = NameObject("/Helvetica")
    fonts = DictionaryObject({NameObject("/F1"): DictionaryObject(font)})
    form = DecodedStreamObject()
    form.set_data(f"BT /F1 12 Tf ({text}) Tj ET".encode())
    form[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    return DictionaryObject({NameObject("/N"): form})


def options(*names: str | tuple[str, str]) -> ArrayObject:
    """Return the options of a choice field: names, or values with the names that are shown."""
    texts = (ArrayObject(map(TextStringObject, name)) if isinstance(name, tuple) else name for name in names)
    return ArrayObject(TextStringObject(each) if isinstance(each, str) else each for each in texts)


@pytest.mark.parametrize(
    ("annotations", "text"),
    [
        ([{"Subtype": "Widget", "FT": "Tx", "T": "f1", "V": "Ottoline F."}], "Ottoline F."),
        ([{"Subtype": "Widget", "FT": "Ch", "T": "f1", "TU": "Colour", "V": "blue"}], "Colour: blue"),
        ([{"Subtype": "Widget", "FT": "Tx", "T": "f1", "V": "secret", "Ff": NumberObject(1 << 13)}], ""),
        ([{"Subtype": "Widget", "FT": "Btn", "T": "f1", "V": "Yes"}], ""),
        ([{"Subtype": "FreeText", "Contents": "Approved by all"}], "Approved by all"),
        ([{"Subtype": "FreeText", "RC": "<body><p>A &amp; <b>B</b></p><p>C</p></body>"}], "A & B\nC"),
        ([{"Subtype": "FreeText", "AP": appearance("Typed here")}], "Typed here"),
        ([{"Subtype": "Stamp", "AP": appearance("Paid"), "Contents": ""}], "Paid"),
        ([{"Subtype": "Square", "AP": appearance("ornament")}], ""),
        ([{"Subtype": "Widget", "FT": "Ch", "V": "l1", "Opt": options(("s1", "Small"), ("l1", "Large"))}], "Large"),
        ([{"Subtype": "Widget", "FT": "Ch", "V": "Red", "Opt": options("Red", "Green")}], "Red"),
        (
            [{"Subtype": "Text", "Contents": "Ask the roofer"}, {"Subtype": "Highlight", "Contents": "why?"}],
            "Ask the roofer\n\nwhy?",
        ),
        ([{"Subtype": "Popup", "Contents": "again"}, {"Subtype": "Link", "Contents": "a link"}], ""),
        ([{"Subtype": "Text", "Contents": NumberObject(7)}, {"Subtype": "Text"}], "7"),
    ],
)
def test_what_is_written_on_a_page_follows_its_text(annotations: list[dict[str, object]], text: str) -> None:
    document = extract("a.pdf", annotated(make_pdf("printed", "next"), *annotations))
    assert document.text.split("\f")[0].strip().removeprefix("printed").strip() == text
    assert [span.page for span in document.spans] == [1, 2]


def test_fields_that_no_page_shows() -> None:
    form = b"/AcroForm << /Fields [6 0 R 8 0 R 9 0 R] >>"
    parent = b"<< /FT /Tx /T (town) /Kids [7 0 R] >>"
    password = b"<< /FT /Tx /Ff 8192 /T (b) /V (secret) >>"
    kid, loose = b"<< /Parent 6 0 R /T (a) /V (Gdansk) >>", b"<< /FT /Tx /T (c) /V (Sopot) /Kids [9 0 R 6 0 R] >>"
    data = pdf_page(stream(b"BT /F1 12 Tf 72 700 Td (Order) Tj ET"), parent, kid, password, loose, catalog=form)
    assert extract("a.pdf", data).text == "Order\n\nGdansk\nSopot\n\n"


TEMPLATE = (
    "<template><subform><draw><value><exData><body><p>Terms of</p><p>the ferry</p></body></exData></value></draw>"
    "<draw presence='hidden'><value><text>unseen</text></value></draw>"
    "<field name='Who'><caption><value><text>Your name:</text></value></caption><event><script>x = 1</script></event>"
    "<value><text>default</text></value></field><field name='Key'><ui><passwordEdit/></ui></field></subform></template>"
)
DATA = "<datasets><data><form1><Who>Ann &amp; Bo</Who><Key>secret</Key><Town>Gdansk</Town></form1></data></datasets>"


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_forms_in_xfa(parts: int) -> None:
    packets = ["<xdp>", TEMPLATE, DATA, "</xdp>"]
    packets = {1: ["".join(packets)], 2: [TEMPLATE + "<broken", DATA], 4: packets}[parts]
    listed = b" ".join(b"(part) %d 0 R" % (6 + number) for number in range(len(packets)))
    form = b"/AcroForm << /Fields [] /XFA %b >>" % (b"6 0 R" if parts == 1 else b"[%b]" % listed)
    page = stream(b"BT /F1 12 Tf 72 700 Td (Please wait... If this message is not eventually replaced) Tj ET")
    data = pdf_page(page, *(stream(packet.encode()) for packet in packets), catalog=form)
    expected = "Terms of\nthe ferry\n" + ("Your name\n" if parts == 2 else "Your name: Ann & Bo\nGdansk\n")
    assert extract("a.pdf", data).text.replace("Your name:\n", "Your name\n") == expected + "\n"


@pytest.mark.parametrize("packet", [b"<xdp>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"no XML"])
def test_a_form_in_xfa_that_is_damaged_is_named(packet: bytes) -> None:
    page = stream(b"BT /F1 12 Tf 72 700 Td (Please wait...) Tj ET")
    with pytest.raises(ExtractionError, match="is a form in XFA that can't be read"):
        extract("a.pdf", pdf_page(page, stream(packet), catalog=b"/AcroForm << /Fields [] /XFA 6 0 R >>"))


def test_a_form_in_xfa_and_in_fields_is_read_from_the_fields() -> None:
    form = b"/AcroForm << /Fields [7 0 R] /XFA 6 0 R >>"
    field = b"<< /FT /Tx /T (town) /V (Gdansk) >>"
    page = stream(b"BT /F1 12 Tf 72 700 Td (Order) Tj ET")
    data = pdf_page(page, stream(f"<xdp>{DATA}</xdp>".encode()), field, catalog=form)
    assert extract("a.pdf", data).text == "Order\n\nGdansk\n\n"


def test_a_page_with_nothing_but_a_filled_form() -> None:
    data = annotated(make_pdf(""), {"Subtype": "Widget", "FT": "Tx", "T": "a", "V": "Bartholomew"})
    assert extract("a.pdf", data).text == "Bartholomew\n\n"


@pytest.mark.parametrize("title", ["untitled", "Microsoft Word - Document1", "Document1", "scan0001.pdf"])
def test_titles_that_programs_write_are_ignored(title: str) -> None:
    assert extract("a.pdf", make_pdf("x", information={"Title": title})).title is None


@pytest.mark.parametrize(
    ("encoding", "collection", "code", "text"),
    [
        ("90ms-RKSJ-H", "Japan1", "93 8c 8b 9e", "東京"),
        ("GBK-EUC-H", "GB1", "b1 b1 be a9", "北京"),
        ("ETen-B5-H", "CNS1", "a5 78 a5 5f", "台北"),
        ("KSCms-UHC-H", "Korea1", "bc ad bf ef", "서울"),
        ("UniJIS-UTF16-H", "Japan1", "67 71 4e ac", "東京"),
        ("EUC-V", "Japan1", "c5 ec b5 fe", "東京"),
        ("V", "Japan1", "45 6c 35 7e", "東京"),
        ("90msp-RKSJ-V", "Japan1", "93 8c 8b 9e", "東京"),
        ("GBKp-EUC-V", "GB1", "b1 b1 be a9", "北京"),
        ("HKscs-B5-V", "CNS1", "a5 78 a5 5f", "台北"),
        ("KSC-EUC-V", "Korea1", "bc ad bf ef", "서울"),
    ],
)
def test_predefined_maps_of_chinese_japanese_and_korean(encoding: str, collection: str, code: str, text: str) -> None:
    assert extract("a.pdf", in_composite_font(encoding, collection, code)).text.strip() == text


@pytest.mark.parametrize(
    ("encoding", "codec", "text"),
    [
        ("90ms-RKSJ-H", "cp932", "東京の水門管理人"),
        ("GBK-EUC-H", "gbk", "运河的水门"),
        ("ETen-B5-H", "big5", "運河的水門"),
        ("UniKS-UTF16-H", "utf-16-be", "서울의 수문"),
    ],
)
def test_letters_drawn_one_by_one_in_a_font_that_is_not_in_the_file(encoding: str, codec: str, text: str) -> None:
    shown = " ".join(
        f"1 0 0 1 {72 + 12 * at} 700 Tm <{letter.encode(codec).hex()}> Tj" for at, letter in enumerate(text)
    )
    line = "/F1 12 Tf 1 0 0 1 72 740 Tm (A plain line) Tj"
    inner = b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Mincho /DW 1000 >>"
    font = b"<< /Type /Font /Subtype /Type0 /BaseFont /Mincho /Encoding /%b /DescendantFonts [6 0 R] >>"
    resources = b"/Resources << /Font << /F1 7 0 R /F2 8 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] %b /Contents 4 0 R >>" % resources
    latin = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    content = stream(f"BT {line} /F2 12 Tf {shown} ET".encode())
    data = pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            page,
            content,
            b"null",
            inner,
            latin,
            font % encoding.encode(),
        ]
    )
    assert extract("a.pdf", data).text == f"A plain line\n{text}\n\n"


def test_a_map_that_extends_a_predefined_one() -> None:
    data = in_composite_font("OWN", "Japan1", "93 8c 8b 9e")
    writer = PdfWriter(clone_from=io.BytesIO(data))
    own = DecodedStreamObject()
    own.set_data(b"/CIDInit /ProcSet findresource begin begincmap /90ms-RKSJ-V usecmap endcmap end")
    font = writer.pages[0]["/Resources"]["/Font"]["/F1"].get_object()
    font[NameObject("/Encoding")] = writer._add_object(own)
    changed = io.BytesIO()
    writer.write(changed)
    assert extract("a.pdf", changed.getvalue()).text.strip() == "東京"


@pytest.mark.parametrize("encoding", ["GBT-EUC-H", "KSC-Johab-H"])
def test_text_in_an_unknown_encoding_is_unreadable(encoding: str) -> None:
    with pytest.raises(PicturesOnlyError, match="fonts don't say"):
        extract("a.pdf", in_composite_font(encoding, "GB1", "b1 b1 be a9"))


@pytest.mark.parametrize(
    ("names", "is_readable"),
    [
        ("/g37 /g18 /g55 /g3 /g80", False),
        ("/uniF021 /uniF022 /uniF023 /uniF024 /uniF025", False),
        ("/cid00041 /cid00042 /cid00043 /cid00044 /space", False),
        ("/g65 /g66 /g67 /g68 /g69", True),
        ("/G41 /G42 /G43 /G44 /G45", True),
        ("/afii10017 /afii10018 /afii10019 /afii10020 /afii10021", True),
        ("/A /B /C /D /g80", True),
    ],
)
def test_glyphs_of_simple_fonts_with_numbers_as_names(names: str, is_readable: bool) -> None:
    encoding = f"<< /Type /Encoding /Differences [65 {names}] >>"
    data = make_pdf("ABCDEABCDE").replace(b"/Encoding /WinAnsiEncoding", f"/Encoding {encoding}".encode())
    if is_readable:
        assert extract("a.pdf", data).text.strip()
    else:
        with pytest.raises(PicturesOnlyError, match="fonts don't say"):
            extract("a.pdf", data)


def test_signs_for_letters_are_no_text() -> None:
    assert is_unreadable("!\"# \"$%&'(% &'$%) *##+, '- +\"# ./%,+ 0'-)$1 '. #2#%1 *'-+\"")
    assert not is_unreadable("Contents ............ 12, 13, 14; 15. ............ 16 ............ 17 ............")
    assert not is_unreadable("if (a[0] == '{' && b[1] != '}') { x->y = &z; return !(p | q); } /* ok */")


def in_composite_font(encoding: str, collection: str, code: str) -> bytes:
    """Return a PDF of a page with the bytes `code`, in a font with this encoding and Adobe's collection."""
    inner = f"/CIDSystemInfo << /Registry (Adobe) /Ordering ({collection}) /Supplement 0 >>"
    descendant = f"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Any {inner} >>"
    font = f"/Type0 /BaseFont /Any-{encoding} /Encoding /{encoding} /DescendantFonts [{descendant}]"
    data = make_pdf("ABCDEFGH").replace(b"/Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding", font.encode())
    return data.replace(b"(ABCDEFGH)", f"<{code.replace(' ', '')}>".encode())


def test_words_broken_at_a_unicode_hyphen_are_whole() -> None:
    assert with_whole_words(["du con\u2010\nseil et ailleurs"]) == ["du conseil\net ailleurs"]


def test_a_missing_decoder_is_not_called_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: PageObject) -> str:
        raise DependencyError("BrotliDecode needs brotli")

    monkeypatch.setattr(PdfiumDocument, "page", lambda *_: None)
    monkeypatch.setattr(PageObject, "extract_text", fails)
    with pytest.raises(ExtractionError, match="compressed in a way that can't be read here") as caught:
        extract("a.pdf", make_pdf("x"))
    assert "encrypted" not in str(caught.value)


@pytest.mark.parametrize("with_resources", [True, False])
def test_forms_that_draw_themselves_are_left_to_pypdf(with_resources: bool) -> None:
    """PDFium would draw them for ever."""
    entries = b"/Type /XObject /Subtype /Form" + (
        b" /Resources << /XObject << /X 6 0 R >> >>" if with_resources else b""
    )
    form = stream(b"BT /F1 9 Tf (in) Tj ET /X Do /X Do", entries)
    assert "page" in extract("a.pdf", pdf_page(stream(b"BT /F1 9 Tf (page) Tj ET /X Do"), form)).text


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
