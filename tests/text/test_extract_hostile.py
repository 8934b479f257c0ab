"""Files made to do harm, or broken: each costs one error of one line, little time and little memory."""

import gzip
import io
import lzma
import random
import zipfile

import pytest
from packages import docx, epub, odf, ooxml, pack, pptx, shape, xlsx

from vsearch_core.errors import ExtractionError
from vsearch_core.text.extract import build, compressed, package
from vsearch_core.text.extract.registry import FORMATS, extract

LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 20}">' for n in range(8))
    + "]>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY i SYSTEM "file:///etc/passwd">]>'
SAMPLES: dict[str, bytes] = {
    "a.docx": docx("<w:p><w:r><w:t>text</w:t></w:r></w:p>" * 20),
    "a.pptx": pptx(shape("Title", kind="title") + shape("text")),
    "a.xlsx": xlsx({"S": '<row r="1"><c r="A1" t="s"><v>0</v></c></row>'}, "<si><t>text</t></si>"),
    "a.odt": odf("text", "<text:p>text</text:p>" * 20),
    "a.ods": odf("spreadsheet", "<table:table><table:table-row/></table:table>"),
    "a.epub": epub({"a.xhtml": "<p>text</p>"}),
    "a.rtf": rb"{\rtf1{\info{\title T}}\b some\par text \'e9\u1087?}",
    "a.eml": b"Subject: T\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\ntext\n--B--",
    "a.mbox": b"From x Mon Feb  5 10:00:00 2024\nSubject: T\n\ntext\n",
    "a.mhtml": b"Content-Type: multipart/related; boundary=B\n\n--B\nContent-Type: text/html\n\n<p>x\n--B--",
    "a.ipynb": b'{"cells": [{"cell_type": "markdown", "source": ["# T\\n", "text"]}]}',
    "a.csv": b"name,age\nBob,7\n",
    "a.json": b'{"a": {"b": "\\u0436"}}',
    "a.yaml": b"a:\n  b: 1\n",
    "a.xml": b"<a><title>T</title><![CDATA[x]]><!-- c --></a>",
    "a.tex": b"\\title{T}\\begin{document}\\section{S} $x$ \\begin{verbatim}v\\end{verbatim}",
    "a.org": b"#+TITLE: T\n* H\n:PROPERTIES:\n:END:\n#+begin_src\nx\n#+end_src\n",
    "a.adoc": b"= T\n:lang: en\n\n----\nx\n----\n",
    "a.srt": b"1\n00:00:01,000 --> 00:00:02,000\ntext\n",
    "a.1": b".TH LS 1\n.SH NAME\nls \\- \\fBlist\\fR\n",
    "a.py": b"# c\nclass A:\n    def f(self):\n        pass\n",
    "a.ts": b"export class A {\n  f(a) {\n  }\n}\n",
    "a.txt.gz": gzip.compress(b"text"),
}


def refused(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(ExtractionError, match=reason) as caught:
        extract(name, data)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(name)


@pytest.mark.parametrize("declaration", [LAUGHS, OUTSIDE])
def test_entities_are_refused(declaration: str) -> None:
    paragraph = "<w:p><w:r><w:t>&i;</w:t></w:r></w:p>"
    document = f'{declaration}<w:document xmlns:w="w"><w:body>{paragraph}</w:body></w:document>'
    refused("a.docx", ooxml("word/document.xml", {"word/document.xml": document}), "declares entities")
    refused("a.odt", pack({"content.xml": f"{declaration}<x>&i;</x>"}), "declares entities")
    refused("a.fodt", f"{declaration}<x>&i;</x>".encode(), "declares entities")


def test_a_member_that_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_EXPANDED", 1 << 20)
    refused("a.docx", docx("<w:p/>" * 300_000), "grows too large")
    refused("a.xlsx", xlsx({"S": "<row/>" * 300_000}), "grows too large")


def test_a_text_that_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MAX_TEXT", 10_000)
    refused("a.docx", docx("<w:p><w:r><w:t>some text</w:t></w:r></w:p>" * 2000), "grows too large")


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_compressed_file_that_grows_too_large(monkeypatch: pytest.MonkeyPatch, compress: type) -> None:
    monkeypatch.setattr(compressed, "MAX_EXPANDED", 1 << 20)
    name = "a.txt.gz" if compress is gzip.compress else "a.txt.xz"
    refused(name, compress(bytes(1 << 22)), "grows too large")


def test_elements_nested_without_end() -> None:
    refused("a.docx", docx("<w:tbl>" * 10_000), "nest too deep")
    refused("a.odt", odf("text", "<text:span>" * 10_000), "nest too deep")


def test_encrypted_office_files_say_so() -> None:
    container = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000)
    refused("a.docx", container, "is an old binary Office file, whatever its name says")
    refused("a.docx", container + "EncryptedPackage".encode("utf-16-le"), "is encrypted")


def test_a_member_with_a_password() -> None:
    data = bytearray(SAMPLES["a.docx"])
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.find(mark)
        while place >= 0:
            data[place + flags] |= 1
            place = data.find(mark, place + 1)
    refused("a.docx", bytes(data), "is encrypted; save a copy without its password")


@pytest.mark.parametrize("name", [name for name in SAMPLES if zipfile.is_zipfile(io.BytesIO(SAMPLES[name]))])
@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"just text", pack({}), pack({"mimetype": "x"})])
def test_packages_that_are_none(name: str, data: bytes) -> None:
    refused(name, data, "is no readable")


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_readable(name: str) -> None:
    assert extract(name, SAMPLES[name]).text or name == "a.ods"


@pytest.mark.parametrize("name", SAMPLES)
def test_cut_off_or_garbled_is_an_extraction_error_or_harmless(name: str) -> None:
    whole = SAMPLES[name]
    random_ = random.Random(name)
    variants = [whole[:end] for end in range(0, len(whole), max(1, len(whole) // 25))]
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(random_.randint(1, 5)):
            at = random_.randrange(len(data))
            data[at : at + random_.randint(0, 3)] = random_.randbytes(random_.randint(0, 3))
        variants.append(bytes(data))
    for data in variants:
        try:
            document = extract(name, data)
        except ExtractionError as error:
            assert "\n" not in str(error)
            assert error.__cause__ is None, "the extractor itself should have said so"
        else:
            ends = [0, *(place for span in document.spans for place in (span.start, span.end))]
            assert ends == sorted(ends) and ends[-1] <= len(document.text)
            assert document.lines is None or len(document.lines) == document.text.count("\n") + 1
            document.text.encode()


def test_every_format_is_there() -> None:
    covered = {name.removesuffix(".gz").rpartition(".")[2] for name in SAMPLES}
    missing = [row.name for row in FORMATS if not covered & {suffix[1:] for suffix in row.suffixes}]
    assert missing == [
        *("Markdown", "reStructuredText", "HTML", "PDF", "OpenDocument presentation", "JSON lines", "TOML and INI"),
        "Outlook message",
    ]


@pytest.mark.parametrize("name", ["a.docx.gz", "a.md.gz", "A.CSV.XZ", "a.unknown.bz2"])
def test_compressed_files_are_what_they_hold(name: str) -> None:
    import bz2

    compress = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}[name[-3:].lower().strip(".")]
    content = SAMPLES["a.docx"] if "docx" in name else b"# Title\n"
    assert extract(name, compress(content)).text.strip()
    refused(name, compress(content)[:-12], "no readable compressed file")
