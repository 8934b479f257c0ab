"""Re-ranking: a slower, better judge reads the question together with each of the best candidates.

Nogueira and Cho, "Passage re-ranking with BERT" (2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config

Scores = NDArray[np.float32]


class Judge(Protocol):
    """What scores passages for a question, such as `embed.cross.CrossEncoder`."""

    def score(self, question: str, passages: Sequence[str]) -> Scores:
        """How well each passage answers, from 0 to 1, shape (n,); no passage is cut. Raises ModelError, InputError."""


@dataclass(frozen=True, slots=True)
class Rerank:
    """Who judges, and how many of the best candidates; only these are answers then."""

    judge: Judge
    depth: int = config.RERANKED
