"""A search request: the query's text and every option that shapes its answer."""

from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite

from vsearch_core import config
from vsearch_core.errors import ArgumentError, InputError
from vsearch_core.lexical.query import ParsedQuery, parse_query, plain_query
from vsearch_core.model import RawDocument
from vsearch_core.search.filters import Filters
from vsearch_core.search.rerank import Rerank
from vsearch_core.search.rocchio import Example, RelevanceFeedback


@dataclass(frozen=True)
class SearchRequest:
    """A query with all its options. Raises InputError for an empty text, and ArgumentError for any other bad value.

    `k` is the number of hits to return, after the `offset` best ones. `mode` is "hybrid", "vector" or "keyword".
    `fusion` ("convex" or "rrf") is the method by which hybrid search combines scores, and `alpha` the weight of vectors
    in convex fusion; if both are None, the index's own fusion is used. `min_score` drops hits with lower scores, and
    `min_confidence`, from 0 to 1, hits with lower confidence. With `plain`, quotes, +, - and * are ordinary text.

    `more_like` and `less_like` are examples that hits should be like or unlike; they are never hits themselves. An
    example may also be a name, "FILE" or "FILE:LINE", or a document that is no file. `examples.resolve_examples`
    replaces these before the search. With `examples_only`, the text is not searched for and only labels the results.

    `collapse` shows only the best of near-duplicates. `diversity`, from 0 to 1, prefers hits that differ. `context` is
    the number of chunks to add before and after each hit. With `max_tokens`, hits are shortened to fit into that many
    tokens. With `rerank`, scores are those of the reranker, which may take `rerank_budget` seconds. `exact` compares
    every vector. `ef_search` is the number of candidates of graph searches, and `nprobe` the number of inverted lists
    to search; if one is set, graphs and lists are searched from the first query on. `fresh` is the number of seconds in
    which changed files of hits are read again, before the search is repeated.
    """

    text: str
    k: int = config.K
    mode: str = config.MODES[0]
    fusion: str | None = None
    alpha: float | None = None
    filters: Filters = field(default_factory=Filters)
    min_score: float | None = None
    min_confidence: float | None = None
    group_by_file: bool = False
    plain: bool = False
    more_like: tuple[str | RawDocument | Example, ...] = ()
    less_like: tuple[str | RawDocument | Example, ...] = ()
    examples_only: bool = False
    collapse: bool = False
    diversity: float = 0.0
    context: int = 0
    max_tokens: int | None = None
    rerank: Rerank | None = None
    rerank_budget: float | None = None
    exact: bool = False
    ef_search: int | None = None
    nprobe: int | None = None
    offset: int = 0
    fresh: float | None = None

    def __post_init__(self) -> None:
        """Raise InputError or ArgumentError for a value that can't be used."""
        self._check_choices()
        self._check_numbers()
        for name, value, searched in (("ef_search", self.ef_search, "a graph"), ("nprobe", self.nprobe, "lists")):
            if self.exact and value is not None:
                reason = f"one compares every vector, the other searches {searched}"
                raise ArgumentError(f"exact, {name}", reason, "conflicting-arguments")
        if self.examples_only and not self.more_like:
            raise ArgumentError("examples_only", "there is no example of what hits should be like")
        if self.examples_only and self.rerank is not None:
            raise ArgumentError("rerank", "it needs a query's text, and there are only examples", "rerank-needs-text")
        if self.rerank_budget is not None and self.rerank is None:
            raise ArgumentError("rerank_budget", "there is no reranker that could need the time")
        if self.min_confidence is not None and (self.mode != "hybrid" or self.more_like or self.less_like):
            reason = "only hits of mode hybrid have a confidence, and none if there are examples"
            raise ArgumentError("min_confidence", reason)
        if self.offset and self.rerank is not None:
            self._check_offset_of_reranked(self.rerank)
        if not self.examples_only:
            clean_query(self.text)

    def _check_offset_of_reranked(self, rerank: Rerank) -> None:
        """Raise ArgumentError if hits after the offset would not continue the hits before it."""
        if self.rerank_budget is not None:
            reason = "how many hits the budget suffices for differs each time, so an offset has no meaning"
            raise ArgumentError("offset, rerank_budget", reason, "conflicting-arguments")
        if self.last > rerank.depth:
            reason = f"hits {self.offset + 1} to {self.last} go beyond the {rerank.depth} that are scored again"
            raise ArgumentError("offset", reason, "offset-beyond-rerank")

    @property
    def last(self) -> int:
        """The rank of the last hit to return, if there are that many."""
        return self.offset + self.k

    def _check_choices(self) -> None:
        choices = (("mode", self.mode, config.MODES), ("fusion", self.fusion, (None, *config.FUSIONS)))
        for name, value, allowed in choices:
            if value not in allowed:
                raise ArgumentError(name, f"{value!r} is not one of {', '.join(filter(None, allowed))}")

    def _check_numbers(self) -> None:
        ranges = (
            ("k", self.k, 1, None),
            ("offset", self.offset, 0, None),
            ("alpha", self.alpha, 0, 1),
            ("diversity", self.diversity, 0, 1),
            ("context", self.context, 0, None),
            ("max_tokens", self.max_tokens, 1, None),
            ("min_confidence", self.min_confidence, 0, 1),
            ("ef_search", self.ef_search, 1, config.MAX_EF_SEARCH),
            ("nprobe", self.nprobe, 1, config.MAX_NPROBE),
        )
        for name, value, least, most in ranges:
            if value is not None and not (least <= value and (most is None or value <= most)):
                limits = f"at least {least}" if most is None else f"between {least} and {most}"
                raise ArgumentError(name, f"{value} is not {limits}")
        for name, seconds in (("rerank_budget", self.rerank_budget), ("fresh", self.fresh)):
            if seconds is not None and not (isfinite(seconds) and seconds > 0):
                raise ArgumentError(name, f"must be a number of seconds above 0, not {seconds}")
        if self.min_score is not None and not isfinite(self.min_score):
            raise ArgumentError("min_score", f"must be a finite number, not {self.min_score}")

    @cached_property
    def parsed(self) -> ParsedQuery:
        """Return the parsed text of the query; with `examples_only`, an empty query."""
        if self.examples_only:
            return plain_query("")
        text = clean_query(self.text)
        return plain_query(text) if self.plain else parse_query(text)

    @cached_property
    def feedback(self) -> RelevanceFeedback | None:
        """Return the examples, or None if there are none. Raises ArgumentError if one is still a name."""
        if not self.more_like and not self.less_like:
            return None
        return RelevanceFeedback(
            _resolved("more_like", self.more_like), _resolved("less_like", self.less_like), self.examples_only
        )


def clean_query(text: str) -> str:
    """Return the text with each run of spaces and control characters replaced by one space.

    Raises InputError if nothing else is left.
    """
    cleaned = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if not cleaned:
        raise InputError("query", "it is empty", "empty-query")
    return cleaned


def _resolved(argument: str, examples: tuple[str | RawDocument | Example, ...]) -> tuple[Example, ...]:
    names = [getattr(example, "name", example) for example in examples if not isinstance(example, Example)]
    if names:
        raise ArgumentError(argument, f"{names[0]!r} is an example's name; `resolve_examples` must replace it first")
    return tuple(example for example in examples if isinstance(example, Example))
