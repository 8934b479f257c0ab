"""Static models: a text's vector is the mean of its tokens' vectors, looked up in a table. Nothing is computed."""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Batch, normalize_rows
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.embed.settings import FETCH_AGAIN
from vsearch_core.embed.tensors import open_weights
from vsearch_core.embed.windows import clean, legible_share
from vsearch_core.errors import ModelError, first_line
from vsearch_core.model import Fingerprint

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TABLES = ("embeddings", "embedding.weight")  # Model2Vec's name and sentence-transformers'
BATCH_TEXTS = 1024
BATCH_CHARACTERS = 2_000_000  # what bounds the memory: their tokens are held at once
SUMMED_TOKENS = 4096  # rows of the table gathered at once


class StaticEmbedder:
    """Embeds with a prepared static model, reading the whole of each text; nothing is loaded before the first text.

    A text without any known token gets the vector of which all numbers are alike: it is near nothing in particular.
    """

    def __init__(self, model: PreparedModel) -> None:
        self._model = model

    @property
    def fingerprint(self) -> Fingerprint:
        return self._model.fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the texts' vectors in the texts' order. Raises ModelError."""
        start = 0
        while start < len(texts):
            end, characters = start, 0
            while end < min(len(texts), start + BATCH_TEXTS) and characters < BATCH_CHARACTERS:
                characters += len(texts[end])
                end += 1
            yield Batch(np.arange(start, end, dtype=np.int64), self.embed_queries(texts[start:end]))
            start = end

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (len(texts), dimension), unit rows. Raises ModelError."""
        found = np.zeros((len(texts), self.fingerprint.dimension), dtype=np.float32)
        encoded = self._tokenizer.encode_batch_fast([clean(text) for text in texts], add_special_tokens=False)
        unknown = self._model.description.unknown
        for row, encoding in enumerate(encoded):
            ids = np.array(encoding.ids, dtype=np.int64)
            found[row] = self._sum(ids if unknown is None else ids[ids != unknown])
        return normalize_rows(found)

    def legible_share(self, query: str) -> float:
        """As `Embedder`. Raises ModelError."""
        return legible_share(self._tokenizer, clean(query))

    def _sum(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The sum of the tokens' vectors, which has the direction of their mean."""
        total = np.zeros(self.fingerprint.dimension, dtype=np.float32)
        for start in range(0, len(ids), SUMMED_TOKENS):
            total += self._vectors[ids[start : start + SUMMED_TOKENS]].sum(axis=0, dtype=np.float32)
        return total

    @cached_property
    def _vectors(self) -> NDArray[Any]:
        try:
            return np.asarray(np.load(self._model.vectors, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError) as error:
            raise self._failure(error) from error

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        try:
            return Tokenizer.from_file(str(self._model.tokenizer))
        except Exception as error:  # tokenizers raises nothing narrower
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> ModelError:
        reason = f"can't be loaded ({first_line(error)})"
        return ModelError(f"model {self.fingerprint.model}", reason, f"remove {self._model.folder} and retry")


def read_vectors(path: Path) -> NDArray[Any]:
    """Each token's vector (tokens, dimension), in the file's type, or float32 where each token has a weight.

    A model of a quantized vocabulary maps several tokens to one vector; here each has its own row. Raises ModelError.
    """
    try:
        with open_weights(path) as file:
            held = {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  # it is no dict
    except (TypeError, ValueError) as error:  # bfloat16, which numpy doesn't have
        raise ModelError(str(path), "has a type that can't be read", FETCH_AGAIN) from error
    table = next((held[name] for name in TABLES if name in held), None)
    if table is None or table.ndim != 2 or not table.size:
        reason = "isn't a static model: it holds no table of vectors"
        raise ModelError(str(path), reason, "leave --embedder static out, or choose another model")
    mapping, weights = held.get("mapping"), held.get("weights")
    try:
        if mapping is not None:
            table = table[mapping.astype(np.int64)]
        if weights is not None:
            table = table.astype(np.float32) * weights.astype(np.float32)[:, None]
    except (IndexError, ValueError) as error:
        raise ModelError(str(path), f"its tables don't fit each other ({error})", FETCH_AGAIN) from error
    if not np.isfinite(table).all():
        raise ModelError(str(path), "holds numbers that are not finite", FETCH_AGAIN)
    return table


def unknown_token(tokenizer: "Tokenizer") -> int | None:
    """The token that stands for what the vocabulary lacks; it has no meaning, so it is left out of the mean."""
    model = tokenizer.model
    if hasattr(model, "unk_token"):  # WordPiece, BPE, WordLevel
        return None if model.unk_token is None else tokenizer.token_to_id(model.unk_token)
    found: int | None = json.loads(tokenizer.to_str())["model"].get("unk_id")  # Unigram
    return found
