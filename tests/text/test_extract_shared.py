"""Real files: odd, damaged and encrypted PDFs, and texts in about fifty encodings."""

import time
from pathlib import Path

import pytest

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.registry import extract

DOCUMENTS = Path(__file__).parents[3] / "shared" / "data" / "documents"
SECONDS = 60  # a hang; the slowest takes five on a quiet machine

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the documents beside the checkout (../shared) are absent"),
]


@pytest.mark.slow
def test_pdfs_give_text_or_one_kind_of_error(capfd: pytest.CaptureFixture[str]) -> None:
    paths = sorted(DOCUMENTS.glob("py*/**/*.pdf"))
    assert len(paths) == 99
    readable = 0
    for path in paths:
        start = time.perf_counter()
        try:
            document = extract(path.name, path.read_bytes())
        except ExtractionError as error:
            assert not isinstance(error, BinaryFileError) and "\n" not in str(error)
        else:
            document.text.encode()
            assert split(document, ChunkOptions())
            readable += 1
        assert time.perf_counter() - start < SECONDS, path
    assert readable >= 65
    assert capfd.readouterr() == ("", "")


def test_every_file_gives_text_or_an_expected_error(capfd: pytest.CaptureFixture[str]) -> None:
    paths = [path for path in sorted(DOCUMENTS.rglob("*")) if path.is_file() and path.suffix != ".pdf"]
    assert len(paths) > 450
    for path in paths:
        try:
            document = extract(path.name, path.read_bytes())
        except ExtractionError as error:
            assert error.__cause__ is None and "\n" not in str(error), path
        else:
            document.text.encode()
            split(document, ChunkOptions())
    assert capfd.readouterr() == ("", "")


def test_encodings() -> None:
    """At least 98 of 100 files are decoded exactly as by the encoding that their folder's name gives."""
    right = near = wrong = 0
    for path in sorted(DOCUMENTS.glob("chardet-encodings/*/*")):
        data = path.read_bytes()
        expected = _as_named(data, path.parent.name)
        if expected is None:
            continue
        try:
            text = decode(path.name, data)
        except BinaryFileError:
            text = ""
        differing = sum(a != b for a, b in zip(text, expected, strict=False)) + abs(len(text) - len(expected))
        right += differing == 0
        near += 0 < differing <= 0.02 * len(expected)
        wrong += differing > 0.02 * len(expected)
    assert right + near + wrong > 400
    assert right >= 0.98 * (right + near + wrong)
    assert wrong <= 1


def _as_named(data: bytes, folder: str) -> str | None:
    for encoding in (folder, folder.rpartition("-")[0]):  # "windows-1250-czech"
        try:
            text = data.decode(encoding, errors="replace")
        except LookupError:
            continue
        return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return None
