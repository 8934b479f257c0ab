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
    folder = write_files(tmp_path_factory.mktemp("project"), {**files, "long.txt": "filler " * 900 + "good " * 9})
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


def test_hits_have_the_rerankers_order_and_scores(vsearch: Vsearch, project: Path, reranker: Path) -> None:
    answer = vsearch("query", "--rerank", str(reranker), "--json", "pump", cwd=project).json
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
