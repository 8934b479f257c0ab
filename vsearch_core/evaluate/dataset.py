"""Read judged queries (queries with their relevant documents): a folder in BEIR's layout, or one file.

BEIR: Thakur et al., 2021.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsearch_core.errors import InputError
from vsearch_core.json_text import parse_json
from vsearch_core.regular_files import read_text
from vsearch_core.store.io_errors import file_errors

CORPUS_FILE = "corpus.jsonl"
QUERIES_FILE = "queries.jsonl"
JUDGEMENTS_DIR = "qrels"
ANSWERS_FILE = "spans.jsonl"
SPLIT = "test"
TARGET = "target"  # the document id of the hit that contains a query's passage
_COLUMNS = ["query-id", "corpus-id", "score"]

Span = tuple[int, int]  # the first character, and the one after the last
Answers = Mapping[str, Mapping[str, Sequence[Span]]]


@dataclass(frozen=True, slots=True)
class JudgedDocument:
    """A document of a dataset. The title may be empty."""

    title: str
    text: str

    @property
    def heading(self) -> str:
        """The title and an empty line, which come before the text in the document's file, or ""."""
        return f"{self.title}\n\n" if self.title else ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Judged queries, and the documents that they are about.

    `documents` has the documents by id. It is None if the documents are files; then their ids are paths relative to the
    folder, with "/". `queries` has the queries' texts by id. `judgements` has a grade for each query id and document
    id; a grade above 0 means relevant. Both have the same keys: only queries with a relevant document are kept.
    `passages` has for some queries a text that a relevant hit contains; the document id is then TARGET. `answers` has
    for some queries, by query id and document id, the characters of the document, as indexed, that answer the query.
    """

    documents: Mapping[str, JudgedDocument] | None
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]
    passages: Mapping[str, str] = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)


def load_dataset(folder: Path, split: str = SPLIT) -> Dataset:
    """Read a folder of judged queries in BEIR's layout.

    The files are corpus.jsonl (`_id`, `text`, optional `title`; the file may be missing), queries.jsonl (`_id`, `text`)
    and qrels/`split`.tsv (a header, then lines of query-id, corpus-id and an integer score, separated by tabs). A file
    spans.jsonl may mark answers: `query_text`, `corpus_id`, and `spans`, a list of [start, end] in characters of the
    document's text. Raises InputError, which names file and line, for a missing file or a malformed line.
    """
    queries = _records(folder / QUERIES_FILE)
    judgements = _judgements(folder / JUDGEMENTS_DIR / f"{split}.tsv", queries)
    corpus = folder / CORPUS_FILE
    documents = {key: _document(value) for key, value in _records(corpus).items()} if corpus.exists() else None
    answers = _answers(folder / ANSWERS_FILE, queries, documents)
    return Dataset(
        documents=documents,
        queries={key: queries[key]["text"] for key in judgements},
        judgements=judgements,
        answers={key: answers[key] for key in judgements if key in answers},
    )


def load_query_file(path: Path) -> Dataset:
    """Read a file of judged queries for an index, one JSON object a line with `text` and either `paths` or `passage`.

    `paths` is a list of the relevant files, as the index names them, or an object with a grade for each file. With
    `passage`, each hit that contains this text is relevant. `_id` is optional. Raises InputError, which names file and
    line, for a malformed line.
    """
    queries: dict[str, str] = {}
    judgements: dict[str, Mapping[str, int]] = {}
    passages: dict[str, str] = {}
    for number, (place, line) in enumerate(numbered_lines(path, "questions-unreadable"), 1):
        record = _parsed(place, line)
        key = record.get("_id", str(number))
        if not isinstance(key, str) or not isinstance(record.get("text"), str):
            raise InputError(place, "has no text, or its _id is not a string", "invalid-question")
        if key in queries:
            raise InputError(place, f"repeats the _id {key!r}", "duplicate-id")
        queries[key] = record["text"]
        if isinstance(record.get("passage"), str) and record["passage"].strip():
            passages[key] = record["passage"]
            judgements[key] = {TARGET: 1}
        else:
            judgements[key] = _grades(place, record.get("paths"))
    if not queries:
        raise InputError(str(path), "has no query", "invalid-question")
    return Dataset(None, queries, judgements, passages)


def missing_documents(dataset: Dataset, documents: Iterable[str]) -> list[str]:
    """Return the relevant documents, sorted, that are not in `documents`. No search can find these."""
    relevant = {
        document
        for key, grades in dataset.judgements.items()
        if key not in dataset.passages
        for document, grade in grades.items()
        if grade > 0
    }
    return sorted(relevant.difference(documents))


def save_query_file(path: Path, dataset: Dataset) -> None:
    """Write the queries and judgements to a file that `load_query_file` can read. Raises StorageError."""
    records = (
        {"_id": key, "text": text, "passage": dataset.passages[key]}
        if key in dataset.passages
        else {"_id": key, "text": text, "paths": dict(dataset.judgements[key])}
        for key, text in dataset.queries.items()
    )
    with file_errors(path):
        path.write_text(
            "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8", "surrogatepass"
        )


def _grades(place: str, paths: object) -> dict[str, int]:
    grades = dict.fromkeys(paths, 1) if isinstance(paths, list) and all(isinstance(p, str) for p in paths) else paths
    if not isinstance(grades, dict) or not all(type(grade) is int for grade in grades.values()):
        raise InputError(place, "has neither paths nor a passage", "invalid-question")
    if max(grades.values(), default=0) <= 0:
        raise InputError(place, "names no relevant path", "no-relevant-path")
    return grades


def _document(record: Mapping[str, Any]) -> JudgedDocument:
    title = record.get("title")
    return JudgedDocument(title if isinstance(title, str) else "", record["text"])


def _answers(
    path: Path, queries: Mapping[str, Mapping[str, Any]], documents: Mapping[str, JudgedDocument] | None
) -> Answers:
    """Return the marked answers by query id and document id; none if there is no such file."""
    answers: dict[str, dict[str, list[Span]]] = {}
    keys: dict[str, list[str]] = {}
    for key, record in queries.items():
        keys.setdefault(record["text"], []).append(key)
    for place, line in numbered_lines(path) if path.exists() else ():
        record = _parsed(place, line)
        text, document = record.get("query_text"), record.get("corpus_id")
        spans = _spans(record.get("spans"))
        if not isinstance(text, str) or not isinstance(document, str) or not spans:
            raise InputError(place, "has no query_text, no corpus_id, or no spans of [start, end]", "invalid-answer")
        if text not in keys:
            raise InputError(place, f"marks an answer to {text!r}, which is not in {QUERIES_FILE}", "unknown-query")
        before = 0
        if documents is not None:
            judged = documents.get(document)
            if judged is None or max(end for _, end in spans) > len(judged.text):
                reason = f"marks characters that document {document!r} of {CORPUS_FILE} doesn't have"
                raise InputError(place, reason, "invalid-answer")
            before = len(judged.heading)
        for key in keys[text]:
            marked = answers.setdefault(key, {}).setdefault(document, [])
            marked += [(start + before, end + before) for start, end in spans]
    return answers


def _spans(value: object) -> list[Span]:
    """Return pairs of JSON numbers as spans; none if one of them is no span."""
    pairs = value if isinstance(value, list) else []
    if not all(isinstance(pair, list) and len(pair) == 2 and all(type(at) is int for at in pair) for pair in pairs):
        return []
    return [(start, end) for start, end in pairs] if all(0 <= start < end for start, end in pairs) else []


def _records(path: Path) -> dict[str, dict[str, Any]]:
    records: dict[str, dict[str, Any]] = {}
    for place, line in numbered_lines(path):
        record = _parsed(place, line)
        if not all(isinstance(record.get(key), str) for key in ("_id", "text")):
            raise InputError(place, "_id or text is missing or not a string", "invalid-record")
        if record["_id"] in records:
            raise InputError(place, f"repeats the _id {record['_id']!r}", "duplicate-id")
        records[record["_id"]] = record
    return records


def _parsed(place: str, line: str) -> dict[str, Any]:
    try:
        record = parse_json(line)
    except ValueError as error:
        raise InputError(place, f"is not JSON ({error})", "invalid-json-lines") from None
    if not isinstance(record, dict):
        raise InputError(place, "_id or text is missing or not a string", "invalid-record")
    return record


def _judgements(path: Path, queries: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    lines = numbered_lines(path)
    place, header = next(lines, (f"{path}:1", ""))
    if header.split("\t") != _COLUMNS:
        raise InputError(place, f"is not the header {', '.join(_COLUMNS)}, with tabs between them", "invalid-judgement")
    for place, line in lines:
        query, document, grade = _judgement(place, line)
        if query not in queries:
            raise InputError(place, f"judges a query {query!r} that is not in {QUERIES_FILE}", "unknown-query")
        judgements.setdefault(query, {})[document] = grade
    judged = {query: grades for query, grades in judgements.items() if max(grades.values()) > 0}
    if not judged:
        raise InputError(str(path), "has no relevant document for any query", "no-relevant-document")
    return judged


def _judgement(place: str, line: str) -> tuple[str, str, int]:
    try:
        query, document, grade = line.split("\t")
        return query, document, int(grade)
    except ValueError:
        reason = "is not a query-id, a corpus-id and an integer"
        raise InputError(place, reason, "invalid-judgement") from None


def numbered_lines(path: Path, code: str = "dataset-unreadable") -> Iterator[tuple[str, str]]:
    """Yield ("file:line", line) for each line that is not blank. Raises InputError, with `code` if it can't be read."""
    try:
        text = read_text(path)
    except OSError as error:
        raise InputError(str(path), error.strerror or "can't be read", code) from error
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{number}", "is not UTF-8", "not-utf8") from error
    # Not splitlines: it would also cut at the line separators that JSON strings may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{path}:{number}", line.rstrip("\r")
