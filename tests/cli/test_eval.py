"""`vsearch eval`: queries with relevance judgements in BEIR layout."""

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
def dataset(tmp_path: Path) -> Path:
    lines = "".join(f"{query}\t{document}\t1\n" for query, document in JUDGED.items())
    files = {
        "corpus.jsonl": jsonl(DOCUMENTS),
        "queries.jsonl": jsonl(QUERIES),
        "qrels/test.tsv": f"query-id\tcorpus-id\tscore\n{lines}",
    }
    return write_files(tmp_path / "judged", files)


def test_eval_measures_every_mode(vsearch: Vsearch, dataset: Path, tmp_path: Path) -> None:
    result = vsearch("eval", dataset, cwd=tmp_path)
    assert (result.status, result.err) == (0, "")
    assert result.lines[0] == f"{dataset}: 3 judged queries"
    assert result.lines[1].split() == ["mode", "nDCG@10", "95", "%", "recall@10", "recall@100", "MRR@10", "queries/s"]
    assert [line.split()[0] for line in result.lines[2:5]] == ["hybrid", "vector", "keyword"]
    one = r"\w+ +1\.0000 1\.0000-1\.0000 +1\.0000 +1\.0000 +1\.0000 +\d+"
    assert all(re.fullmatch(one, line) for line in result.lines[2:5]), result.out
    against = "nDCG@10 +0.0000 (+0.0000 to +0.0000), p = 1.0000"
    assert result.lines[5:7] == [f"hybrid against {other}: {against}" for other in ("vector", "keyword")]
    measured = r"confidence of \d+ hits: AUC 1\.000, calibration error 0\.\d{3}"
    assert re.fullmatch(measured, result.lines[7]), result.out
    one = r" *\d+% confident +\d+% relevant +\d+( #+)?"
    assert all(re.fullmatch(one, line) for line in result.lines[8:]), result.out


def test_eval_json_has_the_keys_of_the_contract(vsearch: Vsearch, dataset: Path, tmp_path: Path) -> None:
    answer = vsearch("eval", "--mode", "keyword", "--json", dataset, cwd=tmp_path).json
    assert list(answer) == ["schema", "queries", "modes", "comparisons", "confidence", "answers"]
    assert (answer["schema"], answer["queries"]) == ("vsearch.eval/1", 3)
    (mode,) = answer["modes"]
    assert list(mode) == ["mode", "ndcg_10", "recall_10", "recall_100", "mrr_10", "seconds", "intervals"]
    assert (mode["mode"], mode["ndcg_10"]) == ("keyword", 1.0)


def test_eval_says_how_often_the_text_shown_holds_the_answer(vsearch: Vsearch, dataset: Path, tmp_path: Path) -> None:
    line = {"query_text": QUERIES["q1"], "corpus_id": "d1", "spans": [[27, 39]]}
    (dataset / "spans.jsonl").write_text(json.dumps(line))
    result = vsearch("eval", "--mode", "keyword", dataset, cwd=tmp_path)
    shown = (
        "answers marked for 1 query: 1 in the ten best hits, 100.0% of them shown; 1 in the best hit, 100.0% of them"
    )
    assert result.lines[-1] == f"{shown} shown"
    answer = vsearch("eval", "--mode", "keyword", "--json", dataset, cwd=tmp_path).json["answers"]
    assert answer == {"queries": 1, "found": 1, "shown": 1.0, "found_first": 1, "shown_first": 1.0}


def test_eval_leaves_no_files(vsearch: Vsearch, dataset: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert vsearch("eval", "--mode", "keyword", dataset, cwd=tmp_path, TMPDIR=str(tmp_path)).status == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_eval_keeps_its_index_in_the_given_folder(vsearch: Vsearch, dataset: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = vsearch("eval", "--keep", kept, dataset, cwd=tmp_path)
    assert (kept / ".vsearch").is_dir()
    again = vsearch("eval", "--keep", kept, dataset, cwd=tmp_path)
    assert [line.split()[:6] for line in again.lines[2:]] == [line.split()[:6] for line in first.lines[2:]]
    assert vsearch("status", "--json", "--index", kept, cwd=tmp_path).json["generation"] == 1


def test_without_a_corpus_the_files_of_the_folder_are_evaluated(vsearch: Vsearch, tmp_path: Path) -> None:
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
        ("queries.jsonl", '{"_id": 1}\n', "queries.jsonl:1: _id or text is missing"),
        ("qrels/test.tsv", "q1 d1 1\n", "test.tsv:1: is not the header"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq9\td1\t1\n", "test.tsv:2: judges a query 'q9'"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t0\n", "has no relevant document"),
        ("corpus.jsonl", b"\xff\xfe\n", "corpus.jsonl:1: is not UTF-8"),
    ],
)
def test_a_malformed_dataset_is_refused_with_file_and_line(
    vsearch: Vsearch, dataset: Path, name: str, content: str | bytes | None, error: str
) -> None:
    if content is None:
        (dataset / name).unlink()
    else:
        write_files(dataset, {name: content})
    assert error in vsearch("eval", dataset, cwd=dataset).error


def test_a_missing_folder_is_an_error(vsearch: Vsearch, tmp_path: Path) -> None:
    assert "nowhere" in vsearch("eval", "nowhere", cwd=tmp_path).error


def test_a_run_is_written_and_compared_with_itself(vsearch: Vsearch, dataset: Path, tmp_path: Path) -> None:
    kept, run = tmp_path / "kept", tmp_path / "run.trec"
    assert vsearch("eval", "--mode", "keyword", "--keep", kept, "--run", run, dataset, cwd=tmp_path).status == 0
    assert {line.split()[0] for line in run.read_text().splitlines()} == QUERIES.keys()
    assert re.fullmatch(r"q1 Q0 d1 1 \d\.\d+ vsearch-keyword", run.read_text().splitlines()[0])
    answer = vsearch("eval", "--keep", kept, "--compare", run, "--json", dataset, cwd=tmp_path).json
    against = [(each["mode"], each["against"], each["ndcg_10"], each["p"]) for each in answer["comparisons"]]
    assert against[2:] == [(mode, str(run), 0.0, 1.0) for mode in ("hybrid", "vector", "keyword")]


def test_a_run_with_fewer_results_is_compared(vsearch: Vsearch, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text("q1 Q0 d1 1 2.5 other\n")
    answer = vsearch("eval", "--mode", "keyword", "--compare", "run.trec", "--json", dataset, cwd=tmp_path).json
    (comparison,) = answer["comparisons"]
    assert comparison["ndcg_10"] == pytest.approx(2 / 3)  # a query that the run lacks counts as not found
    assert comparison["interval"][0] >= 0
    assert 0.25 < comparison["p"] <= 1  # three queries prove nothing


def test_another_split_can_be_chosen(vsearch: Vsearch, dataset: Path, tmp_path: Path) -> None:
    write_files(dataset, {"qrels/train.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\n"})
    answer = vsearch("eval", "--split", "train", "--mode", "keyword", "--json", dataset, cwd=tmp_path).json
    assert answer["queries"] == 1


def test_queries_without_documents_use_the_nearest_index(vsearch: Vsearch, library: Path, tmp_path: Path) -> None:
    lines = [
        {"text": "exponential backoff", "paths": ["notes/retries.md"]},
        {"_id": "w", "text": "frost", "passage": "Drain the pump\nbefore the first frost"},
        {"text": "lost", "paths": {"gone.md": 1}},
    ]
    write_files(tmp_path, {"questions.jsonl": "".join(json.dumps(line) + "\n" for line in lines)})
    result = vsearch("eval", "--mode", "keyword", "--json", tmp_path / "questions.jsonl", cwd=library)
    assert result.status == 0
    assert "not in the index: 1 judged file, such as gone.md" in result.err
    assert result.json["modes"][0]["mrr_10"] == pytest.approx(2 / 3)


def test_known_items_need_no_judgements(vsearch: Vsearch, library: Path, tmp_path: Path) -> None:
    saved = tmp_path / "known.jsonl"
    answer = vsearch("eval", "--known-items", "5", "--save", saved, "--json", cwd=library).json
    assert answer["queries"] == 5
    assert all(mode["recall_100"] > 0.5 for mode in answer["modes"])
    again = vsearch("eval", saved, "--json", cwd=library).json
    for former, latter in zip(answer["modes"], again["modes"], strict=True):
        assert {**former, "seconds": 0} == {**latter, "seconds": 0}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "name a folder or a file, or add --known-items N"),
        ((".", "--known-items", "3"), "can't use two sets of queries; leave out . or --known-items"),
        (("--known-items", "3", "--alpha", "nan"), "--alpha: nan is not between 0 and 1"),
        (("--save", "x", "."), "--save"),
        (("--known-items", "0"), "Invalid value"),
        (("--known-items", "3", "--keep", "x"), "--keep"),
        (("page.html",), "page.html:1: is not JSON"),
        (("--known-items", "3", "--compare", "nowhere"), "nowhere: No such file"),
        (("--known-items", "3", "--mode", "keyword", "--run", "no/folder"), "no/folder: no such file"),
    ],
)
def test_invalid_arguments_are_refused(vsearch: Vsearch, library: Path, arguments: tuple[str, ...], error: str) -> None:
    assert error in vsearch("eval", *arguments, cwd=library).error
