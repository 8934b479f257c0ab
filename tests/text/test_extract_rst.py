"""Section titles of reStructuredText."""

import pytest

from vsearch_core.model import Document
from vsearch_core.text.formats.rst import extract


def read(text: str) -> Document:
    return extract("a.rst", text.encode())


def test_levels_come_in_order_of_appearance() -> None:
    document = read(
        "=====\nTitle\n=====\n\nintro\n\nOne\n===\n\none\n\nDeep\n~~~~\n\ndeep\n\nTwo\n===\n\ntwo\n\n=====\nOther\n=====\n"
    )
    assert [span.heading for span in document.spans] == [
        ("Title",),
        ("Title", "One"),
        ("Title", "One", "Deep"),
        ("Title", "Two"),
        ("Other",),
    ]
    assert document.title == "Title"
    assert document.text[document.spans[0].start :].startswith("=====\nTitle")
    assert document.text[document.spans[1].start :].startswith("One\n===")


def test_same_character_with_and_without_overline_are_two_levels() -> None:
    document = read("A\n=\n\n" + "Abc\n===\n\n===\nDef\n===\n")
    assert [span.heading for span in document.spans][-1] == ("Abc", "Def")


@pytest.mark.parametrize(
    "text",
    [
        "para\n\n----\n\npara\n",
        "two lines\nof text\n----\n",
        "::\n\n    Code\n    ====\n",
        "=====  =====\na      b\n=====  =====\n",
        "A much longer title\n--\n",
    ],
    ids=["transition", "paragraph", "literal", "table", "too short"],
)
def test_no_titles(text: str) -> None:
    assert {span.heading for span in read(text).spans} == {()}
    assert read(text).title is None


def test_inline_marks_are_dropped() -> None:
    title = "The :class:`Foo <x.Foo>` and ``bar`` of **baz**"
    assert read(f"{title}\n{'=' * len(title)}\n").title == "The Foo and bar of baz"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("See::\n\n    x\n\n      y\n\nend\n", ["    x\n\n      y\n"]),
        ("::\n\n  x", ["  x"]),
        ("- item::\n\n      x\n\n  more\n", ["      x\n"]),
        (".. code-block:: python\n   :linenos:\n\n   x\nend\n", ["   :linenos:\n\n   x\n"]),
        ("  .. code::\n\n    a\n  b::\n\n    c\n", ["    a\n", "    c\n"]),
        (".. note::\n\n   text\n", []),
        ("::\n\nnot indented\n", []),
        ("C++::\nnext line\n    deeper\n", []),
    ],
)
def test_literal_blocks_are_code(text: str, code: list[str]) -> None:
    document = read(text)
    assert [document.text[span.start : span.end] for span in document.spans if span.kind == "code"] == code
    assert "".join(document.text[span.start : span.end] for span in document.spans) == text


def test_comments_and_labels_are_no_text() -> None:
    source = (
        "..\n   A comment\n\n   over lines\n\n.. SPDX: MIT\n.. _label:\n\nTitle\n=====\n\n.. note:: Mind it.\n\n.. _x: http://x\n\n"
        "::\n\n    .. code\n\n..\n\n    quoted\n\n.. [1] Note\n.. |sub| image:: y\n.. comment: c\nend\n"
    )
    document = read(source)
    assert " ".join(document.text.split()) == (
        "Title ===== .. note:: Mind it. .. _x: http://x :: .. code quoted .. [1] Note .. |sub| image:: y end"
    )
    assert document.text.count("\n") == source.count("\n")
    assert document.spans[0].heading == ("Title",)


@pytest.mark.parametrize("above", [":orphan:\n\n", ".. meta::\n   :k: v\n\n", ".. SPDX\n\n"])
def test_what_is_above_the_title_is_below_it(above: str) -> None:
    assert {span.heading for span in read(f"{above}=====\nTitle\n=====\n\ntext\n").spans} == {("Title",)}


def test_a_first_line_in_bold_is_the_title() -> None:
    assert read("**To create a file**\n\nIt creates one.\n").title == "To create a file"
    assert read("\n  **To create a file**\n\nIt creates one.\n").title == "To create a file"
    assert read("**Bold** words\n").title is None
    assert read("**To create**\n\nTitle\n=====\n").title == "Title"
