"""Notebooks: a page for each cell."""

import json

import pytest

from vsearch_core.errors import ExtractionError
from vsearch_core.text.formats.notebook import extract


def notebook(*cells: dict[str, object], **metadata: object) -> bytes:
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4}).encode()


def test_cells() -> None:
    output = {"output_type": "stream", "text": ["printed\n"]}
    shown = {"output_type": "execute_result", "data": {"text/plain": "42", "image/png": "xx"}}
    failed = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["long"]}
    data = notebook(
        {"cell_type": "markdown", "source": ["# Title\n", "text\n", "## Part\n", "more"]},
        {"cell_type": "code", "source": "x = 1\n\ny = 2", "outputs": [output, shown, failed]},
        {"cell_type": "raw", "source": "raw"},
        {"cell_type": "code", "source": "z", "outputs": [{"output_type": "stream", "text": "9" * 5000}]},
        authors=[{"name": "Ann"}],
        kernelspec={"language": "python"},
    )
    document = extract("a.ipynb", data)
    assert (document.title, document.metadata) == ("Title", {"author": "Ann", "programming_language": "python"})
    found = [(s.page, s.kind, s.heading, document.text[s.start : s.end].strip()) for s in document.spans]
    assert found == [
        (1, "prose", ("Title",), "# Title\ntext"),
        (1, "prose", ("Title", "Part"), "## Part\nmore"),
        (2, "code", ("Title", "Part"), "x = 1\n\ny = 2\n\nprinted\n\n42\n\nValueError: no"),
        (3, "prose", ("Title", "Part"), "raw"),
        (4, "code", ("Title", "Part"), "z"),
    ]
    assert document.text.count("\f") == 3


def test_format_3() -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": "Head"}, {"cell_type": "code", "input": ["a"]}]
    document = extract("a.ipynb", json.dumps({"worksheets": [{"cells": cells}]}).encode())
    assert document.text == "Head\n\n\f\na\n\n"


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000])
def test_damaged(data: bytes) -> None:
    with pytest.raises(ExtractionError):
        extract("a.ipynb", data)


@pytest.mark.parametrize(
    "data", [b"{}", b'{"cells": 1}', b'{"cells": [1, {"source": 3}, {"cell_type": "markdown", "source": [1]}]}']
)
def test_nothing_in_it(data: bytes) -> None:
    assert extract("a.ipynb", data).spans == ()


def test_of_a_long_output_both_ends_are_kept() -> None:
    lines = ["first\n", *["progress\n"] * 5000, "result: 42\n"]
    data = notebook({"cell_type": "code", "source": "x", "outputs": [{"output_type": "stream", "text": lines}]})
    text = extract("a.ipynb", data).text
    assert text.startswith("x\n\nfirst\nprogress\n")
    assert "progress\n…\nprogress\n" in text
    assert text.endswith("progress\nresult: 42\n\n")
    assert len(text) < 2100


def test_of_a_long_output_in_one_line_both_ends_are_kept() -> None:
    shown = {"output_type": "execute_result", "data": {"text/plain": "first " + "item " * 1000 + "last"}}
    text = extract("a.ipynb", notebook({"cell_type": "code", "source": "x", "outputs": [shown]})).text
    assert text.startswith("x\n\nfirst item")
    assert text.endswith("item\n…\n" + "item " * 199 + "last\n\n")


@pytest.mark.parametrize(
    "plain", [{}, *({"text/plain": f"<{shown}>"} for shown in ("IPython.core.display.HTML object", "a.Styler at 0x7f"))]
)
def test_an_output_that_is_only_html(plain: dict[str, str]) -> None:
    output = {
        "output_type": "display_data",
        "data": {**plain, "text/html": ["<table><tr><td>a</td><td>b</td></table>"]},
    }
    assert "a | b" in extract("a.ipynb", notebook({"cell_type": "code", "source": "x", "outputs": [output]})).text


def test_pictures_in_markdown_are_no_text() -> None:
    cell: dict[str, object] = {
        "cell_type": "markdown",
        "source": ["![x](data:image/png;base64,iVBORw0KGgo=)\n", "text"],
    }
    assert extract("a.ipynb", notebook(cell)).text.strip() == "![x]()\ntext"
