"""A prepared model's folder: the graphs or vectors, the tokenizer, and `model.json`, which describes them.

`model.json` holds every file's size, so that opening a model costs a few `stat` calls and no reading of the weights.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vsearch_core.embed.model_files import Origin
from vsearch_core.embed.onnx.runtime import PRECISIONS, Precision, best_precision
from vsearch_core.embed.windows import WINDOWING
from vsearch_core.model import Fingerprint

ModelKind = Literal["local", "static"]  # the provider that runs it

DESCRIPTION = "model.json"
TOKENIZER = "tokenizer.json"
VECTORS = "vectors.npy"


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """The contents of `model.json`.

    Attributes:
        name: The model's name.
        kind: The provider that runs it.
        origin: Where its files came from.
        source: The folder that held them.
        file: The file with its weights, relative to `source`.
        weights: That file's sha256.
        stamp: That file's size and mtime (ns).
        dimension: The length of its vectors, which are always scaled to unit length.
        max_tokens: The longest window, special tokens included; None for a static model, which reads any length.
        pooling: How token vectors become one.
        query_prefix: Put before each query.
        document_prefix: Put before each document.
        unknown: The token that a static model leaves out.
        files: The folder's files and their sizes.
    """

    name: str
    kind: ModelKind
    origin: Origin
    source: str
    file: str
    weights: str
    stamp: tuple[int, int]
    dimension: int
    max_tokens: int | None
    pooling: str
    query_prefix: str
    document_prefix: str
    unknown: int | None
    files: dict[str, int]


def graph_name(precision: Precision) -> str:
    """Return the name of the graph's file."""
    return f"model.{precision}.onnx"


def file_stamp(path: Path) -> tuple[int, int] | None:
    """Return the file's size and mtime (ns), or None if there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model that is ready to run, in its folder."""

    folder: Path
    description: ModelDescription

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's file."""
        return self.folder / TOKENIZER

    @property
    def vectors(self) -> Path:
        """The file of a static model's token vectors."""
        return self.folder / VECTORS

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The precisions that there are graphs for; a graph that came with the model is fp32 only."""
        return tuple(each for each in PRECISIONS if graph_name(each) in self.description.files)

    def best_precision(self) -> tuple[Precision, str]:
        """Return the precision to use on this machine, and why."""
        best, reason = best_precision()
        if best in self.precisions:
            return best, reason
        return self.precisions[0], "the graph is the one that the model came with"

    def graph(self, precision: Precision) -> Path:
        """Return the graph's file."""
        return self.folder / graph_name(precision)

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint. Precision is no part of it: int8 and fp32 vectors can be compared (cosine 0.99 and more)."""
        described = self.description
        return Fingerprint(
            provider=described.kind,
            model=described.name,
            weights=described.weights,
            dimension=described.dimension,
            pooling=f"{described.pooling}+l2, {WINDOWING}" if described.max_tokens else f"{described.pooling}+l2",
            query_prefix=described.query_prefix,
            document_prefix=described.document_prefix,
        )


def load_prepared(home: Path) -> PreparedModel | Path | None:
    """Return the prepared model in `home`, or the path of a damaged file, or None if there is no model."""
    path = home / DESCRIPTION
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        described = ModelDescription(**raw | {"stamp": tuple(raw["stamp"])})
        sizes = dict(described.files)
    except OSError:
        return None
    except (ValueError, TypeError, KeyError):
        return path
    for name, size in sizes.items():
        try:
            if (home / name).stat().st_size != size:
                return home / name
        except OSError:
            return home / name
    return PreparedModel(home, described)
