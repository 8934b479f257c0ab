"""The next hits of a query: `--offset`, and `more` in JSON."""

from pathlib import Path

import pytest
from process import Vsearch


@pytest.mark.parametrize("command", [("query", "pump"), ("similar", "notes/pump.md")])
@pytest.mark.parametrize("options", [(), ("--group-by", "file"), ("--no-collapse",), ("--max-tokens", "300")])
def test_pages_are_parts_of_one_list(
    vsearch: Vsearch, library: Path, command: tuple[str, ...], options: tuple[str, ...]
) -> None:
    longer = vsearch(*command, *options, "-k", "5", "--json", cwd=library).json
    assert len(longer["hits"]) > 3
    page = vsearch(*command, *options, "-k", "2", "--offset", "3", "--json", cwd=library).json
    assert page["hits"] == longer["hits"][3:]
    assert page["more"] == longer["more"]


def test_more_is_false_on_the_last_page(vsearch: Vsearch, library: Path) -> None:
    found = [
        vsearch("query", "--offset", str(at), "-k", "3", "--json", "pump", cwd=library).json for at in range(0, 30, 3)
    ]
    pages = [page for page in found if page["hits"]]
    assert [page["more"] for page in found] == [True] * (len(pages) - 1) + [False] * (11 - len(pages))
    ranks = [hit["rank"] for page in pages for hit in page["hits"]]
    assert ranks == list(range(1, len(ranks) + 1))


def test_each_query_of_a_batch_has_its_page(vsearch: Vsearch, library: Path) -> None:
    answers = vsearch("query", "-k", "1", "--offset", "1", "-", cwd=library, stdin="pump\ndrill\n\n").json_lines
    assert [[hit["rank"] for hit in answer["hits"]] for answer in answers] == [[2], [2], []]
    assert [answer["more"] for answer in answers] == [True, True, None]


def test_text_of_a_page_begins_with_a_hit(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--offset", "1", "-k", "2", "pump", cwd=library)
    assert result.out and not result.out.startswith("\n")
    assert result.out.count("\n\n") == 1


def test_an_offset_beyond_the_last_hit_is_explained(vsearch: Vsearch, library: Path) -> None:
    count = len(vsearch("query", "--mode", "keyword", "-k", "100", "--json", "pump", cwd=library).json["hits"])
    result = vsearch("query", "--mode", "keyword", "--offset", "50", "pump", cwd=library)
    assert result.status == 1
    hits = "1 hit" if count == 1 else f"{count} hits"
    assert result.err == f"no hit: only {hits} in all; lower --offset\n"
    nothing = vsearch("query", "--mode", "keyword", "--offset", "50", "zzzz", cwd=library)
    assert "no chunk has these words" in nothing.err


@pytest.mark.parametrize("value", ["-1", "x", "100000"])
def test_a_bad_offset_is_refused(vsearch: Vsearch, library: Path, value: str) -> None:
    assert "--offset" in vsearch("query", f"--offset={value}", "pump", cwd=library).error
