"""The image embedder: it turns pictures and texts into vectors of one space, with ONNX Runtime on this machine."""

import string
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.images.prepared import IMAGE_SETTINGS, PICTURES, TEXTS, load_preparation
from vsearch_core.embed.images.settings import ImagePreparation
from vsearch_core.embed.images.towers import PIXELS
from vsearch_core.embed.onnx.runtime import open_session
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.errors import ModelError, first_line
from vsearch_core.machine import usable_cores
from vsearch_core.model import Fingerprint, PixelFormat

if TYPE_CHECKING:
    from pathlib import Path

    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def pixels_from(data: bytes, form: PixelFormat) -> Pixels:
    """Return the pixels of a picture in this format, (height, width, 3), that a process has read as bytes."""
    return np.frombuffer(data, np.uint8).reshape(*form.shape, 3)


class ImageEmbedder(Protocol):
    """Turns pictures and texts into unit vectors of one space. Any number of threads may use it at once."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Return what identifies the model. Only vectors with equal fingerprints can be compared."""

    @property
    def pixel_format(self) -> PixelFormat:
        """Return the size to which pictures are to be brought."""

    def embed_pictures(self, pictures: Iterable[Pixels]) -> Iterator[Vectors]:
        """Yield the unit vector, float32 (dimension,), of each picture, uint8 (height, width, 3), in order.

        Raises ModelError.
        """

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return the texts' unit vectors, float32 (len(texts), dimension). Raises ModelError.

        Of a text that is too long for the model, the first part counts.
        """


class LocalImageEmbedder:
    """Runs a prepared CLIP or SigLIP model, whose halves are loaded when they are needed first."""

    def __init__(self, model: PreparedModel) -> None:
        """Set the prepared model, of kind "image"."""
        self._model = model
        self._preparation: ImagePreparation = load_preparation(model.folder / IMAGE_SETTINGS)
        self._loading = Lock()

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the model's fingerprint."""
        return self._model.fingerprint

    @property
    def pixel_format(self) -> PixelFormat:
        """Return the size to which pictures are to be brought."""
        return self._preparation.pixels

    def embed_pictures(self, pictures: Iterable[Pixels]) -> Iterator[Vectors]:
        """Yield the vector of each picture, in order. Each core reads one picture at a time."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(usable_cores(), thread_name_prefix="pictures") as pool:
            yield from pool.map(self._embed_picture, pictures)

    def _embed_picture(self, pixels: Pixels) -> Vectors:
        form = self._preparation
        values = pixels.astype(np.float32) * np.float32(form.scale)
        values -= np.array(form.mean, np.float32)
        values /= np.array(form.deviation, np.float32)
        return self._run(self._pictures, PIXELS, np.ascontiguousarray(values.transpose(2, 0, 1)[None]))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of the texts, one after another."""
        vectors = np.empty((len(texts), self.fingerprint.dimension), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._run(self._texts, "input_ids", np.array([self.tokens(text)], np.int64))
        return vectors

    def tokens(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, as the model reads them."""
        form = self._preparation
        clean = text.encode("utf-8", "replace").decode()  # lone surrogates
        if form.plain_words:
            clean = " ".join(clean.lower().translate(_WITHOUT_PUNCTUATION).split())
        ids = list(self._tokenizer.encode(clean).ids)
        return ids if form.padding is None else ids + [form.padding] * (form.max_tokens - len(ids))

    def _run(self, session: "InferenceSession", name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> Vectors:
        try:
            vector: Vectors = session.run(None, {name: values})[0][0]
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise self._failure("failed", error) from error
        if not np.isfinite(vector).all():
            raise ModelError(f"model {self.fingerprint.model}", "returns numbers that are not finite")
        return vector

    @cached_property
    def _pictures(self) -> "InferenceSession":
        return self._open(self._model.folder / PICTURES)

    @cached_property
    def _texts(self) -> "InferenceSession":
        return self._open(self._model.folder / TEXTS)

    def _open(self, graph: "Path") -> "InferenceSession":
        try:
            return open_session(graph, optimised=False)
        except Exception as error:
            raise self._failure("can't be loaded", error) from error

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self._model.tokenizer))
            tokenizer.enable_truncation(self._preparation.max_tokens)
        except Exception as error:  # tokenizers raises nothing narrower
            raise self._failure("can't be loaded", error) from error
        return tokenizer

    def _failure(self, what: str, error: Exception) -> ModelError:
        subject, reason = f"model {self.fingerprint.model}", f"{what} ({first_line(error)})"
        return ModelError(subject, reason, "prepared-model-damaged", folder=str(self._model.folder))
