"""Tables and code in a text."""

import pytest

from vsearch_core.search.line_blocks import line_blocks

TABLE = "| fee | 2025 | 2026 |\n|---|---|---|\n| late | 50 p | 120 p |"
CODE = "def fee(days):\n    total = days * 120\n    return total"


def kinds(text: str) -> list[tuple[str, str, str]]:
    return [(each.kind, text[each.start : each.end], text[slice(*each.header)]) for each in line_blocks(text)]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (TABLE, "| fee | 2025 | 2026 |"),
        ("| fee | sum |\n| late | 5 |", "| fee | sum |"),
        ("name,place,year\npump,Leiden,1900\nmill,Osk,1901", "name,place,year"),
        ("name;year\npump;1900\nmill;1901", "name;year"),
        ("name\tyear\npump\t1900\nmill\t1901", "name\tyear"),
        ("name | year\npump | 1900\nmill | 1901", "name | year"),
        ("pump;1899\npump;1900\nmill;1901", ""),
    ],
)
def test_a_table_is_found_with_its_column_names(text: str, header: str) -> None:
    assert kinds(text) == [("rows", text, header)]
    around = f"Some text.\n\n{text.replace('| late | 5 |', '|---|---|')}\n\nMore text."
    assert [kind for kind, *_ in kinds(around)] == ["rows"]


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        "```\nany words. At all\n\nand more\n```",
        "for (const slot of slots) {\n  book(slot);\n}",
        "SELECT name\n  FROM slots\n WHERE begins = now()\n   AND ends != 0;",
    ],
)
def test_code_is_found(text: str) -> None:
    assert kinds(f"Some text.\n\n{text}\n\nMore text.") == [("code", text, "")]


def test_comments_of_source_code_are_code() -> None:
    text = f"{CODE}\n\n# Fees are in pence. All of them.\n\n{CODE}"
    assert [kind for kind, *_ in kinds(text)] == ["code"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n",
        "One, two, three.\nFour, five, six.\nSeven, eight, nine.",
        "Let p = 0.05 be the level.\nIt was chosen (see above).\nNobody knows why.",
        "- one item\n- another; with a note\n- a third",
        "A call of fee(3) is a call.\n\nThe next paragraph.",
    ],
)
def test_prose_has_no_blocks(text: str) -> None:
    assert kinds(text) == []
