"""Archives: each file in one is read by its own extractor, at its own place, and within limits."""

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import pytest
from packages import pack
from pdfs import make_pdf
from samples import SAMPLES, tar

from vsearch_core.errors import EncryptedError, ExtractionError, SourceArchiveError
from vsearch_core.model import Document
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract import registry
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions, remedy
from vsearch_core.text.extract.registry import extract, place_of

SMALL = ChunkOptions(words=20, overlap=0)


def places(name: str, document: Document) -> list[str | None]:
    chunks = split(document, SMALL)
    return [place_of(name, chunk.page, chunk.heading, (chunk.start_line, chunk.end_line)) for chunk in chunks]


def texts(document: Document) -> list[str]:
    return [chunk.text for chunk in split(document, SMALL)]


@pytest.mark.parametrize(("name", "make"), [("docs/a.zip", pack), ("docs/a.tar", tar)])
def test_each_file_of_an_archive_is_a_place_of_its_own(name: str, make: Callable[..., bytes]) -> None:
    members = {
        "report/plan.pdf": make_pdf("first sheet", "second sheet"),
        "notes.md": b"intro\n\n# Roof\n\nTwo tiles.\n",
        "photo.jpg": b"\xff\xd8\xff\xe0" + bytes(range(256)),
        "letter.docx": SAMPLES["a.docx"],
    }
    document = extract(name, make(members))
    base = name.removeprefix("docs/")
    assert places(name, document) == [f"{base}!{each}" for each in ("report/plan.pdf", "notes.md", "letter.docx")]
    chunks = split(document, SMALL)
    assert chunks[0].text.split() == ["first", "sheet", "second", "sheet"]
    assert chunks[1].heading == "notes.md > Roof"
    assert (chunks[1].start_line, chunks[1].end_line) == (1, 5), "lines of the file in the archive"
    assert document.left_out == ()
    assert document.metadata == {"files": ["report/plan.pdf", "notes.md", "letter.docx"]}


def test_no_chunk_has_text_of_two_files() -> None:
    document = extract("a.zip", pack({f"{number}.txt": b"word" for number in range(5)}))
    assert texts(document) == ["word"] * 5


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        *((suffix, gzip.compress) for suffix in (".tar.gz", ".tgz")),
        *((suffix, bz2.compress) for suffix in (".tar.bz2", ".tbz", ".tbz2")),
        *((suffix, lzma.compress) for suffix in (".tar.xz", ".TXZ")),
        (".zip.gz", None),
    ],
)
def test_compressed_archives(suffix: str, compress: Callable[[bytes], bytes] | None) -> None:
    data = gzip.compress(pack({"d/a.txt": b"heron"})) if compress is None else compress(tar({"d/a.txt": b"heron"}))
    document = extract(f"a{suffix}", data)
    assert texts(document) == ["heron"]
    assert places(f"a{suffix}", document) == [f"a{suffix}!d/a.txt"]


@pytest.mark.parametrize("name", ["a.tar.zst", "a.tzst", "a.txt.zst"])
def test_zstandard(name: str) -> None:
    zstd = pytest.importorskip("backports.zstd")
    data = b"heron" if name == "a.txt.zst" else tar({"a.txt": b"heron"})
    assert texts(extract(name, zstd.compress(data))) == ["heron"]
    with pytest.raises(ExtractionError, match="is not a readable compressed file"):
        extract(name, b"no frame")
    with pytest.raises(ExtractionError, match="grows too large"):
        extract(name, zstd.compress(bytes(20_000)), ExtractOptions(limits=ExtractLimits(unpacked_bytes=19_999)))


def test_zstandard_names_the_extra_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsearch_core.text.extract.compressed.find_spec", lambda _: None)
    monkeypatch.setattr("sys.version_info", (3, 11))
    with pytest.raises(ExtractionError) as caught:
        extract("a.txt.zst", b"")
    assert (caught.value.code, caught.value.details) == ("extra-missing", {"extra": "archives"})


def test_archives_in_archives_and_in_messages() -> None:
    inner = pack({"deep/x.txt": b"deepest words", "y.md": b"# H\n\nother"})
    document = extract("a.zip", pack({"in.zip": inner, "b.tar.gz": gzip.compress(tar({"z.txt": b"more"}))}))
    assert places("a.zip", document) == ["a.zip!in.zip!deep/x.txt", "a.zip!in.zip!y.md", "a.zip!b.tar.gz!z.txt"]
    assert split(document, SMALL)[1].heading == "in.zip!y.md > H"
    message = b"Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Disposition: attachment; filename=in.zip\n\n"
    document = extract("a.eml", message + inner + b"\n--B--\n")
    assert places("a.eml", document)[1:] == ["attachment in.zip", "attachment in.zip"]


def test_archives_that_nest_too_deeply_are_reported() -> None:
    data = pack({"a.txt": b"word"})
    for _ in range(4):
        data = pack({"b.zip": data})
    document = extract("a.zip", data)
    assert document.spans == ()
    assert "inside of too many other files" in document.left_out[0]


@pytest.mark.parametrize(
    "names", [["../a.txt", "b/../../c.txt"], [".git/config", "d/.env", "__MACOSX/._a.txt", "CVS/Root", "sub/"]]
)
def test_names_that_lead_out_and_hidden_files_are_not_read(names: list[str]) -> None:
    document = extract("a.zip", pack({**dict.fromkeys(names, b"secret heron"), "good.txt": b"fine"}))
    assert texts(document) == ["fine"]
    led_out = [f"files whose names lead out of the archive, such as {names[0]}"] if ".." in names[0] else []
    assert list(document.left_out) == led_out


def test_absolute_names_are_shown_as_relative() -> None:
    document = extract("a.tar", tar({"/srv/./docs//a.txt": b"word"}))
    assert places("a.tar", document) == ["a.tar!srv/docs/a.txt"]


def test_links_are_not_followed() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("link.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert extract("a.tar", out.getvalue()).spans == ()
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr(link, "/etc/passwd")
    assert extract("a.zip", out.getvalue()).spans == ()


@pytest.mark.parametrize(
    ("name", "encoding"), [("Отчёт за год.txt", "cp866"), ("予定表の説明.txt", "cp932"), ("naïve café.txt", "utf-8")]
)
def test_names_in_other_encodings(name: str, encoding: str) -> None:
    data = bytearray(pack({"x" * len(name.encode(encoding)): b"word"}))
    raw = name.encode(encoding)
    while b"x" * len(raw) in data:  # in the member's header and in the directory
        at = data.index(b"x" * len(raw))
        data[at : at + len(raw)] = raw
    assert extract("a.zip", bytes(data)).metadata == {"files": [name]}


def test_a_separator_of_headings_in_a_name_stays_in_one_heading() -> None:
    assert extract("a.zip", pack({"a > b/c.txt": b"word"})).spans[0].heading == ("a>b/c.txt",)


@pytest.mark.parametrize("make", [pack, tar])
def test_archives_of_source_code_are_left_alone_unless_asked_for(make: Callable[..., bytes]) -> None:
    data = make({"src/a.py": b"x = 1", "src/b.c": b"int x;", "README.md": b"# Read me"})
    name = "a.zip" if make is pack else "a.tar"
    with pytest.raises(SourceArchiveError, match="is an archive of source code") as caught:
        extract(name, data)
    assert remedy(caught.value) == "source_archives"
    assert len(extract(name, data, ExtractOptions(source_archives=True)).spans) == 3
    even = make({"a.py": b"x = 1", "README.md": b"# Read me"})
    assert len(extract(name, even).spans) == 2


def test_damaged_files_of_an_archive_cost_only_themselves() -> None:
    data = bytearray(pack({"a.txt": b"first " * 50, "b.txt": b"second"}))
    data[data.index(b"a.txt") + 8] ^= 0xFF
    document = extract("a.zip", bytes(data))
    assert texts(document) == ["second"]
    assert document.left_out[0].startswith("can't read file a.txt (is not a readable part of the archive (")
    cut = tar({"a.txt": b"first", "b.txt": b"second " * 200})[:1800]
    document = extract("a.tar", cut)
    assert texts(document) == ["first"]
    assert any("archive" in phrase for phrase in document.left_out)


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"no archive" * 100, bytes(300)])
def test_no_archive(name: str, data: bytes) -> None:
    with pytest.raises(ExtractionError):
        extract(name, data)


def test_files_are_unpacked_within_limits() -> None:
    limits = ExtractLimits(unpacked_bytes=1000, expanded_bytes=2500)
    large = {"a.txt": b"a " * 400, "b.txt": b"b " * 600, "c.txt": b"c " * 400, "d.txt": b"d"}
    document = extract("a.zip", pack(large), ExtractOptions(limits=limits))
    assert [each.heading for each in document.spans] == [("a.txt",)]
    assert document.left_out == (
        "can't read file b.txt (grows too large when it is unpacked)",  # counts all the same
        "can't read file c.txt (grows too large when it is unpacked)",
        "the files from d.txt on, because there are too many or too large",
    )
    document = extract(
        "a.zip", pack({f"{n}.txt": b"x" for n in range(9)}), ExtractOptions(limits=ExtractLimits(parts=4))
    )
    assert len(document.spans) == 4
    assert document.left_out == ("the files from 4.txt on, because there are too many or too large",)


def test_files_share_half_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 1000, 6))
    monkeypatch.setattr(time, "process_time", lambda: next(seconds))
    document = extract("a.zip", pack({f"{n}.txt": b"word" for n in range(9)}))
    assert len(document.spans) == 2
    assert document.left_out == ("no time left for files 2.txt, 3.txt, 4.txt, 5.txt, 6.txt and 2 more",)


def test_encrypted_zip_archives() -> None:
    """A member whose header says that it is encrypted, and one that is encrypted by AES (WinZip)."""
    data = bytearray(pack({"a.txt": b"word"}))
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + place] |= 1
    with pytest.raises(EncryptedError) as caught:
        extract("a.zip", bytes(data))
    assert remedy(caught.value) == "password"
    with pytest.raises(EncryptedError, match="the password does not open it"):
        extract("a.zip", bytes(data), ExtractOptions("wrong"))
    for mark, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        struct.pack_into("<H", data, data.index(mark) + place, 99)
    with pytest.raises(ExtractionError) as failed:
        extract("a.zip", bytes(data), ExtractOptions("any"))
    assert failed.value.code == "encryption-unsupported"


@pytest.mark.skipif(not find_spec("py7zr"), reason="needs py7zr")
class TestSevenZip:
    def test_files_are_read_with_and_without_a_password(self) -> None:
        import py7zr

        out, locked = io.BytesIO(), io.BytesIO()
        for target, password in ((out, None), (locked, "sesame")):
            with py7zr.SevenZipFile(target, "w", password=password) as archive:
                archive.writestr(b"seven words", "d/a.txt")
                archive.writestr(b"# Title\n\nx", "b.md")
        document = extract("a.7z", out.getvalue())
        assert places("a.7z", document) == ["a.7z!d/a.txt", "a.7z!b.md"]
        with pytest.raises(EncryptedError):
            extract("a.7z", locked.getvalue())
        with pytest.raises(EncryptedError, match="the password does not open it"):
            extract("a.7z", locked.getvalue(), ExtractOptions("wrong"))
        assert extract("a.7z", locked.getvalue(), ExtractOptions("sesame")).spans == document.spans

    def test_limits(self) -> None:
        import py7zr

        out = io.BytesIO()
        with py7zr.SevenZipFile(out, "w") as archive:
            archive.writestr(bytes(2_000_000), "a.txt")
        limited = replace(DEFAULTS, limits=ExtractLimits(unpacked_bytes=1_000_000))
        with pytest.raises(ExtractionError, match="grows too large"):
            extract("a.7z", out.getvalue(), limited)

    @pytest.mark.parametrize("data", [b"", b"7z\xbc\xaf\x27\x1c", b"no archive" * 100])
    def test_damaged(self, data: bytes) -> None:
        with pytest.raises(ExtractionError):
            extract("a.7z", data)


def test_7z_names_the_extra_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda _: None)
    with pytest.raises(ExtractionError) as caught:
        extract("a.7z", b"7z")
    assert (caught.value.code, caught.value.details) == ("extra-missing", {"extra": "archives"})
