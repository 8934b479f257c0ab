"""Reranking: score the best candidates again by a slower, better model that reads query and text together.

Nogueira and Cho, "Passage re-ranking with BERT" (2019). Of a chunk with late windows, the model reads the best window
and the sentences that match the query's terms best, each with some text around. Other chunks are read in full.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config

Scores = NDArray[np.float32]

BLOCK = 4  # candidates that are scored between two looks at the clock


class Reranker(Protocol):
    """A model that scores how well texts answer a query, such as `embed.cross_encoder.CrossEncoder`."""

    def load(self) -> None:
        """Load the model, if that wasn't done yet. Raises ModelError."""

    def score(self, query: str, texts: Sequence[str], /) -> Scores:
        """Return a score (n,) from 0 to 1 for each text; texts are read in full. Raises ModelError, InputError."""


@dataclass(frozen=True, slots=True)
class Rerank:
    """A request to rerank: the model, and the number of best candidates that it scores. Only these can be hits."""

    reranker: Reranker
    depth: int = config.RERANKED


@dataclass(frozen=True, slots=True)
class Reranking:
    """The result of reranking: of `candidates` chunks, the reranker scored `scored` within its budget.

    If it scored fewer than the hits that were asked for, `used` is False: the order without reranking stays.
    """

    candidates: int
    scored: int
    used: bool


def passages(text: str, window: tuple[int, int], snippet: tuple[int, int]) -> list[str]:
    """Return the parts of a chunk's text that a reranker reads: around its best late window, and around its snippet.

    `window` is the start and the end of the part that is nearest to the query by meaning, `snippet` that of the
    sentences that match its terms best. A snippet inside the passage of the window has none of its own. If `window` is
    negative, the chunk has no late windows, and the whole text is returned.
    """
    if window[0] < 0:
        return [text]
    around = _widened(text, *window)
    spans = [around] if around[0] <= snippet[0] and snippet[1] <= around[1] else [around, _widened(text, *snippet)]
    return [text[start:end] for start, end in spans]


def scores_within(reranker: Reranker, query: str, candidates: Sequence[Sequence[str]], budget: float | None) -> Scores:
    """Return the score of each candidate, (n,): that of its best text.

    If `budget` seconds don't suffice, only the first candidates are scored. They are scored in blocks. A block is not
    begun if it would probably exceed the budget, but the first block always is. Loading the model doesn't count. Raises
    ModelError, InputError.
    """
    if budget is None:
        return _best_scores(reranker, query, candidates)
    reranker.load()
    started = time.perf_counter()
    scores = [np.empty(0, np.float32)]
    slowest = 0.0
    for first in range(0, len(candidates), BLOCK):
        before = time.perf_counter() - started
        if first and before + slowest > budget:
            break
        scores.append(_best_scores(reranker, query, candidates[first : first + BLOCK]))
        slowest = max(slowest, time.perf_counter() - started - before)
    return np.concatenate(scores)


def _best_scores(reranker: Reranker, query: str, candidates: Sequence[Sequence[str]]) -> Scores:
    scores = reranker.score(query, list(chain.from_iterable(candidates)))
    starts = np.cumsum([0, *map(len, candidates)])[:-1]
    return np.maximum.reduceat(scores, starts) if len(scores) else scores


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the start and the end of a part of the text with half as much again on each side, at ends of words."""
    margin = (end - start) // 2
    first, last = max(0, start - margin), min(len(text), end + margin)
    if first:
        blank = text.find(" ", first - 1, start)
        first = first if blank < 0 else blank + 1
    if last < len(text):
        blank = text.rfind(" ", end, last + 1)
        last = last if blank < 0 else blank
    return first, last
