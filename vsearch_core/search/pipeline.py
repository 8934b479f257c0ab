"""A query's way to its hits: analyze, embed, gather candidates, fuse, hydrate."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.embed.base import Embedder
from vsearch_core.errors import InputError
from vsearch_core.lexical.query import ParsedQuery, parse_query, plain_query
from vsearch_core.model import Alike, Hit, Results
from vsearch_core.search.choice import Choice, all_of, collapsed, diversified
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import Fusion, fuse
from vsearch_core.search.packing import estimate_tokens, pack, widened, with_context
from vsearch_core.search.rerank import Rerank
from vsearch_core.search.rocchio import REPEATS, Likeness
from vsearch_core.search.snippets import Snippet
from vsearch_core.store.catalog import StoredChunk
from vsearch_core.text.extract.registry import place_of


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

    def narrow(self, allowed: Allowed, question: ParsedQuery) -> Allowed:
        """Of the allowed rows those that hold what the question requires, and nothing that it excludes."""

    def terms(self, question: ParsedQuery) -> list[str]:
        """The question's terms, by the index's own analysis; one like `bar*` stands for all that begin so."""

    def holding(self, terms: Sequence[str]) -> list[int]:
        """How many rows hold each term."""

    def file_keys(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """A number for each row, the same for rows of one file."""

    def passages(self, rows: NDArray[np.int64]) -> list[StoredChunk]:
        """The rows' chunks."""

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows' unit vectors, shape (n, dimension)."""

    def neighbours(self, path: str, ordinal: int, count: int) -> list[StoredChunk]:
        """A chunk of a file and up to `count` before and after it, in order."""

    def excerpt(self, text: str, terms: Sequence[str], width: int) -> Snippet:
        """The best of the text's sentences, at most `width` characters."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question and how to answer it. `min_score` is on the scale of the mode's own scores; None keeps all.

    With `plain`, quotes, +, - and * are punctuation. With `like`, it is moved by examples, which are no answers
    themselves. With `collapse`, of near-duplicates only the best is shown; `diversity`, 0 to 1, prefers hits unlike one
    another. With `context`, so many chunks on each side come with a hit; with `max_tokens`, hits are packed into that
    budget. With `rerank`, scores are the judge's.
    """

    text: str
    k: int = config.K
    mode: str = config.MODES[0]
    fusion: Fusion = field(default_factory=Fusion)
    filters: Filters = field(default_factory=Filters)
    min_score: float | None = None
    group_by_file: bool = False
    plain: bool = False
    like: Likeness | None = None
    collapse: bool = False
    diversity: float = 0.0
    context: int = 0
    max_tokens: int | None = None
    rerank: Rerank | None = None

    def question(self) -> ParsedQuery:
        """The text taken apart, empty where only examples count. Raises InputError when there is nothing in it."""
        if self.like is not None and self.like.alone:
            return plain_query("")
        text = clean_query(self.text)
        return plain_query(text) if self.plain else parse_query(text)


@dataclass(frozen=True, slots=True)
class EmbeddedQuery:
    """A query's unit vector (d,), and the share of the query that the model can read, 0 to 1."""

    vector: NDArray[np.float32]
    legible: float = 1.0


EmbedQuery = Callable[[str], EmbeddedQuery]


def embedding(embedder: Embedder) -> EmbedQuery:
    """What embeds queries with this embedder."""
    return lambda text: EmbeddedQuery(embedder.embed_queries([text])[0], embedder.legible_share(text))


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
    terms: Sequence[str] | None = searcher.terms(question) if query.mode != "vector" else None
    spoken = question.semantic_text if query.mode != "keyword" and allowed.matched else ""
    embedded = embed(spoken) if spoken and embed is not None else None
    vector = None if embedded is None else embedded.vector
    if embedded is not None and query.like is None:
        query = replace(query, fusion=query.fusion.for_question(embedded.legible))
    if query.like is not None:
        vector, terms, allowed = _moved(searcher, query.like, query.mode, vector, terms, allowed)
    watch.lap("embed")
    ranking = _best(searcher, query, vector, terms, allowed, watch)
    candidates = ranking.candidates
    watch.lap("search")
    hits = _arranged(searcher, query, _hits(searcher, ranking), question)
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
        legible=None if embedded is None or query.like is not None else embedded.legible,
        tokens=None if query.max_tokens is None else sum(map(estimate_tokens, hits)),
    )


def _moved(
    searcher: Searcher,
    like: Likeness,
    mode: str,
    vector: NDArray[np.float32] | None,
    terms: Sequence[str] | None,
    allowed: Allowed,
) -> tuple[NDArray[np.float32] | None, Sequence[str] | None, Allowed]:
    """The query by examples: its vector, its terms as `Likeness.terms` repeats them, and all rows but the examples'."""
    moved = None if mode == "keyword" else like.vector(vector)
    weighted = (
        None
        if terms is None
        else like.terms(terms, lambda text: searcher.terms(plain_query(text)), searcher.holding, allowed.searched)
    )
    return moved, weighted, replace(allowed, mask=like.hidden(allowed.mask))


def _arranged(searcher: Searcher, query: Query, hits: Sequence[Hit], question: ParsedQuery) -> tuple[Hit, ...]:
    """The hits with what stands around them, and within the budget."""

    def around(hit: Hit) -> Sequence[StoredChunk]:
        return searcher.neighbours(hit.path, hit.chunk, query.context) if query.context else ()

    if query.max_tokens is None:
        return tuple(with_context(hit, around(hit)) if query.context else hit for hit in hits)
    terms = searcher.terms(question)
    grown = ((hit, widened(hit, around(hit))) for hit in hits)
    return tuple(pack(grown, query.max_tokens, lambda passage, width: searcher.excerpt(passage, terms, width)))


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Candidates, their scores (n,), the places of those that answer, best first, and which of these are shown.

    `judged` says that the scores are a re-ranker's.
    """

    candidates: Candidates
    scores: NDArray[np.float32]
    order: NDArray[np.int64]
    choice: Choice
    judged: bool


def _best(
    searcher: Searcher,
    query: Query,
    vector: NDArray[np.float32] | None,
    terms: Sequence[str] | None,
    allowed: Allowed,
    watch: "_Watch",
) -> _Ranking:
    """The k best hits, and the candidates that they came from."""
    depth = max(config.CANDIDATES, query.k)
    while True:
        candidates = searcher.candidates(vector, terms, allowed, depth)
        if query.like is not None and candidates.keyword is not None:
            candidates = replace(candidates, keyword=candidates.keyword / np.float32(REPEATS))
        scores = _combined(candidates, query, depth)
        order = answering = _ranked(scores)
        if query.rerank is not None:
            watch.lap("search")
            scores = _judged(searcher, query, query.rerank, candidates.rows, order)
            order = _ranked(scores)
            watch.lap("rerank")
        if query.min_score is not None:
            order = order[scores[order] >= query.min_score]
        exhausted = len(order) < len(answering) or len(candidates.rows) < depth or depth >= allowed.matched
        if query.group_by_file:
            order = _first_of_each(searcher.file_keys(candidates.rows[order]), order)
        choice = _choice(searcher, query, candidates.rows[order], scores[order])
        whole = not query.group_by_file and len(choice.shown) == len(order)
        if exhausted or whole or len(choice.shown) >= query.k:
            return _Ranking(candidates, scores, order, choice.first(query.k), query.rerank is not None)
        depth *= 4  # one file may hold all of the best chunks, and many may be copies of one


def _ranked(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """The places of those that answer, best first, equal ones by place."""
    order = np.argsort(-scores, kind="stable")
    return order[np.isfinite(scores[order])]


def _judged(
    searcher: Searcher, query: Query, rerank: Rerank, rows: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The re-ranker's scores of the candidates, shape (n,); -inf for those beyond its depth."""
    first = order[: max(rerank.depth, query.k)]
    texts = [passage.chunk.text for passage in searcher.passages(rows[first])]
    scores = np.full(len(rows), -np.inf, np.float32)
    if texts:
        scores[first] = rerank.judge.score(query.question().semantic_text, texts)
    return scores


def _choice(searcher: Searcher, query: Query, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> Choice:
    """Which of the ranked rows are shown."""
    choice = all_of(len(rows))
    if len(rows) > 1 and (query.collapse or query.diversity):
        vectors = searcher.vectors(rows)
        if query.collapse:
            choice = collapsed(vectors, lambda place: searcher.passages(rows[place : place + 1])[0].chunk.text)
        if query.diversity:
            choice = diversified(choice, vectors, scores, query.diversity, query.k)
    return choice


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


def _hits(searcher: Searcher, ranking: _Ranking) -> tuple[Hit, ...]:
    candidates, shown = ranking.candidates, ranking.order[ranking.choice.shown]
    routes = {"vector": candidates.vector, "keyword": candidates.keyword}
    passages = searcher.passages(candidates.rows[shown])
    hits = []
    for rank, (passage, at, twins) in enumerate(zip(passages, shown, ranking.choice.alike, strict=True), 1):
        chunk = passage.chunk
        parts = {name: None if of is None else float(of[at]) for name, of in routes.items()}
        parts |= {"rerank": float(ranking.scores[at])} if ranking.judged else {}
        hits.append(
            Hit(
                rank=rank,
                score=float(ranking.scores[at]),
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
                place=place_of(passage.path, chunk.page, chunk.heading, (chunk.start_line, chunk.end_line)),
                alike=_alike(searcher, candidates.rows[ranking.order[list(twins)]]) if twins else (),
            )
        )
    return tuple(hits)


def _alike(searcher: Searcher, rows: NDArray[np.int64]) -> tuple[Alike, ...]:
    return tuple(
        Alike(passage.path, passage.ordinal, passage.chunk.start_line, passage.chunk.end_line)
        for passage in searcher.passages(rows)
    )


class _Watch:
    """Milliseconds by step."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = self._laps.get(name, 0) + (now - self._last) * 1000
        self._last = now

    def laps(self) -> Mapping[str, float]:
        return {**self._laps, "total": (time.perf_counter() - self._started) * 1000}
