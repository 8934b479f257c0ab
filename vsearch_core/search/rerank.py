"""Reranking: score the best candidates again by a slower, better model that reads query and chunk together.

Nogueira and Cho, "Passage re-ranking with BERT" (2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config

Scores = NDArray[np.float32]


class Reranker(Protocol):
    """A model that scores how well texts answer a query, such as `embed.cross_encoder.CrossEncoder`."""

    def score(self, query: str, texts: Sequence[str], /) -> Scores:
        """Return a score (n,) from 0 to 1 for each text; texts are read in full. Raises ModelError, InputError."""


@dataclass(frozen=True, slots=True)
class Rerank:
    """A request to rerank: the model, and the number of best candidates that it scores. Only these can be hits."""

    reranker: Reranker
    depth: int = config.RERANKED
