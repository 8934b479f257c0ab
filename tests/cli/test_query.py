"""`vsearch query` as text: hits, exit status, stdout and stderr."""

import re
from pathlib import Path

import pytest
from process import Vsearch, controls_terminal, write_files


def headlines(out: str) -> list[str]:
    """Return the lines that name a place: those that are neither indented nor empty."""
    return [line for line in out.splitlines() if line and not line.startswith(" ")]


def test_a_hit_is_printed_with_place_heading_score_and_snippet(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "when to drain the pump", cwd=library)
    assert result.status == 0
    assert result.err == ""
    assert re.fullmatch(
        r"notes/pump\.md:17  Pump\S*( > Winter)?  \d+%\n"
        r"    Drain the pump before the first frost, or the casing cracks\.\n",
        result.out,
    ), result.out


def test_a_row_is_printed_below_its_header(vsearch: Vsearch, tmp_path: Path) -> None:
    rows = "".join(f"| item {number} | {number} pence |\n" for number in range(60))
    write_files(tmp_path, {"fees.md": f"# Fees\n\n| name | fee since 2026 |\n|---|---|\n{rows}"})
    vsearch("index", ".", cwd=tmp_path)
    lines = vsearch("query", "--mode", "keyword", '"item 41"', cwd=tmp_path).lines
    assert lines[0].startswith("fees.md:46  Fees")
    assert lines[1] == "    | name | fee since 2026 |"
    assert lines[2:8] == [f"    | item {number} | {number} pence |" for number in range(41, 47)]
    assert len(lines) < 9 or lines[8] == ""  # no more of them


@pytest.mark.parametrize(
    ("query", "snippet"),
    [
        ("three exponential backoff", "retried three times"),
        ("sticky crumb loaf", "sticky crumb"),
        ("getUserName", "getUserName"),
        ("crank", "turn the crank"),
        ("磨刀石", "磨刀石"),
    ],
)
def test_the_snippet_is_at_the_printed_line(vsearch: Vsearch, library: Path, query: str, snippet: str) -> None:
    result = vsearch("query", "-k", "1", query, cwd=library)
    place, shown = result.lines[0].split("  ")[0], result.lines[1]
    assert snippet in shown
    path, line = place.rsplit(":", 1)
    named = (library / path).read_text().splitlines()[int(line) - 1]
    assert named
    assert shown.strip().split("  ")[0][: len(named) // 2] in named


def test_each_row_of_a_table_is_on_a_line_of_its_own(vsearch: Vsearch, tmp_path: Path) -> None:
    rows = "".join(f"| pump {number} | Leiden | {1900 + number} |\n" for number in range(4))
    text = f"The pumps of the\ntown are old.\n\n| name | place | year |\n|---|---|---|\n{rows}\nThey are kept\nwell."
    write_files(tmp_path, {"pumps.md": text})
    vsearch("index", ".", cwd=tmp_path)
    shown = vsearch("query", "--mode", "keyword", "-k", "1", "pump 0 Leiden 1900", cwd=tmp_path).lines
    assert shown[1:] == [
        "    | name | place | year |",
        *(f"    | pump {number} | Leiden | {1900 + number} |" for number in range(4)),
        "    They are kept well.",
    ]


def test_the_line_is_that_of_the_row_even_below_a_repeated_header(vsearch: Vsearch, project: Path) -> None:
    rows = "".join(f"pump {number};Leiden;{1900 + number}\n" for number in range(90))
    write_files(project, {"pumps.csv": f"name;place;year\n{rows}"})
    assert vsearch("index", "--chunk-words", "120", ".", cwd=project).status == 0
    for number in (3, 33, 83):
        result = vsearch("query", "-k", "1", "--mode", "keyword", f'"pump {number};"', cwd=project)
        assert result.lines[0].startswith(f"pumps.csv:{number + 2}  ")


def test_a_pdf_hit_shows_the_page_and_no_line(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "where does the heron nest", cwd=library)
    assert result.lines[0].startswith("annual report.pdf  page 2  ")
    assert "The heron nests by the weir" in result.lines[1]


def test_an_html_hit_shows_its_headings(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "how long may I keep a hammer drill", cwd=library)
    assert result.lines[0].startswith("page.html:1  Borrowing")


@pytest.mark.parametrize("name", ["guide.md", "guide.html", "guide.rst"])
def test_the_heading_is_the_one_above_the_shown_sentence(vsearch: Vsearch, project: Path, name: str) -> None:
    parts = {"Intake": "The sieve keeps leaves out.", "Casing": "The gasket wears out.", "Crank": "The lever squeaks."}
    layouts = {
        "guide.md": "# Guide\n\n" + "".join(f"## {title}\n\n{text}\n\n" for title, text in parts.items()),
        "guide.html": "<h1>Guide</h1>" + "".join(f"<h2>{title}</h2><p>{text}</p>" for title, text in parts.items()),
        "guide.rst": "Guide\n=====\n\n" + "".join(f"{title}\n------\n\n{text}\n\n" for title, text in parts.items()),
    }
    write_files(project, {name: layouts[name]})
    assert vsearch("index", ".", cwd=project).status == 0
    for title, word in zip(parts, ("sieve", "gasket", "lever"), strict=True):
        (headline,) = headlines(vsearch("query", "--mode", "keyword", word, cwd=project).out)
        assert f"  Guide > {title}  " in headline


def test_hits_are_separated_by_an_empty_line(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "3", "pump", cwd=library)
    assert len(headlines(result.out)) == 3
    assert result.lines.count("") == 2


def test_k_limits_the_hits(vsearch: Vsearch, library: Path) -> None:
    assert len(headlines(vsearch("query", "-k", "2", "water", cwd=library).out)) == 2


def test_full_shows_the_whole_chunk(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "--full", "backoff", cwd=library)
    assert result.lines[1:] == [
        "    # Service",
        "    ",
        "    Requests that fail are retried three times with exponential backoff.",
    ]
    assert result.lines[0].startswith("notes/retries.md:1  ")


def test_explain_shows_terms_scores_and_times(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "--explain", "retried requests", cwd=library)
    assert re.search(
        r"\n    score \d\.\d{4}: vector 0\.\d{4}, keyword \d+\.\d{4}; chunk 0, characters 0-\d+\n", result.out
    )
    assert "\nterms: retri request\n" in result.out
    pattern = r"\nmode hybrid \(.+\), exact \(all vectors scanned\), generation 1, (\d+) of \1 chunks allowed\n"
    assert re.search(pattern, result.out)
    assert re.search(r"\ntook filter .* ms, embed .* ms, search .* ms, hydrate .* ms, total .* ms\n$", result.out)


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_each_mode_finds_an_obvious_match(vsearch: Vsearch, library: Path, mode: str) -> None:
    result = vsearch("query", "--mode", mode, "--json", "exponential backoff", cwd=library)
    assert result.status == 0
    assert result.json["mode"] == mode
    assert result.json["hits"][0]["path"] == "notes/retries.md"


def test_vector_search_finds_chunks_without_common_words(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "--mode", "vector", "--paths", "trying again after errors", cwd=library)
    assert result.out == "notes/retries.md\n"


@pytest.mark.parametrize("term", ["2026.4.10", "getUserName", "username", "calendar", "浸泡"])
def test_keywords_find_versions_identifiers_and_cjk(vsearch: Vsearch, library: Path, term: str) -> None:
    expected = {"2026.4.10": "changes.txt", "calendar": "changes.txt", "浸泡": "中文.md"}.get(term, "code/client.py")
    term = {"username": "user name"}.get(term, term)
    result = vsearch("query", "-k", "1", "--mode", "keyword", "--paths", term, cwd=library)
    assert result.out == f"{expected}\n"


def test_rrf_has_scores_of_its_own(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--fusion", "rrf", "--json", "exponential backoff", cwd=library)
    best = result.json["hits"][0]
    assert best["path"] == "notes/retries.md"
    assert best["score"] == pytest.approx(2 / 61, abs=1e-5)  # first of both routes


def test_alpha_1_ranks_like_vector_search(vsearch: Vsearch, library: Path) -> None:
    def paths(*options: str) -> str:
        return vsearch("query", "--paths", "pump in winter", *options, cwd=library).out

    assert paths("--alpha", "1") == paths("--mode", "vector")


def test_exact_is_accepted_where_search_is_exact_anyway(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--exact", "--json", "pump", cwd=library)
    assert result.json["exact"] is True


def test_no_hit_is_status_1_with_the_reason_on_stderr(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--mode", "keyword", "xylophone", cwd=library)
    assert (result.status, result.out) == (1, "")
    assert result.err == "no hit: no chunk has these words; try --mode hybrid\n"


def test_a_filter_that_matches_nothing_is_the_reason(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--ext", "nope", "pump", cwd=library)
    assert (result.status, result.out) == (1, "")
    assert re.fullmatch(r"no hit: none of \d+ chunks passes the filters; loosen them\n", result.err)


def test_a_min_score_that_no_hit_reaches_is_the_reason(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--min-score", "2", "pump", cwd=library)
    assert (result.status, result.out) == (1, "")
    assert result.err == "no hit: every score is below --min-score; lower it\n"


def test_a_query_of_function_words_has_no_keyword_hits(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--mode", "keyword", "the of and", cwd=library)
    assert (result.status, result.out) == (1, "")
    assert (
        result.err == "no hit: the query has only function words, which keyword search leaves out; try --mode hybrid\n"
    )


def test_a_query_of_function_words_has_vector_hits(vsearch: Vsearch, library: Path) -> None:
    assert vsearch("query", "the of and", cwd=library).status == 0


@pytest.mark.parametrize("text", ["", "   ", "\t\n", "\x01\x02", "\u202e\u200f", "\x1b"])
@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
def test_an_empty_query_is_an_error(vsearch: Vsearch, library: Path, text: str, mode: str) -> None:
    assert vsearch("query", "--mode", mode, text, cwd=library).error.startswith("query: it is empty; write a query")


def test_control_characters_in_a_query_are_blanks(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "--paths", "\x1bexponential\x07backoff\u202e", cwd=library)
    assert result.out == "notes/retries.md\n"


@pytest.mark.parametrize("options", [(), ("--full",), ("--explain",), ("--full", "--explain")])
def test_documents_and_names_never_control_the_terminal(
    vsearch: Vsearch, library: Path, options: tuple[str, ...]
) -> None:
    result = vsearch("query", "-k", "1", "parrot in the belfry", *options, cwd=library)
    assert "parrot" in result.out
    assert "belfry" in result.out
    assert not controls_terminal(result.out)


def test_a_query_never_controls_the_terminal(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--explain", "pump \x1b[31m\u202e\x9b", cwd=library)
    assert result.status == 0
    assert not controls_terminal(result.out)


def test_a_query_that_is_not_utf8_is_answered(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "--json", b"backoff \xff".decode("utf-8", "surrogateescape"), cwd=library)
    assert result.status == 0
    assert result.json["hits"][0]["path"] == "notes/retries.md"


def test_a_very_long_query_is_answered(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "--paths", "exponential backoff of failed requests " * 1000, cwd=library)
    assert result.out == "notes/retries.md\n"


def test_a_query_that_begins_with_a_dash_follows_two_dashes(vsearch: Vsearch, library: Path) -> None:
    assert vsearch("query", "-k", "1", "--", "--max-backoff", cwd=library).status == 0


def test_queries_do_not_need_the_source_files(vsearch: Vsearch, indexed: Path) -> None:
    for path in indexed.glob("*.txt"):
        path.unlink()
    result = vsearch("query", "-k", "1", "grease", cwd=indexed)
    assert "The pump needs grease." in result.out


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_operators_filter_in_every_mode(vsearch: Vsearch, library: Path, mode: str) -> None:
    result = vsearch("query", "--mode", mode, "--json", '"inlet valve" pump -frozen', cwd=library)
    assert [hit["path"] for hit in result.json["hits"]] == ["notes/pump.md"]
    assert result.json["matched"] == 1 < result.json["searched"]
    assert vsearch("query", "--mode", mode, '"valve inlet"', cwd=library).status == 1


def test_clauses_that_match_nothing_are_the_reason(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "pump +nowhere", cwd=library)
    assert (result.status, result.out) == (1, "")
    assert re.fullmatch(
        r"no hit: none of \d+ chunks passes both the filters and the clauses .*; loosen them\n", result.err
    )


def test_plain_reads_operators_as_terms(vsearch: Vsearch, library: Path) -> None:
    result = vsearch(
        "query", "--plain", "--json", "--explain", "--mode", "keyword", '"valve inlet" +nowhere', cwd=library
    )
    assert result.json["hits"][0]["path"] == "notes/pump.md"
    assert result.json["explain"]["terms"] == ["valv", "inlet", "nowher"]


def test_invalid_operators_are_read_as_terms(vsearch: Vsearch, library: Path) -> None:
    for query in ('pump "unbalanced', "pump + - * ( ] ", '"" pump', "pump -1", "pump --json"):
        assert vsearch("query", "--mode", "keyword", "--paths", query, cwd=library).lines[0] == "notes/pump.md", query


def test_a_prefix_matches_terms(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--mode", "keyword", "-k", "1", "expon*", cwd=library)
    assert "exponential backoff" in result.out
