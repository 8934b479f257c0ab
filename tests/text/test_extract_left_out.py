"""Files that can't be opened, or can be read only in part."""

import io
import os
import sys
import zipfile

import pytest
from packages import docx, epub, pptx, shape, xlsx

from vsearch_core.errors import EncryptedError, ExtractionError
from vsearch_core.text.extract.options import ExtractLimits, ExtractOptions
from vsearch_core.text.extract.registry import extract

ROW = '<row r="1"><c r="A1" t="str"><v>heron</v></c></row>'
MESSAGE = b"From x Mon Feb  5 10:00:00 2024\nSubject: T\n\ntext\n\n"


def without(data: bytes, member: str) -> bytes:
    """Return the package without that member."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as package, zipfile.ZipFile(out, "w") as fewer:
        for name in package.namelist():
            if name != member:
                fewer.writestr(name, package.read(name))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "left_out"),
    [
        ("a.pptx", without(pptx(*(shape(word) for word in "abcd")), "ppt/slides/s3.xml"), "can't find slide 2"),
        ("a.xlsx", without(xlsx({"A": ROW, "B": ROW}), "xl/sheets/1.xml"), "can't find sheet 1"),
        ("a.epub", without(epub({"a.html": "<p>x", "b.html": "<p>y"}), "OPS/b.html"), "can't find section 2"),
    ],
)
def test_missing_parts_are_reported(name: str, data: bytes, left_out: str) -> None:
    document = extract(name, data)
    assert document.left_out == (left_out,)
    assert document.spans


def test_parts_beyond_the_limit_are_reported() -> None:
    options = ExtractOptions(limits=ExtractLimits(parts=2))
    cell = b'{"cell_type": "code", "source": "x"}'
    for count, messages, cells in ((2, (), ()), (3, ("more than 2 messages",), ("more than 2 cells",))):
        assert extract("a.mbox", MESSAGE * count, options).left_out == messages
        assert extract("a.ipynb", b'{"cells": [' + b", ".join([cell] * count) + b"]}", options).left_out == cells


def locked(password: str) -> bytes:
    """Return a Word document encrypted like Office does it. It has more than 4 kB, as the library's writer needs."""
    agile = pytest.importorskip("msoffcrypto.method.ecma376_agile").ECMA376Agile
    text = "heron " + os.urandom(8000).hex()
    encrypted: bytes = agile.encrypt(password, io.BytesIO(docx(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")))
    return encrypted


def test_an_encrypted_office_file() -> None:
    data = locked("open sesame")
    with pytest.raises(EncryptedError, match=r"^a.docx: is encrypted$") as caught:
        extract("a.docx", data)
    assert caught.value.code == "encrypted-file"
    with pytest.raises(EncryptedError, match="is encrypted, and the password does not open it") as caught:
        extract("a.docx", data, ExtractOptions("open barley"))
    assert caught.value.code == "wrong-password"
    assert extract("a.docx", data, ExtractOptions("open sesame")).text.startswith("heron ")


def test_a_damaged_encrypted_office_file() -> None:
    data = bytearray(locked("u"))
    data[600:4000] = bytes(3400)
    with pytest.raises(ExtractionError):
        extract("a.docx", bytes(data), ExtractOptions("u"))


def test_an_encrypted_office_file_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = locked("u")
    monkeypatch.setitem(sys.modules, "msoffcrypto.exceptions", None)
    with pytest.raises(EncryptedError, match=r"opening it needs msoffcrypto-tool$") as caught:
        extract("a.docx", data, ExtractOptions("u"))
    assert caught.value.code == "office-extra-missing"


def test_a_password_is_not_shown() -> None:
    assert "sesame" not in repr(ExtractOptions("open sesame"))
