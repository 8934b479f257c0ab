"""How the place of a passage is written."""

import pytest

from vsearch_core.text.place import place_of


@pytest.mark.parametrize("page", [None, 3])
def test_a_format_of_lines_has_no_other_place(page: int | None) -> None:
    assert place_of("a.md", page, "A > B", (2, 9)) is None


def test_pages() -> None:
    assert place_of("docs/a.PDF", 3, None, (2, 9)) == "page 3"
    assert place_of("a.pdf", None, None, (2, 9)) is None
