import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.lexical.query import ParsedQuery, parse_query, plain_query


def clauses(parsed: ParsedQuery) -> tuple[list[str], list[str]]:
    return [clause.text for clause in parsed.required], [clause.text for clause in parsed.excluded]


@pytest.mark.parametrize(
    ("text", "semantic_text", "required", "excluded"),
    [
        ("plain words here", "plain words here", [], []),
        ('"exact words" rest', "exact words rest", ["exact words"], []),
        ("+must have -never", "must have", ["must"], ["never"]),
        ('one -"two three" +"four five"', "one  four five", ["four five"], ["two three"]),
        ('"a" "b", -"c d"!', "a b, !", ["a", "b"], ["c d"]),
        ("+data* find", "data find", ["data"], []),
        ("find -log*", "find", [], ["log"]),
        ("+C# -C++ code", "C#  code", ["C#"], ["C++"]),
        ("+数据 -库", "数据", ["数据"], ["库"]),
        ("use +pump, now", "use pump now", ["pump"], []),
        ('"🦆"', "🦆", ["🦆"], []),
        ('the "<=>" operator', "the <=> operator", ["<=>"], []),
        ("say “so long” now", "say so long now", ["so long"], []),
        ("«bon mot» und „so“", "bon mot und so", ["bon mot", "so"], []),
        ('code ("E-07")', "code (E-07)", ["E-07"], []),
        ('error:"no induction"', "error:no induction", ["no induction"], []),
        ("-only", "", [], ["only"]),
        ('-"only this" -that', "", [], ["only this", "that"]),
        ('"" -this', "", [], ["this"]),
    ],
)
def test_operators(text: str, semantic_text: str, required: list[str], excluded: list[str]) -> None:
    parsed = parse_query(text)
    assert parsed.semantic_text == semantic_text
    assert clauses(parsed) == (required, excluded)


@pytest.mark.parametrize(
    "text",
    [
        *("state-of-the-art", "minus -5 degrees", "call +49 30 1234", "a - b + c", "--json", "tar -x", "C++", "1+1"),
        *(
            'half "open',
            '5" disk and 3" disk',
            '""',
            '" "',
            "-",
            "+",
            '-"',
            "**bold** 2*3 f(x)*",
            "a* b",
            "say “so",
        ),
        *('word"quoted"word', "e-mail", "x -- y"),
    ],
)
def test_text_without_operators_is_a_plain_query(text: str) -> None:
    assert parse_query(text) == plain_query(text)


@pytest.mark.parametrize(
    ("text", "words", "prefixes"),
    [
        ("foo* bar", " bar", ("foo",)),
        ("国*", "", ("国",)),
        ("foo.ba* (x)", " (x)", ("foo.ba",)),
        ("wait what*?", "wait ?", ("what",)),
    ],
)
def test_prefixes(text: str, words: str, prefixes: tuple[str, ...]) -> None:
    parsed = parse_query(text)
    assert (parsed.words, parsed.prefixes) == (words, prefixes)


@given(st.text(alphabet='ab国1"+-* .,', max_size=30))
def test_any_text_is_a_query(text: str) -> None:
    parsed = parse_query(text)
    assert all(clause.text.strip() for clause in (*parsed.required, *parsed.excluded))
    assert parsed.semantic_text.strip() or parsed.only_excludes or not text.strip()
