"""Score candidates of which the index keeps only a code exactly: embed their texts again."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import scores_of_rows, to_fixed
from vsearch_core.embed.base import Embedder, embed_all
from vsearch_core.search.engine import Candidates, Searcher, Vectors
from vsearch_core.search.fusion import VECTOR

# Candidates that are embedded again: the best 20 by codes hold the best 10 by vectors in 99.9 % of cases
LEAST_RESCORED, MOST_RESCORED = 20, 50
_KEPT = 4096  # vectors that a process keeps, 6 MB at 384 dimensions

EmbedTexts = Callable[[Sequence[str]], Vectors]


class DocumentVectors:
    """Embeds texts as documents, and keeps the latest vectors. Many threads may use it at once."""

    def __init__(self, embedder: Embedder, kept: int = _KEPT) -> None:
        """Embed with the embedder, and keep that many vectors."""
        self._embedder, self._kept = embedder, kept
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = Lock()

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return the unit vectors of the texts, (n, dimension), in their order. Raises ModelError."""
        with self._lock:
            found = {text: self._vectors[text] for text in texts if text in self._vectors}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        found |= dict(zip(missing, embed_all(self._embedder, missing), strict=True)) if missing else {}
        with self._lock:
            for text in found:
                self._vectors[text] = found[text]
                self._vectors.move_to_end(text)
            while len(self._vectors) > self._kept:
                self._vectors.popitem(last=False)
        return np.stack([found[text] for text in texts]) if texts else np.empty((0, 0), np.float32)


def rescored(
    searcher: Searcher,
    candidates: Candidates,
    order: NDArray[np.int64],
    count: int,
    query: Vectors,
    embed_texts: EmbedTexts,
) -> tuple[Candidates, int]:
    """Return the candidates with exact vector scores for the first of those that have only codes, and their number.

    `order` has the candidates' places, best first; `query` (dimension,) is the query's vector. As many are embedded as
    there are hits to show (`count`), but at least LEAST_RESCORED and at most MOST_RESCORED. Raises ModelError.
    """
    assert candidates.coded is not None
    first = order[candidates.coded[order]][: min(max(count, LEAST_RESCORED), MOST_RESCORED)]
    texts = [stored.chunk.text for stored in searcher.hydrate(candidates.ids[first])]
    scores = candidates.scores[VECTOR].copy()
    if texts:
        scores[first] = scores_of_rows(to_fixed(embed_texts(texts)), query)
    return replace(candidates, scores={**candidates.scores, VECTOR: scores}), len(first)
