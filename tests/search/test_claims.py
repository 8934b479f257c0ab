"""Quotes and citations found in a text, and which belong together."""

import pytest

from vsearch_core.search.claims import find_claims

FILES = ("notes/pump.md", "archive/2020 report.pdf", "code/pump.py", "odd:7", "Makefile")


def resolve(name: str) -> tuple[str, ...]:
    name = name.removeprefix("./")
    return tuple(path for path in FILES if path == name or path.endswith("/" + name))


def found(text: str) -> list[tuple[str, list[str]]]:
    """Return the quotes, each with the text of its citations."""
    quotes, _ = find_claims(text, resolve, frozenset({".md", ".py"}))
    return [(" ".join(quote.words.split()), [text[each.start : each.end] for each in quote.cited]) for quote in quotes]


def cited(text: str) -> list[tuple[str, int | None, int | None, int | None]]:
    _, citations = find_claims(text, resolve, frozenset({".md", ".py"}))
    return [(each.name, each.first, each.last, each.page) for each in citations]


@pytest.mark.parametrize(
    "text",
    [
        'He says "one two three" there.',
        "He says “one two three” there.",
        "He says „one two three“ there.",
        "He says „one two three” there.",
        "He says «one two three» there.",
        "He says « one two three » there.",
        "He says »one two three« there.",
        "他说「one two three」。",
        "> one two\n> three\n",
        ">one two\n>\n>three",
        '> "one two three"\n>\n> — notes/pump.md:3\n',
        "> one two three (notes/pump.md:3)\n",
        "> one two three\n> — The author\n",
        "> [!NOTE]\n> one two three",
        '"one two\nthree"',
        '("one two three")',
    ],
)
def test_a_quote_is_found(text: str) -> None:
    assert [words for words, _ in found(text)] == ["one two three"]


@pytest.mark.parametrize(
    "text",
    [
        "no quote at all, don't you think?",
        '```python\nprint("one two three")\n```',
        "~~~\n> one two three\n~~~",
        '`"one two three"`',
        '<a href="one two three">x</a>',
        'It is 5" wide and 7" high.',
        'An open "quote ends\n\nwith its paragraph" here',
        '""',
    ],
)
def test_what_is_no_quote_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_code_within_a_quote_is_a_part_of_it() -> None:
    assert found('Say "run `vsearch index` first" there.') == [("run `vsearch index` first", [])]


@pytest.mark.parametrize(
    ("text", "citation"),
    [
        ("notes/pump.md:12", ("notes/pump.md", 12, 12, None)),
        ("(notes/pump.md:3-7).", ("notes/pump.md", 3, 7, None)),
        ("see `pump.md:3–7`,", ("pump.md", 3, 7, None)),
        ("code/pump.py:12:5: error", ("code/pump.py", 12, 12, None)),
        ("code/pump.py#L3-L9", ("code/pump.py", 3, 9, None)),
        ("[the pump](notes/pump.md:4)", ("notes/pump.md", 4, 4, None)),
        ("in archive/2020 report.pdf:5", ("archive/2020 report.pdf", 5, 5, None)),
        ("in 2020 report.pdf, page 3", ("2020 report.pdf", None, None, 3)),
        ("archive/2020 report.pdf  page 3", ("archive/2020 report.pdf", None, None, 3)),
        ("2020 report.pdf#page=3", ("2020 report.pdf", None, None, 3)),
        ("2020 report.pdf (p. 3)", ("2020 report.pdf", None, None, 3)),
        ("odd:7:2", ("odd:7", 2, 2, None)),
        ("Makefile:3", ("Makefile", 3, 3, None)),
        ("made up/gone.md:9", ("up/gone.md", 9, 9, None)),
        ("conf/made-up.xyz:9", ("conf/made-up.xyz", 9, 9, None)),
    ],
)
def test_a_citation_is_found(text: str, citation: tuple[str, int | None, int | None, int | None]) -> None:
    assert cited(text) == [citation]


@pytest.mark.parametrize(
    "text",
    [
        "at 12:30",
        "a ratio of 3:1",
        "http://localhost:8080/x",
        "https://a.example/x.md:80",
        "host.example:443",
        "Note:3",
    ],
)
def test_what_only_looks_like_a_citation_is_none(text: str) -> None:
    assert cited(text) == []


@pytest.mark.parametrize(
    ("text", "citations"),
    [
        ('"A b c" (pump.md:1) and "d e f" (pump.py:2).', [["pump.md:1"], ["pump.py:2"]]),
        ('pump.md:1 says "a b c", and pump.py:2: "d e f".', [["pump.md:1"], ["pump.py:2"]]),
        ('"A b c" (pump.md:1; see also pump.py:2).', [["pump.md:1", "pump.py:2"]]),
        ('"A b c" is what it says in the file pump.md:1.', [["pump.md:1"]]),
        ('"A b c" (pump.md:1).\n\n"D e f" without.', [["pump.md:1"], []]),
        ('- "A b c" pump.md:1\n- "d e f" pump.py:2\n', [["pump.md:1"], ["pump.py:2"]]),
        ("> A b c\n\n— pump.md:1\n\npump.py:2", [["pump.md:1"]]),
        ("pump.md:1:\n\n> A b c\n", [[]]),
    ],
)
def test_citations_belong_to_the_quotes_beside_them(text: str, citations: list[list[str]]) -> None:
    assert [own for _, own in found(text)] == citations
