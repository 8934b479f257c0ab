"""`vsearch feedback` stores verdicts, and `vsearch tune` learns a fusion from them or from a dataset."""

import json
import shutil
from pathlib import Path

import pytest
from process import Vsearch, write_files

WORDS = (
    *("pump", "valve", "engine", "river", "seed", "loaf", "oven", "drill", "lamp", "wheel", "brake"),
    *("copper", "glue", "chain", "battery", "hammer", "ladder", "bucket", "candle", "basket"),
)


@pytest.fixture
def project(vsearch: Vsearch, library: Path, tmp_path: Path) -> Path:
    """Return a copy of the library that the test may change."""
    return Path(shutil.copytree(library, tmp_path / "library"))


@pytest.fixture
def decoys(vsearch: Vsearch, tmp_path: Path) -> Path:
    """Return a project where only the relevant file has the query's noun; others have all of its other words."""
    files = {}
    for number, word in enumerate(WORDS):
        files[f"{word}.txt"] = f"{word} " + "about many further things that nobody has asked for in any question " * 3
        files[f"decoy-{number}.txt"] = f"where is the tool number {number} kept dry over winter"
    queries = [{"text": f"where is the {word} kept dry over winter", "paths": [f"docs/{word}.txt"]} for word in WORDS]
    questions = "".join(f"{json.dumps(each)}\n" for each in queries)
    write_files(tmp_path / "docs", files)
    write_files(tmp_path, {"questions.jsonl": questions})
    assert vsearch("index", "docs", cwd=tmp_path).status == 0
    return tmp_path


def test_feedback_is_stored_and_counted(vsearch: Vsearch, project: Path) -> None:
    result = vsearch("feedback", "retries?", "retries.md:3", cwd=project / "notes")
    assert (result.status, result.out) == (0, "good: notes/retries.md for retries?\n")
    noted = vsearch("feedback", " retries? ", "notes/pump.md", "bad", "--json", cwd=project / "code").json
    assert (noted["query"], noted["path"], noted["good"]) == ("retries?", "notes/pump.md", False)
    lines = (project / ".vsearch" / "feedback.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in lines] == [3, None]
    assert vsearch("status", "--json", cwd=project).json["feedback"] == 2
    assert "2 verdicts of `vsearch feedback`" in vsearch("status", cwd=project).out


def test_feedback_survives_commands_that_clean_up_the_index(vsearch: Vsearch, project: Path) -> None:
    vsearch("feedback", "retries?", "notes/retries.md", cwd=project)
    kept = (project / ".vsearch" / "feedback.jsonl").read_bytes()
    for command in (("index",), ("compact",), ("repair",), ("remove", "notes"), ("check", "--full")):
        assert vsearch(*command, cwd=project).status == 0
    assert (project / ".vsearch" / "feedback.jsonl").read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("  ", "notes/pump.md"), "query: it is empty"),
        (("pump", "notes/absent.md"), "notes/absent.md: is not in the index"),
        (("pump", "notes"), "notes: is not in the index"),
        (("pump", "notes/pump.md:0"), "is not in the index"),
        (("pump", "notes/pump.md", "meh"), "Invalid value"),
    ],
)
def test_feedback_on_an_unknown_file_is_refused(
    vsearch: Vsearch, library: Path, arguments: tuple[str, ...], error: str
) -> None:
    assert error in vsearch("feedback", *arguments, cwd=library).error
    assert not (library / ".vsearch" / "feedback.jsonl").exists()


def test_tune_stores_a_better_fusion_and_queries_use_it(vsearch: Vsearch, decoys: Path) -> None:
    dry = vsearch("tune", "questions.jsonl", "--dry-run", "--json", cwd=decoys).json
    assert (dry["stored"], dry["questions"]) == (False, len(WORDS))
    learned = vsearch("tune", "questions.jsonl", "--json", cwd=decoys).json
    assert learned["stored"], learned
    assert learned["ndcg_10"] > learned["former"]["ndcg_10"]
    status = vsearch("status", "--json", cwd=decoys).json["tuned"]
    assert (status["method"], status["alpha"]) == (learned["fusion"], learned["alpha"])
    assert "(tuned) on 20 queries" in vsearch("status", cwd=decoys).out
    explained = vsearch("query", "--explain", "--json", "loaf", cwd=decoys).json["explain"]["fusion"]
    assert explained == {"method": learned["fusion"], "alpha": learned["alpha"], "tuned": True, "legible": 1.0}
    fusion = vsearch("query", "--explain", "--json", "--alpha", "0.5", "loaf", cwd=decoys).json["explain"]["fusion"]
    assert fusion == {"method": "convex", "alpha": 0.5, "tuned": False, "legible": 1.0}
    configured = vsearch("query", "--explain", "--json", "loaf", cwd=decoys, VSEARCH_ALPHA="0.25").json["explain"][
        "fusion"
    ]
    assert configured == {"method": "convex", "alpha": 0.25, "tuned": False, "legible": 1.0}
    assert "stored" not in vsearch("tune", "--reset", cwd=decoys).out
    assert vsearch("status", "--json", cwd=decoys).json["tuned"] is None


def test_tune_warns_of_a_configured_alpha(vsearch: Vsearch, decoys: Path) -> None:
    result = vsearch("tune", "questions.jsonl", "--json", cwd=decoys, VSEARCH_ALPHA="0.8")
    assert (result.json["stored"], result.json["former"]["alpha"]) == (True, 0.8)
    assert "your configuration sets fusion or alpha, so queries use those" in result.err


def test_tune_learns_from_feedback(vsearch: Vsearch, decoys: Path) -> None:
    queries = [json.loads(line) for line in (decoys / "questions.jsonl").read_text().splitlines()]
    vsearch("feedback", queries[0]["text"], queries[0]["paths"][0], cwd=decoys)
    noted = decoys / ".vsearch" / "feedback.jsonl"
    first = json.loads(noted.read_text())
    for each in queries[1:]:  # as many runs of `feedback` would write it
        verdict = {**first, "crc": None, "query": each["text"], "path": each["paths"][0]}
        noted.write_text(f"{noted.read_text()}{json.dumps(verdict)}\n")
    by_file = vsearch("tune", "questions.jsonl", "--dry-run", "--json", cwd=decoys).json
    assert vsearch("tune", "--dry-run", "--json", cwd=decoys).json == by_file


def test_tune_stores_no_fusion_that_is_not_better(vsearch: Vsearch, decoys: Path) -> None:
    lines = [json.dumps({"text": word, "paths": [f"docs/{word}.txt"]}) for word in WORDS]
    write_files(decoys, {"easy.jsonl": "\n".join(lines)})
    result = vsearch("tune", "easy.jsonl", cwd=decoys)
    assert result.status == 0
    assert result.lines[-1] == "not stored: it is not significantly better than the present one"
    assert vsearch("status", "--json", cwd=decoys).json["tuned"] is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "0 judged queries are too few to learn from; judge 10 queries or more"),
        (("few.jsonl",), "1 judged query is too few to learn from"),
        (("judged",), "judges its own documents"),
        (("nowhere",), "nowhere: there is no such file or folder"),
        (("--reset", "--dry-run"), "--dry-run: has no effect with --reset"),
    ],
)
def test_queries_that_nothing_can_be_learned_from_are_refused(
    vsearch: Vsearch, project: Path, arguments: tuple[str, ...], error: str
) -> None:
    files = {
        "few.jsonl": '{"text": "pump", "paths": ["notes/pump.md"]}\n',
        "judged/corpus.jsonl": '{"_id": "d", "text": "t"}\n',
        "judged/queries.jsonl": '{"_id": "q", "text": "t"}\n',
        "judged/qrels/test.tsv": "query-id\tcorpus-id\tscore\nq\td\t1\n",
    }
    write_files(project, files)
    assert error in vsearch("tune", *arguments, cwd=project).error
