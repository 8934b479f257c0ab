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
    """What `model.json` says. `weights` is the sha256 of `file`, `stamp` that file's size and mtime (ns).

    `files` are the folder's files and their sizes. Every vector is made a unit vector: vsearch compares no others.
    A static model has no `max_tokens`: it reads a text of any length; `unknown` is the token that it leaves out.
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
    return f"model.{precision}.onnx"


def stamp_of(path: Path) -> tuple[int, int] | None:
    """The file's size and mtime (ns), None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model that can be run, and where it is."""

    folder: Path
    description: ModelDescription

    @property
    def tokenizer(self) -> Path:
        return self.folder / TOKENIZER

    @property
    def vectors(self) -> Path:
        """A static model's."""
        return self.folder / VECTORS

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that there is a graph for; a graph that came with the model is fp32 only."""
        return tuple(each for each in PRECISIONS if graph_name(each) in self.description.files)

    def best_precision(self) -> tuple[Precision, str]:
        """The precision to use on this machine, of those that there are, and why."""
        best, reason = best_precision()
        if best in self.precisions:
            return best, reason
        return self.precisions[0], "the graph is the one that the model came with"

    def graph(self, precision: Precision) -> Path:
        return self.folder / graph_name(precision)

    @property
    def fingerprint(self) -> Fingerprint:
        """Precision is no part of it: int8 and fp32 vectors may be compared (cosine 0.99 and more)."""
        said = self.description
        return Fingerprint(
            provider=said.kind,
            model=said.name,
            weights=said.weights,
            dimension=said.dimension,
            pooling=f"{said.pooling}+l2, {WINDOWING}" if said.max_tokens else f"{said.pooling}+l2",
            query_prefix=said.query_prefix,
            document_prefix=said.document_prefix,
        )


def load_prepared(home: Path) -> PreparedModel | str | None:
    """The prepared model in `home`; None where there is none; the path of a file that is damaged."""
    path = home / DESCRIPTION
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        described = ModelDescription(**raw | {"stamp": tuple(raw["stamp"])})
        sizes = dict(described.files)
    except OSError:
        return None
    except (ValueError, TypeError, KeyError):
        return str(path)
    for name, size in sizes.items():
        try:
            if (home / name).stat().st_size != size:
                return str(home / name)
        except OSError:
            return str(home / name)
    return PreparedModel(home, described)
