"""A folder of hostile files: each is reported in at most one line, and the files beside it are indexed."""

import gzip
import io
import os
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from packages import docx, ooxml, pack, xlsx
from process import CommandResult, Vsearch, assert_well_behaved, wait_for, write_files
from samples import SAMPLES, pdf_page, stream

MEGABYTES = 1000  # the highest peak memory of any process of the command
ENTITIES = "<!DOCTYPE x [{}]>"
PARAGRAPH = "<w:p><w:r><w:t>&z;</w:t></w:r></w:p>"
LAUGHS = "".join(f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in zip("abcdefghij", "bcdefghijz", strict=True))
FORM = stream(b"BT /F1 9 Tf (in) Tj ET /X Do /X Do", b"/Type /XObject /Subtype /Form /Resources << >>")

_MEASURED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


def with_entities(declarations: str) -> bytes:
    body = f'<w:document xmlns:w="w"><w:body>{PARAGRAPH}</w:body></w:document>'
    return ooxml("word/document.xml", {"word/document.xml": ENTITIES.format(declarations) + body})


def package_bomb(member: str, start: bytes, block: bytes, count: int) -> bytes:
    """Return a package whose only member unpacks to `count` blocks."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package, package.open(member, "w") as file:
        file.write(start)
        for _ in range(count):
            file.write(block)
    return out.getvalue()


def operators(millions: int, pages: int = 1) -> bytes:
    """Return a PDF whose pages have that many million operators each."""
    compressor = zlib.compressobj(1)
    parts = [compressor.compress(b"BT (a) Tj ET "), *(compressor.compress(b"q " * 1_000_000) for _ in range(millions))]
    kids = b"/Kids [" + b"3 0 R " * pages + b"] /Count %d" % pages
    return pdf_page(stream(b"".join([*parts, compressor.flush()]), b"/Filter /FlateDecode"), b"<< >>", pages=kids)


def refused() -> dict[str, bytes]:
    """Return files that can't be read; each must be named in one line."""
    nested = pack({"a.docx": pack({"b.docx": pack({"word/document.xml": "<a/>"})})})
    return {
        "zeros.txt.gz": gzip.compress(bytes(1 << 20)) * 1024,  # 1 GB: members of a gzip file follow each other
        "laughs.docx": with_entities('<!ENTITY a "ha">' + LAUGHS),
        "quadratic.docx": with_entities(f'<!ENTITY z "{"ha" * 50_000}">'),
        "outside.docx": with_entities('<!ENTITY z SYSTEM "file:///etc/hostname">'),
        "outside.fodt": b'<!DOCTYPE x [<!ENTITY % z SYSTEM "http://localhost:9/x"> %z;]><x/>',
        "deep.docx": docx("<w:tbl>" * 100_000),
        "tag.docx": docx(f'<w:p a="{"x" * 8_000_000}"/>'),
        "nested.docx": nested,
        "circle.pdf": pdf_page(stream(b""), b"<< >>", pages=b"/Kids [2 0 R] /Count 1"),
        "deep.rtf": b"{\\rtf1" + b"{" * 100_000,
        "parts.eml": b"Content-Type: multipart/mixed; boundary=B\n\n" + b"--B\n\n\n" * 1_000_000,
        "deep.ipynb": b'{"cells":' + b"[" * 900_000,
    }


def bombs() -> dict[str, bytes]:
    """Return more such files, which take seconds to make and to refuse."""
    spaces = b" " * (1 << 20)
    return {
        "gigabyte.docx": package_bomb("word/document.xml", b"<a>", spaces, 1024),
        "cells.xlsx": xlsx({"S": "<row><c><v>1</v></c></row>" * 11_000_000}),
        "texts.xlsx": xlsx({"S": '<row><c t="s"><v>0</v></c></row>'}, "<si><t>ab</t></si>" * 14_000_000),
        "gigabyte.odt": package_bomb("content.xml", b"<a>", spaces, 1024),
        "gigabyte.epub": package_bomb("META-INF/container.xml", b"<a>", spaces, 1024),
        "operators.pdf": operators(1000),  # a thousand million
        "tokens.pdf": operators(30),  # what pypdf would still inflate
        "lists.ipynb": b'{"cells":[' + b"[]," * 15_000_000 + b"{}]}",
        "headers.eml": b"a: b\n" * 9_000_000,
    }


def odd() -> dict[str, bytes]:
    """Return files that may be read in part, and may be named in one line."""
    cut = {f"cut-{name}": data[: len(data) // 2] for name, data in SAMPLES.items()}
    return {
        **cut,
        "form.pdf": pdf_page(stream(b"BT /F1 9 Tf (page) Tj ET /X Do"), FORM),
        "wide.csv": b"a" + b"," * 100_000 + b"b\n1,2\n",
        "wide.xlsx": xlsx({"S": f"<row>{'<c/>' * 100_000}<c><v>7</v></c></row>"}),
        "zip.zip": pack({"a.zip": pack({"b.zip": pack({})})}),
        "twice.txt.gz.gz": gzip.compress(gzip.compress(b"text")),
        "new\nline.txt": b"a heron of two lines",
        "escape \x1b[31m\x07.txt": b"a heron in red",
        "n" * 251 + ".txt": b"a heron with a long name",
    }


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Make a file grow and shrink all the time."""
    path.write_bytes(b"")
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            with path.open("ab") as file:
                file.write(b"more words\n" * 10)
            if path.stat().st_size > 2000:
                os.truncate(path, 10)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def build(project: Path, *groups: dict[str, bytes]) -> None:
    write_files(
        project, {"good/first.txt": "The heron nests by the weir.", "good/second.md": "# Heron\n\nIt fishes.\n"}
    )
    for group in groups:
        for name, data in group.items():
            (project / name).write_bytes(data)
    with (project / "zeros.txt").open("wb") as file:
        file.truncate(1 << 30)
    (project / os.fsdecode(b"invalid \xff\xfe.txt")).write_bytes(b"a heron")
    (project / "loop").symlink_to(project / "loop")
    (project / "good" / "up").symlink_to(project)
    (project / "endless.txt").symlink_to("/dev/zero")
    os.mkfifo(project / "pipe.txt")


def index(vsearch: Vsearch, project: Path, measured: Path) -> CommandResult:
    """Run `index`; check the peak memory of its processes."""
    watched = replace(vsearch, prefix=(*vsearch.prefix, sys.executable, "-c", _MEASURED, str(measured)))
    with changing(project / "changing.log"):
        result = assert_well_behaved(wait_for(watched.start("index", "-v", ".", cwd=project), seconds=600))
    assert int(measured.read_text()) < MEGABYTES * 1000, "kilobytes"
    return result


def holds(vsearch: Vsearch, project: Path, result: CommandResult, names: dict[str, bytes]) -> None:
    """Check the messages and the outcome of a run."""
    assert result.status == 2, result
    lines = result.err.splitlines()
    assert all(line.startswith(("vsearch: ", "skipped ", "without text: ")) for line in lines), lines
    for name in names:
        messages = [line for line in lines if line.startswith(f"vsearch: {name}: ")]
        assert len(messages) == 1, (name, messages)
    subjects = [line.split(": ")[0] if line.startswith("skipped") else line.split(": ")[1] for line in lines]
    assert len(subjects) == len(set(subjects)), "one line each"
    assert {f"skipped {name}" for name in ("zeros.txt", "loop", "endless.txt", "pipe.txt")} <= set(subjects)
    assert any(line.startswith("skipped invalid ") for line in lines)
    found = vsearch("query", "--mode", "keyword", "-k", "100", "--paths", "heron", cwd=project)
    assert {"good/first.txt", "good/second.md"} <= set(found.lines)
    assert sum("new" in line or "escape" in line or "nnn" in line for line in found.lines) == 3


def test_hostile_files_are_reported_and_the_rest_is_indexed(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    build(project, refused(), odd())
    holds(vsearch, project, index(vsearch, project, tmp_path / "kilobytes"), refused())


@pytest.mark.slow
def test_decompression_bombs_are_refused(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    build(project, bombs(), odd())
    holds(vsearch, project, index(vsearch, project, tmp_path / "kilobytes"), bombs())


def endless() -> dict[str, bytes]:
    """Their formats are valid, but reading takes hours: only the time limit stops it."""
    return {"pages.pdf": operators(1, pages=2000)}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("vsearch_core.text.workers") is None, reason="reading has no limit on time")
def test_files_that_take_hours_are_stopped(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    build(project, endless(), odd())
    holds(vsearch, project, index(vsearch, project, tmp_path / "kilobytes"), endless())
