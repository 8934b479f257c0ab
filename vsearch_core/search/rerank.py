"""Reranking: score the best candidates again by a slower, better model that reads query and text together.

Nogueira and Cho, "Passage re-ranking with BERT" (2019). The model reads the best late window of a chunk with some text
around it. A chunk without late windows is read as a whole.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config

Scores = NDArray[np.float32]

BLOCK = 4  # texts that are scored between two looks at the clock


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
    """The result of reranking: of `candidates` texts, the reranker scored `scored` within its budget.

    If it scored fewer than the hits that were asked for, `used` is False: the order without reranking stays.
    """

    candidates: int
    scored: int
    used: bool


def passage(text: str, start: int, stop: int) -> str:
    """Return a chunk's text from `start` to `stop`, and on each side half as much again, up to the end of a word.

    Return the whole text if `start` is negative: then the chunk has no late windows.
    """
    if start < 0:
        return text
    margin = (stop - start) // 2
    before, after = text[max(0, start - margin) : start], text[stop : stop + margin]
    if start > margin:
        before = before[before.find(" ") + 1 :]
    if stop + margin < len(text) and " " in after:
        after = after[: after.rindex(" ")]
    return before + text[start:stop] + after


def scores_within(reranker: Reranker, query: str, texts: Sequence[str], budget: float | None) -> Scores:
    """Return the reranker's scores of the texts, (n,); of the first ones only if `budget` seconds don't suffice.

    Texts are scored in blocks. A block is not begun if it would probably exceed the budget, but the first block always
    is. Loading the model doesn't count. Raises ModelError, InputError.
    """
    if budget is None:
        return reranker.score(query, texts)
    reranker.load()
    started = time.perf_counter()
    scores = [np.empty(0, np.float32)]
    slowest = 0.0
    for first in range(0, len(texts), BLOCK):
        before = time.perf_counter() - started
        if first and before + slowest > budget:
            break
        scores.append(reranker.score(query, texts[first : first + BLOCK]))
        slowest = max(slowest, time.perf_counter() - started - before)
    return np.concatenate(scores)
