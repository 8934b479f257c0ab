"""The protocol of embedders, which turn texts into unit vectors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core.model import EmbedderSpec, Fingerprint


@dataclass(frozen=True, slots=True)
class Batch:
    """The vectors of some of the texts: `vectors[i]` (float32, unit length) belongs to text number `indices[i]`."""

    indices: NDArray[np.int64]
    vectors: NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors.

    No text is cut: one that is longer than the model reads is embedded as overlapping windows. Any `str` is accepted,
    including the empty one, lone surrogates and control characters.
    """

    @property
    def fingerprint(self) -> Fingerprint:
        """The identity of the embedder: only vectors of equal fingerprints can be compared."""

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield each text's vector exactly once, in batches, as they are done, in any order.

        To stop the iteration stops the work. Raises ModelError if the model fails.
        """

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, float32 (len(texts), dimension). Raises ModelError."""

    def legible_share(self, query: str) -> float:
        """Return the share of the query that the model can read, 0 to 1; 1 if that can't be known."""


OpenEmbedder = Callable[[EmbedderSpec], Embedder]


class LockedEmbedder:
    """Lets threads share an embedder that is made for one thread at a time: each call, and each batch, takes a lock."""

    def __init__(self, embedder: Embedder) -> None:
        """Share `embedder`, which nobody else may use from now on."""
        self._embedder = embedder
        self._lock = Lock()

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedder's fingerprint."""
        with self._lock:
            return self._embedder.fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the texts' vectors; other threads get their turn between two batches. Raises ModelError."""
        batches = iter(self._embedder.embed_documents(texts))
        while True:
            with self._lock:
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, float32 (len(texts), dimension). Raises ModelError."""
        with self._lock:
            return self._embedder.embed_queries(texts)

    def legible_share(self, query: str) -> float:
        """Return the share of the query that the model can read, 0 to 1."""
        with self._lock:
            return self._embedder.legible_share(query)


def embed_all(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return all texts' document vectors, in the texts' order, float32 (len(texts), dimension)."""
    vectors = np.empty((len(texts), embedder.fingerprint.dimension), dtype=np.float32)
    for batch in embedder.embed_documents(texts):
        vectors[batch.indices] = batch.vectors
    return vectors


def normalize_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows at unit length; a row of zeros becomes the unit vector whose numbers are all equal."""
    directed = np.where(vectors.any(axis=1, keepdims=True), vectors, np.float32(1))
    unit: NDArray[np.float32] = directed / np.linalg.norm(directed, axis=1, keepdims=True)
    return unit
