"""Scanned PDFs, with a script in place of OCRmyPDF, and with the program itself if it is installed."""

import io
import os
import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest
from pdfs import drawn, encrypted, make_pdf, ocrmypdf, recognising, with_pictures
from pypdf import PdfReader

from vsearch_core.errors import ArgumentError, BinaryFileError, ExtractionError
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract import ocr
from vsearch_core.text.extract.options import ExtractLimits, ExtractOptions, remedy
from vsearch_core.text.files import FileToRead
from vsearch_core.text.formats.pdf import extract
from vsearch_core.text.limits import WorkerLimits
from vsearch_core.text.reading import open_reader

OCR = ExtractOptions(ocr=True)
SCAN = with_pictures(make_pdf("", ""), [1, 2])
MIXED = with_pictures(make_pdf("typed", ""), [2])


@pytest.mark.parametrize("data", [SCAN, MIXED])
def test_pages_are_read_after_text_recognition(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", recognising(tmp_path, make_pdf("typed", "seen", information={"Title": "Not its own"})))
    document = extract("-a.pdf", data, OCR)
    assert [span.page for span in document.spans] == [1, 2]
    assert document.text == "typed\n\f\nseen\n\n"
    assert (document.title, document.left_out) == (None, ())
    assert (tmp_path / "input.pdf").read_bytes() == data
    assert (tmp_path / "arguments").read_text().split()[-2:] == ["input.pdf", "output.pdf"]


def test_pages_in_unreadable_fonts_are_recognised_by_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    garbled = drawn([(72, 700, "no one can read this")], identity=True, mapped=False)
    monkeypatch.setenv("PATH", recognising(tmp_path, make_pdf("seen")))
    assert extract("a.pdf", garbled, OCR).text == "seen\n\n"
    assert (tmp_path / "arguments").read_text().startswith("--force-ocr --pages 1 ")


def test_a_pdf_with_text_on_every_page_is_not_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert extract("a.pdf", make_pdf("typed", ""), OCR).text.strip() == "typed"


def test_a_picture_without_text_leaves_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", recognising(tmp_path, MIXED))
    assert extract("a.pdf", MIXED, OCR).left_out == ()
    monkeypatch.setenv("PATH", recognising(tmp_path, SCAN))
    with pytest.raises(BinaryFileError, match="holds no text, not in its pictures either"):
        extract("a.pdf", SCAN, OCR)


def test_an_encrypted_scan_is_decrypted_before_recognition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", recognising(tmp_path, make_pdf("one", "two")))
    assert extract("a.pdf", encrypted(SCAN, "u"), ExtractOptions("u", ocr=True)).text == "one\n\f\ntwo\n\n"
    assert not PdfReader(io.BytesIO((tmp_path / "input.pdf").read_bytes())).is_encrypted


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no such language >&2; exit 3", r"ocrmypdf could not read its pictures \(no such language\)"),
        ("exit 3", r"\(it gave no reason\)"),
        ("exit 0", r"\(it gave no reason\)"),
        ('echo nonsense > "$last"', "is not a readable PDF"),
    ],
)
def test_a_failure_of_the_program_fails_the_file(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", ocrmypdf(tmp_path, script))
    with pytest.raises(ExtractionError, match=reason) as caught:
        extract("a.pdf", SCAN, OCR)
    assert remedy(caught.value) == ""  # so that it is not read again in every run


def test_a_program_that_hangs_ends_with_its_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = tmp_path / "started"
    monkeypatch.setenv("PATH", ocrmypdf(tmp_path, f"sleep 1000 & echo $! > '{started}'; wait"))
    scan = tmp_path / "a.pdf"
    scan.write_bytes(SCAN)
    with closing(
        open_reader([FileToRead(str(scan), 0)], ChunkOptions(), OCR, lambda: False, WorkerLimits(3.0, clock_factor=1.0))
    ) as reader:
        (outcome,) = reader.take(1)
    assert isinstance(outcome.result, ExtractionError)
    assert outcome.result.reason == "took longer than 3 s to read"
    with pytest.raises(ProcessLookupError):
        until_gone(int(started.read_text()))


def until_gone(process: int) -> None:
    """Raise ProcessLookupError as soon as the process has ended."""
    for _ in range(100):
        os.kill(process, 0)
        time.sleep(0.1)


def test_too_much_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", recognising(tmp_path, make_pdf("x")))
    with pytest.raises(ExtractionError, match="grows too large"):
        extract("a.pdf", SCAN, ExtractOptions(ocr=True, limits=ExtractLimits(expanded_bytes=10)))


def test_the_program_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArgumentError, match=r"^ocr: there is no ocrmypdf on the PATH$") as caught:
        ocr.require_program()
    assert caught.value.code == "ocr-program-missing"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(ocr.PROGRAM) is None, reason="ocrmypdf is not installed")
def test_the_program_itself() -> None:
    drawing = pytest.importorskip("PIL.ImageDraw")
    image = pytest.importorskip("PIL.Image").new("L", (1240, 400), 255)
    font = pytest.importorskip("PIL.ImageFont").load_default(60)
    drawing.Draw(image).text((100, 100), "The heron nests by the weir.", font=font, fill=0)
    scan = io.BytesIO()
    image.save(scan, "PDF", resolution=150)
    assert "heron nests" in extract("a.pdf", scan.getvalue(), OCR).text
