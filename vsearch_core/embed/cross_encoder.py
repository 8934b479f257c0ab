"""Cross-encoders: models that read a query and a chunk together and score how well the chunk answers the query.

ONNX Runtime runs the models that come with an ONNX graph (`onnx/model.onnx`). sentence-transformers, an optional
dependency, runs all others. A chunk that is too long for the model is split into overlapping windows; its score is that
of the best window.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.foreign_errors import model_errors
from vsearch_core.embed.model_files import HUB_NAME, download_unless_cached, refuse_special_files
from vsearch_core.embed.onnx.families import position_count
from vsearch_core.embed.onnx.runtime import open_session
from vsearch_core.embed.settings import read_optional
from vsearch_core.embed.tokenizer_file import load_tokenizer
from vsearch_core.embed.torch_files import refuse_code
from vsearch_core.embed.windows import WINDOW_OVERLAP, clean
from vsearch_core.errors import InputError, ModelError, first_line
from vsearch_core.machine import usable_cores

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Encoding, Tokenizer

MIN_ROOM = 2 * WINDOW_OVERLAP  # tokens; a query must leave room for this much of a chunk
DEFAULT_MAX_TOKENS = 512  # if the model's files state no limit
_GRAPHS = ("onnx/model.onnx", "model.onnx", "onnx/model*.onnx", "model*.onnx")  # the first that exists is used
_GRAPH_FILES = ("onnx/model.onnx", "onnx/model.onnx_data", "config.json", "tokenizer.json", "tokenizer_config.json")
_TORCH_FILES = ("*.json", "*.txt", "*.safetensors")


class CrossEncoder:
    """Scores texts with the cross-encoder in a folder, which is loaded at the first query. Not thread-safe."""

    def __init__(self, folder: Path, graph: Path | None) -> None:
        """Use the model in `folder`. ONNX Runtime runs its `graph`; if that is None, sentence-transformers runs it."""
        self._folder = folder
        self._graph = graph

    def load(self) -> None:
        """Load the tokenizer and the model, if that wasn't done yet. Raises ModelError."""
        with model_errors(str(self._folder), "failed", "reranker-unusable"):
            _ = self._tokenizer, (self._torch_model if self._graph is None else self._session)

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score how well each text answers the query. Return float32 (len(texts),), each from 0 to 1.

        A score is the logistic function of the model's output. Raises ModelError if the model fails, and InputError if
        the query is so long that the model can't read enough of a text beside it.
        """
        with model_errors(str(self._folder), "failed", "reranker-unusable"):
            return self._score(query, texts)

    def _score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
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
            model, limit = self._folder.name, self._max_tokens
            reason = f"has {tokens} tokens, too many for {model}, which reads {limit} of query and text together"
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
            reason = f"returns {logits.shape[1]} scores per text, not one"
            raise ModelError(str(self._folder), reason, "reranker-unusable")
        return np.asarray(logits[:, 0], dtype=np.float32)

    @cached_property
    def _max_tokens(self) -> int:
        """Return the most tokens that a query and a text may have together, special tokens included."""
        positions = position_count(read_optional(self._folder / "config.json")) or DEFAULT_MAX_TOKENS
        limit = read_optional(self._folder / "tokenizer_config.json").get("model_max_length", positions)
        return int(min(positions, limit))

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        try:
            tokenizer = load_tokenizer(self._folder / "tokenizer.json")
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
        refuse_code(self._folder)
        try:
            return TorchCrossEncoder(
                str(self._folder),
                max_length=self._max_tokens,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            raise self._failure("can't be loaded", error) from error

    def _failure(self, what: str, error: Exception) -> ModelError:
        return ModelError(str(self._folder), f"{what} ({first_line(error)})", "reranker-unusable")


def open_cross_encoder(model: str) -> CrossEncoder:
    """Open the cross-encoder `model`, which is a folder or a name on the Hugging Face hub.

    A model in the hub's local cache is used without a request to the hub. Raises ModelError if the model can't be
    found, lacks a file that is needed, or has a pipe, a socket or a device.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        refuse_special_files(folder)
    else:
        folder = _from_hub(model)
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(str(folder), "has no tokenizer.json", "reranker-unusable")
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
    reason = f"its repository has neither {_GRAPHS[0]} nor safetensors"
    raise ModelError(subject, reason, "reranker-unusable")


def _span(window: "Encoding") -> tuple[int, int]:
    """Return the (start, end) of the characters of the text that are in a window."""
    offsets = [offset for offset, part in zip(window.offsets, window.sequence_ids, strict=True) if part == 1]
    return (offsets[0][0], offsets[-1][1]) if offsets else (0, 0)
