"""`vsearch index` and `vsearch status --files` account for files that could not be read, or only in part."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from packages import docx
from pdfs import encrypted, make_pdf, recognising, with_pictures
from process import Vsearch, controls_terminal, write_files

from .conftest import EVIL_NAME

LOCKED = "is encrypted; index again with its password in VSEARCH_PASSWORD or --password"
SCANNED = "has no text, only pictures; run ocrmypdf on the file first, or index with --ocr"
PICTURES = "only pictures on page 2 (OCR reads them)"


@pytest.fixture
def mixed(vsearch: Vsearch, project: Path) -> Path:
    """Return an indexed folder with files that could not be read, or only in part."""
    files: dict[str, str | bytes] = {
        "-scan.pdf": with_pictures(make_pdf(""), [1]),
        "bad.pdf": b"no PDF",
        "empty.docx": docx(""),
        "good.txt": "The pump.",
        "large.txt": "x" * 20_000,
        "locked.pdf": encrypted(make_pdf("A secret"), "open sesame"),
        "part.pdf": with_pictures(make_pdf("typed", ""), [2]),
        "sub/binary.bin": bytes(1000),
        EVIL_NAME: "",
    }
    write_files(project, files)
    result = vsearch("index", "-v", "--max-file-size", "10kB", ".", cwd=project)
    assert result.status == 2
    assert "4 files, 2 chunks (4 added, 2 skipped, 3 could not be read," in result.out
    assert " 1 indexed only in part, 2 without text) in " in result.out
    assert sorted(result.err.splitlines()) == [
        "skipped large.txt: 20,000 bytes, more than 10,000",
        "skipped sub/binary.bin: is binary, not text",
        f"vsearch: -scan.pdf: {SCANNED}; left out of the index",
        "vsearch: bad.pdf: is not a readable PDF (Stream has ended unexpectedly); left out of the index",
        f"vsearch: locked.pdf: {LOCKED}; left out of the index",
        f"vsearch: part.pdf: {PICTURES}; the rest is indexed",
        "without text: empty.docx",
        "without text: evil \ufffd[31m\ufffd name.txt",
    ]
    return project


LINES = [
    f"failed   -scan.pdf: {SCANNED}",
    "failed   bad.pdf: is not a readable PDF (Stream has ended unexpectedly)",
    "indexed  empty.docx: holds no text",
    "indexed  evil \ufffd[31m\ufffd name.txt: holds no text",
    "indexed  good.txt",
    "skipped  large.txt: 20,000 bytes, more than 10,000",
    f"failed   locked.pdf: {LOCKED}",
    f"partly   part.pdf: {PICTURES}",
    "skipped  sub/binary.bin: is binary, not text",
]


def test_files_are_listed_one_a_line(vsearch: Vsearch, mixed: Path) -> None:
    result = vsearch("status", "--files", cwd=mixed)
    assert (result.status, result.err, result.lines) == (0, "", LINES)
    assert vsearch("status", "--files", cwd=mixed / "sub").lines[-1] == "skipped  binary.bin: is binary, not text"
    assert "files     4, 1 of them partly; 2 skipped, 3 failed (--files says why)" in vsearch("status", cwd=mixed).lines


def test_files_are_listed_as_json(vsearch: Vsearch, mixed: Path) -> None:
    result = vsearch("status", "--files", "--json", cwd=mixed)
    assert not controls_terminal(result.out.rstrip("\n"))
    status = result.json
    assert status["files_by_state"] == {"indexed": 3, "partly": 1, "pending": 0, "skipped": 2, "failed": 3}
    assert [list(file) for file in status["by_file"]] == [["path", "state", "reason"]] * len(LINES)
    assert status["by_file"][3] == {"path": EVIL_NAME, "state": "indexed", "reason": "holds no text"}
    assert status["by_file"][0] == {"path": "-scan.pdf", "state": "failed", "reason": SCANNED}
    without = vsearch("status", "--json", cwd=mixed).json
    assert without == {**status, "by_file": None}


def test_an_empty_index_has_no_files(vsearch: Vsearch, project: Path) -> None:
    assert vsearch("index", ".", cwd=project).status == 0
    result = vsearch("status", "--files", cwd=project)
    assert (result.status, result.out, result.err) == (0, "", "")


def test_the_password_can_come_from_the_environment(vsearch: Vsearch, mixed: Path) -> None:
    result = vsearch("index", "-q", cwd=mixed, VSEARCH_PASSWORD="open barley")
    assert (
        "vsearch: locked.pdf: is encrypted, and the password does not open it; give the right password; left"
        in result.err
    )
    result = vsearch("index", cwd=mixed, VSEARCH_PASSWORD="open sesame")
    assert (result.status, "locked.pdf" in result.err) == (2, False)
    assert vsearch("query", "-k", "1", "--paths", "secret", cwd=mixed).lines == ["locked.pdf"]
    output = result.out + result.err + vsearch("status", "--files", "--json", cwd=mixed).out
    kept = b"".join(path.read_bytes() for path in (mixed / ".vsearch").rglob("*") if path.is_file())
    assert ("sesame" in output, b"sesame" in kept) == (False, False)
    assert vsearch("index", "--json", cwd=mixed).json["unchanged"] == 5


def test_the_password_can_come_from_the_command_line(vsearch: Vsearch, mixed: Path) -> None:
    plan = vsearch("index", "--plan", "--json", "--password", "open sesame", cwd=mixed).json
    assert (plan["new"], plan["failed"]) == (1, 2)
    assert vsearch("index", "--json", "--password", "open sesame", cwd=mixed).json["added"] == 1


def test_ocr_reads_scanned_pages(vsearch: Vsearch, mixed: Path, tmp_path: Path) -> None:
    path = recognising(tmp_path / "programs", make_pdf("typed", "A scanned heron"))
    summary = vsearch("index", "--ocr", "--json", cwd=mixed, PATH=path).json
    assert (summary["added"], summary["changed"], summary["failed"], summary["partly"]) == (1, 2, 2, 0)  # empty.docx
    lines = vsearch("status", "--files", cwd=mixed).lines
    assert {"indexed  -scan.pdf", "indexed  part.pdf"} <= set(lines)
    assert vsearch("query", "-k", "1", "heron", cwd=mixed).lines[0].startswith("-scan.pdf  page 2  ")


@pytest.mark.skipif(find_spec("rapidocr") is not None, reason="rapidocr is installed")
def test_ocr_without_the_program_is_refused_at_once(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    bin_ = str(Path(os.__file__).parent)  # a folder without programs
    assert vsearch("index", "--ocr", ".", cwd=project, PATH=bin_).error == (
        "--ocr: there is no ocrmypdf on the PATH;"
        " run `pip install 'vsearch[ocr]'` or install it (apt install ocrmypdf), or leave --ocr out"
    )
    assert not (project / ".vsearch").exists()
