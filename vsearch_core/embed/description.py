"""What a prepared model's folder holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsearch_core.embed.precision import Precision
from vsearch_core.embed.weights import Origin

Kind = Literal["local", "static"]  # the provider that runs it

DESCRIPTION = "model.json"
TOKENIZER = "tokenizer.json"
VECTORS = "vectors.npy"


@dataclass(frozen=True, slots=True)
class Description:
    """What `model.json` says. `weights` is the sha256 of `file`, `stamp` that file's size and mtime (ns).

    `files` are the folder's files and their sizes. Every vector is made a unit vector: vsearch compares no others.
    A static model has no `max_tokens`: it reads a text of any length; `unknown` is the token that it leaves out.
    """

    name: str
    kind: Kind
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
