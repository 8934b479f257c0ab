"""The local embedder: it runs an encoder with ONNX Runtime on the cores of this machine."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Batch
from vsearch_core.embed.late_windows import PooledTokens, WindowPlan
from vsearch_core.embed.onnx.graph import EMBEDDING
from vsearch_core.embed.onnx.runtime import Precision, open_session
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.embed.windows import Windower, mean_of_windows
from vsearch_core.errors import ModelError, first_line
from vsearch_core.machine import usable_cores
from vsearch_core.model import Fingerprint

if TYPE_CHECKING:
    from concurrent.futures import Future

    from onnxruntime import InferenceSession

    from vsearch_core.embed.compiled import CompiledEncoder

BATCH_SECONDS = 0.5  # the approximate time between two batches
JOB_TOKENS = 256  # the windows of a job; 15 ms of work, so that passing it to a thread costs little in comparison
COMPILE_AFTER = 200_000  # characters; 3 s of work, of which kernels would have saved 1, which they take to start
JOBS_AHEAD = 32  # jobs queued for each core: half a second of work while the consumer does something else

Windows = list[NDArray[np.int64]]
_Result = tuple[NDArray[np.float32], NDArray[np.float32]]  # a window's vector, and the sums of the tokens to pool


class _Run(NamedTuple):
    """One run of the graph: the window to embed, and which of its tokens to pool, if any."""

    window: NDArray[np.int64]
    pooled: PooledTokens | None


class _Embedded(NamedTuple):
    """A text's vector and the codes of its late windows."""

    vector: NDArray[np.float32]
    windows: bytes


class LocalEmbedder:
    """Embeds texts with a prepared model (see `prepared.py`), which is loaded at the first text. Not thread-safe.

    Each run reads one window on one core, and all cores run at once. So a text's vector never depends on other texts,
    and no time is spent on padding. ONNX Runtime runs the model at first. After `compile_after` characters of
    documents, kernels of our own do (see `compiled.py`), which takes about 0.6 of the time, but a second to start.
    Queries are always run by ONNX Runtime.
    """

    def __init__(
        self,
        model: PreparedModel,
        precision: Precision | None = None,
        *,
        batch_seconds: float = BATCH_SECONDS,
        compile_after: int | None = COMPILE_AFTER,
    ) -> None:
        """Set the model and the precision to run it with.

        Args:
            model: The prepared model.
            precision: "int8" or "fp32". If it is None, or the model has no such graph, the best one for this CPU.
            batch_seconds: The approximate time between two batches of `embed_documents`, in seconds.
            compile_after: The number of characters of documents after which kernels run the model; None: never.
        """
        self._model = model
        self.precision = precision if precision in model.precisions else model.best_precision()[0]
        self._batch_seconds = batch_seconds
        self._compile_after = compile_after if self.precision == "int8" else None
        self._characters = 0  # of documents

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the model's fingerprint."""
        return self._model.fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the vectors of the texts in batches, in the order of the texts. Raises ModelError."""
        self._characters += sum(map(len, texts))
        start, done = 0, list[_Embedded]()
        deadline = time.monotonic() + self._batch_seconds
        for embedded in self._stream(texts):
            done.append(embedded)
            if time.monotonic() >= deadline:
                yield self._batch(start, done)
                start, done = start + len(done), []
                deadline = time.monotonic() + self._batch_seconds
        if done:
            yield self._batch(start, done)

    def _batch(self, start: int, done: Sequence["_Embedded"]) -> Batch:
        windows = [each.windows for each in done] if self._shows_tokens else None
        indices = np.arange(start, start + len(done), dtype=np.int64)
        return Batch(indices, np.stack([each.vector for each in done]), windows)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, float32 (len(texts), dimension). Raises ModelError."""
        prefix = self.fingerprint.query_prefix
        vectors = np.empty((len(texts), self.fingerprint.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            windows = self.windows(prefix + text)
            vectors[row] = mean_of_windows([self._run(window)[0] for window in windows], _weights(windows))
        return vectors

    def legible_share(self, query: str) -> float:
        """Return the share of the query's letters, 0 to 1, that are in words the model knows. Raises ModelError."""
        return self._windower.legible_share(query)

    def windows(self, text: str) -> Windows:
        """Split the text into windows that the model can read. Return their token ids, each int64 (1, tokens).

        A short text gives one window, a long one several that overlap.
        """
        return [np.array([row], dtype=np.int64) for row in self._windower.windows(text)]

    def _stream(self, texts: Sequence[str]) -> Iterator["_Embedded"]:
        """Yield each text's vector and late windows, in order."""
        under_way: deque[tuple[list[int], WindowPlan | None]] = deque()  # of each text, its windows' weights
        prefix = self.fingerprint.document_prefix

        def runs() -> Iterator[_Run]:
            for text in texts:
                if self._shows_tokens:
                    rows, plan = self._windower.windows_with_plan(text, prefix)
                else:
                    rows, plan = self._windower.windows(prefix + text), None
                windows = [np.array([row], dtype=np.int64) for row in rows]
                under_way.append((_weights(windows), plan))
                yield from map(_Run, windows, [None] * len(windows) if plan is None else plan.runs)

        results = self._in_parallel(runs())
        for first in results:
            weights, plan = under_way.popleft()
            vectors, sums = zip(first, *islice(results, len(weights) - 1), strict=True)
            vector = mean_of_windows(vectors, weights)
            yield _Embedded(vector, b"" if plan is None else plan.encode(vector, sums))

    def _in_parallel(self, runs: Iterator["_Run"]) -> Iterator["_Result"]:
        """Yield the result of each run, in order. All cores compute, and the number of waiting jobs is bounded."""
        from concurrent.futures import ThreadPoolExecutor

        run = self._run if self._encoder() is None else self._run_compiled
        _ = self._session  # loaded here, not by all workers at once
        workers = usable_cores()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="embed")
        under_way: deque[Future[list[_Result]]] = deque()
        try:
            for job in _jobs(runs):
                under_way.append(pool.submit(lambda job: [run(*each) for each in job], job))
                if len(under_way) > workers * JOBS_AHEAD:
                    yield from under_way.popleft().result()
            while under_way:
                yield from under_way.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _run(self, window: NDArray[np.int64], pooled: PooledTokens | None = None) -> "_Result":
        """Return the window's unit vector, float32 (dimension,), and the sums of the tokens to pool."""
        outputs = self._outputs[: 1 if pooled is None else 2]
        try:
            vectors, *tokens = self._session.run(outputs, {"input_ids": window})
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise self._failure("failed", error) from error
        vector = self._finite(vectors[0])
        return vector, vector[:0] if pooled is None else pooled.sums(tokens[0][0])

    def _run_compiled(self, window: NDArray[np.int64], pooled: PooledTokens | None = None) -> "_Result":
        """Return the same as `_run`, by kernels."""
        assert self._compiled is not None
        try:
            vector, tokens = self._compiled.run(window)
        except IndexError as error:
            raise self._failure("failed", error) from error
        return self._finite(vector), vector[:0] if pooled is None else pooled.sums(tokens)

    def _finite(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        if not np.isfinite(vector).all():
            raise ModelError(f"model {self.fingerprint.model}", "returns numbers that are not finite")
        return vector

    def _encoder(self) -> "CompiledEncoder | None":
        """Return the encoder that kernels run, if enough documents came to start it. None: use ONNX Runtime."""
        enough = self._compile_after is not None and self._characters >= self._compile_after
        return self._compiled if enough else None

    @cached_property
    def _compiled(self) -> "CompiledEncoder | None":
        """Return the encoder that kernels run, or None if CPU or model don't suit them, or they can't be stored."""
        from vsearch_core.embed.compiled import read_encoder

        described = self._model.description
        try:
            encoder = read_encoder(self._model.graph("int8"), described.pooling, described.max_tokens or 0)
        except Exception as error:  # onnx raises protobuf's errors, and any for constants that don't fit
            raise self._failure("can't be loaded", error) from error
        with suppress(OSError):
            if encoder is not None:
                encoder.load()
                return encoder
        return None

    @cached_property
    def _outputs(self) -> list[str]:
        """Return the names of the graph's outputs: the embedding's, then the tokens' if there is one for them."""
        names = [output.name for output in self._session.get_outputs()]
        return sorted(names, key=lambda name: name != EMBEDDING)

    @property
    def _shows_tokens(self) -> bool:
        return len(self._outputs) > 1

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
        subject, reason = f"model {self.fingerprint.model}", f"{what} ({first_line(error)})"
        return ModelError(subject, reason, "prepared-model-damaged", folder=str(self._model.folder))


def _jobs(runs: Iterator[_Run]) -> Iterator[list[_Run]]:
    """Yield the runs in groups, in order: one large window, or several small ones together."""
    job: list[_Run] = []
    tokens = 0
    for run in runs:
        if job and tokens + run.window.shape[1] > JOB_TOKENS:
            yield job
            job, tokens = [], 0
        job.append(run)
        tokens += run.window.shape[1]
    if job:
        yield job


def _weights(windows: Windows) -> list[int]:
    return [window.shape[1] for window in windows]
