"""Static models: tables with one vector for each token. A text's vector is the mean of its tokens' vectors.

The model's files may be in the format of Model2Vec or sentence-transformers. Neither package is needed to read them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Batch, normalize_rows
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.embed.tensors import open_weights
from vsearch_core.embed.windows import clean, legible_share
from vsearch_core.errors import ModelError, first_line
from vsearch_core.json_text import parse_json
from vsearch_core.model import Fingerprint

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TABLE_BYTES = 4 << 30  # the largest known static models need half a gigabyte
TABLES = ("embeddings", "embedding.weight")  # Model2Vec's name and sentence-transformers'


@dataclass(frozen=True, slots=True)
class StaticLimits:
    """Limits on the memory that a static embedder uses.

    Attributes:
        batch_texts: The most texts of a batch.
        batch_characters: A batch ends with the text that reaches this number of characters.
        summed_tokens: The most rows of the table that are copied at once.
    """

    batch_texts: int = 1024
    batch_characters: int = 2_000_000
    summed_tokens: int = 4096


class StaticEmbedder:
    """Embeds texts with a prepared static model, which is loaded at the first text. Texts may have any length.

    A text without any known token gets the vector whose components are all equal, which is close to no text in
    particular.
    """

    def __init__(self, model: PreparedModel, limits: StaticLimits | None = None) -> None:
        """Use a prepared static model. `limits` bound the memory; None means the defaults."""
        self._model = model
        self._limits = limits or StaticLimits()

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the model's fingerprint."""
        return self._model.fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the vectors of the texts in batches, in the order of the texts. Raises ModelError."""
        limits, start = self._limits, 0
        while start < len(texts):
            end, characters = start, 0
            while end < min(len(texts), start + limits.batch_texts) and characters < limits.batch_characters:
                characters += len(texts[end])
                end += 1
            yield Batch(np.arange(start, end, dtype=np.int64), self.embed_queries(texts[start:end]))
            start = end

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the texts' unit vectors, float32 (len(texts), dimension). Raises ModelError."""
        vectors = np.zeros((len(texts), self.fingerprint.dimension), dtype=np.float32)
        encoded = self._tokenizer.encode_batch_fast([clean(text) for text in texts], add_special_tokens=False)
        unknown = self._model.description.unknown
        for row, encoding in enumerate(encoded):
            ids = np.array(encoding.ids, dtype=np.int64)
            vectors[row] = self._sum(ids if unknown is None else ids[ids != unknown])
        return normalize_rows(vectors)

    def legible_share(self, query: str) -> float:
        """Return the share of the query's letters, 0 to 1, that are in words the model knows. Raises ModelError."""
        return legible_share(self._tokenizer, clean(query))

    def _sum(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the sum of the tokens' vectors, which has the direction of their mean."""
        step = self._limits.summed_tokens
        total = np.zeros(self.fingerprint.dimension, dtype=np.float32)
        for start in range(0, len(ids), step):
            total += self._vectors[ids[start : start + step]].sum(axis=0, dtype=np.float32)
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
        subject, folder = f"model {self.fingerprint.model}", str(self._model.folder)
        return ModelError(subject, reason, "prepared-model-damaged", folder=folder)


def read_vectors(path: Path) -> NDArray[Any]:
    """Read the table of token vectors from a safetensors file. Return an array (tokens, dimension).

    Its type is the file's, or float32 if the file has a weight for each token: each vector is then multiplied by it.
    Some files map several tokens to one vector; the result has a row for each token. Raises ModelError if the file is
    damaged or contains no such table.
    """
    try:
        with open_weights(path) as file:
            names = {*file.keys()} & {*TABLES, "mapping", "weights"}
            _check_size(path, {name: tuple(file.get_slice(name).get_shape()) for name in names})
            tensors = {name: np.asarray(file.get_tensor(name)) for name in names}
    except (TypeError, ValueError) as error:  # bfloat16, which numpy doesn't have
        raise ModelError(str(path), "has a type that can't be read", "model-damaged") from error
    table = next((tensors[name] for name in TABLES if name in tensors), None)
    if table is None or table.ndim != 2 or not table.size:
        reason = "isn't a static model: it contains no table of vectors"
        raise ModelError(str(path), reason, "not-a-static-model")
    mapping, weights = tensors.get("mapping"), tensors.get("weights")
    try:
        if mapping is not None:
            table = table[mapping.astype(np.int64)]
        if weights is not None:
            table = table.astype(np.float32) * weights.astype(np.float32)[:, None]
    except (IndexError, ValueError) as error:
        raise ModelError(str(path), f"its tables don't fit each other ({error})", "model-damaged") from error
    if not np.isfinite(table).all():
        raise ModelError(str(path), "contains numbers that are not finite", "model-damaged")
    return table


def _check_size(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ModelError if the table would take too much memory once each token has its row. Loads nothing."""
    rows = max((shape[0] for shape in shapes.values() if shape), default=0)
    width = max((shapes[name][-1] for name in TABLES if shapes.get(name)), default=0)
    if rows * width * 4 > MAX_TABLE_BYTES:
        reason = f"its {rows:,} vectors of {width:,} numbers need more than {MAX_TABLE_BYTES >> 30} GB of memory"
        raise ModelError(str(path), reason, "model-unsupported")


def unknown_token(tokenizer: "Tokenizer") -> int | None:
    """Return the id of the token that stands for unknown words (such as [UNK]), or None if there is none."""
    model = tokenizer.model
    if hasattr(model, "unk_token"):  # WordPiece, BPE, WordLevel
        return None if model.unk_token is None else tokenizer.token_to_id(model.unk_token)
    found: int | None = parse_json(tokenizer.to_str())["model"].get("unk_id")  # Unigram
    return found
