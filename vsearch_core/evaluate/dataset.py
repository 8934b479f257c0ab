"""Judged questions on disk, in the layout of BEIR (Thakur et al., NeurIPS Datasets and Benchmarks 2021)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsearch_core.errors import InputError

CORPUS_FILE = "corpus.jsonl"
QUERIES_FILE = "queries.jsonl"
JUDGEMENTS_FILE = Path("qrels", "test.tsv")
_COLUMNS = ["query-id", "corpus-id", "score"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A document of a judged set. The title may be empty."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Documents by id, queries by id, and per query the grades by document id.

    `documents` is None where the folder's own files are the documents; their ids are then paths relative to the folder,
    with "/". `queries` and `judgements` have the same keys: the queries with at least one relevant document.
    """

    documents: Mapping[str, Passage] | None
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]


def load(folder: Path) -> Dataset:
    """Read corpus.jsonl (`_id`, `text`, optional `title`; may be absent), queries.jsonl (`_id`, `text`) and
    qrels/test.tsv (a header, then query-id, corpus-id and a whole-numbered score between tabs).

    Raises InputError, naming file and line, for what is missing or malformed.
    """
    queries = _records(folder / QUERIES_FILE)
    judgements = _judgements(folder / JUDGEMENTS_FILE, queries)
    corpus = folder / CORPUS_FILE
    return Dataset(
        documents={key: _passage(value) for key, value in _records(corpus).items()} if corpus.exists() else None,
        queries={key: queries[key]["text"] for key in judgements},
        judgements=judgements,
    )


def _passage(record: Mapping[str, Any]) -> Passage:
    title = record.get("title")
    return Passage(title if isinstance(title, str) else "", record["text"])


def _records(path: Path) -> dict[str, dict[str, Any]]:
    records: dict[str, dict[str, Any]] = {}
    for place, line in _lines(path):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InputError(place, f"is not JSON ({error})", "write one JSON object a line") from None
        if not isinstance(record, dict) or not all(isinstance(record.get(key), str) for key in ("_id", "text")):
            raise InputError(place, "lacks a text in _id or in text", 'write {"_id": "…", "text": "…"}')
        if record["_id"] in records:
            raise InputError(place, f"repeats the _id {record['_id']!r}", "give every line its own _id")
        records[record["_id"]] = record
    return records


def _judgements(path: Path, queries: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    lines = _lines(path)
    place, header = next(lines, (f"{path}:1", ""))
    if header.split("\t") != _COLUMNS:
        raise InputError(place, "is not the header", f"write {', '.join(_COLUMNS)} with tabs between them")
    for place, line in lines:
        query, document, grade = _judgement(place, line)
        if query not in queries:
            raise InputError(place, f"judges a query {query!r} that {QUERIES_FILE} lacks", "add it there")
        judgements.setdefault(query, {})[document] = grade
    judged = {query: grades for query, grades in judgements.items() if max(grades.values()) > 0}
    if not judged:
        raise InputError(str(path), "holds no relevant document for any query", "add a line with a score above 0")
    return judged


def _judgement(place: str, line: str) -> tuple[str, str, int]:
    try:
        query, document, grade = line.split("\t")
        return query, document, int(grade)
    except ValueError:
        reason = "is not a query-id, a corpus-id and a whole number"
        raise InputError(place, reason, "write the three with tabs between them") from None


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines that are not blank, each with its place, "file:line"."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(str(path), error.strerror or "can't be read", "name a folder in BEIR layout") from error
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{number}", "is not UTF-8", "save the file as UTF-8") from error
    # Not splitlines: it would also cut at the line separators that JSON strings may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{path}:{number}", line.rstrip("\r")
