"""Texts that the web page shows: without control characters, flowing, and cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("uvicorn")

from vsearch_core.serve.page_text import WRAPPED, clean, cut, is_code, is_valid

LONG = "a line of a paragraph that was wrapped by an editor"
TEXTS = st.lists(st.sampled_from([LONG, "short", "- item", "", "```", "  two more", "7 days", "# Title", "| a | b |"]))


def flowed(*lines: str) -> str:
    return "".join(piece for piece, _ in cut("\n".join(lines), [], flowing=True))


def test_wrapped_lines_flow() -> None:
    assert len(LONG) >= WRAPPED
    assert flowed(LONG, "and its end", "", "another") == f"{LONG} and its end\n\nanother"
    assert flowed("- " + LONG, "  and the end of the item") == f"- {LONG} and the end of the item"


@pytest.mark.parametrize(
    "line", ["- item", "* item", "1. item", "a) item", "5.2 clause", "# Title", "| a | b |", "    code", "", "> quote"]
)
def test_lines_with_a_meaning_of_their_own_stay(line: str) -> None:
    assert flowed(LONG, line) == f"{LONG}\n{line}"


@pytest.mark.parametrize(
    "row", ["Leiden main pumping station | 1874 | repaired | 12 m", "Leiden\tmain pumping station\t1874\tfine"]
)
def test_rows_of_a_table_stay(row: str) -> None:
    assert len(row) >= WRAPPED or "\t" in row
    assert flowed(LONG, row, row, LONG) == f"{LONG}\n{row}\n{row}\n{LONG}"


def test_short_lines_and_code_blocks_stay() -> None:
    assert flowed("The pump", "stands still") == "The pump\nstands still"
    assert flowed("```", LONG, "code", "```") == f"```\n{LONG}\ncode\n```"
    assert flowed("2026-01-01 " + LONG, "2026-01-02 " + LONG).count("\n") == 1


def test_pieces_know_their_ranges() -> None:
    assert cut("abcdef", [(1, 3), (2, 5)], flowing=False) == [
        ("a", []),
        ("b", [0]),
        ("c", [0, 1]),
        ("de", [1]),
        ("f", []),
    ]
    assert cut("", [(0, 0)], flowing=True) == []


@given(TEXTS.map("\n".join), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200))))
def test_cutting_changes_only_blanks(text: str, ends: list[tuple[int, int]]) -> None:
    ranges = [tuple(sorted((min(one, len(text)), min(other, len(text))))) for one, other in ends]
    pairs = [(low, high) for low, high in ranges]
    as_it_is = cut(text, pairs, flowing=False)
    assert "".join(piece for piece, _ in as_it_is) == text
    flowing = cut(text, pairs, flowing=True)
    assert "".join(piece for piece, _ in flowing) == flowed(text)
    assert "".join(flowed(text).split()) == "".join(text.split())
    for number, (low, high) in enumerate(pairs):
        for pieces in (as_it_is, flowing):
            inside = "".join(piece for piece, numbers in pieces if number in numbers)
            assert "".join(inside.split()) == "".join(text[low:high].split())


def test_controls_are_replaced() -> None:
    assert clean("a\x1b[31m\x9b\ufeff\ud800\tb\nc\fd") == "a\ufffd[31m\ufffd\ufffd\ufffd\tb\nc\nd"
    assert is_valid("数据库 é\n") and not is_valid("\udcff") and not is_valid("\0")


@pytest.mark.parametrize(
    ("path", "code"),
    [("a.py", True), ("Makefile", False), ("a.csv", True), ("a.MD", False), ("a.pdf", False), ("a.html", False)],
)
def test_code_is_told_by_the_suffix(path: str, code: bool) -> None:
    assert is_code(path) == code
