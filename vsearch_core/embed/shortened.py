"""Shortens vectors to their first numbers, for models trained so that these say the most."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Batch, Embedder, normalize_rows
from vsearch_core.model import Fingerprint


class ShortenedEmbedder:
    """Cuts another embedder's vectors to their first `dimension` numbers, at unit length again.

    Useful where the model was trained for it (Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022) or
    its dimensions are sorted by their variance, as Model2Vec's are; no model's files say whether.
    """

    def __init__(self, embedder: Embedder, dimension: int) -> None:
        """Cut the vectors of `embedder` to their first `dimension` numbers."""
        self._embedder = embedder
        self._dimension = dimension

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedder's fingerprint, with the shorter dimension."""
        return replace(self._embedder.fingerprint, dimension=self._dimension)

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the texts' vectors in the embedder's order. Raises ModelError."""
        for batch in self._embedder.embed_documents(texts):
            yield Batch(batch.indices, self._cut(batch.vectors))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, float32 (len(texts), dimension). Raises ModelError."""
        return self._cut(self._embedder.embed_queries(texts))

    def legible_share(self, query: str) -> float:
        """Return the share of the query that the model can read."""
        return self._embedder.legible_share(query)

    def _cut(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return normalize_rows(vectors[:, : self._dimension])
