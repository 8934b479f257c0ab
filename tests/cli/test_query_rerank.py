"""`--rerank`: order, scores and time; offline, with a model on disk."""

from pathlib import Path

import pytest
from cross_encoders import write_counting
from process import Vsearch, write_files


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_counting(tmp_path_factory.mktemp("reranker") / "counting")


@pytest.fixture(scope="module")
def project(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {f"{number}.txt": f"pump number {number} {'good ' * number}" for number in range(1, 5)}
    folder = write_files(
        tmp_path_factory.mktemp("project"), {**files, "long.txt": "filler " * 900 + "number " + "good " * 9}
    )
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


def test_hits_have_the_rerankers_order_and_scores(vsearch: Vsearch, project: Path, reranker: Path) -> None:
    answer = vsearch("query", "--rerank", str(reranker), "--json", "pump number", cwd=project).json
    hits = answer["hits"]
    assert [hit["path"] for hit in hits[:5]] == ["long.txt", "4.txt", "3.txt", "2.txt", "1.txt"]
    assert [hit["score"] for hit in hits] == [hit["scores"]["rerank"] for hit in hits]
    assert list(hits[0]["scores"]) == ["vector", "keyword", "rerank"]
    assert answer["took_ms"]["rerank"] > 0


def test_explain_shows_the_rerankers_scores(vsearch: Vsearch, project: Path, reranker: Path) -> None:
    out = vsearch("query", "--rerank", str(reranker), "--explain", "pump", cwd=project).out
    assert ", rerank 0.9" in out
    assert " ms, rerank " in out


def test_rerank_depth_never_falls_below_the_number_of_hits(vsearch: Vsearch, project: Path, reranker: Path) -> None:
    few = vsearch(
        "query", "-k", "2", "--rerank", str(reranker), "--rerank-depth", "1", "--json", "pump", cwd=project
    ).json
    plain = vsearch("query", "-k", "2", "--json", "pump", cwd=project).json
    assert {hit["path"] for hit in few["hits"]} == {hit["path"] for hit in plain["hits"]}


def test_min_score_applies_to_the_rerankers_score(vsearch: Vsearch, project: Path, reranker: Path) -> None:
    arguments = ("query", "--rerank", str(reranker), "--min-score", "0.9", "--mode", "keyword", "--paths", "pump")
    assert vsearch(*arguments, cwd=project).lines == ["4.txt", "3.txt", "2.txt"]


def test_each_query_of_a_batch_is_reranked(vsearch: Vsearch, project: Path, reranker: Path) -> None:
    answers = vsearch("query", "--rerank", str(reranker), "-", cwd=project, stdin="pump\nnumber\n").json_lines
    assert all(answer["hits"][0]["scores"]["rerank"] > 0.9 for answer in answers)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("nowhere/at-all", "the Hugging Face hub can't be reached; name the folder or the hub name of another"),
        (".", "has no tokenizer.json"),
    ],
)
def test_an_unusable_model_is_an_error(vsearch: Vsearch, project: Path, model: str, reason: str) -> None:
    assert reason in vsearch("query", "--rerank", model, "pump", cwd=project).error


def test_examples_without_a_query_cannot_be_reranked(vsearch: Vsearch, project: Path, reranker: Path) -> None:
    for model in (str(reranker), "nowhere/at-all"):  # it is not even opened
        result = vsearch("query", "--rerank", model, "--more-like", "1.txt", cwd=project)
        assert "it needs a query's text, and there are only examples; give the query's TEXT, too" in result.error


def test_the_best_window_of_a_long_chunk_is_scored_not_all_of_it(vsearch: Vsearch, tmp_path: Path) -> None:
    model = write_counting(tmp_path / "counting")
    answer = "the pump has good good good bearings "
    other = "our cook bakes bread and soups for the whole village in winter, and sings "
    files = {"answer.txt": other * 12 + answer * 4 + other * 12, "elsewhere.txt": "the pump stands idle " * 4 + "good"}
    write_files(tmp_path, {f"docs/{name}": text for name, text in files.items()})
    assert vsearch("index", "docs", cwd=tmp_path).status == 0
    hits = vsearch("query", "--rerank", str(model), "--json", "pump bearings", cwd=tmp_path).json["hits"]
    assert [hit["path"] for hit in hits] == ["docs/answer.txt", "docs/elsewhere.txt"]


def test_a_large_budget_changes_nothing(vsearch: Vsearch, project: Path, reranker: Path) -> None:
    plain = vsearch("query", "--rerank", str(reranker), "--json", "pump", cwd=project)
    result = vsearch("query", "--rerank", str(reranker), "--rerank-budget", "60s", "--json", "pump", cwd=project)
    assert result.json["hits"] == plain.json["hits"]
    assert result.json["reranking"] == plain.json["reranking"] == {"candidates": 6, "scored": 6, "used": True}
    assert "rerank-budget" not in result.err


def test_a_budget_that_is_too_small_keeps_the_order_and_says_so(
    vsearch: Vsearch, project: Path, reranker: Path
) -> None:
    plain = vsearch("query", "--json", "pump", cwd=project)
    arguments = ("query", "--rerank", str(reranker), "--rerank-budget", "0.000001ms", "--json")
    result = vsearch(*arguments, "pump", cwd=project)
    assert [hit["path"] for hit in result.json["hits"]] == [hit["path"] for hit in plain.json["hits"]]
    assert result.json["reranking"] == {"candidates": 6, "scored": 4, "used": False}
    assert "--rerank-budget: 4 of 6 hits were scored in time; too few, so the order" in result.err
    few = vsearch(*arguments, "-k", "3", "pump", cwd=project)
    assert few.json["reranking"] == {"candidates": 6, "scored": 4, "used": True}
    assert "the others are no hits" in few.err


@pytest.mark.parametrize("time", ["500", "0ms", "-1s", "nan s", "nans", "soon", "1e9s", ""])
def test_a_budget_that_is_no_time_is_refused(vsearch: Vsearch, project: Path, reranker: Path, time: str) -> None:
    result = vsearch("query", "--rerank", str(reranker), "--rerank-budget", time, "pump", cwd=project)
    assert "is not a time; write 500ms or 2s" in result.error


def test_an_offset_stays_within_the_hits_that_are_scored_again(vsearch: Vsearch, project: Path, reranker: Path) -> None:
    arguments = ("query", "--rerank", str(reranker), "--rerank-depth", "4", "--json", "pump")
    longer = vsearch(*arguments, "-k", "4", cwd=project).json
    page = vsearch(*arguments, "-k", "2", "--offset", "2", cwd=project).json
    assert page["hits"] == longer["hits"][2:]
    assert not page["more"]
    beyond = vsearch(*arguments, "-k", "2", "--offset", "3", cwd=project)
    assert beyond.error == (
        "--offset: hits 4 to 5 go beyond the 4 that are scored again; raise --rerank-depth, or lower --offset or -k"
    )
    timed = vsearch(*arguments, "-k", "2", "--offset", "1", "--rerank-budget", "9s", cwd=project)
    assert timed.error.startswith("--offset, --rerank-budget: ")
