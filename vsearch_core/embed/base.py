"""The protocol that every embedder implements, and helpers that work with any embedder.

An embedder turns texts into unit vectors: vectors of length 1.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.foreign_errors import crashes
from vsearch_core.model import EmbedderSpec, Fingerprint


@dataclass(frozen=True, slots=True)
class Batch:
    """The vectors of some of the texts that an embedder was given.

    Attributes:
        indices: The positions of these texts in the input, int64 (n,).
        vectors: Their unit vectors in the same order, float32 (n, dimension).
        windows: The codes of each text's late windows (`late_windows.code_type`), empty for a short text; None if the
            embedder makes none.
    """

    indices: NDArray[np.int64]
    vectors: NDArray[np.float32]
    windows: Sequence[bytes] | None = None


class Embedder(Protocol):
    """Turns texts into unit vectors.

    No text is truncated: a text that is too long for the model is split into overlapping windows, and their vectors are
    averaged. Any `str` is accepted, including the empty string, lone surrogates and control characters.
    """

    @property
    def fingerprint(self) -> Fingerprint:
        """Return what identifies the embedder. Only vectors with equal fingerprints can be compared."""

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the vectors of all texts in batches: each text once, in any order.

        Closing the iterator stops the work. Raises ModelError if the model fails.
        """

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, float32 (len(texts), dimension). Raises ModelError."""

    def legible_share(self, query: str) -> float:
        """Return the share of the query's letters, 0 to 1, that are in words the model knows.

        Return 1 if that can't be determined, as for remote models.
        """


OpenEmbedder = Callable[[EmbedderSpec], Embedder]


class LockedEmbedder:
    """Makes an embedder safe to share between threads. A lock is held during each call, and while a batch is made."""

    def __init__(self, embedder: Embedder) -> None:
        """Wrap `embedder`. From now on, use it only through this object."""
        self._embedder = embedder
        self._lock = Lock()

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the embedder's fingerprint."""
        with self._lock, crashes("embedder"):
            return self._embedder.fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the texts' vectors in batches. Other threads can embed between two batches. Raises ModelError."""
        batches = iter(self._embedder.embed_documents(texts))
        while True:
            with self._lock, crashes("embedder"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, float32 (len(texts), dimension). Raises ModelError."""
        with self._lock, crashes("embedder"):
            return self._embedder.embed_queries(texts)

    def legible_share(self, query: str) -> float:
        """Return the share of the query's letters, 0 to 1, that are in words the model knows."""
        with self._lock, crashes("embedder"):
            return self._embedder.legible_share(query)


def embed_all(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed the texts as documents. Return their vectors in the same order, float32 (len(texts), dimension)."""
    vectors = np.empty((len(texts), embedder.fingerprint.dimension), dtype=np.float32)
    for batch in embedder.embed_documents(texts):
        vectors[batch.indices] = batch.vectors
    return vectors


def normalize_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to unit length. A row of zeros becomes the unit vector whose components are all equal."""
    directed = np.where(vectors.any(axis=1, keepdims=True), vectors, np.float32(1))
    unit: NDArray[np.float32] = directed / np.linalg.norm(directed, axis=1, keepdims=True)
    return unit
