"""A Searcher in plain Python: lists, dicts, exact cosines and BM25 by the textbook. The yardstick of other engines."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import log, sqrt

import numpy as np

from vsearch_core import config
from vsearch_core.errors import FilterError
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.lexical.characters import fold_case, normalize_characters
from vsearch_core.lexical.phrase import fold_text, phrase_pattern, prefix_pattern
from vsearch_core.lexical.query import PHRASE, PREFIX, Clause, ParsedQuery, plain_query
from vsearch_core.model import TEXT, KeywordFields
from vsearch_core.scripts import FIRST_UNSPACED
from vsearch_core.search.engine import CAPABILITIES, Candidates, Ids, Selection, Vectors, unsupported
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import KEYWORD, VECTOR, Fusion
from vsearch_core.search.rarity import rare_words
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.rocchio import REPEATS
from vsearch_core.search.snippets import Snippet, best_snippet
from vsearch_core.store.catalog import StoredChunk

FILE_COLUMNS = "id, path, name, ext, dir, size, mtime_ns, language, title, meta"


@dataclass(frozen=True)
class Row:
    """A chunk with everything that it is found by."""

    id: int
    file: Mapping[str, object]
    stored: StoredChunk
    fields: KeywordFields
    terms: Counter[str]
    vector: list[float]


class BruteForceSearcher:
    """Looks at every live chunk of a snapshot, for every query."""

    capabilities = CAPABILITIES
    fusion = Fusion()
    image_model = None

    def __init__(self, snapshot: Snapshot) -> None:
        self.generation = snapshot.generation
        self.languages = snapshot.languages
        self.analysis = snapshot.settings.query_analysis
        self.rows = sorted(_rows_of(snapshot), key=lambda row: row.id)

    def prepare(self, request: SearchRequest) -> bool:
        return bool(self._matching(request))

    def search(self, request: SearchRequest, vectors: Mapping[str, Vectors], depth: int) -> Candidates:
        if set(vectors) - {TEXT}:
            raise unsupported("vector space")
        matching = self._matching(request)
        terms = self._terms(request.parsed)
        examples = set() if request.feedback is None else set(request.feedback.ids.tolist())
        allowed = [row for row in matching if row.id not in examples]
        scores: dict[str, dict[int, float]] = {}
        if TEXT in vectors:
            query = vectors[TEXT].tolist()
            scores[VECTOR] = {row.id: sum(a * b for a, b in zip(row.vector, query, strict=True)) for row in allowed}
        if request.mode != "vector":
            scores[KEYWORD] = self._keyword_scores(request, terms, allowed)
        chosen = set()
        for route, of_route in scores.items():
            ranked = sorted((row.id for row in allowed), key=lambda number: -of_route[number])
            chosen |= {number for number in ranked[:depth] if route != KEYWORD or of_route[number] > 0}
        found = [row for row in allowed if row.id in chosen]
        return Candidates(
            np.array([row.id for row in found], np.int64),
            {route: np.array([of_route[row.id] for row in found], np.float32) for route, of_route in scores.items()},
            np.array([row.file["id"] for row in found], np.int64),
            len(self.rows),
            len(matching),
            None,
            tuple(terms),
            rare=self._rare_words(request, terms, found) if len(scores) > 1 and not examples else None,
        )

    def _rare_words(self, request: SearchRequest, terms: Sequence[str], found: Sequence[Row]) -> Vectors | None:
        """Return the weight of the rare words that each found row has."""
        words = rare_words(
            request.parsed.words.split(),
            lambda word: [term for term in dict.fromkeys(self._terms(plain_query(word))) if term in terms],
            lambda term: sum(term in row.terms for row in self.rows),
            len(self.rows),
        )
        weights = [sum(word.weight for word in words if all(term in row.terms for term in word.terms)) for row in found]
        return np.array(weights, np.float32) if words else None

    def hydrate(self, ids: Ids) -> list[StoredChunk]:
        return [self._row(number).stored for number in ids.tolist()]

    def vectors(self, ids: Ids, space: str = TEXT) -> Vectors:
        if space != TEXT:
            raise unsupported("vector space")
        return np.array([self._row(number).vector for number in ids.tolist()], np.float32)

    def chunk_ids(self, path: str, first: int = 0, last: int | None = None) -> Ids:
        numbered = {row.stored.ordinal: row.id for row in self.rows if row.stored.path == path}
        wanted = [number for number in sorted(numbered) if number >= first and (last is None or number <= last)]
        return np.array([numbered[number] for number in wanted], np.int64)

    def newest_version(self, path: str) -> str | None:
        return None

    def select(self, filters: Filters) -> Selection:
        passing = [row.id for row in self.rows if _passes(row.file, filters)]
        return Selection(np.array(passing, np.int64), len(self.rows))

    def term_shares(self, request: SearchRequest, ids: Ids) -> Vectors:
        weights = self._term_weights(request)
        shares = [root_shares(self._row(number).stored.chunk.text, weights) for number in ids.tolist()]
        return np.array(shares, np.float32).reshape(-1, 2)

    def excerpts(self, request: SearchRequest, texts: Sequence[str], width: int = 240) -> list[Snippet]:
        weights = self._term_weights(request)
        return [best_snippet(text, weights, self.analysis, width) for text in texts]

    def _term_weights(self, request: SearchRequest) -> dict[str, float]:
        return {term: self._idf(term) or 1.0 for term in self._terms(request.parsed)}

    def _row(self, number: int) -> Row:
        (row,) = (row for row in self.rows if row.id == number)
        return row

    def _matching(self, request: SearchRequest) -> list[Row]:
        """Return the rows that pass filters and clauses."""
        passing = [row for row in self.rows if _passes(row.file, request.filters)]
        parsed = request.parsed
        return [
            row
            for row in passing
            if all(self._has(row, clause) for clause in parsed.required)
            and not any(self._has(row, clause) for clause in parsed.excluded)
        ]

    def _has(self, row: Row, clause: Clause) -> bool:
        folded = [fold_text(field) for field in row.fields.fields()]
        if clause.kind == PREFIX:
            return self._count(row, fold_case(normalize_characters(clause.text)) + "*") > 0
        terms = self.analysis.query_terms(plain_query(clause.text), self.languages)
        if clause.kind == PHRASE or not terms:
            return any(phrase_pattern(clause.text).search(field) for field in folded)
        return any(term in row.terms for term in terms)

    def _terms(self, parsed: ParsedQuery) -> list[str]:
        return self.analysis.query_terms(parsed, self.languages)

    def _count(self, row: Row, term: str) -> int:
        """Return the number of times that the row has the term; `bar*` counts all that begin so."""
        if not term.endswith("*"):
            return row.terms[term]
        counted = sum(count for other, count in row.terms.items() if other.startswith(term[:-1]))
        pattern = prefix_pattern(term[:-1])
        return counted or sum(len(pattern.findall(fold_text(field))) for field in row.fields.fields())

    def _idf(self, term: str) -> float:
        having = sum(self._count(row, term) > 0 for row in self.rows)
        return log(1 + (len(self.rows) - having + 0.5) / (having + 0.5)) if having else 0.0

    def _keyword_scores(self, request: SearchRequest, terms: list[str], rows: list[Row]) -> dict[int, float]:
        feedback = request.feedback
        if feedback is not None:
            terms = feedback.terms(
                terms,
                lambda text: self.analysis.query_terms(plain_query(text), self.languages),
                lambda given: [sum(term in row.terms for row in self.rows) for term in given],
                len(self.rows),
            )
        idf = {term: self._idf(term) for term in terms}
        mean = sum(row.terms.total() for row in self.rows) / max(1, len(self.rows))
        divisor = 1 if feedback is None else REPEATS
        return {row.id: sum(idf[term] * self._saturated(row, term, mean) for term in terms) / divisor for row in rows}

    def _saturated(self, row: Row, term: str, mean_length: float) -> float:
        count = self._count(row, term)
        norm = 1 - config.BM25_B + config.BM25_B * row.terms.total() / (mean_length or 1)
        return count / (count + config.BM25_K1 * norm) if count else 0.0


def root_shares(text: str, weights: Mapping[str, float]) -> tuple[float, float]:
    """Return the mean over three lengths of the best share of the terms' weights within them, and that of all the text.

    Every window that begins with a root is looked at, and in it every root at every character. A root inside the term
    of another one is where that is, too.
    """
    roots: dict[str, float] = {}
    terms: dict[str, str] = {}
    for term, weight in weights.items():
        is_stem = len(term) > 3 and term[0] < FIRST_UNSPACED and term[-1].isalpha()
        root = term[:-1] if is_stem or term[-1] == "*" else term
        if weight > roots.get(root, 0.0):
            roots[root], terms[root] = weight, term
    text = text.casefold()
    places = [
        (place, found)
        for root in roots
        for place in range(len(text))
        if text[place : place + len(root)] == root and not (_is_letter(root[0]) and _is_letter(text[:place][-1:]))
        for found in roots
        if found == root or found in terms[root][1:]
    ]
    best = [
        max(
            (sum(roots[r] for r in {r for at, r in places if 0 <= at - start < length}) for start, _ in places),
            default=0,
        )
        for length in (40, 80, 160)
    ]
    total = sum(roots.values()) or 1
    return sum(best) / 3 / total, sum(roots[root] for root in {root for _, root in places}) / total


def _is_letter(char: str) -> bool:
    return char.isalnum() and char < FIRST_UNSPACED


def _rows_of(snapshot: Snapshot) -> list[Row]:
    """Read all live chunks of a snapshot; their ids here are made up."""
    query = f"SELECT {FILE_COLUMNS} FROM files WHERE live"
    files = {
        values[0]: dict(zip(FILE_COLUMNS.split(", "), values, strict=True))
        for values in snapshot.catalog.connection.execute(query)
    }
    rows = []
    for file_id, file in files.items():
        numbers = [number for number, _ in snapshot.catalog.chunk_numbers(str(file["path"]))]
        fields = [each for *_, each in snapshot.catalog.keyword_fields(numbers)]
        languages = snapshot.settings.query_analysis.languages(fields)
        chunks = snapshot.catalog.stored_chunks(numbers)
        for number, stored, of_chunk, language in zip(numbers, chunks, fields, languages, strict=True):
            terms = Counter(snapshot.settings.query_analysis.chunk_terms(of_chunk, language))
            made_up = 10**12 + 7 * (1000 * file_id + stored.ordinal)
            rows.append(Row(made_up, file, stored, of_chunk, terms, _vector_of(snapshot, number)))
    return rows


def _vector_of(snapshot: Snapshot, chunk_id: int) -> list[float]:
    for segment in snapshot.segments:
        for number, alive, vector in zip(segment.chunk_ids, segment.alive, segment.vectors, strict=True):
            if number == chunk_id and alive:
                length = sqrt(sum(int(value) ** 2 for value in vector))
                return [int(value) / 32767 for value in vector] if length else [0.0] * len(vector)
    raise AssertionError(f"no segment has chunk {chunk_id}")


def _passes(file: Mapping[str, object], filters: Filters) -> bool:
    modified = int(str(file["mtime_ns"])) // 10**9
    path = str(file["path"])
    conditions = [
        not filters.path or any(fnmatchcase(path, each) or fnmatchcase(path, f"{each}/*") for each in filters.path),
        not filters.ext or file["ext"] in filters.ext,
        filters.since is None or modified >= int(filters.since.timestamp()),
        filters.until is None or modified <= int(filters.until.timestamp()),
    ]
    return all(conditions) and (filters.where is None or _where(file, filters.where))


def _where(file: Mapping[str, object], where: str) -> bool:
    """Evaluate an expression over one file by SQLite."""
    columns = ", ".join(f"? AS {name}" for name in file)
    try:
        query = f"SELECT 1 FROM (SELECT {columns}) WHERE ({where})"
        return sqlite3.connect(":memory:").execute(query, list(file.values())).fetchone() is not None
    except sqlite3.Error as error:
        raise FilterError("where", str(error)) from None
