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
        "<pre>\n# no\n</pre>\n",
        "text\n<script>\n# no\n</SCRIPT>\n",
    ],
)
def test_no_headings(text: str) -> None:
    assert outline(text) == [(text, ())]


def test_headings_after_an_unclosed_element_are_found() -> None:
    assert outline("<pre>\n# A\n<pre>\n# B\n") == [("<pre>\n# A\n<pre>\n", ("A",)), ("# B\n", ("B",))]


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
        ("# Fish &amp; chips", "Fish & chips"),
        ("# [![Build](http://x/b.svg)](http://x) The kestrel", "The kestrel"),
        ("# <img src='x'> The kestrel", "The kestrel"),
        ("# ![Only a picture](x.png)", "Only a picture"),
        ("# [[kestrel|The kestrel]]", "The kestrel"),
        ("# [[The kestrel]]", "The kestrel"),
        ("# [The kestrel][1]", "The kestrel"),
        ("# <span id='k'>The kestrel</span><br>", "The kestrel"),
        ("# The kestrel <!-- omit in toc -->", "The kestrel"),
        ("# ==The== kestrel ~~old~~ %%draft%% ^id-1", "The kestrel old"),
        ("# The kestrel[^1] at <https://k.example/a_b>", "The kestrel at https://k.example/a_b"),
        ("# R\\&D \\* A&nbsp;B", "R&D * A B"),
        ("<h1 align='center'>\n  <img src='x'>\n  The <b>kestrel</b>\n</h1>", "The kestrel"),
        ("<h1>unclosed\n\n# The kestrel", "The kestrel"),
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


@pytest.mark.parametrize("block", ["just text", "- a\n- b", "[1", "a: 1 b\nmore text\nand more", "text\na: [1"])
def test_what_is_no_mapping_is_text(block: str) -> None:
    document = read(f"---\n{block}\n---\nbody")
    assert document.metadata == {}
    assert document.spans[0].start == 0


@pytest.mark.parametrize(
    "value",
    [
        "[1",
        "Kestrel: a field guide",
        "@lantern",
        "{{date}}",
        "{% now %}",
        "2024-99-99",
        "!!int ''",
        "!!python/object:os.system x",
        "&x [*x]",
        "[" * 900,
        "*missing",
    ],
)
def test_a_malformed_value_of_front_matter_is_taken_as_written(value: str) -> None:
    document = read(f"---\ntitle: T\nodd: {value}\ntags: [a, b]\n---\nbody")
    assert document.title == "T"
    assert document.metadata == {"title": "T", "odd": value.strip("'"), "tags": ["a", "b"]}
    assert [document.text[span.start : span.end] for span in document.spans] == ["body"]


def test_a_tab_after_a_key_of_front_matter() -> None:
    assert read("---\ntitle: T\nauthor:\tAda\n---\nbody").metadata == {"title": "T", "author": "Ada"}


def test_aliases_that_multiply_are_not_expanded() -> None:
    pairs = zip("abcdefgh", "bcdefghi", strict=True)
    lines = [f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]" for p, c in pairs]
    document = read("---\n" + "\n".join(["a: &a [1,1,1,1,1,1,1,1,1]", *lines]) + "\n---\nbody")
    assert len(str(document.metadata)) < 1000


@pytest.mark.parametrize(
    "front",
    [
        '+++\ntitle = "T"\ndate = 2024-03-01\n# a comment\n[more]\nx = 1\n+++\n',
        '+++\ntitle = "T"\ndate = 2024-03-01\nodd = {{ now }}\n+++\n',
        '{\n  "title": "T",\n  "date": "2024-03-01"\n}\n',
        '---toml\ntitle = "T"\ndate = 2024-03-01\n---\n',
        '---json\n{"title": "T", "date": "2024-03-01"}\n---\n',
        ';;;\n{\n"title": "T",\n"date": "2024-03-01"\n}\n;;;\n',
        "Title: T\nDate: 2024-03-01\n\n",
    ],
    ids=["TOML", "malformed TOML", "JSON", "TOML between ---", "JSON between ---", "JSON between ;;;", "MultiMarkdown"],
)
def test_front_matter_in_other_notations(front: str) -> None:
    document = read(f"{front}\n# Intro\n\nbody\n")
    assert document.title == "T"
    assert document.metadata["date"] == "2024-03-01"
    assert document.text[document.spans[0].start :].strip() == "# Intro\n\nbody"


@pytest.mark.parametrize("text", ['{"a": 1}', "{\nx\n", "Note: a\nb\n\nc", "Warning: x\nTip: y\n\ntext", "Title: T\n"])
def test_text_that_resembles_front_matter(text: str) -> None:
    document = read(text)
    assert document.metadata == {}
    assert document.spans[0].start == 0


def test_comments_above_the_title_are_below_it() -> None:
    assert outline("<!-- SPDX: MIT -->\n<!--\n# no\n-->\n\n# A\ntext\n<!-- x\n# no\n-->\n# B\n") == [
        ("<!-- SPDX: MIT -->\n<!--\n# no\n-->\n\n# A\ntext\n<!-- x\n# no\n-->\n", ("A",)),
        ("# B\n", ("B",)),
    ]


@pytest.mark.parametrize(
    "above", ["[![b](http://x/b.svg)](http://x) ![c](d)", "<p align=center>\n<img src=x>\n</p>", "[![b][1]][2]"]
)
def test_badges_above_the_title_are_below_it(above: str) -> None:
    assert {heading for _, heading in outline(f"{above}\n\n# A\ntext\n")} == {("A",)}
    assert outline(f"{above} word\n\n# A\n")[0][1] == ()


def test_an_unclosed_comment_hides_no_heading() -> None:
    assert read("<!-- x\n# A\n").title == "A"


def test_pictures_and_base64_are_no_text() -> None:
    picture = "".join(chr(48 + (n * 37) % 10) + "aQz+"[n % 4] + "Bcd"[n % 3] for n in range(200))
    document = read(f"# A\n\n![plan](data:image/png;base64,{picture}==) words\n\n{picture}\n\nend\n")
    assert document.text == "# A\n\n![plan]() words\n\n\n\nend\n"


def test_half_a_surrogate_pair_can_be_stored() -> None:
    assert read('---\na: "\\uD800"\n---\n').metadata == {"a": "?"}


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n**To open a lock**\n\nturn it", "To open a lock"),
        ("__To open a lock__:\nturn it", "To open a lock:"),
        ("**To open** a lock\n", None),
        ("**To open a lock**\n\n## Then\n", "Then"),
    ],
)
def test_a_first_line_in_bold_is_the_title_where_there_is_no_heading(text: str, title: str | None) -> None:
    assert read(text).title == title


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
