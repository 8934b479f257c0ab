"""Datasets in BEIR's layout, and their errors."""

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
