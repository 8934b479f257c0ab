"""A search request: the query's text and every option that shapes its answer."""

from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite

from vsearch_core import config
from vsearch_core.errors import ArgumentError, InputError
from vsearch_core.lexical.query import ParsedQuery, parse_query, plain_query
from vsearch_core.search.filters import Filters
from vsearch_core.search.rerank import Rerank
from vsearch_core.search.rocchio import Example, RelevanceFeedback


@dataclass(frozen=True)
class SearchRequest:
    """A query and how to answer it. Raises InputError for an empty text and ArgumentError for any other bad value.

    `mode` is "hybrid", "vector" or "keyword". `fusion` ("convex" or "rrf") and `alpha`, the vectors' share in convex
    fusion, say how hybrid search combines its routes; where both are None, the index's own fusion does. `min_score` is
    on the scale of the mode's scores; None keeps every hit. `plain` takes quotes, +, - and * as punctuation.

    `more_like` and `less_like` move the query towards and away from examples, which are never hits themselves; an
    example may be a name, "FILE" or "FILE:LINE", until `examples.resolve_examples` has found it. With `examples_only`
    the text is a label and isn't searched for.

    `collapse` shows only the best of near-duplicates. `diversity`, from 0 to 1, prefers hits unlike one another.
    `context` is the number of chunks to return from before and after each hit; with `max_tokens`, hits are packed into
    that many tokens. With `rerank`, scores are the reranker's. `exact` compares every vector; `ef_search` searches
    graphs with that many candidates, from the first query on.
    """

    text: str
    k: int = config.K
    mode: str = config.MODES[0]
    fusion: str | None = None
    alpha: float | None = None
    filters: Filters = field(default_factory=Filters)
    min_score: float | None = None
    group_by_file: bool = False
    plain: bool = False
    more_like: tuple[str | Example, ...] = ()
    less_like: tuple[str | Example, ...] = ()
    examples_only: bool = False
    collapse: bool = False
    diversity: float = 0.0
    context: int = 0
    max_tokens: int | None = None
    rerank: Rerank | None = None
    exact: bool = False
    ef_search: int | None = None

    def __post_init__(self) -> None:
        """Raise InputError or ArgumentError for a value that can't be used."""
        self._check_choices()
        self._check_numbers()
        if self.exact and self.ef_search is not None:
            reason = "one compares every vector, the other searches a graph"
            raise ArgumentError("exact, ef_search", reason, "conflicting-arguments")
        if self.examples_only and not self.more_like:
            raise ArgumentError("examples_only", "there is no example to be like")
        if self.examples_only and self.rerank is not None:
            raise ArgumentError("rerank", "it needs a query's text, and there are only examples", "rerank-needs-text")
        if not self.examples_only:
            clean_query(self.text)

    def _check_choices(self) -> None:
        choices = (("mode", self.mode, config.MODES), ("fusion", self.fusion, (None, *config.FUSIONS)))
        for name, value, allowed in choices:
            if value not in allowed:
                raise ArgumentError(name, f"{value!r} is not one of {', '.join(filter(None, allowed))}")

    def _check_numbers(self) -> None:
        ranges = (
            ("k", self.k, 1, None),
            ("alpha", self.alpha, 0, 1),
            ("diversity", self.diversity, 0, 1),
            ("context", self.context, 0, None),
            ("max_tokens", self.max_tokens, 1, None),
            ("ef_search", self.ef_search, 1, config.MAX_EF_SEARCH),
        )
        for name, value, least, most in ranges:
            if value is not None and not (least <= value and (most is None or value <= most)):
                limits = f"at least {least}" if most is None else f"between {least} and {most}"
                raise ArgumentError(name, f"{value} is not {limits}")
        if self.min_score is not None and not isfinite(self.min_score):
            raise ArgumentError("min_score", f"{self.min_score} is not a number that scores can be compared with")

    @cached_property
    def parsed(self) -> ParsedQuery:
        """Return the parsed text; empty where only examples count."""
        if self.examples_only:
            return plain_query("")
        text = clean_query(self.text)
        return plain_query(text) if self.plain else parse_query(text)

    @cached_property
    def feedback(self) -> RelevanceFeedback | None:
        """Return the examples, or None if there are none. Raises ArgumentError for one that is still a name."""
        if not self.more_like and not self.less_like:
            return None
        return RelevanceFeedback(
            _resolved("more_like", self.more_like), _resolved("less_like", self.less_like), self.examples_only
        )


def clean_query(text: str) -> str:
    """Return the text with control characters and runs of blanks as single blanks. Raises InputError if it is empty."""
    cleaned = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if not cleaned:
        raise InputError("query", "it is empty", "empty-query")
    return cleaned


def _resolved(argument: str, examples: tuple[str | Example, ...]) -> tuple[Example, ...]:
    names = [example for example in examples if isinstance(example, str)]
    if names:
        raise ArgumentError(argument, f"{names[0]!r} is a name that was not resolved to an example")
    return tuple(example for example in examples if isinstance(example, Example))
