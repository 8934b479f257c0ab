"""Headers and footers of pages."""

from vsearch_core.text.extract.page_headers import without_page_headers


def test_headers_and_footers_that_differ_by_number_only() -> None:
    pages = [
        f"The Report\nText of page {word}.\nMore {word}.\nPage {number} of 9" for number, word in enumerate("abcdef", 1)
    ]
    assert without_page_headers(pages) == [f"Text of page {word}.\nMore {word}." for word in "abcdef"]


def test_headers_of_left_and_right_pages() -> None:
    pages = [f"{'Left head' if number % 2 else 'Right head'}\nText {word}" for number, word in enumerate("abcdef")]
    assert without_page_headers(pages) == [f"Text {word}" for word in "abcdef"]


def test_lines_inside_pages_or_on_two_pages_only_stay() -> None:
    inside = [f"{word} one\n{word} two\nthe same\n{word} three\n{word} four" for word in "abcdef"]
    assert without_page_headers(inside) == inside
    two = ["Head\na", "Head\nb"]
    assert without_page_headers(two) == two


def test_pages_of_repeated_lines_only_stay() -> None:
    assert without_page_headers(["Form 7"] * 5) == ["Form 7"] * 5
