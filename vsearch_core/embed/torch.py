"""The embedder for models of the package sentence-transformers. torch runs any architecture, also on GPUs."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed import torch_model
from vsearch_core.embed.base import Batch
from vsearch_core.embed.windows import WINDOWING, mean_of_windows
from vsearch_core.errors import ModelError, first_line
from vsearch_core.model import Fingerprint

if TYPE_CHECKING:
    from vsearch_core.embed.torch_model import LoadedModel

CPU_BATCH_TOKENS = 4_096  # the first limit on a batch's tokens, padding included
GPU_BATCH_TOKENS = 65_536
BATCHES_AHEAD = 8  # batches whose windows are sorted by length together, so that little padding is computed


class TorchEmbedder:
    """Embeds texts with a model of the package sentence-transformers, which is loaded on first use. Not thread-safe.

    Long texts are split into the same windows as by `LocalEmbedder`, and prefixes are the same too. So both compute the
    same vectors with a model, except for rounding.
    """

    def __init__(
        self, model: str | None, device: str | None = None, report: Callable[[str], None] | None = None
    ) -> None:
        """Set the model and the device; the model is loaded later.

        Args:
            model: A folder or a name on the Hugging Face hub; None means the default model.
            device: The device, such as "cpu" or "cuda"; None means a GPU if there is one.
            report: Called with a line of text when batches are made smaller because memory ran out, or when 16-bit
                numbers overflow and 32-bit numbers are used instead.

        Raises:
            ModelError: The package sentence-transformers or torch isn't installed.
        """
        torch_model.require_package()
        self._model = model
        self._asked_device = device
        self._report = report or (lambda _line: None)
        self._batch_tokens = 0  # until the device is known
        self._reported_smaller = False

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the model's fingerprint. The first call loads the model. Raises ModelError."""
        return self._fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the texts' vectors in batches, in no particular order. Raises ModelError."""
        prefix = self._loaded.document_prefix
        first, waiting, tokens = 0, list[list[list[int]]](), 0
        for text in texts:
            windows = self._loaded.windower.windows(prefix + text)
            waiting.append(windows)
            tokens += sum(map(len, windows))
            if tokens >= BATCHES_AHEAD * self._batch_tokens:
                yield from self._embed(first, waiting)
                first, waiting, tokens = first + len(waiting), [], 0
        yield from self._embed(first, waiting)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, float32 (len(texts), dimension). Raises ModelError."""
        prefix = self._loaded.query_prefix
        vectors = np.empty((len(texts), self.fingerprint.dimension), dtype=np.float32)
        for batch in self._embed(0, [self._loaded.windower.windows(prefix + text) for text in texts]):
            vectors[batch.indices] = batch.vectors
        return vectors

    def legible_share(self, query: str) -> float:
        """Return the share of the query's letters, 0 to 1, that are in words the model knows. Raises ModelError."""
        return self._loaded.windower.legible_share(query)

    def _embed(self, first: int, texts: Sequence[list[list[int]]]) -> Iterator[Batch]:
        """Yield the vectors of texts that are given as their windows. The first text has the index `first`."""
        owners = [(text, window) for text, windows in enumerate(texts) for window in range(len(windows))]
        owners.sort(key=lambda owner: len(texts[owner[0]][owner[1]]), reverse=True)
        done: list[dict[int, NDArray[np.float32]]] = [{} for _ in texts]

        def vectors_of(text: int) -> list[NDArray[np.float32]]:
            return [vector for _window, vector in sorted(done[text].items())]

        for start, vectors in self._run([texts[text][window] for text, window in owners]):
            finished = []
            for (text, window), vector in zip(owners[start:], vectors, strict=False):
                done[text][window] = vector
                if len(done[text]) == len(texts[text]):
                    finished.append(text)
            if finished:
                means = [mean_of_windows(vectors_of(text), [*map(len, texts[text])]) for text in finished]
                yield Batch(np.array(finished, dtype=np.int64) + first, np.stack(means))

    def _run(self, windows: Sequence[list[int]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (first window, vectors) for each batch of `windows`, which are sorted longest first.

        If the device's memory is too small for a batch, it and later batches are halved. Raises ModelError.
        """
        start = 0
        while start < len(windows):
            longest = len(windows[start])
            count = min(max(1, self._batch_tokens // longest), len(windows) - start)
            try:
                vectors = self._loaded.encode(windows[start : start + count])
            except Exception as error:  # torch's errors share no narrower base
                if not torch_model.is_out_of_memory(error) or count == 1:
                    raise self._failure("failed", error) from error
                self._halve(count * longest)
                continue
            if not np.isfinite(vectors).all():
                if not self._loaded.use_float32():
                    raise ModelError(self._name, "returns numbers that are not finite")
                self._report(f"{self._name} overflows 16-bit numbers; going on with 32 bits")
                continue
            yield start, vectors
            start += count

    def _halve(self, tokens: int) -> None:
        self._batch_tokens = tokens // 2
        self._loaded.release_memory()
        if not self._reported_smaller:
            self._reported_smaller = True
            self._report(f"{self._loaded.device} ran out of memory; going on with smaller batches")

    @cached_property
    def _loaded(self) -> "LoadedModel":
        loaded = torch_model.load_model(self._model, self._asked_device)
        self._batch_tokens = CPU_BATCH_TOKENS if loaded.device == "cpu" else GPU_BATCH_TOKENS
        return loaded

    @cached_property
    def _fingerprint(self) -> Fingerprint:
        loaded = self._loaded
        ((_, vectors),) = self._run([*loaded.windower.windows("")])
        return Fingerprint(
            provider="sentence-transformers",
            model=loaded.name,
            weights=loaded.identity,
            dimension=vectors.shape[1],
            pooling=f"its own+l2, {WINDOWING}",
            query_prefix=loaded.query_prefix,
            document_prefix=loaded.document_prefix,
        )

    @property
    def _name(self) -> str:
        return f"model {self._loaded.name}"

    def _failure(self, what: str, error: Exception) -> ModelError:
        if torch_model.is_out_of_memory(error):
            reason = f"{self._loaded.device} has too little memory for it"
            return ModelError(self._name, reason, "device-out-of-memory")
        return ModelError(self._name, f"{what} ({first_line(error)})", "torch-failed")
