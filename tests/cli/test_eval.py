"""`vsearch eval`: judged questions in BEIR layout."""

import json
import re
from pathlib import Path

import pytest
from process import Vsearch, write_files

DOCUMENTS = {
    "d1": "Requests that fail are retried three times with exponential backoff.",
    "d2": "Rye bread with a sticky crumb left the oven too early.",
    "d/3": "The pump of the mill needs grease every spring.",
}
QUERIES = {"q1": "exponential backoff", "q2": "sticky rye bread", "q3": "grease for the pump"}
JUDGED = {"q1": "d1", "q2": "d2", "q3": "d/3"}


def jsonl(texts: dict[str, str]) -> str:
    return "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items())


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    lines = "".join(f"{query}\t{document}\t1\n" for query, document in JUDGED.items())
    files = {
        "corpus.jsonl": jsonl(DOCUMENTS),
        "queries.jsonl": jsonl(QUERIES),
        "qrels/test.tsv": f"query-id\tcorpus-id\tscore\n{lines}",
    }
    return write_files(tmp_path / "judged", files)


def test_eval_measures_every_mode(vsearch: Vsearch, judged: Path, tmp_path: Path) -> None:
    ran = vsearch("eval", judged, cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert ran.lines[0] == f"{judged}: 3 judged questions"
    assert ran.lines[1].split() == ["mode", "nDCG@10", "recall@10", "recall@100", "MRR@10", "queries/s"]
    assert [line.split()[0] for line in ran.lines[2:]] == ["hybrid", "vector", "keyword"]
    assert all(re.fullmatch(r"\w+ +1\.0000 +1\.0000 +1\.0000 +1\.0000 +\d+", line) for line in ran.lines[2:]), ran.out


def test_eval_json_has_the_keys_of_the_contract(vsearch: Vsearch, judged: Path, tmp_path: Path) -> None:
    answer = vsearch("eval", "--mode", "keyword", "--json", judged, cwd=tmp_path).json
    assert list(answer) == ["schema", "queries", "modes"]
    assert (answer["schema"], answer["queries"]) == ("vsearch.eval/1", 3)
    (mode,) = answer["modes"]
    assert list(mode) == ["mode", "ndcg_10", "recall_10", "recall_100", "mrr_10", "seconds"]
    assert (mode["mode"], mode["ndcg_10"]) == ("keyword", 1.0)


def test_eval_leaves_nothing_behind(vsearch: Vsearch, judged: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert vsearch("eval", "--mode", "keyword", judged, cwd=tmp_path, TMPDIR=str(tmp_path)).status == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_eval_keeps_its_index_where_told(vsearch: Vsearch, judged: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = vsearch("eval", "--keep", kept, judged, cwd=tmp_path)
    assert (kept / ".vsearch").is_dir()
    again = vsearch("eval", "--keep", kept, judged, cwd=tmp_path)
    assert [line.split()[:5] for line in again.lines[2:]] == [line.split()[:5] for line in first.lines[2:]]
    assert vsearch("status", "--json", "--index", kept, cwd=tmp_path).json["generation"] == 1


def test_the_folders_own_files_can_be_the_documents(vsearch: Vsearch, tmp_path: Path) -> None:
    files = {
        "notes/pump.md": DOCUMENTS["d/3"],
        "bread.txt": DOCUMENTS["d2"],
        "queries.jsonl": jsonl({"q": "grease for the pump"}),
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq\tnotes/pump.md\t1\n",
        ".vsearchignore": "/queries.jsonl\n/qrels/\n",
    }
    answer = vsearch("eval", "--json", write_files(tmp_path / "corpus", files), cwd=tmp_path).json
    assert [mode["mrr_10"] for mode in answer["modes"]] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("queries.jsonl", None, "queries.jsonl: No such file"),
        ("queries.jsonl", "{", "queries.jsonl:1: is not JSON"),
        ("queries.jsonl", '{"_id": 1}\n', "queries.jsonl:1: lacks a text"),
        ("qrels/test.tsv", "q1 d1 1\n", "test.tsv:1: is not the header"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq9\td1\t1\n", "test.tsv:2: judges a query 'q9'"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t0\n", "holds no relevant document"),
        ("corpus.jsonl", b"\xff\xfe\n", "corpus.jsonl:1: is not UTF-8"),
    ],
)
def test_a_malformed_set_is_named_with_file_and_line(
    vsearch: Vsearch, judged: Path, name: str, content: str | bytes | None, error: str
) -> None:
    if content is None:
        (judged / name).unlink()
    else:
        write_files(judged, {name: content})
    assert error in vsearch("eval", judged, cwd=judged).error


def test_a_folder_that_is_not_there_is_an_error(vsearch: Vsearch, tmp_path: Path) -> None:
    assert "nowhere" in vsearch("eval", "nowhere", cwd=tmp_path).error
