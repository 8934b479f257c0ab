"""Headers and footers of pages."""

import pytest

from vsearch_core.text.extract.page_headers import EdgeLine, PageText, without_page_headers


def cleared(*pages: str) -> list[str]:
    return without_page_headers([PageText(page) for page in pages])


@pytest.mark.parametrize(
    "footer",
    ["Page {} of 9", "{}", "- {} -", "{}/9", "Seite {}", "第 {} 页", "The Report   {}", "{} | The Report", "p. {}"],
)
def test_headers_and_page_numbers_are_left_out(footer: str) -> None:
    pages = [
        f"The Report\nText of page {word}.\nMore {word}.\n{footer.format(at)}" for at, word in enumerate("abcdef", 7)
    ]
    assert cleared(*pages) == [f"Text of page {word}.\nMore {word}." for word in "abcdef"]


def test_roman_page_numbers() -> None:
    pages = [f"Text {word}\n{number}" for word, number in zip("abcd", ["iii", "iv", "v", "vi"], strict=True)]
    assert cleared(*pages) == ["Text a", "Text b", "Text c", "Text d"]


@pytest.mark.parametrize(
    "line",
    ["Week {}", "Invoice {}", "Total {}.50 EUR", "lantern   0{}2   EUR", "Lesson {} of 9", "Invoice   70{}", "Nr. {}"],
)
def test_lines_that_differ_by_a_number_are_content(line: str) -> None:
    pages = [f"{line.format(at)}\nText {word}\n{line.format(at)}" for at, word in enumerate("abcdef", 311)]
    assert cleared(*pages) == pages


def test_numbers_that_do_not_count_up_are_content() -> None:
    pages = [f"Text {word}\n{number}" for word, number in zip("abcd", [10, 12, 13, 17], strict=True)]
    assert cleared(*pages) == pages


def test_years_as_titles_are_content() -> None:
    pages = [f"{year}\nText {word}" for year, word in enumerate("abcdef", 1990)]
    assert cleared(*pages) == pages


def test_headers_of_left_and_right_pages() -> None:
    pages = [f"{'Left head' if number % 2 else 'Right head'}\nText {word}" for number, word in enumerate("abcdef")]
    assert cleared(*pages) == [f"Text {word}" for word in "abcdef"]


def test_a_header_is_in_the_same_place_on_each_page() -> None:
    def pages(*heights: float) -> list[PageText]:
        return [
            PageText(f"Note\nText {at}", (EdgeLine(("Note",), height),), (EdgeLine((f"Text {at}",), 50.0),))
            for at, height in enumerate(heights)
        ]

    assert without_page_headers(pages(750, 751, 752, 748.5)) == ["Text 0", "Text 1", "Text 2", "Text 3"]
    scattered = pages(750, 600, 640, 420)
    assert without_page_headers(scattered) == [page.text for page in scattered]


def test_lines_inside_pages_or_on_two_pages_only_stay() -> None:
    inside = [f"{word} one\n{word} two\nthe same\n{word} three\n{word} four" for word in "abcdef"]
    assert cleared(*inside) == inside
    assert cleared("Head\na", "Head\nb") == ["Head\na", "Head\nb"]


def test_pages_without_text_count_as_pages() -> None:
    assert cleared("a\n1", "", "c\n3", "d\n4") == ["a", "", "c", "d"]


def test_pages_of_repeated_lines_only_stay() -> None:
    assert cleared(*["Form 7"] * 5) == ["Form 7"] * 5
