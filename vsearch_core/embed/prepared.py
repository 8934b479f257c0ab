"""Prepared models: folders of files that load quickly.

A folder contains a model's ONNX graphs or its table of vectors, its tokenizer, and `model.json`, which describes them.
`model.json` lists the size of each file. So opening a model takes a few `stat` calls, and no weights are read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vsearch_core.embed.model_files import Origin
from vsearch_core.embed.onnx.runtime import PRECISIONS, Precision, best_precision
from vsearch_core.embed.windows import WINDOWING
from vsearch_core.json_text import parse_json
from vsearch_core.model import Fingerprint
from vsearch_core.own_files import open_file

ModelKind = Literal["local", "static", "image"]  # the provider that runs it, or "image" for one that reads pictures

DESCRIPTION = "model.json"
TOKENIZER = "tokenizer.json"
VECTORS = "vectors.npy"


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """The contents of `model.json`.

    Attributes:
        name: The model's name.
        kind: The provider that runs it: "local" or "static"; "image" if it reads pictures, too.
        origin: Where its files came from: "folder", "package" or "hub".
        source: The folder that they came from.
        file: The file of its weights, relative to `source`.
        weights: The sha256 of that file.
        stamp: The size in bytes and the modification time in ns of that file.
        dimension: The number of components of its vectors, which always have length 1.
        max_tokens: The most tokens that it reads at once, special tokens included; None for a static model, which reads
            texts of any length.
        pooling: The way to combine the tokens' vectors, such as "mean".
        query_prefix: The text that is put before each query.
        document_prefix: The text that is put before each document.
        unknown: The id of the token for unknown words, which a static model ignores.
        files: The names of the prepared folder's files, each with its size in bytes.
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
    """Return the file name of the graph with this precision."""
    return f"model.{precision}.onnx"


def file_stamp(path: Path) -> tuple[int, int] | None:
    """Return the file's size in bytes and modification time in ns, or None if it can't be accessed."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A prepared model.

    Attributes:
        folder: The folder of its files.
        description: The contents of its `model.json`.
    """

    folder: Path
    description: ModelDescription

    @property
    def tokenizer(self) -> Path:
        """Return the path of the tokenizer's file."""
        return self.folder / TOKENIZER

    @property
    def vectors(self) -> Path:
        """Return the path of the table of a static model's token vectors."""
        return self.folder / VECTORS

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Return the precisions of the model's graphs. A graph that came with the model exists in fp32 only."""
        return tuple(each for each in PRECISIONS if graph_name(each) in self.description.files)

    def best_precision(self) -> tuple[Precision, str]:
        """Return the precision to use on this machine, "int8" or "fp32", and the reason."""
        best, reason = best_precision()
        if best in self.precisions:
            return best, reason
        return self.precisions[0], "the graph is the one that the model came with"

    def graph(self, precision: Precision) -> Path:
        """Return the path of the graph with this precision."""
        return self.folder / graph_name(precision)

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the model's fingerprint: only vectors with equal fingerprints can be compared.

        It is the same for int8 and fp32, whose vectors can be compared: their cosine is 0.99 or more.
        """
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
    """Load the description of the model in `home`, and check that its files have the sizes stated there.

    Return the model, or the path of a file that is missing or damaged, or None if there is no model.
    """
    path = home / DESCRIPTION
    try:
        with open_file(path, "rb") as file:
            raw: dict[str, Any] = parse_json(file.read())
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
