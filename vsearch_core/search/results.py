"""The answer to a search request."""

from collections.abc import Mapping
from dataclasses import dataclass

from vsearch_core.lexical.query import ParsedQuery
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.snippets import Snippet


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """The place of a chunk that was collapsed into a hit."""

    path: str
    chunk: int
    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that answers the query.

    `scores` holds each route's own score ("vector": cosine, "keyword": BM25), or None where it has none. `place` names
    the position in the file as a reader of that format would ("slide 4", "Sales!2:9"); None where a line says it.
    `before` and `after` are the text around the hit, if context was requested; `before + text + after` is continuous.
    `alike` are the near-duplicates that it stands for.
    """

    rank: int
    score: float
    path: str
    chunk: int
    start_line: int
    end_line: int
    start_char: int
    end_char: int
    page: int | None
    heading: str | None
    text: str
    scores: Mapping[str, float | None]
    place: str | None = None
    before: str | None = None
    after: str | None = None
    alike: tuple[NearDuplicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """The hits of one request, best first, and how they were found.

    `searched` counts the live chunks, `matched` those that pass the filters and clauses. `took_ms` has the milliseconds
    of each step. `ef_search` is the size of the graph search that may have missed a hit, or None where the answer is
    exact. `tokens` estimates the hits' tokens, where they were packed. `legible` is the share of the query that the
    embedding model can read, from 0 to 1, or None if the model had no say. `parsed` and `terms` are the query as the
    engine understood it; `fusion` is how its routes were combined, None unless the mode is "hybrid". `snippets` holds
    the best sentences of each hit, where they were requested.
    """

    query: str
    mode: str
    exact: bool
    generation: int
    searched: int
    matched: int
    took_ms: Mapping[str, float]
    hits: tuple[Hit, ...]
    parsed: ParsedQuery
    terms: tuple[str, ...] = ()
    fusion: Fusion | None = None
    ef_search: int | None = None
    tokens: int | None = None
    legible: float | None = None
    snippets: tuple[Snippet, ...] = ()
