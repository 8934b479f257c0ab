"""The embedder protocol: text to unit vectors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core.model import EmbedderSpec, Fingerprint


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of the texts' vectors: `vectors[i]` (float32, unit length) belongs to text number `indices[i]`."""

    indices: NDArray[np.int64]
    vectors: NDArray[np.float32]


class Embedder(Protocol):
    """Text to unit vectors.

    No text is cut: one that is longer than the model reads is embedded as overlapping windows. Any `str` is accepted,
    the empty one, lone surrogates and control characters included.
    """

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides whether this embedder's vectors may be compared with another's."""

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield every text's vector exactly once, in batches, as each arrives; the order is the embedder's choice.

        Stopping the iteration stops the work. Raises ModelError when the model fails.
        """

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The queries' vectors, shape (len(texts), dimension)."""

    def legible_share(self, query: str) -> float:
        """The share of a query that the model can read, 0 to 1; 1 where that can't be told."""


OpenEmbedder = Callable[[EmbedderSpec], Embedder]


def embed_all(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """All document vectors at once, in the texts' order, shape (len(texts), dimension)."""
    vectors = np.empty((len(texts), embedder.fingerprint.dimension), dtype=np.float32)
    for batch in embedder.embed_documents(texts):
        vectors[batch.indices] = batch.vectors
    return vectors


def normalize_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row at unit length. A row of zeros has no direction: it gets the one of which all numbers are alike."""
    directed = np.where(vectors.any(axis=1, keepdims=True), vectors, np.float32(1))
    unit: NDArray[np.float32] = directed / np.linalg.norm(directed, axis=1, keepdims=True)
    return unit
