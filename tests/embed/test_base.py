"""`embed.base`: one embedder shared by threads."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import sleep

import numpy as np
import pytest
from contracts.embedder import EmbedderContract
from numpy.typing import NDArray
from support import WordEmbedder

from vsearch_core.embed.base import Batch, Embedder, LockedEmbedder, embed_all
from vsearch_core.model import Fingerprint


class OneThreadEmbedder:
    """Raises AssertionError when two threads use it at once."""

    def __init__(self) -> None:
        self._busy = Lock()
        self.fingerprint = Fingerprint("test", "one thread", "0", 2, "none")

    def _work(self, texts: Sequence[str]) -> NDArray[np.float32]:
        assert self._busy.acquire(blocking=False), "two threads at once"
        sleep(0.001)
        self._busy.release()
        return np.tile(np.array([1, 0], np.float32), (len(texts), 1))

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        for number, text in enumerate(texts):
            yield Batch(np.array([number]), self._work([text]))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._work(texts)

    def legible_share(self, query: str) -> float:
        self._work([query])
        return 1.0


class TestLockedEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return LockedEmbedder(WordEmbedder())


def test_threads_take_turns() -> None:
    embedder = LockedEmbedder(OneThreadEmbedder())

    def use(number: int) -> int:
        if number % 2:
            return len(embed_all(embedder, ["a", "b", "c"]))
        return len(embedder.embed_queries([f"query {number}"])) + int(embedder.legible_share("query"))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(use, range(40))) == [2, 3] * 20


def test_the_lock_is_free_between_batches() -> None:
    embedder = LockedEmbedder(OneThreadEmbedder())
    batches = embedder.embed_documents(["a", "b"])
    next(batches)
    assert len(embedder.embed_queries(["in between"])) == 1
    assert len(list(batches)) == 1
