"""The vectors of an index's pictures: a vector space of its own, with the fingerprint of the image model.

Each picture file has one vector, and a document one for each picture in it, its figures. They are kept in the catalog
with the file's other properties. So everything that happens to a file happens to its vectors: they are staged,
committed, moved, removed, exported and repaired with it.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import from_fixed, non_unit_rows, to_fixed
from vsearch_core.errors import IndexCorruptError, IndexMismatchError, InputError, ModelError
from vsearch_core.index.figures import kept_figures, stored_figures
from vsearch_core.index.settings import check_fingerprint
from vsearch_core.json_text import parse_json
from vsearch_core.model import FIGURES, PICTURE, Fingerprint, JsonValue
from vsearch_core.store.catalog import Catalog, SettingsReader
from vsearch_core.store.pictures import (
    documents_of_other_models,
    figure_values,
    picture_values,
    pictures_of_other_models,
)
from vsearch_core.text.extract.pictures import has_pillow
from vsearch_core.text.extract.registry import document_extensions, format_of, picture_extensions
from vsearch_core.text.files import FileRead

if TYPE_CHECKING:
    from vsearch_core.embed.images.embedder import ImageEmbedder, Vectors

IMAGE_MODEL = "image_model"  # the setting with the image model, absent if there is none
PICTURE_SCALE = "picture_scale"  # the setting with the cosines of unrelated texts and pictures
NO_MODEL = "none"  # the choice of no image model
# Texts that have nothing to do with most pictures, to measure the cosines of unrelated pairs
PROBES = (
    "a tax form with a signature",
    "two people shaking hands",
    "a bowl of soup on a table",
    "a map of a coast",
    "snow on a mountain",
    "a child riding a bicycle",
    "a bar chart of monthly sales",
    "an old church",
    "a brown dog on a sofa",
    "a screen with source code",
    "a crowd at a concert",
    "a red car in a street",
    "a handwritten letter",
    "a ship in a harbour",
    "flowers in a garden",
    "a diagram of a network",
    "a football match",
    "a portrait of a woman",
    "a bridge at night",
    "a plate with fish",
    "a page of a dictionary",
    "a cat behind a window",
    "a train at a station",
    "the inside of a factory",
)
OpenImageEmbedder = Callable[[str], "ImageEmbedder"]


def no_image_embedder(model: str) -> "ImageEmbedder":
    """Raise ModelError: the default for callers that open no image models."""
    raise ModelError(f"model {model}", "can't be opened here", "image-model-not-opened")


@dataclass(frozen=True, slots=True)
class ImageModel:
    """The image model of an index: its name or folder, and what identifies it."""

    name: str
    fingerprint: Fingerprint

    @property
    def key(self) -> str:
        """Return what marks vectors of this model in the metadata of files."""
        return sha256(json.dumps(asdict(self.fingerprint), sort_keys=True).encode()).hexdigest()[:16]

    def to_setting(self) -> str:
        """Return the value as JSON text, which is stored in the index's settings."""
        return json.dumps({"name": self.name, "fingerprint": asdict(self.fingerprint)})


def load_image_model(catalog: SettingsReader) -> ImageModel | None:
    """Return the image model of an index, or None if it has none. Raises IndexCorruptError."""
    stored = catalog.settings().get(IMAGE_MODEL)
    if not stored:
        return None
    try:
        values = parse_json(stored)
        made_by = Fingerprint(**values["fingerprint"])
        check_fingerprint(made_by)
        if not isinstance(values["name"], str):
            raise TypeError(stored)
    except (KeyError, ValueError, TypeError) as error:
        raise IndexCorruptError(str(catalog.label), f"its setting {IMAGE_MODEL} is damaged ({error})") from error
    return ImageModel(values["name"], made_by)


def image_models(catalogs: Iterable[SettingsReader]) -> list[ImageModel]:
    """Return the image models of the indexes that have one, in their order. Raises IndexCorruptError."""
    return [model for model in map(load_image_model, catalogs) if model is not None]


def refuse_other_image_model(index: str, model: ImageModel, found: Fingerprint) -> None:
    """Raise IndexMismatchError if the fingerprint is not that of the index's image model."""
    if model.fingerprint != found:
        reason = f"the vectors of its pictures were made by another version of the model {model.name}"
        raise IndexMismatchError(index, reason, "other-image-model", model=model.name)


def store_image_model(catalog: Catalog, model: ImageModel | None) -> None:
    """Set the image model of the index, or none. Vectors of another one no longer count."""
    with catalog.transaction():
        catalog.put_setting(IMAGE_MODEL, "" if model is None else model.to_setting())
        catalog.put_setting(PICTURE_SCALE, "")


def require_pillow() -> None:
    """Raise InputError unless pictures can be read."""
    if not has_pillow():
        raise InputError("image model", "the package Pillow is not installed", "images-extra-missing", extra="images")


def unseen_pictures(catalog: Catalog, model: ImageModel) -> list[str]:
    """Return the paths of the live pictures, and documents with pictures, that the model has not seen.

    Return none if pictures can't be read here.
    """
    if not has_pillow():
        return []
    pictures = pictures_of_other_models(catalog, picture_extensions(), model.key)
    return pictures + documents_of_other_models(catalog, document_extensions(), model.key)


@dataclass(frozen=True, slots=True)
class PictureEmbedding:
    """An index's image model, ready to embed pictures."""

    model: ImageModel
    embedder: "ImageEmbedder"

    def kept_values(self, pixels: Sequence[bytes | None]) -> list[dict[str, JsonValue]]:
        """Return what is kept of each picture in the metadata of its file. None is a picture that can't be decoded."""
        from vsearch_core.embed.images.embedder import pixels_from

        form = self.embedder.pixel_format
        pictures = [pixels_from(each, form) for each in pixels if each is not None]
        vectors = iter(list(self.embedder.embed_pictures(pictures)))
        return [self._kept(None if each is None else next(vectors)) for each in pixels]

    def _kept(self, vector: "Vectors | None") -> dict[str, JsonValue]:
        if vector is None:
            return {"model": self.model.key}
        encoded = base64.b64encode(to_fixed(vector[None]).tobytes()).decode()
        return {"model": self.model.key, "vector": encoded}


def pixels_of(read: FileRead) -> list[bytes | None]:
    """Return the pixels of a picture file, or of the figures of a document; None for those that can't be decoded."""
    own = [] if read.picture is None else [read.picture.pixels]
    return [*own, *(figure.pixels for figure in read.figures)]


def kept_pictures(
    model: str, path: str, read: FileRead, vectors: Iterator[Mapping[str, JsonValue]]
) -> dict[str, Mapping[str, JsonValue]]:
    """Return what is kept of a file for searches by an image model, by the keys of its metadata.

    `vectors` yields what is kept of each of the file's `pixels_of`.
    """
    kept: dict[str, Mapping[str, JsonValue]] = {} if read.picture is None else {PICTURE: next(vectors)}
    if read.chunks is not None and (read.figures or format_of(path).figures):
        kept[FIGURES] = kept_figures(model, read.figures, [next(vectors) for _ in read.figures])
    return kept


@dataclass(frozen=True, slots=True)
class PictureVectors:
    """The vectors of an index's pictures: the ids of their files (n,), and unit vectors (n, dimension).

    `chunks` (n,) is the number of the chunk, in its file, that stands for the picture; it is -1 for a figure about
    which nothing is said, which has no chunk. `figures` (n,) is the number of the figure in the document, by
    `figures.figures_of`, or -1 for a picture file.
    """

    file_ids: NDArray[np.int64]
    chunks: NDArray[np.int64]
    figures: NDArray[np.int64]
    vectors: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Sequence["PictureVectors"]) -> "PictureVectors":
        """Return the vectors of several indexes, of which there must be at least one."""
        names = ("file_ids", "chunks", "figures", "vectors")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def load_picture_vectors(catalog: Catalog, model: ImageModel) -> PictureVectors:
    """Return the vectors of all live pictures. Raises IndexCorruptError for one that is damaged."""
    dimension = model.fingerprint.dimension
    places: list[tuple[int, int, int]] = []
    parts: list[bytes] = []
    for file_id, kept in picture_values(catalog, picture_extensions(), model.key):
        if kept is not None:
            places.append((file_id, 0, -1))
            parts.append(_decoded(catalog, kept, dimension))
    for file_id, kept in figure_values(catalog, model.key):
        for number, figure in enumerate(stored_figures(kept)):
            places.append((file_id, figure.chunk if figure.has_text else -1, number))
            parts.append(_decoded(catalog, figure.vector, dimension))
    fixed = np.frombuffer(b"".join(parts), np.int16).reshape(-1, dimension)
    if len(non_unit_rows(fixed)):
        raise catalog.damaged("vectors of pictures are not of length 1")
    file_ids, chunks, figures = np.array(places, np.int64).reshape(-1, 3).T
    return PictureVectors(file_ids, chunks, figures, from_fixed(fixed))


def _decoded(catalog: Catalog, kept: JsonValue, dimension: int) -> bytes:
    try:
        data = base64.b64decode(kept if isinstance(kept, str) else "", validate=True)
    except (ValueError, binascii.Error):
        data = b""
    if len(data) != 2 * dimension:
        raise catalog.damaged(f"the vector of a picture doesn't have {dimension} dimensions")
    return data


def picture_faults(catalog: Catalog) -> Iterator[str]:
    """Yield the reason if the vectors of the pictures, whose rows have correct checksums, contradict the settings."""
    try:
        model = load_image_model(catalog)
        if model is not None:
            load_picture_vectors(catalog, model)
            load_picture_scale(catalog)
    except IndexCorruptError as error:
        yield error.reason


@dataclass(frozen=True, slots=True)
class PictureScale:
    """The mean and the standard deviation of the cosines of unrelated texts and pictures, and the number of pictures.

    They are measured with PROBES. A model's cosines of texts and pictures lie in a range of its own: those of CLIP
    near 0.2, those of SigLIP near 0.
    """

    mean: float
    deviation: float
    pictures: int

    @classmethod
    def pooled(cls, scales: Sequence["PictureScale"]) -> "PictureScale | None":
        """Return the scale of all pictures of several indexes, or None if none is known."""
        pictures = sum(scale.pictures for scale in scales)
        if not pictures:
            return None
        mean = sum(scale.pictures * scale.mean for scale in scales) / pictures
        squares = sum(scale.pictures * (scale.deviation**2 + (scale.mean - mean) ** 2) for scale in scales)
        return cls(mean, sqrt(squares / pictures), pictures)


def measure_picture_scale(catalog: Catalog, model: ImageModel, embedder: "ImageEmbedder") -> bool:
    """Measure the scale of the index and store it, if its number of pictures has changed much. Return True if so."""
    pictures = load_picture_vectors(catalog, model)
    count, known = len(pictures.file_ids), load_picture_scale(catalog)
    if not count or (known is not None and known.pictures / 1.5 <= count <= known.pictures * 1.5):
        return False
    cosines = pictures.vectors @ embedder.embed_texts(PROBES).T
    scale = PictureScale(float(cosines.mean()), max(float(cosines.std()), 1e-4), count)
    with catalog.transaction():
        catalog.put_setting(PICTURE_SCALE, json.dumps(asdict(scale)))
    return True


def load_picture_scale(catalog: SettingsReader) -> PictureScale | None:
    """Return the measured scale, or None if there is none. Raises IndexCorruptError."""
    stored = catalog.settings().get(PICTURE_SCALE)
    if not stored:
        return None
    try:
        scale = PictureScale(**parse_json(stored))
        if not isfinite(scale.mean) or not 0 < scale.deviation < 2 or type(scale.pictures) is not int:
            raise ValueError(stored)
    except (ValueError, TypeError) as error:
        raise IndexCorruptError(str(catalog.label), f"its setting {PICTURE_SCALE} is damaged ({error})") from error
    return scale
