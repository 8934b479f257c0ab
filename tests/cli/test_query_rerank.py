"""`--rerank`: the judge's order, scores and time; offline, with a model on disk."""

from pathlib import Path

import pytest
from cross_encoders import write_counting
from process import Vsearch, write_files


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_counting(tmp_path_factory.mktemp("judge") / "counting")


@pytest.fixture(scope="module")
def judged(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {f"{number}.txt": f"pump number {number} {'good ' * number}" for number in range(1, 5)}
    folder = write_files(tmp_path_factory.mktemp("judged"), {**files, "long.txt": "filler " * 900 + "good " * 9})
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


def test_the_judge_s_order_and_scores(vsearch: Vsearch, judged: Path, judge: Path) -> None:
    answer = vsearch("query", "--rerank", str(judge), "--json", "pump", cwd=judged).json
    hits = answer["hits"]
    assert [hit["path"] for hit in hits[:5]] == ["long.txt", "4.txt", "3.txt", "2.txt", "1.txt"]
    assert [hit["score"] for hit in hits] == [hit["scores"]["rerank"] for hit in hits]
    assert list(hits[0]["scores"]) == ["vector", "keyword", "rerank"]
    assert answer["took_ms"]["rerank"] > 0


def test_explain_says_what_the_judge_said(vsearch: Vsearch, judged: Path, judge: Path) -> None:
    out = vsearch("query", "--rerank", str(judge), "--explain", "pump", cwd=judged).out
    assert ", rerank 0.9" in out
    assert " ms, rerank " in out


def test_only_the_best_are_judged_and_all_hits_are(vsearch: Vsearch, judged: Path, judge: Path) -> None:
    few = vsearch("query", "-k", "2", "--rerank", str(judge), "--rerank-depth", "1", "--json", "pump", cwd=judged).json
    plain = vsearch("query", "-k", "2", "--json", "pump", cwd=judged).json
    assert {hit["path"] for hit in few["hits"]} == {hit["path"] for hit in plain["hits"]}


def test_the_least_score_is_the_judge_s(vsearch: Vsearch, judged: Path, judge: Path) -> None:
    asked = ("query", "--rerank", str(judge), "--min-score", "0.9", "--mode", "keyword", "--paths", "pump")
    assert vsearch(*asked, cwd=judged).lines == ["4.txt", "3.txt", "2.txt"]


def test_each_line_is_judged(vsearch: Vsearch, judged: Path, judge: Path) -> None:
    answers = vsearch("query", "--rerank", str(judge), "-", cwd=judged, stdin="pump\nnumber\n").json_lines
    assert all(answer["hits"][0]["scores"]["rerank"] > 0.9 for answer in answers)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("nowhere/at-all", "the Hugging Face hub can't be reached; name another with --rerank"),
        (".", "holds no tokenizer.json"),
    ],
)
def test_a_model_that_is_none_is_an_error(vsearch: Vsearch, judged: Path, model: str, reason: str) -> None:
    assert reason in vsearch("query", "--rerank", model, "pump", cwd=judged).error


def test_examples_alone_can_not_be_judged(vsearch: Vsearch, judged: Path, judge: Path) -> None:
    for model in (str(judge), "nowhere/at-all"):  # which is not even looked for
        result = vsearch("query", "--rerank", model, "--more-like", "1.txt", cwd=judged)
        assert "it needs a query's text, and there are only examples; give TEXT, too" in result.error
