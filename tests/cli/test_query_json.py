"""The machine-readable outputs `--json`, `--jsonl` and `--paths`. Scripts depend on every key and byte."""

import json
import os
import re
from pathlib import Path

import pytest
from process import Vsearch, controls_terminal, write_files

from .conftest import EVIL_NAME

KEYS = [
    *("schema", "query", "mode", "exact", "generation", "searched", "matched", "took_ms", "tokens", "answered"),
    *("reranking", "more", "coverage", "hits"),
]
HIT_KEYS = [
    *("rank", "score", "path", "chunk", "start_line", "end_line", "start_char", "end_char"),
    *("page", "heading", "text", "scores", "place", "before", "after", "alike", "window", "confidence", "newer"),
    *("alike_count", "title", "date", "mtime", "meta", "stale", "sections", "kind"),
]


def test_json_has_the_keys_of_the_contract_in_their_order(vsearch: Vsearch, library: Path) -> None:
    answer = vsearch("query", "--json", "pump", cwd=library).json
    assert list(answer) == KEYS
    assert all(list(hit) == HIT_KEYS for hit in answer["hits"])
    assert all(list(hit["scores"]) == ["vector", "keyword"] for hit in answer["hits"])
    assert {"embed", "search", "total"} <= answer["took_ms"].keys()


def test_a_hit_lists_the_headings_above_its_parts(vsearch: Vsearch, project: Path) -> None:
    text = "# Pump\n\nIt stands in the yard.\n\n## Winter\n\nDrain it.\n"
    write_files(project, {"pump.md": text, "plain.txt": "The heron nests by the weir."})
    assert vsearch("index", ".", cwd=project).status == 0
    (hit,) = vsearch("query", "--json", "--mode", "keyword", "yard", cwd=project).json["hits"]
    assert hit["sections"] == [
        {"start_char": 0, "heading": "Pump"},
        {"start_char": text.index("## Winter"), "heading": "Pump > Winter"},
    ]
    (hit,) = vsearch("query", "--json", "--mode", "keyword", "heron", cwd=project).json["hits"]
    assert hit["sections"] == []


def test_json_has_the_query_and_what_was_searched(vsearch: Vsearch, library: Path) -> None:
    answer = vsearch("query", "--json", "drain the pump", cwd=library).json
    assert answer["schema"] == "vsearch.results/1"
    assert answer["query"] == "drain the pump"
    assert answer["mode"] == "hybrid"
    assert answer["exact"] is True
    assert answer["generation"] == 1
    assert answer["searched"] == answer["matched"] >= 9


def test_a_hit_has_the_place_of_its_text(vsearch: Vsearch, library: Path) -> None:
    best = vsearch("query", "--json", "exponential backoff", cwd=library).json["hits"][0]
    source = (library / "notes/retries.md").read_text()
    assert source[best["start_char"] : best["end_char"]] == best["text"]
    assert (best["start_line"], best["end_line"]) == (1, 3)
    assert (best["rank"], best["path"], best["chunk"]) == (1, "notes/retries.md", 0)
    assert (best["page"], best["heading"], best["place"]) == (None, "Service", None)


def test_a_pdf_hit_has_a_page(vsearch: Vsearch, library: Path) -> None:
    best = vsearch("query", "--json", "accounts and auditors", cwd=library).json["hits"][0]
    assert (best["path"], best["page"], best["place"]) == ("annual report.pdf", 1, "page 1")


def test_a_hit_has_the_title_the_date_and_the_metadata_of_its_file(vsearch: Vsearch, tmp_path: Path) -> None:
    files = {
        "a.md": "---\ntitle: On herons\ndate: 3 March 2026\ntags: [weir, bird]\nrating: 4\n---\nThe heron waits.\n",
        "b.html": "<title>Osprey</title><meta name='date' content='2025-11-02T10:00'><p>The osprey dives.</p>",
        "c.txt": "The teal dabbles.\n",
    }
    write_files(tmp_path, files)
    os.utime(tmp_path / "c.txt", (1_577_880_000, 1_577_880_000))
    assert vsearch("index", ".", cwd=tmp_path).status == 0
    hits = {hit["path"]: hit for hit in vsearch("query", "--json", "heron osprey teal", cwd=tmp_path).json["hits"]}
    assert (hits["a.md"]["title"], hits["a.md"]["date"]) == ("On herons", "2026-03-03")
    assert (hits["a.md"]["meta"]["tags"], hits["a.md"]["meta"]["rating"]) == (["weir", "bird"], 4)
    assert (hits["b.html"]["title"], hits["b.html"]["date"]) == ("Osprey", "2025-11-02T10:00")
    assert (hits["c.txt"]["date"], hits["c.txt"]["meta"], hits["c.txt"]["mtime"]) == (None, {}, "2020-01-01T12:00:00")
    lines = vsearch("query", "--jsonl", "teal", cwd=tmp_path).out.splitlines()
    assert all({"title", "date", "mtime", "meta"} <= json.loads(line).keys() for line in lines)


def test_ranks_begin_at_1_and_scores_decrease(vsearch: Vsearch, library: Path) -> None:
    hits = vsearch("query", "--json", "water", cwd=library).json["hits"]
    assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


def test_the_score_of_an_unused_route_is_null(vsearch: Vsearch, library: Path) -> None:
    keyword = vsearch("query", "--json", "--mode", "keyword", "pump", cwd=library).json["hits"][0]
    vector = vsearch("query", "--json", "--mode", "vector", "pump", cwd=library).json["hits"][0]
    assert keyword["scores"] == {"vector": None, "keyword": keyword["score"]}
    assert vector["scores"] == {"vector": vector["score"], "keyword": None}


def test_json_without_hits_is_still_the_object(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--json", "--ext", "nope", "pump", cwd=library)
    assert result.status == 1
    assert list(result.json) == KEYS
    assert (result.json["hits"], result.json["matched"]) == ([], 0)


def test_json_has_explain_on_request(vsearch: Vsearch, library: Path) -> None:
    answer = vsearch("query", "--json", "--explain", "retried requests", cwd=library).json
    assert list(answer) == [*KEYS, "explain"]
    fusion = {"method": "convex", "alpha": 0.75, "tuned": False, "legible": 1.0}
    assert answer["explain"] == {
        "terms": ["retri", "request"],
        "vectors": "scan",
        "ef": None,
        "nprobe": None,
        "fusion": fusion,
    }
    keyword = vsearch("query", "--json", "--explain", "--mode", "keyword", "requests", cwd=library).json
    assert keyword["explain"] == {"terms": ["request"], "vectors": None, "ef": None, "nprobe": None}


@pytest.mark.parametrize("output", ["--json", "--jsonl"])
def test_json_escapes_control_characters(vsearch: Vsearch, library: Path, output: str) -> None:
    result = vsearch("query", "-k", "1", output, "parrot in the belfry \u202e", cwd=library)
    assert not controls_terminal(result.out)
    assert r"\u001b[31m" in result.out
    assert r"\u202e" in result.out
    found = json.loads(result.out)
    best = found["hits"][0] if output == "--json" else found
    assert best["path"] == EVIL_NAME
    assert "\x1b[31mred\x1b[0m \u202etxet nedda\u202c sits in the \x07 belfry" in best["text"]


def test_json_is_readable_in_any_script(vsearch: Vsearch, library: Path) -> None:
    assert "磨刀石要先在水里浸泡十分钟" in vsearch("query", "--json", "磨刀石", cwd=library).out


def test_jsonl_is_the_same_hits_one_a_line(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--jsonl", "pump", cwd=library)
    assert result.json_lines == vsearch("query", "--json", "pump", cwd=library).json["hits"]
    assert len(result.json_lines) > 1


def test_jsonl_without_hits_is_empty(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--jsonl", "--ext", "nope", "pump", cwd=library)
    assert (result.status, result.stdout) == (1, b"")


def test_paths_are_the_files_of_the_hits_without_repeats(vsearch: Vsearch, project: Path) -> None:
    long = "\n\n".join(f"Paragraph {number} about the pump and its valve." for number in range(40))
    write_files(project, {"long.txt": long, "other.txt": "A valve."})
    assert vsearch("index", "--chunk-words", "20", ".", cwd=project).status == 0
    hits = vsearch("query", "-k", "100", "--json", "pump valve", cwd=project).json["hits"]
    assert len(hits) > 5
    result = vsearch("query", "-k", "100", "--paths", "pump valve", cwd=project)
    assert result.lines == list(dict.fromkeys(hit["path"] for hit in hits))


def test_null_ends_each_path_with_a_null_byte(vsearch: Vsearch, project: Path) -> None:
    names = {"with space.txt", "with\nnewline.txt", "naïve 文書.txt", "quote'\".txt", "-dash.txt", EVIL_NAME}
    write_files(project, {name: f"The pump number {number}." for number, name in enumerate(names)})
    assert vsearch("index", "-q", ".", cwd=project).status == 0
    result = vsearch("query", "--paths", "-0", "pump", cwd=project)
    assert result.stdout.endswith(b"\0")
    assert {os.fsdecode(name) for name in result.stdout.split(b"\0")[:-1]} == names
    assert all((project / os.fsdecode(name)).exists() for name in result.stdout.split(b"\0")[:-1])


def test_long_option_of_null(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "--paths", "--null", "exponential backoff", cwd=library)
    assert result.stdout == b"notes/retries.md\0"


def test_paths_without_hits_are_empty(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--paths", "--ext", "nope", "pump", cwd=library)
    assert (result.status, result.stdout) == (1, b"")


@pytest.mark.parametrize("options", [("--json", "--jsonl"), ("--json", "--paths"), ("--jsonl", "--paths")])
def test_output_formats_exclude_each_other(vsearch: Vsearch, library: Path, options: tuple[str, ...]) -> None:
    assert "can't be combined; give one of them" in vsearch("query", *options, "pump", cwd=library).error


def test_null_needs_paths(vsearch: Vsearch, library: Path) -> None:
    assert "--null: has no effect without --paths" in vsearch("query", "-0", "pump", cwd=library).error


def test_the_same_query_gives_the_same_output(vsearch: Vsearch, library: Path) -> None:
    def answer() -> str:
        return re.sub(r'"took_ms": \{[^}]*\}', "", vsearch("query", "--json", "water pump", cwd=library).out)

    assert answer() == answer()
