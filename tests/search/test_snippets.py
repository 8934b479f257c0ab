import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.query import plain_query
from vsearch_core.search.snippets import Snippet, best_snippet

ANALYSIS = Analysis("en")


def snippet(text: str, query: str, width: int = 240) -> Snippet:
    return best_snippet(text, dict.fromkeys(ANALYSIS.query_terms(plain_query(query), ["en"]), 1.0), ANALYSIS, width)


def marked(found: Snippet) -> list[str]:
    return [found.text[start:end] for start, end in found.marks]


def test_the_sentence_with_most_terms_wins() -> None:
    text = "Errors happen. Errors are retried with a delay! Then they are reported."
    found = snippet(text, "how are errors retried", width=40)
    assert found.text == "Errors are retried with a delay!"
    assert marked(found) == ["Errors", "retried"]


def test_a_rare_term_weighs_more_than_several_frequent_ones() -> None:
    text = "The index of the files is new. A shim stands in front."
    assert best_snippet(text, {"index": 0.5, "file": 0.5, "shim": 4.0}, ANALYSIS, 30).text == "A shim stands in front."


@pytest.mark.parametrize(
    ("text", "query", "shown"),
    [
        (
            "# Rent and deposit\n\nThe rent is due in May. Pets are not allowed.",
            "rent deposit",
            "The rent is due in May.",
        ),
        ("## Late fees\n\nNothing is due.\n\n## Fees\n\nA late book costs a pound.", "late fees", "A late book costs"),
    ],
)
def test_a_heading_is_never_shown_alone(text: str, query: str, shown: str) -> None:
    assert snippet(text, query, 30).text.startswith(shown)


def test_a_heading_is_shown_where_there_is_nothing_else() -> None:
    assert snippet("# Rent and deposit", "rent").text == "# Rent and deposit"


@pytest.mark.parametrize(
    ("text", "query", "shown"),
    [
        ("The pump runs. The pump hums. The pump stops. Its valve is blue.", "pump valve", "Its valve is blue."),
        ("A loan is free. A loan ends. Renew a loan twice. Lost books cost ten.", "loan lost", "Lost books cost ten."),
    ],
)
def test_a_term_of_every_sentence_says_little(text: str, query: str, shown: str) -> None:
    assert snippet(text, query, 20).text == shown


def test_without_terms_the_first_sentence_is_chosen() -> None:
    assert snippet("\n\n  First one. Second one.", "zebra", width=12).text == "First one."


def test_the_next_sentences_fill_the_width() -> None:
    assert snippet("No. The needle. Then more. And much more than fits.", "needle", 30).text == "The needle. Then more."


def test_a_sentence_continues_on_the_next_line_but_not_in_the_next_list_item() -> None:
    assert snippet("A needle in\na haystack\n- item", "needle", 25).text == "A needle in\na haystack"


def test_dots_inside_words_end_no_sentence() -> None:
    assert (
        "2026.4.10 of foo.bar" in snippet("It needs version 2026.4.10 of foo.bar to run. Else not.", "2026.4.10").text
    )


def test_chinese_sentences_end_without_a_blank() -> None:
    assert snippet("第一句话。黑豹队的防守很好。第三句话。", "黑豹队", 9).text == "黑豹队的防守很好。"


def test_a_long_sentence_is_cut_around_its_first_match() -> None:
    found = snippet("blah " * 200 + "needle " + "blah " * 200, "needle", width=80)
    assert len(found.text) <= 80
    assert marked(found) == ["needle"]
    assert found.text.split()[0] == "blah"


def test_the_table_row_with_most_terms_is_shown() -> None:
    rows = "\n".join(f"pump {number};Leiden;{1900 + number}" for number in range(60))
    found = snippet(rows, "pump 33 Leiden", width=80)
    assert found.text.startswith("pump 33;Leiden;1933\npump 34;")
    assert snippet(rows, "pump Leiden", width=80).start == 0


def test_the_cut_of_a_long_sentence_has_the_highest_weight() -> None:
    text = "alpha " + "blah " * 50 + "beta blah alpha " + "blah " * 50 + "beta."
    found = snippet(text, "alpha beta", width=60)
    assert marked(found) == ["beta", "alpha"]
    assert len(found.text) <= 60


NAMES = "| fee | until 2026 | since 2026 |"
FRAMED = f"{NAMES}\n|---|---|---|\n| loss | 5 | 9 |\n| late | 50 p | 120 p |\n| deposit | 20 | 35 |"


@pytest.mark.parametrize(
    ("text", "query", "shown", "header"),
    [
        (f"About money. It matters.\n\n{FRAMED}\n\nThe end.", "late", "| late | 50 p | 120 p |", NAMES),
        (FRAMED, "deposit", "| deposit | 20 | 35 |", NAMES),
        (FRAMED, "until", "| fee | until 2026 | since 2026 |", ""),
        ("name,place,year\npump,Osk. Mill,1900\nbarn,Leiden,1901", "Osk", "pump,Osk. Mill,1900", "name,place,year"),
        ("name | year\npump | 1900\nbarn! wall | 1901", "wall", "barn! wall | 1901", "name | year"),
        ("pump;1899\nbarn;1900\nmill;1901", "mill", "mill;1901", ""),
    ],
)
def test_a_row_is_whole_and_has_its_header(text: str, query: str, shown: str, header: str) -> None:
    found = snippet(text, query, width=40)
    assert (found.text.split("\n")[0], found.header) == (shown, header)


def test_a_snippet_knows_where_its_rows_begin() -> None:
    found = snippet("Pumps.\n\npump 1;Leiden;1901\npump 2;Delft;1902\npump 3;Gouda;1903\n\nThe end.", "pumps")
    rows = [found.text[start:].split("\n")[0] for start in found.rows]
    assert rows == ["pump 1;Leiden;1901", "pump 2;Delft;1902", "pump 3;Gouda;1903", ""]
    assert snippet("No table, but\ntwo lines.", "table").rows == ()


def test_rows_and_their_header_share_the_width() -> None:
    rows = "\n".join(f"pump {number},Leiden,{1900 + number}" for number in range(60))
    found = snippet(f"name,place,year\n{rows}", "33", width=80)
    assert found.text == "\n".join(f"pump {number},Leiden,{1900 + number}" for number in (33, 34, 35))
    assert found.header == "name,place,year"


CODE = [
    "def late_fee(due, returned):",
    '    """Return the fee. It is in pence."""',
    "    days = (returned - due).days  # two of them are free. Always.",
    "    if days <= FREE:",
    "        return 0",
    "",
    "    return min(days * 120, 1800)",
    "",
    "# The cap is set by the trustees. See the policy.",
    "CAP = 1800",
]


@pytest.mark.parametrize("query", ["fee pence", "days free", "cap trustees", "min", "returned due", "nothing"])
@pytest.mark.parametrize("width", [70, 90, 130, 240])
@pytest.mark.parametrize("around", ["{}", "Fees. See below.\n\n```python\n{}\n```\n\nThat is all."])
def test_code_is_shown_by_whole_lines(query: str, width: int, around: str) -> None:
    text = around.format("\n".join(CODE))
    found = snippet(text, query, width)
    if query != "nothing":
        assert marked(found)
    lines = found.text.split("\n")
    assert lines and all(line.strip() in [each.strip() for each in text.split("\n")] for line in lines)


def test_a_comment_is_no_heading() -> None:
    assert snippet("\n".join([*CODE[-2:], "", *CODE[3:5]]), "trustees").text.startswith("# The cap is set")


@pytest.mark.parametrize("text", ["", "   \n ", "\0"])
def test_a_blank_text_has_no_snippet(text: str) -> None:
    assert snippet(text, "x").text.strip("\0") == ""


@given(st.text(max_size=400), st.text(max_size=30), st.integers(20, 100))
def test_a_snippet_is_a_piece_of_its_text(text: str, query: str, width: int) -> None:
    found = best_snippet(text, dict.fromkeys(ANALYSIS.query_terms(plain_query(query), ["en"]), 1.0), ANALYSIS, width)
    assert text[found.start : found.start + len(found.text)] == found.text
    assert len(found.text) <= width
    assert all(0 <= start < end <= len(found.text) for start, end in found.marks)
