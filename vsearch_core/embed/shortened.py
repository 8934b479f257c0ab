"""Shortens vectors to their first components, for models whose first components carry the most information."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Batch, Embedder, normalize_rows
from vsearch_core.model import Fingerprint


class ShortenedEmbedder:
    """Wraps an embedder, and cuts its vectors to their first `dimension` components, scaled to unit length again.

    This suits models that were trained for it (Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022),
    and models whose components are sorted by variance, such as Model2Vec's. The caller must know whether a model is one
    of these, because its files don't say so.
    """

    def __init__(self, embedder: Embedder, dimension: int) -> None:
        """Wrap `embedder`, and cut its vectors to their first `dimension` components."""
        self._embedder = embedder
        self._dimension = dimension

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the embedder's fingerprint with the shorter dimension."""
        return replace(self._embedder.fingerprint, dimension=self._dimension)

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the shortened vectors of the texts, in the wrapped embedder's batches. Raises ModelError."""
        for batch in self._embedder.embed_documents(texts):
            yield Batch(batch.indices, self._cut(batch.vectors))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, float32 (len(texts), dimension). Raises ModelError."""
        return self._cut(self._embedder.embed_queries(texts))

    def legible_share(self, query: str) -> float:
        """Return the share of the query's letters, 0 to 1, that are in words the model knows."""
        return self._embedder.legible_share(query)

    def _cut(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return normalize_rows(vectors[:, : self._dimension])
