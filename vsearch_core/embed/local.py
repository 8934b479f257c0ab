"""The local embedder: a BERT-family encoder run by ONNX Runtime on this machine's cores."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Batch
from vsearch_core.embed.onnx.runtime import Precision, open_session
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.embed.windows import Windower, mean_of_windows
from vsearch_core.errors import ModelError, first_line
from vsearch_core.machine import usable_cores
from vsearch_core.model import Fingerprint

if TYPE_CHECKING:
    from concurrent.futures import Future

    from onnxruntime import InferenceSession

BATCH_SECONDS = 0.5  # a batch is handed over about this often
JOB_TOKENS = 256  # a job's windows have about as many: 15 ms of work, so that handing it over costs little beside it
JOBS_AHEAD = 32  # jobs queued for each core: half a second of work, which the consumer may spend elsewhere

Windows = list[NDArray[np.int64]]


class LocalEmbedder:
    """Embeds with a prepared model; nothing is loaded before the first text.

    A run of the graph holds one window and uses one core; as many runs go on at once as there are cores. So a text's
    vector never depends on its neighbours, and no padding is computed. `precision` None takes what suits the CPU, and
    one that the model has no graph for is not insisted on. Not to be shared by threads.
    """

    def __init__(self, model: PreparedModel, precision: Precision | None = None) -> None:
        self._model = model
        self.precision = precision if precision in model.precisions else model.best_precision()[0]

    @property
    def fingerprint(self) -> Fingerprint:
        return self._model.fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the texts' vectors in the texts' order, a batch about every half second.

        Raises ModelError.
        """
        start, vectors = 0, []
        deadline = time.monotonic() + BATCH_SECONDS
        for vector in self._stream(texts):
            vectors.append(vector)
            if time.monotonic() >= deadline:
                yield _batch(start, vectors)
                start, vectors = start + len(vectors), []
                deadline = time.monotonic() + BATCH_SECONDS
        if vectors:
            yield _batch(start, vectors)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (len(texts), dimension), unit rows. Raises ModelError."""
        prefix = self.fingerprint.query_prefix
        vectors = np.empty((len(texts), self.fingerprint.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            windows = self.windows(prefix + text)
            vectors[row] = mean_of_windows([self._run(window) for window in windows], _weights(windows))
        return vectors

    def legible_share(self, query: str) -> float:
        """As `Embedder`. Raises ModelError."""
        return self._windower.legible_share(query)

    def windows(self, text: str) -> Windows:
        """The rows of token ids, int64 (1, tokens), that stand for `text`: one, or several that overlap."""
        return [np.array([row], dtype=np.int64) for row in self._windower.windows(text)]

    def _stream(self, texts: Sequence[str]) -> Iterator[NDArray[np.float32]]:
        """Each text's vector, in order."""
        weights: deque[list[int]] = deque()  # of the windows of each text whose vector is still to come
        prefix = self.fingerprint.document_prefix

        def windows() -> Iterator[NDArray[np.int64]]:
            for text in texts:
                rows = self.windows(prefix + text)
                weights.append(_weights(rows))
                yield from rows

        vectors = self._in_parallel(windows())
        for first in vectors:
            mine = weights.popleft()
            yield mean_of_windows([first, *islice(vectors, len(mine) - 1)], mine)

    def _in_parallel(self, windows: Iterator[NDArray[np.int64]]) -> Iterator[NDArray[np.float32]]:
        """Each window's vector, in order, computed on all cores with a bounded number under way."""
        from concurrent.futures import ThreadPoolExecutor

        _ = self._session  # loaded here, not by all workers at once
        workers = usable_cores()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="embed")
        under_way: deque[Future[list[NDArray[np.float32]]]] = deque()
        try:
            for job in _jobs(windows):
                under_way.append(pool.submit(lambda job: [self._run(window) for window in job], job))
                if len(under_way) > workers * JOBS_AHEAD:
                    yield from under_way.popleft().result()
            while under_way:
                yield from under_way.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _run(self, window: NDArray[np.int64]) -> NDArray[np.float32]:
        """One window's unit vector, float32 (dimension,)."""
        try:
            vector: NDArray[np.float32] = self._session.run(None, {"input_ids": window})[0][0]
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise self._failure("failed", error) from error
        if not np.isfinite(vector).all():
            name = f"model {self.fingerprint.model}"
            raise ModelError(name, "gives numbers that are not finite", "choose another model")
        return vector

    @cached_property
    def _session(self) -> "InferenceSession":
        try:
            return open_session(self._model.graph(self.precision), optimised=False)
        except Exception as error:
            raise self._failure("can't be loaded", error) from error

    @cached_property
    def _windower(self) -> Windower:
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self._model.tokenizer))
        except Exception as error:  # tokenizers raises nothing narrower
            raise self._failure("can't be loaded", error) from error
        return Windower(tokenizer, self._model.description.max_tokens or 0)

    def _failure(self, what: str, error: Exception) -> ModelError:
        name, again = f"model {self.fingerprint.model}", f"remove {self._model.folder} and retry"
        return ModelError(name, f"{what} ({first_line(error)})", again)


def _jobs(windows: Iterator[NDArray[np.int64]]) -> Iterator[Windows]:
    """`windows` in groups, in order: one large window, or several small ones."""
    job: Windows = []
    tokens = 0
    for window in windows:
        if job and tokens + window.shape[1] > JOB_TOKENS:
            yield job
            job, tokens = [], 0
        job.append(window)
        tokens += window.shape[1]
    if job:
        yield job


def _weights(windows: Windows) -> list[int]:
    return [window.shape[1] for window in windows]


def _batch(start: int, vectors: list[NDArray[np.float32]]) -> Batch:
    return Batch(np.arange(start, start + len(vectors), dtype=np.int64), np.stack(vectors))
