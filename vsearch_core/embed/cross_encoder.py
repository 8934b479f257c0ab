"""Cross-encoders: models that read a query and a chunk together and score how well the chunk answers the query.

A model that ships an ONNX graph (`onnx/model.onnx`) is run by ONNX Runtime, any other by sentence-transformers, which
is an extra. A chunk that is longer than the model reads is scored as overlapping windows, and the best one counts.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.model_files import HUB_NAME, download_unless_cached
from vsearch_core.embed.onnx.families import position_count
from vsearch_core.embed.onnx.runtime import open_session
from vsearch_core.embed.settings import read_optional
from vsearch_core.embed.windows import WINDOW_OVERLAP, clean
from vsearch_core.errors import InputError, ModelError, first_line
from vsearch_core.machine import usable_cores

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Encoding, Tokenizer

MIN_ROOM = 2 * WINDOW_OVERLAP  # tokens of a chunk that a query must leave room for
DEFAULT_MAX_TOKENS = 512  # if the model's files don't say
_GRAPHS = ("onnx/model.onnx", "model.onnx", "onnx/model*.onnx", "model*.onnx")  # the first that exists is used
_GRAPH_FILES = ("onnx/model.onnx", "onnx/model.onnx_data", "config.json", "tokenizer.json", "tokenizer_config.json")
_TORCH_FILES = ("*.json", "*.txt", "*.safetensors")


class CrossEncoder:
    """A cross-encoder in a folder; nothing is loaded before the first query. Not to be shared by threads."""

    def __init__(self, folder: Path, graph: Path | None) -> None:
        """Use the model in `folder`, run as the ONNX graph `graph`, or by sentence-transformers where it is None."""
        self._folder = folder
        self._graph = graph

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how well each text answers the query, from 0 to 1 (the logistic of the model's output), shape (n,).

        Raises ModelError, and InputError if the query leaves too little room for a text.
        """
        self._check_length(query)
        windows = [self._windows(query, text) for text in texts]
        if self._graph is not None:
            logits = self._run_graph([*chain.from_iterable(windows)])
        else:
            pieces = [[text[slice(*_span(each))] for each in own] for text, own in zip(texts, windows, strict=True)]
            logits = self._run_torch(query, [*chain.from_iterable(pieces)])
        starts = np.cumsum([0, *map(len, windows)])[:-1]
        best = np.maximum.reduceat(logits, starts) if len(logits) else logits
        return np.asarray(1 / (1 + np.exp(-np.clip(best, -80, 80))), dtype=np.float32)

    def _check_length(self, query: str) -> None:
        tokens = len(self._tokenizer.encode(query).ids)
        if tokens + MIN_ROOM > self._max_tokens:
            reason = f"its {tokens} tokens leave too little of the {self._max_tokens} that {self._folder.name} reads"
            raise InputError("query", reason, "query-too-long-to-rerank")

    def _windows(self, query: str, text: str) -> "list[Encoding]":
        """Return the query with each window of the text, at most the model's limit long."""
        first = self._tokenizer.encode(clean(query), clean(text))
        return [first, *first.overflowing]

    def _run_graph(self, windows: "Sequence[Encoding]") -> NDArray[np.float32]:
        from concurrent.futures import ThreadPoolExecutor

        _ = self._session  # loaded here, not by all workers at once
        with ThreadPoolExecutor(usable_cores(), thread_name_prefix="rerank") as pool:
            return np.array(list(pool.map(self._run_window, windows)), np.float32)

    def _run_window(self, window: "Encoding") -> float:
        values = {"input_ids": window.ids, "attention_mask": window.attention_mask, "token_type_ids": window.type_ids}
        inputs = {each.name for each in self._session.get_inputs()}
        try:
            feed = {name: np.array([value], np.int64) for name, value in values.items() if name in inputs}
            logits = np.asarray(self._session.run(None, feed)[0])
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise self._failure("failed", error) from error
        return float(self._only_column(logits.reshape(1, -1))[0])

    def _run_torch(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        from torch.nn import Identity

        try:
            pairs = [(clean(query), clean(text)) for text in texts]
            logits = self._torch_model.predict(pairs, activation_fn=Identity(), show_progress_bar=False)
        except Exception as error:  # whatever the model's own code raises
            raise self._failure("failed", error) from error
        return self._only_column(np.asarray(logits, np.float32).reshape(len(texts), -1))

    def _only_column(self, logits: NDArray[Any]) -> NDArray[np.float32]:
        """Return the column of (n, 1). Raises ModelError for a model with several outputs."""
        if logits.shape[1] != 1:
            reason = f"it gives {logits.shape[1]} scores a text, not one"
            raise ModelError(str(self._folder), reason, "reranker-unusable")
        return np.asarray(logits[:, 0], dtype=np.float32)

    @cached_property
    def _max_tokens(self) -> int:
        """The limit on a query and a text together, special tokens included."""
        positions = position_count(read_optional(self._folder / "config.json")) or DEFAULT_MAX_TOKENS
        limit = read_optional(self._folder / "tokenizer_config.json").get("model_max_length", positions)
        return int(min(positions, limit))

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
            tokenizer.no_padding()
            tokenizer.enable_truncation(self._max_tokens, stride=WINDOW_OVERLAP, strategy="only_second")
        except Exception as error:  # tokenizers raises nothing narrower
            raise self._failure("its tokenizer can't be loaded", error) from error
        return tokenizer

    @cached_property
    def _session(self) -> "InferenceSession":
        assert self._graph is not None
        try:
            return open_session(self._graph, optimised=True)
        except Exception as error:
            raise self._failure("can't be loaded", error) from error

    @cached_property
    def _torch_model(self) -> Any:
        try:
            from sentence_transformers import CrossEncoder as TorchCrossEncoder
        except ImportError as error:
            reason = f"it ships no {_GRAPHS[0]}, and sentence-transformers is not installed"
            raise ModelError(str(self._folder), reason, "package-missing", extra="torch") from error
        try:
            return TorchCrossEncoder(str(self._folder), max_length=self._max_tokens, local_files_only=True)
        except Exception as error:
            raise self._failure("can't be loaded", error) from error

    def _failure(self, what: str, error: Exception) -> ModelError:
        return ModelError(str(self._folder), f"{what} ({first_line(error)})", "reranker-unusable")


def open_cross_encoder(model: str) -> CrossEncoder:
    """Return the cross-encoder in a folder, or of that name on the Hugging Face hub, whose cache is used first.

    Raises ModelError if there is none.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        folder = _from_hub(model)
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(str(folder), "holds no tokenizer.json", "reranker-unusable")
    graphs = chain.from_iterable(sorted(folder.glob(pattern)) for pattern in _GRAPHS)
    return CrossEncoder(folder, next(graphs, None))


def _from_hub(name: str) -> Path:
    subject = f"model {name}"
    if not HUB_NAME.fullmatch(name):
        raise ModelError(subject, "neither a folder nor a name on the Hugging Face hub", "reranker-unusable")

    def is_complete(folder: Path) -> bool:
        return (folder / _GRAPHS[0]).is_file() or any(folder.glob("*.safetensors"))

    for patterns in (_GRAPH_FILES, _TORCH_FILES):
        try:
            folder = download_unless_cached(name, patterns, is_complete)
        except ModelError as error:
            raise ModelError(error.subject, error.reason, "reranker-unusable") from error
        if is_complete(folder):
            return folder
    reason = f"its repository holds neither {_GRAPHS[0]} nor safetensors"
    raise ModelError(subject, reason, "reranker-unusable")


def _span(window: "Encoding") -> tuple[int, int]:
    """Return the first and last character (end exclusive) of the text that a window holds."""
    offsets = [offset for offset, part in zip(window.offsets, window.sequence_ids, strict=True) if part == 1]
    return (offsets[0][0], offsets[-1][1]) if offsets else (0, 0)
