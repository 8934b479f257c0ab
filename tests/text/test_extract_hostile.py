"""Malicious and damaged files: each gives an error of one line, in little time and memory."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable

import pypdf
import pytest
from packages import docx, odf, ooxml, pack, xlsx
from samples import SAMPLES, pdf_page, stream

from vsearch_core.errors import ExtractionError
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions
from vsearch_core.text.extract.registry import extract

LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 20}">' for n in range(8))
    + "]>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY i SYSTEM "file:///etc/passwd">]>'


def assert_refused(name: str, data: bytes, reason: str, options: ExtractOptions = DEFAULTS) -> None:
    with pytest.raises(ExtractionError, match=reason) as caught:
        extract(name, data, options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(name)


def limited(**limits: int) -> ExtractOptions:
    return ExtractOptions(limits=ExtractLimits(**limits))


@pytest.mark.parametrize("declaration", [LAUGHS, OUTSIDE])
def test_entities_are_refused(declaration: str) -> None:
    paragraph = "<w:p><w:r><w:t>&i;</w:t></w:r></w:p>"
    document = f'{declaration}<w:document xmlns:w="w"><w:body>{paragraph}</w:body></w:document>'
    assert_refused("a.docx", ooxml("word/document.xml", {"word/document.xml": document}), "declares entities")
    assert_refused("a.odt", pack({"content.xml": f"{declaration}<x>&i;</x>"}), "declares entities")
    assert_refused("a.fodt", f"{declaration}<x>&i;</x>".encode(), "declares entities")


@pytest.mark.parametrize("encoding", ["UTF-99", "shift_jis", "base64", "rot13"])
def test_encodings_that_the_parser_lacks_are_refused(encoding: str) -> None:
    data = pack({"content.xml": f'<?xml version="1.0" encoding="{encoding}"?><x/>'})
    assert_refused("a.odt", data, "unknown encoding")


def test_a_member_that_grows_too_large() -> None:
    options = limited(expanded_bytes=1 << 20)
    assert_refused("a.docx", docx("<w:p/>" * 300_000), "grows too large", options)
    assert_refused("a.xlsx", xlsx({"S": "<row/>" * 300_000}), "grows too large", options)


def test_a_text_that_grows_too_large() -> None:
    data = docx("<w:p><w:r><w:t>some text</w:t></w:r></w:p>" * 2000)
    assert_refused("a.docx", data, "grows too large", limited(text_chars=10_000))


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_compressed_file_that_grows_too_large(compress: Callable[[bytes], bytes]) -> None:
    name = "a.txt.gz" if compress is gzip.compress else "a.txt.xz"
    assert_refused(name, compress(bytes(1 << 22)), "grows too large", limited(unpacked_bytes=1 << 20))


def test_deeply_nested_elements() -> None:
    assert_refused("a.docx", docx("<w:tbl>" * 10_000), "nest too deep")
    assert_refused("a.odt", odf("text", "<text:span>" * 10_000), "nest too deep")


def test_encrypted_office_files_are_recognised() -> None:
    container = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000)
    assert_refused("a.docx", container, "is an old binary Office file, although its name says otherwise")
    assert_refused("a.docx", container + "EncryptedPackage".encode("utf-16-le"), "is encrypted")


def test_a_member_with_a_password() -> None:
    data = bytearray(SAMPLES["a.docx"])
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.find(mark)
        while place >= 0:
            data[place + flags] |= 1
            place = data.find(mark, place + 1)
    with pytest.raises(ExtractionError, match=r"is encrypted$") as caught:
        extract("a.docx", bytes(data))
    assert caught.value.code == "encryption-unsupported"


@pytest.mark.parametrize(
    "name", [name for name in SAMPLES if name != "a.zip" and zipfile.is_zipfile(io.BytesIO(SAMPLES[name]))]
)
@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"just text", pack({}), pack({"mimetype": "x"})])
def test_files_that_are_no_packages(name: str, data: bytes) -> None:
    assert_refused(name, data, "is not a readable" if data else "is empty")


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_readable(name: str) -> None:
    if name == "a.msg":
        pytest.importorskip("olefile")
    assert extract(name, SAMPLES[name]).text.strip()


@pytest.mark.parametrize("name", ["a.docx.gz", "a.md.gz", "A.CSV.XZ", "a.unknown.bz2"])
def test_compressed_files_are_read_as_their_content(name: str) -> None:
    compressors: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress, "z2": bz2.compress}
    compress = compressors[name[-2:].lower()]
    content = SAMPLES["a.docx"] if "docx" in name else b"# Title\n"
    assert extract(name, compress(content)).text.strip()
    assert_refused(name, compress(content)[:-12], "not a readable compressed file")


FILTER = b"/Filter /FlateDecode"
CYCLES = {
    "page tree": pdf_page(stream(b""), b"<< >>", pages=b"/Kids [2 0 R] /Count 1"),
    "parents": pdf_page(stream(b""), b"<< >>", pages=b"/Kids [3 0 R] /Count 1 /Parent 2 0 R /Type /Pages"),
    "length": pdf_page(b"<< /Length 4 0 R >>\nstream\nBT ET\nendstream", b"<< >>"),
    "contents": pdf_page(b"[4 0 R 4 0 R]", b"<< >>"),
    "filters": pdf_page(stream(b"x", b"/Filter [" + b"/ASCIIHexDecode " * 1000 + b"]"), b"<< >>"),
}


@pytest.mark.parametrize("kind", CYCLES)
def test_a_pdf_with_reference_cycles_is_refused(kind: str) -> None:
    with pytest.raises(ExtractionError) as caught:
        extract("a.pdf", CYCLES[kind])
    assert "\n" not in str(caught.value)


def test_a_pdf_with_avoidable_cycles_is_read() -> None:
    """A form draws itself twice, and the entries of an outline are in a cycle."""
    form = stream(b"BT /F1 9 Tf (in) Tj ET /X Do /X Do", b"/Type /XObject /Subtype /Form /Resources 9 0 R")
    outline = [
        b"<< /Type /Outlines /First 8 0 R /Last 8 0 R /Count 1 >>",
        b"<< /Title (A) /Parent 7 0 R /Dest [3 0 R /Fit] /Next 8 0 R /First 8 0 R >>",
        b"<< /XObject << /X 6 0 R >> >>",
    ]
    page = stream(b"BT /F1 9 Tf (page) Tj ET /X Do")
    assert "page" in extract("a.pdf", pdf_page(page, form, *outline, catalog=b"/Outlines 7 0 R")).text


@pytest.mark.slow
def test_a_pdf_of_millions_of_operators() -> None:
    bomb = zlib.compress(b"BT (a) Tj ET " + b"q " * 2_100_000)
    assert_refused("a.pdf", pdf_page(stream(bomb, FILTER), b"<< >>"), "not a readable PDF")
    with pypdf.apply_configuration(stream_parsing_work_maximum_count=1000):
        again = b"/Kids [" + b"3 0 R " * 50 + b"] /Count 50"
        assert_refused("a.pdf", pdf_page(stream(bomb, FILTER), b"<< >>", pages=again), "grows too large")
    twice = zlib.compress(zlib.compress(bytes(100_000_000)))
    filters = b"/Filter [/FlateDecode /FlateDecode]"
    with pytest.raises(ExtractionError):
        extract("a.pdf", pdf_page(stream(twice, filters), b"<< >>"))


def test_a_very_long_tag() -> None:
    """With each block, the parser begins again at the start of the tag."""
    options = limited(markup_bytes=1 << 20)
    assert_refused("a.docx", docx(f'<w:p a="{"x" * 3_000_000}"/>'), "grows too large", options)
    assert_refused("a.fodt", b"<a b='" + b"x" * 3_000_000 + b"'/>", "grows too large", options)


def test_a_very_long_paragraph() -> None:
    options = limited(paragraph_chars=10_000)
    assert_refused("a.docx", docx("<w:p>" + "<w:br/>" * 20_000 + "</w:p>"), "grows too large", options)
    document = extract("a.docx", docx("<w:p><w:r><w:t>short</w:t></w:r></w:p>" * 5000), options)
    assert document.text.count("short") == 5000


def test_blanks_between_distant_cells_count() -> None:
    row = "".join(f'<c r="{letter}V1"><v>1</v></c>' for letter in "CFILORUX")
    assert_refused("a.xlsx", xlsx({"S": f"<row>{row}</row>" * 10}), "grows too large", limited(text_chars=10_000))


def test_a_very_long_list_of_shared_texts() -> None:
    assert_refused("a.xlsx", xlsx({"S": "<row/>"}, "<si/>" * 1000), "grows too large", limited(text_chars=10_000))


def test_a_hundred_thousand_columns() -> None:
    names = [f"c{number}" for number in range(100_000)]
    document = extract("a.csv", ",".join(names).encode() + b"\n" + b"1," * 99_999 + b"1\n")
    assert document.spans[0].header == "" and document.text.startswith("c0,c1,")
    row = "".join(f'<c t="str"><v>{name}</v></c>' for name in names)
    document = extract("a.xlsx", xlsx({"S": f"<row>{row}</row>"}))
    assert document.text.count(" | ") == 99_999 and document.spans[-1].header == ""


def test_mail_of_too_many_parts() -> None:
    options = limited(parts=1000, mail_lines=10_000)
    head = b"Content-Type: multipart/mixed; boundary=B\n\n"
    assert_refused("a.eml", head + b"--B\n\n\n" * 1001, "grows too large", options)
    status = b"Content-Type: message/delivery-status\n\n"
    assert_refused("a.eml", status + b"a: b\n\n" * 1001, "grows too large", options)
    assert_refused("a.eml", b"a: b\n" * 10_001, "grows too large", options)
    assert extract("a.eml", b"Subject: S\n\n" + b"--B\n" * 2000, options).text.count("--B") == 2000


def test_merged_mappings_of_front_matter_do_not_multiply() -> None:
    rows = ["a0: &a0 {x: 1, y: 2}"]
    rows += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    document = extract("a.md", ("---\ntitle: T\n" + "\n".join(rows) + "\n---\ntext").encode())
    assert document.title == "T" and document.metadata["a11"] == {}


def test_a_number_too_long_to_be_written() -> None:
    assert extract("a.md", b"---\na: 0x" + b"f" * 8000 + b"\n---\ntext").metadata == {"a": "0x" + "f" * 998}


def test_pages_too_large_for_a_tree_are_read_without_one() -> None:
    attributes = " ".join(f"x{number}=''" for number in range(2000))
    assert extract("a.html", f"<nav>n</nav><p {attributes}>te&eacute;".encode()).text.split() == ["n", "teé"]
    options = limited(html_tags=10, html_chars=1000)
    assert extract("a.html", b"<nav>n</nav>" + b"<p>x</p>" * 10, options).text.split() == ["n", *"x" * 10]
    image = b"<img src='data:image/png;base64," + b"A" * 2000 + b"'>"
    assert extract("a.html", b"<nav>n</nav>" + image + b"<p>x", options).text == "x"
    assert extract("a.html", b"<nav>n</nav>" + b"x" * 1000, options).text.split() == ["n", "x" * 1000]


def test_too_many_headings() -> None:
    document = extract("a.md", b"# a\n" * 100 + b"end", limited(headings=10))
    assert len(document.spans) == 10 and document.spans[-1].end == len(document.text)


GROWING: dict[str, Callable[[int], bytes]] = {  # files that once took time quadratic in their length
    "a.tex": lambda n: b"\\begin{document}" + b"\\cite[\\f[\\(\\[" * (n // 14),
    "a.1": lambda n: b".TH A 1\n" + b"\\f[" * (n // 3),
    "b.1": lambda n: b'.\\" c\n' * (n // 6) + b"x",
    "a.html": lambda n: b"<body>" + b"<div>" * 3000 + b"<script><!--<style>" * (n // 19),
    "b.html": lambda n: b"<body>" + b"<aside><form>" * 1000 + b"<p>x</p>" * (n // 80) + b"<h1>T",
    "c.html": lambda n: b"<main role=main></main>" * (n // 40),
    "a.rtf": lambda n: b"{\\rtf1\\trowd\\intbl " + b"some words\\par " * (n // 15),
    "a.docx": lambda n: docx(
        "<w:tbl><w:tr><w:tc>" + "<w:p><w:t>words</w:t></w:p>" * (n // 25) + "</w:tc></w:tr></w:tbl>"
    ),
    "b.docx": lambda n: docx("<w:p>" + "<w:t> </w:t><w:lastRenderedPageBreak/>" * (n // 40) + "</w:p>"),
    "a.odt": lambda n: odf(
        "text",
        "<table:table><table:table-row><table:table-cell>"
        + "<text:p>words</text:p>" * (n // 22)
        + "</table:table-cell></table:table-row></table:table>",
    ),
    "b.odt": lambda n: odf("text", "<text:p>" * 400 + "words " * (n // 6) + "</text:p>" * 400),
    "a.xlsx": lambda n: xlsx(
        {"S": '<row><c t="s"><v>0</v></c></row>' * (n // 32)}, f"<si><t>{' ' * n}</t></si>", "<cellXfs/>"
    ),
    "a.md": lambda n: b"# a\n```\nx\n```\n" * (n // 40),
}


@pytest.mark.parametrize("name", GROWING)
def test_time_is_linear_in_the_size(name: str) -> None:
    """Quadratic time would take many minutes for a million characters."""
    import signal

    data = GROWING[name](1_000_000)

    def rings(*_: object) -> None:
        pytest.fail("more than a minute")

    former = signal.signal(signal.SIGALRM, rings)
    signal.alarm(60)
    try:
        extract("a" + name[1:], data)
    except ExtractionError as error:
        assert "\n" not in str(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)
