"""Parts of stored texts: lines, pages, context and budgets."""

import pytest

from vsearch_core.embed.tokens import count_tokens
from vsearch_core.model import Chunk
from vsearch_core.search.document_text import DocumentText
from vsearch_core.search.stored_text import LineRange, StoredText, chunks_to_read, select_text
from vsearch_core.store.catalog import ChunkPlace

LINES = [f"Line {number} of the text." for number in range(1, 21)]
TEXT = "\n".join(LINES)


def two_chunks() -> list[Chunk]:
    """Lines 1-12 and 11-20: two lines are in both."""
    first, second = "\n".join(LINES[:12]), "\n".join(LINES[10:])
    start = len(TEXT) - len(second)
    return [Chunk(first, 0, len(first), 1, 12, None, "A"), Chunk(second, start, len(TEXT), 11, 20, None, "B")]


def select(wanted: LineRange, context: int = 0, max_tokens: int | None = None) -> StoredText:
    found = select_text("a.txt", DocumentText(two_chunks()), wanted, context, max_tokens)
    assert found is not None
    return found


@pytest.mark.parametrize("first", range(1, 21))
@pytest.mark.parametrize("count", [1, 2, 5, 20])
@pytest.mark.parametrize("context", [0, 1, 3, 50])
def test_lines_and_context_are_those_of_the_text(first: int, count: int, context: int) -> None:
    last = min(first + count - 1, 20)
    found = select(LineRange(first, last), context)
    assert found.text.split("\n") == LINES[first - 1 : last]
    assert (found.start_line, found.end_line) == (first, last)
    assert TEXT[found.start_char : found.end_char] == found.text
    around = found.before + found.text + found.after
    assert around.split("\n") == LINES[max(0, first - 1 - context) : last + context]
    assert found.heading == ("A" if first < 11 else "B")


@pytest.mark.parametrize("budget", [1, 5, 12, 40, 100, 1000])
def test_a_budget_cuts_whole_lines_and_says_so(budget: int) -> None:
    found = select(LineRange(3, 15), context=4, max_tokens=budget)
    whole = found.before + found.text + found.after
    assert whole in TEXT
    if found.truncated:
        assert (found.before, found.after) == ("", "")
        assert count_tokens(found.text) <= budget
        assert found.text and TEXT[found.start_char :].startswith(found.text)
    else:
        assert found.text.split("\n") == LINES[2:15]
        assert count_tokens(whole) <= budget


def test_lines_outside_the_text_are_nothing() -> None:
    assert select_text("a.txt", DocumentText(two_chunks()), LineRange(21, 30), 5) is None


def test_rows_of_several_sheets_are_joined_by_page_breaks() -> None:
    sheets = [
        Chunk("a 1\na 2\na 3", 0, 11, 1, 3, 1, "Costs"),
        Chunk("b 1\nb 2", 14, 21, 1, 2, 2, "Sales"),
    ]
    document = DocumentText(sheets)
    both = select_text("a.xlsx", document, LineRange(2, 3), 0)
    assert both is not None and both.text.replace("\n", " ").split() == ["a", "2", "a", "3", "b", "2"]
    assert "\f" in both.text
    one = select_text("a.xlsx", document, LineRange(1, 2, page=2), 0)
    assert one is not None and (one.text, one.place, one.page) == ("b 1\nb 2", "Sales!1:2", 2)
    whole = select_text("a.xlsx", document, LineRange(page=2), 0)
    assert whole is not None and whole.text == "b 1\nb 2"


def test_only_the_chunks_with_the_lines_or_the_page_are_read() -> None:
    places = [ChunkPlace(number, 0, 0, 10 * number + 1, 10 * number + 10, 2 * number + 1, None) for number in range(5)]
    assert list(chunks_to_read(places, LineRange(15, 22), 0)) == [1, 2]
    assert list(chunks_to_read(places, LineRange(15, 15), 2)) == [0, 1, 2, 3]
    assert list(chunks_to_read(places, LineRange(page=4), 0)) == [1]  # it begins on page 3; the next one on page 5
    assert list(chunks_to_read(places, LineRange(page=12), 0)) == [4]  # the last one may reach that far
    assert list(chunks_to_read(places, LineRange(51, None), 0)) == []
