"""Datasets in BEIR's layout, and their errors."""

import json
from pathlib import Path

import pytest

from vsearch_core.errors import InputError
from vsearch_core.evaluate.dataset import JudgedDocument, load_dataset

QUERIES = '{"_id": "1", "text": "one"}\n{"_id": "2", "text": "two", "metadata": {}}\n{"_id": "3", "text": "three"}\n'
CORPUS = '{"_id": "a", "title": "A", "text": "line\u2028separated"}\n\n{"_id": "b", "text": ""}\n'
HEADER = "query-id\tcorpus-id\tscore\n"
JUDGEMENTS = HEADER + "2\ta\t1\n2\tb\t0\n1\tb\t2\n3\ta\t0\n"


def write(folder: Path, queries: str = QUERIES, judgements: str = JUDGEMENTS, corpus: str | None = CORPUS) -> Path:
    (folder / "qrels").mkdir()
    (folder / "queries.jsonl").write_text(queries, encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(judgements, encoding="utf-8")
    if corpus is not None:
        (folder / "corpus.jsonl").write_text(corpus, encoding="utf-8")
    return folder


def test_a_dataset_is_loaded(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path))
    assert dataset.documents == {"a": JudgedDocument("A", "line\u2028separated"), "b": JudgedDocument("", "")}
    assert dataset.queries == {"2": "two", "1": "one"}  # 3 has no relevant document
    assert dataset.judgements == {"2": {"a": 1, "b": 0}, "1": {"b": 2}}


def test_without_a_corpus_the_files_of_the_folder_are_the_documents(tmp_path: Path) -> None:
    judgements = HEADER + "1\tdocs/a.md\t1\n"
    dataset = load_dataset(write(tmp_path, judgements=judgements, corpus=None))
    assert dataset.documents is None
    assert dataset.judgements == {"1": {"docs/a.md": 1}}


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path, judgements="\ufeff" + JUDGEMENTS.replace("\n", "\r\n")))
    assert dataset.queries.keys() == {"1", "2"}


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        ({"queries": QUERIES + "{oops\n"}, "queries.jsonl:4", "not JSON"),
        ({"queries": '["_id", "text"]\n'}, "queries.jsonl:1", "_id or text is missing"),
        ({"queries": '{"_id": 1, "text": "one"}\n'}, "queries.jsonl:1", "_id or text is missing"),
        ({"queries": QUERIES + '{"_id": "1", "text": "again"}'}, "queries.jsonl:4", "repeats"),
        ({"corpus": '{"_id": "a"}\n'}, "corpus.jsonl:1", "_id or text is missing"),
        ({"judgements": ""}, "test.tsv:1", "not the header"),
        ({"judgements": "1\ta\t1\n"}, "test.tsv:1", "not the header"),
        ({"judgements": HEADER + "1\ta\n"}, "test.tsv:2", "not a query-id"),
        ({"judgements": HEADER + "1\ta\thigh\n"}, "test.tsv:2", "not a query-id"),
        ({"judgements": HEADER + "9\ta\t1\n"}, "test.tsv:2", "'9'"),
        ({"judgements": HEADER + "1\ta\t0\n"}, "test.tsv", "no relevant"),
    ],
)
def test_a_malformed_file_is_refused_by_line(tmp_path: Path, change: dict[str, str], place: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset(write(tmp_path, **change))
    assert caught.value.subject.endswith(place)
    assert reason in caught.value.reason
    assert " " not in caught.value.code and "\n" not in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"queries\.jsonl: No such file"):
        load_dataset(tmp_path / "absent")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "queries.jsonl").write_bytes(QUERIES.encode() + b"\xff")
    with pytest.raises(InputError, match=r"queries\.jsonl:4: is not UTF-8"):
        load_dataset(tmp_path)


def spans(**changes: object) -> str:
    return json.dumps({"query_text": "two", "corpus_id": "a", "spans": [[0, 4], [5, 9]]} | changes) + "\n"


def test_marked_answers_are_characters_of_the_document_with_its_title(tmp_path: Path) -> None:
    folder = write(tmp_path, queries=QUERIES + '{"_id": "4", "text": "two"}\n', judgements=JUDGEMENTS + "4\ta\t1\n")
    (folder / "spans.jsonl").write_text(spans() + spans(spans=[[2, 3]]) + spans(query_text="three"), encoding="utf-8")
    answers = {"a": [(3, 7), (8, 12), (5, 6)]}  # after "A" and an empty line
    assert load_dataset(folder).answers == {"2": answers, "4": answers}  # 3 has no relevant document


def test_marked_answers_in_files_are_characters_of_their_text(tmp_path: Path) -> None:
    folder = write(tmp_path, judgements=HEADER + "2\ta.md\t1\n", corpus=None)
    (folder / "spans.jsonl").write_text(spans(corpus_id="a.md"), encoding="utf-8")
    assert load_dataset(folder).answers == {"2": {"a.md": [(0, 4), (5, 9)]}}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (spans(query_text="nine"), "'nine'"),
        (spans(query_text=None), "no query_text"),
        (spans(corpus_id=7), "no corpus_id"),
        (spans(corpus_id="z"), "'z'"),
        (spans(spans=[[0, 99]]), "doesn't have"),
        (spans(spans=[]), "no spans"),
        (spans(spans=[[4, 4]]), "no spans"),
        (spans(spans=[[-1, 4]]), "no spans"),
        (spans(spans=[[0, 1.5]]), "no spans"),
        (spans(spans=[0, 4]), "no spans"),
        ("[]", "_id or text is missing"),
    ],
)
def test_a_malformed_answer_is_refused_by_line(tmp_path: Path, line: str, reason: str) -> None:
    folder = write(tmp_path)
    (folder / "spans.jsonl").write_text(spans() + line, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_dataset(folder)
    assert caught.value.subject.endswith("spans.jsonl:2")
    assert reason in caught.value.reason
