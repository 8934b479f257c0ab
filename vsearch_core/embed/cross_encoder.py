"""Cross-encoders: models that read a question and a passage together and say how well the one answers the other.

A model that ships an ONNX graph (`onnx/model.onnx`) is run by ONNX Runtime; another one by sentence-transformers, which
is an extra. A passage that is longer than the model reads is scored as overlapping windows, and the best one counts.
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

Scores = NDArray[np.float32]

LEAST_ROOM = 2 * WINDOW_OVERLAP  # tokens of a passage that a question must leave room for
_GRAPHS = ("onnx/model.onnx", "model.onnx", "onnx/model*.onnx", "model*.onnx")  # the first that is there
_FILES = ("onnx/model.onnx", "onnx/model.onnx_data", "config.json", "tokenizer.json", "tokenizer_config.json")
_MOST_TOKENS = 512  # where the model does not say
_OTHER = "name another with --rerank"


class CrossEncoder:
    """A cross-encoder in a folder; nothing is loaded before the first question. Not to be shared by threads."""

    def __init__(self, folder: Path, graph: Path | None) -> None:
        self._folder = folder
        self._graph = graph

    def score(self, question: str, passages: Sequence[str]) -> Scores:
        """How well each passage answers, from 0 to 1 (the logistic function of the model's output), shape (n,).

        Raises ModelError, and InputError for a question that leaves no room for a passage.
        """
        self._refuse_long(question)
        windows = [self._windows(question, passage) for passage in passages]
        flat = list(chain.from_iterable(windows))
        if self._graph is not None:
            logits = self._run_graph(flat)
        else:
            texts = [
                [passage[slice(*_span(each))] for each in some] for passage, some in zip(passages, windows, strict=True)
            ]
            logits = self._run_torch(question, list(chain.from_iterable(texts)))
        starts = np.cumsum([0, *map(len, windows)])[:-1]
        best = np.maximum.reduceat(logits, starts) if len(logits) else logits
        scores: Scores = (1 / (1 + np.exp(-np.clip(best, -80, 80)))).astype(np.float32)
        return scores

    def _refuse_long(self, question: str) -> None:
        tokens = len(self._tokenizer.encode(question).ids)
        if tokens + LEAST_ROOM > self._max_tokens:
            reason = f"its {tokens} tokens leave too little of the {self._max_tokens} that {self._folder.name} reads"
            raise InputError("query", reason, "shorten it, or leave out --rerank")

    def _windows(self, question: str, passage: str) -> "list[Encoding]":
        """The question with each window of the passage, at most the model's limit long."""
        found = self._tokenizer.encode(clean(question), clean(passage))
        return [found, *found.overflowing]

    def _run_graph(self, windows: "Sequence[Encoding]") -> Scores:
        from concurrent.futures import ThreadPoolExecutor

        _ = self._session  # loaded here, not by all workers at once
        with ThreadPoolExecutor(usable_cores(), thread_name_prefix="rerank") as pool:
            return np.array(list(pool.map(self._run_window, windows)), np.float32)

    def _run_window(self, window: "Encoding") -> float:
        values = {"input_ids": window.ids, "attention_mask": window.attention_mask, "token_type_ids": window.type_ids}
        wanted = {each.name for each in self._session.get_inputs()}
        try:
            feed = {name: np.array([value], np.int64) for name, value in values.items() if name in wanted}
            logits = np.asarray(self._session.run(None, feed)[0])
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise self._failure("failed", error) from error
        return float(self._only(logits.reshape(1, -1))[0])

    def _run_torch(self, question: str, texts: Sequence[str]) -> Scores:
        from torch.nn import Identity

        try:
            pairs = [(clean(question), clean(text)) for text in texts]
            logits = self._torch_model.predict(pairs, activation_fn=Identity(), show_progress_bar=False)
        except Exception as error:  # whatever the model's own code raises
            raise self._failure("failed", error) from error
        return self._only(np.asarray(logits, np.float32).reshape(len(texts), -1))

    def _only(self, logits: NDArray[Any]) -> Scores:
        """The one column of (n, outputs)."""
        if logits.shape[1] != 1:
            raise ModelError(str(self._folder), f"it gives {logits.shape[1]} scores a passage, not one", _OTHER)
        column: Scores = logits[:, 0].astype(np.float32)
        return column

    @cached_property
    def _max_tokens(self) -> int:
        """The limit on a question and a passage together, special tokens included."""
        positions = position_count(read_optional(self._folder / "config.json")) or _MOST_TOKENS
        said = read_optional(self._folder / "tokenizer_config.json").get("model_max_length", positions)
        return int(min(positions, said))

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
            raise ModelError(str(self._folder), reason, "run `pip install 'vsearch[torch]'`") from error
        try:
            return TorchCrossEncoder(str(self._folder), max_length=self._max_tokens, local_files_only=True)
        except Exception as error:
            raise self._failure("can't be loaded", error) from error

    def _failure(self, what: str, error: Exception) -> ModelError:
        return ModelError(str(self._folder), f"{what} ({first_line(error)})", _OTHER)


def open_cross_encoder(model: str) -> CrossEncoder:
    """The cross-encoder in a folder, or of that name on the Hugging Face hub, whose files are looked for here first.

    Raises ModelError where there is none.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        folder = _from_hub(model)
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(str(folder), "holds no tokenizer.json", "name the folder of a cross-encoder with --rerank")
    graphs = chain.from_iterable(sorted(folder.glob(pattern)) for pattern in _GRAPHS)
    return CrossEncoder(folder, next(graphs, None))


def _from_hub(name: str) -> Path:
    thing = f"model {name}"
    if not HUB_NAME.fullmatch(name):
        raise ModelError(thing, "neither a folder nor a name on the Hugging Face hub", _OTHER)

    def is_whole(folder: Path) -> bool:
        return (folder / _FILES[0]).is_file() or any(folder.glob("*.safetensors"))

    for patterns in (_FILES, ("*.json", "*.txt", "*.safetensors")):  # all that torch needs, where there is no graph
        try:
            folder = download_unless_cached(name, patterns, is_whole)
        except ModelError as error:
            raise ModelError(error.thing, error.reason, _OTHER) from error
        if is_whole(folder):
            return folder
    raise ModelError(thing, f"its repository holds neither {_FILES[0]} nor safetensors", _OTHER)


def _span(window: "Encoding") -> tuple[int, int]:
    """The characters of the passage that a window holds."""
    places = [place for place, part in zip(window.offsets, window.sequence_ids, strict=True) if part == 1]
    return (places[0][0], places[-1][1]) if places else (0, 0)
