"""Front matter and headings of Markdown."""

import pytest

from vsearch_core.model import Document
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.formats.markdown import extract


def read(text: str) -> Document:
    return extract("a.md", text.encode())


def outline(text: str) -> list[tuple[str, tuple[str, ...]]]:
    document = read(text)
    return [(document.text[span.start : span.end], span.heading) for span in document.spans]


def test_sections() -> None:
    assert outline("intro\n# A\na\n## B\nb\n### C ###\nc\n## D\nd\n# E\n") == [
        ("intro\n", ()),
        ("# A\na\n", ("A",)),
        ("## B\nb\n", ("A", "B")),
        ("### C ###\nc\n", ("A", "B", "C")),
        ("## D\nd\n", ("A", "D")),
        ("# E\n", ("E",)),
    ]


def test_underlined_headings() -> None:
    assert outline("Top\n===\n\nSub\n---\ntext\n") == [("Top\n===\n\n", ("Top",)), ("Sub\n---\ntext\n", ("Top", "Sub"))]


@pytest.mark.parametrize(
    "text",
    [
        "#tag\n",
        "    # indented code\n",
        "```\n# code\n```\n",
        "~~~~ py\n# code\n~~~\n# still code\n",
        "````\n```\n# code\n",
        "```py\nx\n``` y\n# code\n",
        "two lines\nof text\n---\n",
        "- item\n---\n",
        "| a |\n---\n",
        "text\n\n---\n",
        "> quote\n===\n",
        "####### seven\n",
    ],
)
def test_no_headings(text: str) -> None:
    assert outline(text) == [(text, ())]


def test_headings_after_code_are_found() -> None:
    assert [heading for _, heading in outline("```\n# no\n```\n# Yes\n")] == [(), ("Yes",)]


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# **Bold** and `code_x`", "Bold and code_x"),
        ("# See [the docs](http://x/y_z)", "See the docs"),
        ("# snake_case stays", "snake_case stays"),
        ("# *em* {#anchor}", "em"),
        ("# C#", "C#"),
        ("# closed ##", "closed"),
        ("#\ttab", "tab"),
    ],
)
def test_titles_lose_their_inline_markup(line: str, title: str) -> None:
    assert read(line).title == title


def test_front_matter() -> None:
    document = read(
        "---\ntitle: ' The Title '\nlang: de\ndate: 2024-05-06\nat: 2024-05-06 07:08:09\ntags: [a, 1, null]\n"
        "more: {x: .nan, 3: true}\n---\n\n# Heading\n"
    )
    assert document.title == "The Title"
    assert document.language == "de"
    assert document.metadata == {
        "title": " The Title ",
        "lang": "de",
        "date": "2024-05-06",
        "at": "2024-05-06T07:08:09",
        "tags": ["a", 1, None],
        "more": {"x": "nan", "3": True},
    }
    assert document.text.startswith("---\ntitle") and document.lines is None
    assert [document.text[span.start : span.end].strip() for span in document.spans] == ["# Heading"]


@pytest.mark.parametrize("front", ["---\n---\nbody", "---\n# only a comment\n...\nbody"])
def test_empty_front_matter(front: str) -> None:
    document = read(front)
    assert [document.text[span.start : span.end] for span in document.spans] == ["body"]


@pytest.mark.parametrize(
    "block",
    [
        "a: [1",
        "just text",
        "- a\n- b",
        "a: 2024-99-99",
        "a: !!int ''",
        "a: !!python/object:os.system x",
        "a: &x [*x]",
        "a: " + "[" * 3000,
        "a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "\n".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    ],
    ids=["syntax", "scalar", "list", "date", "int", "python", "circle", "deep", "bomb"],
)
def test_malformed_front_matter_is_text(block: str) -> None:
    document = read(f"---\n{block}\n---\nbody")
    assert document.metadata == {}
    assert document.spans[0].start == 0


def test_half_a_surrogate_pair_can_be_stored() -> None:
    assert read('---\na: "\\uD800"\n---\n').metadata == {"a": "?"}


def test_title_falls_back_to_the_first_heading() -> None:
    assert read("## Small\n# Big\n").title == "Big"
    assert read("text\n## Small\n").title == "Small"
    assert read("text\n").title is None


@pytest.mark.parametrize("line", ["# " + " a" * 500_000, "# " + "[" * 500_000, "#" * 500_000, "`" * 500_000])
def test_long_lines_take_linear_time(line: str) -> None:
    """A backtracking pattern would take minutes here."""
    assert len(read(line).title or "") <= 300


def test_fenced_code_is_a_span_of_its_own() -> None:
    source = "# A\n\ntext\n\n```py\n# no\n\nx\n```\nmore `a` ```b``` \n\n~~~\ny\n"
    document = extract("a.md", source.encode())
    assert [(span.kind, document.text[span.start : span.end]) for span in document.spans] == [
        ("prose", "# A\n\ntext\n\n"),
        ("code", "```py\n# no\n\nx\n```\n"),
        ("prose", "more `a` ```b``` \n\n"),
        ("code", "~~~\ny\n"),
    ]
    assert {span.heading for span in document.spans} == {("A",)}


def rows(text: str) -> list[tuple[str, str]]:
    document = read(text)
    assert "".join(document.text[span.start : span.end] for span in document.spans) == text
    return [(document.text[span.start : span.end], span.header) for span in document.spans if span.kind == "rows"]


def test_tables_are_rows_with_their_header() -> None:
    table = "| name | age |\n|:-----|----:|\n| Bob | 7 |\n| Ann | 8 |\n"
    assert rows(f"# A\n\ntext\n\n{table}\nmore\n") == [(table, "| name | age |")]
    assert rows("a | b\n--|--\n1 | 2") == [("a | b\n--|--\n1 | 2", "a | b")]
    assert rows(f"{table}\n```\n{table}```\n\n{table}") == [(table, "| name | age |"), (table, "| name | age |")]
    assert rows("|a \\| b|\n|---|\n|1|\n") == [("|a \\| b|\n|---|\n|1|\n", "|a \\| b|")]


@pytest.mark.parametrize(
    "text",
    [
        "a | b\n---\n1 | 2\n",
        "| a | b |\n|---|\n",
        "|---|---|\n",
        "\n|---|\n| a |\n",
        "    | a |\n    |---|\n",
        "a\n-\n",
    ],
)
def test_no_tables(text: str) -> None:
    assert rows(text) == []


def test_a_long_table_repeats_its_header_in_each_chunk() -> None:
    table = "| name | age |\n|---|---|\n" + "".join(f"| N{n} | {n} |\n" for n in range(200))
    chunks = split(read(f"before\n\n{table}"), ChunkOptions(50, 0))
    assert len(chunks) > 5
    for chunk in chunks[1:]:
        header, first = chunk.text.split("\n")[:2]
        assert header == "| name | age |"
        assert chunk.start_line == 5 + int(first.split()[1][1:])
