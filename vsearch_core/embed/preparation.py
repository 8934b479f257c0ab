"""Writes the files of a prepared model: an encoder's graphs, or a static model's vectors."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vsearch_core import config
from vsearch_core.embed.images.prepared import IMAGE_SETTINGS, PICTURES, TEXTS, write_preparation
from vsearch_core.embed.images.settings import ImageModelConfig, ImagePreparation
from vsearch_core.embed.images.towers import write_towers
from vsearch_core.embed.model_files import DEFAULT_WEIGHTS, PACKAGE, SHIPPED, ModelFiles
from vsearch_core.embed.model_names import known_names
from vsearch_core.embed.onnx.encoder import write_encoder
from vsearch_core.embed.onnx.families import EncoderConfig, position_count
from vsearch_core.embed.onnx.quantize import max_inputs
from vsearch_core.embed.onnx.shipped import adapt_graph
from vsearch_core.embed.prepared import (
    DESCRIPTION,
    TOKENIZER,
    VECTORS,
    ModelDescription,
    ModelKind,
    file_stamp,
    graph_name,
)
from vsearch_core.embed.settings import SentenceSettings, read_json
from vsearch_core.embed.static import read_vectors, unknown_token
from vsearch_core.embed.tokenizer_file import load_tokenizer
from vsearch_core.errors import ModelError
from vsearch_core.own_files import open_file
from vsearch_core.regular_files import open_regular

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class ModelProperties:
    """The properties of a model that become known while its files are written. `ModelDescription` explains each."""

    dimension: int
    max_tokens: int | None
    pooling: str
    query_prefix: str = ""
    document_prefix: str = ""
    unknown: int | None = None


def write_model_files(kind: ModelKind, source: ModelFiles, folder: Path) -> None:
    """Write all files of a prepared model to `folder`, and its description last.

    Raises ModelError if the model is damaged or not supported, and OSError if a file can't be written.
    """
    path = source.folder / source.file
    digest = _verified_digest(source, path)
    stamp = file_stamp(path)
    if stamp is None:
        raise ModelError(str(path), "disappeared while it was being read", "model-changed")
    properties = WRITERS[kind](source, folder)
    described = ModelDescription(
        name=config.MODEL if digest == DEFAULT_WEIGHTS else source.name,
        kind=kind,
        origin=source.origin,
        source=str(source.folder),
        file=source.file,
        weights=digest,
        stamp=stamp,
        **asdict(properties),
        files={path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    )
    text = json.dumps(asdict(described), indent=1, ensure_ascii=False)
    with open_file(folder / DESCRIPTION, "xb") as file:
        file.write(text.encode())


def _write_encoder_files(source: ModelFiles, folder: Path) -> ModelProperties:
    """Write two graphs, fp32 and int8, if the architecture is supported; else adapt the graph that the model ships."""
    settings = SentenceSettings.read(source.folder, known_names(source.name, source.folder))
    fp32, int8, tokenizer = folder / graph_name("fp32"), folder / graph_name("int8"), folder / TOKENIZER
    save_tokenizer(read_tokenizer(source.folder / TOKENIZER, lower_case=settings.lower_case), tokenizer)
    if source.file == SHIPPED:
        max_tokens = _shipped_tokens(source.folder, settings)
        dimension = adapt_graph(source.folder, fp32, settings)
    else:
        shape = EncoderConfig.read(source.folder)
        max_tokens = min(settings.max_tokens or shape.max_positions, shape.max_positions)
        dimension = settings.dimension(shape.hidden)
        write_encoder(source.folder, fp32, settings)
        ranges = max_inputs(fp32, tokenizer, max_tokens)
        write_encoder(source.folder, int8, settings, ranges)
    return ModelProperties(dimension, max_tokens, settings.pooling, settings.query_prefix, settings.document_prefix)


def _shipped_tokens(folder: Path, settings: SentenceSettings) -> int:
    """Return the most tokens that a shipped graph can read at once, by the model's settings and its config.json."""
    path = folder / "config.json"
    config_json = read_json(path)
    limits = [settings.max_tokens, position_count(config_json), config_json.get("n_positions")]
    known = [limit for limit in limits if isinstance(limit, int) and limit > 0]
    if not known:
        raise ModelError(str(path), "has neither max_position_embeddings nor n_positions", "model-unsupported")
    return min(known)


def _write_static_files(source: ModelFiles, folder: Path) -> ModelProperties:
    weights = source.folder / source.file
    vectors = read_vectors(weights)
    tokenizer = read_tokenizer(weights.with_name(TOKENIZER))
    tokens = 1 + max(tokenizer.get_vocab().values(), default=0)
    if tokens > len(vectors):
        reason = f"has {tokens:,} tokens, but there are only {len(vectors):,} vectors"
        raise ModelError(str(weights.with_name(TOKENIZER)), reason, "model-damaged")
    with open_file(folder / VECTORS, "xb") as file:
        np.save(file, vectors)
    save_tokenizer(tokenizer, folder / TOKENIZER)
    return ModelProperties(vectors.shape[1], None, "mean", unknown=unknown_token(tokenizer))


def _write_image_files(source: ModelFiles, folder: Path) -> ModelProperties:
    """Write the graphs of a CLIP or SigLIP model, for texts and for pictures, its tokenizer and its settings."""
    weights = source.folder / source.file
    model = ImageModelConfig.read(weights.parent)
    path = weights.with_name(TOKENIZER)
    preparation = ImagePreparation.read(weights.parent, model, load_tokenizer(path))
    save_tokenizer(read_tokenizer(path), folder / TOKENIZER)
    write_preparation(preparation, folder / IMAGE_SETTINGS)
    dimension = write_towers(weights, model, folder / TEXTS, folder / PICTURES)
    return ModelProperties(dimension, preparation.max_tokens, model.family)


WRITERS: dict[ModelKind, Callable[[ModelFiles, Path], ModelProperties]] = {
    "local": _write_encoder_files,
    "static": _write_static_files,
    "image": _write_image_files,
}


def _verified_digest(source: ModelFiles, path: Path) -> str:
    """Return the sha256 of the weights' file. Raises ModelError if it isn't the expected one."""
    from hashlib import file_digest

    try:
        with open_regular(path) as file:
            digest = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(str(path), f"can't be read ({error.strerror})", "model-damaged") from error
    if source.weights not in (None, digest):
        reason = "isn't the published file (its sha256 differs)"
        raise ModelError(str(path), reason, "package-damaged", package=PACKAGE)
    return digest


def save_tokenizer(tokenizer: "Tokenizer", path: Path) -> None:
    """Write the tokenizer to a new JSON file. Raises OSError."""
    with open_file(path, "xb") as file:
        file.write(tokenizer.to_str(pretty=True).encode())


def read_tokenizer(path: Path, *, lower_case: bool = False) -> "Tokenizer":
    """Read a tokenizer from its JSON file, and switch off its truncation and padding. Raises ModelError.

    If `lower_case` is True, the tokenizer converts each text to lower case first.
    """
    from tokenizers import normalizers

    tokenizer = load_tokenizer(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if lower_case:
        steps = [normalizers.Lowercase(), tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([step for step in steps if step is not None])
    return tokenizer
