"""`vsearch query -`: line n of the output has the hits of line n of stdin."""

import json
import subprocess
from pathlib import Path

from process import DEADLINE, Vsearch


def test_line_n_has_the_hits_of_query_n(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "-", cwd=library, stdin="exponential backoff\nhammer drill\nsticky crumb\n")
    assert result.status == 0
    assert result.err == ""
    assert [answer["query"] for answer in result.json_lines] == ["exponential backoff", "hammer drill", "sticky crumb"]
    found = [answer["hits"][0]["path"] for answer in result.json_lines]
    assert found == ["notes/retries.md", "page.html", "notes/deep/er/bread.txt"]


def test_a_line_is_what_json_prints_for_one_query(vsearch: Vsearch, library: Path) -> None:
    (line,) = vsearch("query", "-", cwd=library, stdin="hammer drill").json_lines
    alone = vsearch("query", "--json", "hammer drill", cwd=library).json
    assert {**line, "took_ms": None} == {**alone, "took_ms": None}


def test_empty_lines_keep_their_place_and_are_errors(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-", cwd=library, stdin="pump\n\n \t\npump\n")
    assert result.status == 2
    assert result.err == 'vsearch: some queries could not be answered; their lines have the key "error"\n'
    assert ["error" in answer for answer in result.json_lines] == [False, True, True, False]
    refused = result.json_lines[1]
    assert list(refused) == [*result.json_lines[0], "error"]
    assert refused["mode"] is None
    assert (refused["schema"], refused["query"], refused["hits"]) == ("vsearch.results/1", "", [])
    assert refused["error"].startswith("query: it is empty")


def test_invalid_utf8_is_replaced(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "-", cwd=library, stdin=b"exponential \xff backoff\n\xc3\npump\n")
    assert [answer["query"] for answer in result.json_lines] == ["exponential \ufffd backoff", "\ufffd", "pump"]
    assert result.json_lines[0]["hits"][0]["path"] == "notes/retries.md"


def test_windows_line_ends_are_line_ends(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "-", cwd=library, stdin="pump\r\nbread\r\n")
    assert [answer["query"] for answer in result.json_lines] == ["pump", "bread"]


def test_other_line_separators_do_not_end_a_query(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "-", cwd=library, stdin="pump\u2028in\x0cwinter\x85now\n")
    assert len(result.json_lines) == 1
    assert result.out.count("\n") == 1


def test_without_queries_there_is_no_hit(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-", cwd=library)
    assert (result.status, result.stdout) == (1, b"")


def test_no_hit_for_any_query_is_status_1(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--mode", "keyword", "-", cwd=library, stdin="xylophone\nzeppelin\n")
    assert (result.status, [answer["hits"] for answer in result.json_lines]) == (1, [[], []])


def test_an_invalid_filter_is_an_error_before_queries_are_read(vsearch: Vsearch, library: Path) -> None:
    process = vsearch.start("query", "--where", "nope(", "-", cwd=library, stdin=subprocess.PIPE)
    with process:
        assert process.wait(DEADLINE) == 2  # while its stdin is still open
        assert process.stdout is not None
        assert process.stdout.read() == b""


def test_filters_apply_to_every_query(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--ext", "py", "-", cwd=library, stdin="pump\nbread\n")
    assert {hit["path"] for answer in result.json_lines for hit in answer["hits"]} == {"code/client.py"}


def test_a_result_is_printed_before_the_next_query_is_read(vsearch: Vsearch, library: Path) -> None:
    process = vsearch.start("query", "-k", "1", "-", cwd=library, stdin=subprocess.PIPE)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        for question in ("pump", "bread"):
            process.stdin.write(question.encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["query"] == question
        process.stdin.close()
        assert process.wait(DEADLINE) == 0
