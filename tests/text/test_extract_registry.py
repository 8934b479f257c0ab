"""The registry of formats, and plain text, which is its default."""

import pytest

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.model import Document, Span
from vsearch_core.text.extract.registry import FORMATS, PLAIN, Format, extract, load, place_of


@pytest.mark.parametrize("row", [PLAIN, *FORMATS], ids=lambda row: row.name)
def test_every_row_leads_to_an_extractor(row: Format) -> None:
    assert callable(load(row))


def test_no_suffix_has_two_readers() -> None:
    suffixes = [suffix for row in FORMATS for suffix in row.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)


@pytest.mark.parametrize("name", ["a.log", "a.conf", "a.unknown", "dir.md/a", "a"])
def test_plain_text_and_code(name: str) -> None:
    assert extract(name, b"# x\r\ny\n") == Document("# x\ny\n", (Span(0, 6),))


@pytest.mark.parametrize("name", ["a.md", "A.MD", "dir/b.Markdown"])
def test_suffix_in_any_case(name: str) -> None:
    assert extract(name, b"# Title\n").title == "Title"


@pytest.mark.parametrize("data", [b"", b" \n\t\n"])
@pytest.mark.parametrize("suffix", ["txt", "md", "rst", "html"])
def test_nothing_in_it(suffix: str, data: bytes) -> None:
    assert extract(f"a.{suffix}", data).spans == ()


@pytest.mark.parametrize("suffix", ["pdf", "docx", "odt", "ipynb"])
def test_an_empty_file_is_reported_as_empty(suffix: str) -> None:
    with pytest.raises(ExtractionError, match=r"^a.+: is empty$"):
        extract(f"a.{suffix}", b"")


@pytest.mark.parametrize("suffix", ["txt", "md", "rst", "html"])
def test_binary_data_under_a_text_name(suffix: str) -> None:
    with pytest.raises(BinaryFileError):
        extract(f"a.{suffix}", bytes(100))


@pytest.mark.parametrize("page", [None, 3])
def test_a_format_without_pages_has_no_place_but_the_line(page: int | None) -> None:
    assert place_of("a.md", page, "A > B", (2, 9)) is None


def test_a_page_is_a_place() -> None:
    assert place_of("docs/a.PDF", 3, None, (2, 9)) == "page 3"
    assert place_of("a.pdf", None, None, (2, 9)) is None
