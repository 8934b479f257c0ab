"""The embedder for the sentence-transformers package: any architecture, run by torch, also on GPUs."""

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

CPU_BATCH_TOKENS = 4_096  # padded tokens of a batch, to begin with
GPU_BATCH_TOKENS = 65_536
BATCHES_AHEAD = 8  # whose windows are sorted by length together, so that little padding is computed


class TorchEmbedder:
    """Embeds with a sentence-transformers model, which is loaded by the first use of its fingerprint or a vector.

    The windows of long texts, their weights and the prefixes are those of the local embedder, so both give a model's
    texts the same vectors, but for rounding. Not to be shared by threads.
    """

    def __init__(
        self, model: str | None, device: str | None = None, report: Callable[[str], None] | None = None
    ) -> None:
        """Take a model, but don't load it.

        Args:
            model: A folder or a name on the hub; None is the default model.
            device: The device, such as "cpu" or "cuda"; None takes a GPU if there is one.
            report: Called with a line of text when batches have to be smaller, or the arithmetic wider.

        Raises:
            ModelError: The package isn't installed.
        """
        torch_model.require_package()
        self._model = model
        self._asked_device = device
        self._report = report or (lambda _line: None)
        self._batch_tokens = 0  # until the device is known
        self._reported_smaller = False

    @property
    def fingerprint(self) -> Fingerprint:
        """The model's fingerprint. Raises ModelError."""
        return self._fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the texts' vectors as they are done, longer texts before shorter ones. Raises ModelError."""
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
        """Return the share of the query that the model can read. Raises ModelError."""
        return self._loaded.windower.legible_share(query)

    def _embed(self, first: int, texts: Sequence[list[list[int]]]) -> Iterator[Batch]:
        """Yield the vectors of texts, given as windows; the first text's index is `first`."""
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

        A batch that the device's memory can't hold is halved, and so are those after it. Raises ModelError.
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
                    raise ModelError(self._name, "gives numbers that are not finite")
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
