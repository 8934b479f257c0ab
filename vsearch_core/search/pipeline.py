"""A query's way to its hits: analyze, embed, gather candidates, fuse, hydrate."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.errors import InputError
from vsearch_core.lexical.question import Question, parse, plain
from vsearch_core.model import Hit, Results
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import Fusion, fuse
from vsearch_core.store.catalog import Passage


@dataclass(frozen=True, slots=True)
class Allowed:
    """The rows that a filter allows: a mask over all rows, and how many rows are live and how many allowed."""

    mask: NDArray[np.bool_]
    searched: int
    matched: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """The union of the routes' best rows, ascending, each scored by every route that was asked; shapes (n,).

    `ef` is the beam of the graph walk that may have missed a row, None where none can be missing.
    """

    rows: NDArray[np.int64]
    vector: NDArray[np.float32] | None
    keyword: NDArray[np.float32] | None
    ef: int | None = None


class Searcher(Protocol):
    """An engine that finds rows. The local index is one; a remote engine can stand in for it."""

    @property
    def generation(self) -> int:
        """The generation that all answers belong to."""

    def allow(self, filters: Filters) -> Allowed:
        """Evaluate the filters. Raises FilterError."""

    def candidates(
        self, vector: NDArray[np.float32] | None, terms: Sequence[str] | None, allowed: Allowed, count: int
    ) -> Candidates:
        """The `count` best allowed rows of each route; a route whose query is None is left out."""

    def narrow(self, allowed: Allowed, question: Question) -> Allowed:
        """Of the allowed rows those that hold what the question requires, and nothing that it excludes."""

    def terms(self, question: Question) -> list[str]:
        """The question's terms, by the index's own analysis; one like `bar*` stands for all that begin so."""

    def file_keys(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """A number for each row, the same for rows of one file."""

    def passages(self, rows: NDArray[np.int64]) -> list[Passage]:
        """The rows' chunks."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question and how to answer it. `min_score` is on the scale of the mode's own scores; None keeps all.

    With `plain`, quotes, +, - and * are punctuation.
    """

    text: str
    k: int = config.K
    mode: str = config.MODES[0]
    fusion: Fusion = field(default_factory=Fusion)
    filters: Filters = field(default_factory=Filters)
    min_score: float | None = None
    group_by_file: bool = False
    plain: bool = False

    def question(self) -> Question:
        """The text taken apart. Raises InputError when there is nothing in it."""
        text = clean_query(self.text)
        return plain(text) if self.plain else parse(text)


EmbedQuery = Callable[[str], NDArray[np.float32]]


def clean_query(text: str) -> str:
    """The query without control characters and surrounding blanks. Raises InputError when nothing is left."""
    cleaned = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if not cleaned:
        raise InputError("query", "it is empty", "ask something, for example `vsearch query 'how are errors retried'`")
    return cleaned


def answer(searcher: Searcher, embed: EmbedQuery | None, query: Query) -> Results:
    """Answer one query. `embed` may be None in mode "keyword". Raises InputError, FilterError, ModelError."""
    watch = _Watch()
    question = query.question()
    allowed = searcher.narrow(searcher.allow(query.filters), question)
    watch.lap("filter")
    terms = searcher.terms(question) if query.mode != "vector" else None
    vector = embed(question.spoken) if embed is not None and query.mode != "keyword" and allowed.matched else None
    watch.lap("embed")
    rows, scores, candidates = _best(searcher, query, vector, terms, allowed)
    watch.lap("search")
    hits = _hits(searcher, rows, scores, candidates)
    watch.lap("hydrate")
    return Results(
        query=query.text,
        mode=query.mode,
        exact=candidates.ef is None,
        generation=searcher.generation,
        searched=allowed.searched,
        matched=allowed.matched,
        took_ms=watch.laps(),
        hits=hits,
        ef=candidates.ef,
    )


def _best(
    searcher: Searcher,
    query: Query,
    vector: NDArray[np.float32] | None,
    terms: Sequence[str] | None,
    allowed: Allowed,
) -> tuple[NDArray[np.int64], NDArray[np.float32], Candidates]:
    """The rows of the k best hits, their scores, and the candidates that they came from."""
    depth = max(config.CANDIDATES, query.k)
    while True:
        candidates = searcher.candidates(vector, terms, allowed, depth)
        scores = _combined(candidates, query, depth)
        order = np.argsort(-scores, kind="stable")
        order = order[np.isfinite(scores[order])]
        if query.min_score is not None:
            order = order[scores[order] >= query.min_score]
        if query.group_by_file:
            order = _first_of_each(searcher.file_keys(candidates.rows[order]), order)
        if not query.group_by_file or len(order) >= query.k or depth >= allowed.matched:
            order = order[: query.k]
            return candidates.rows[order], scores[order], candidates
        depth *= 4  # one file may hold all of the best chunks


def _combined(candidates: Candidates, query: Query, depth: int) -> NDArray[np.float32]:
    """One score a candidate; -inf for one that is no answer."""
    vector, keyword = candidates.vector, candidates.keyword
    if vector is not None and keyword is not None:
        fused = fuse(vector, keyword, query.fusion, depth)
        return np.where(fused > 0, fused, -np.inf).astype(np.float32)
    if vector is not None:
        return vector
    if keyword is not None:
        return np.where(keyword > 0, keyword, -np.inf).astype(np.float32)
    return np.full(len(candidates.rows), -np.inf, np.float32)


def _first_of_each(keys: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(keys, return_index=True)
    return order[np.sort(first)]


def _hits(
    searcher: Searcher, rows: NDArray[np.int64], scores: NDArray[np.float32], candidates: Candidates
) -> tuple[Hit, ...]:
    at = np.searchsorted(candidates.rows, rows)
    routes = {"vector": candidates.vector, "keyword": candidates.keyword}
    hits = []
    for rank, (passage, score, place) in enumerate(zip(searcher.passages(rows), scores, at, strict=True), 1):
        chunk = passage.chunk
        parts = {name: None if of is None else float(of[place]) for name, of in routes.items()}
        hits.append(
            Hit(
                rank=rank,
                score=float(score),
                path=passage.path,
                chunk=passage.ordinal,
                start_line=chunk.start_line,
                end_line=chunk.end_line,
                start_char=chunk.start_char,
                end_char=chunk.end_char,
                page=chunk.page,
                heading=chunk.heading,
                text=chunk.text,
                scores=parts,
            )
        )
    return tuple(hits)


class _Watch:
    """Milliseconds by step."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = (now - self._last) * 1000
        self._last = now

    def laps(self) -> Mapping[str, float]:
        return {**self._laps, "total": (time.perf_counter() - self._started) * 1000}
