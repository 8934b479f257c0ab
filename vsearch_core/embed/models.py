"""Finds a model in the cache folder, or prepares it there: writes its graphs, its tokenizer and a description.

A prepared model is a folder that appears whole, by one rename, and is never written to again.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vsearch_core import config
from vsearch_core.embed import model_files
from vsearch_core.embed.model_files import DEFAULT_WEIGHTS, ModelFiles, ModelReference, Origin
from vsearch_core.embed.onnx.runtime import Precision, best_precision
from vsearch_core.embed.prepared import DESCRIPTION, ModelKind, PreparedModel, file_stamp, load_prepared
from vsearch_core.errors import ModelError
from vsearch_core.own_files import make_own_folders

FORMAT = 2  # raised when the contents of a prepared folder change; another format has another folder
RENAME_TRIES = 3
ABANDONED = 3600.0  # seconds after which an unfinished preparation counts as dead


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be used on this machine, and how it would run.

    Attributes:
        name: The model's name.
        provider: The provider that runs it.
        location: Its folder; None if it would have to be downloaded.
        source: Where its files come from.
        weights: The sha256 of its weights, if that is known before it is prepared.
        dimension: The length of its vectors; None before it is prepared.
        max_tokens: The longest window that it reads; None before it is prepared, and for a static model.
        query_prefix: Put before each query.
        document_prefix: Put before each document.
        precisions: The precisions that there are graphs for; empty before it is prepared.
        precision: The precision that this machine uses; None for a static model.
        reason: Why it uses that one.
    """

    name: str
    provider: ModelKind
    location: Path | None
    source: Origin
    weights: str | None
    dimension: int | None
    max_tokens: int | None
    query_prefix: str
    document_prefix: str
    precisions: tuple[Precision, ...]
    precision: Precision | None
    reason: str


def list_models(cache_dir: Path | None = None) -> tuple[ModelInfo, ...]:
    """Return the prepared models by name, after the default one, which is listed even before it is prepared.

    `cache_dir` is the platform's cache folder by default.
    """
    folders = sorted(path.parent for path in _models_dir(cache_dir).glob(f"[!.]*.{FORMAT}/{DESCRIPTION}"))
    found = [_info(model) for model in map(load_prepared, folders) if isinstance(model, PreparedModel)]
    if not any(info.name == config.MODEL and info.source != "folder" for info in found):
        package = model_files.package_folder()
        origin: Origin = "package" if package else "hub"
        weights = DEFAULT_WEIGHTS if package else None
        best = best_precision()
        found.append(ModelInfo(config.MODEL, "local", package, origin, weights, None, None, "", "", (), *best))
    return tuple(sorted(found, key=lambda info: (info.name != config.MODEL, info.name)))


def _info(model: PreparedModel) -> ModelInfo:
    described = model.description
    precision, reason = (None, "") if described.kind == "static" else model.best_precision()
    return ModelInfo(
        name=described.name,
        provider=described.kind,
        location=model.folder,
        source=described.origin,
        weights=described.weights,
        dimension=described.dimension,
        max_tokens=described.max_tokens,
        query_prefix=described.query_prefix,
        document_prefix=described.document_prefix,
        precisions=model.precisions,
        precision=precision,
        reason=reason,
    )


def open_model(
    model: str | None,
    report: Callable[[str], None] | None = None,
    kind: ModelKind = "local",
    cache_dir: Path | None = None,
) -> PreparedModel:
    """Return the prepared model; prepare it first if it isn't yet, or is damaged, or the user's folder has changed.

    Args:
        model: A folder or a name on the hub; None is the default model.
        report: Called with a line of text before slow work.
        kind: The provider that runs it.
        cache_dir: The folder for prepared models; the platform's cache folder by default.

    Raises:
        ModelError: The model can't be found or prepared.
    """
    reference = model_files.parse_model(model)
    home = _models_dir(cache_dir) / _folder_name(reference, kind)
    prepared = load_prepared(home)
    if isinstance(prepared, PreparedModel) and _is_current(prepared, reference):
        return prepared
    try:
        find = model_files.find_static_model if kind == "static" else model_files.find_encoder
        source = find(reference)
    except ModelError as error:
        if isinstance(prepared, Path):  # the cause; that the source is out of reach comes second
            reason = f"is damaged, and the model can't be prepared again ({error})"
            raise ModelError(str(prepared), reason, error.code, **error.details) from error
        raise
    if report:
        report(f"preparing {reference.name} (once a machine) …")
    return prepare(source, home, kind)


def prepare(source: ModelFiles, home: Path, kind: ModelKind = "local") -> PreparedModel:
    """Make the folder `home` from the model's files. If another process does so too, the first one's folder is kept.

    Raises ModelError if the weights aren't the expected ones, the model is of an unsupported kind, or the folder can't
    be written.
    """
    from vsearch_core.embed.preparation import write_model_files  # a query needs none of it

    unfinished = home.parent / f".{home.name}.{os.getpid()}.{time.monotonic_ns()}"
    try:
        make_own_folders(unfinished.parent)
        unfinished.mkdir()
        _sweep(home.parent)
        write_model_files(kind, source, unfinished)
        _put_in_place(unfinished, home)
    except OSError as error:
        reason = f"can't be written ({error.strerror or error})"
        raise ModelError(str(home), reason, "cache-not-writable") from error
    finally:
        for path in home.parent.glob(f"{unfinished.name}*"):
            shutil.rmtree(path, ignore_errors=True)
    prepared = load_prepared(home)
    if not isinstance(prepared, PreparedModel):
        raise ModelError(str(home), "was damaged while it was prepared", "model-changed")
    return prepared


def _models_dir(cache_dir: Path | None) -> Path:
    return (cache_dir or config.default_cache_dir()) / "models"


def _folder_name(reference: ModelReference, kind: ModelKind) -> str:
    """Return a folder name for the model, unlike that of another folder with the same name."""
    name = ("static--" if kind == "static" else "") + reference.name.replace("/", "--")
    if reference.folder is not None:
        from hashlib import sha256

        name += "-" + sha256(os.fsencode(reference.folder)).hexdigest()[:8]
    return f"{name}.{FORMAT}"


def _is_current(prepared: PreparedModel, reference: ModelReference) -> bool:
    """Return True if a folder that the user named still holds the prepared weights; other sources don't change."""
    described = prepared.description
    return reference.folder is None or described.stamp == file_stamp(reference.folder / described.file)


def _put_in_place(unfinished: Path, home: Path) -> None:
    """Rename the folder, unless another process has put the same model there; move anything else aside."""
    stamp = _weights_stamp(unfinished)
    for attempt in range(RENAME_TRIES):
        try:
            if home.exists():
                if _weights_stamp(home) == stamp:
                    return
                home.rename(unfinished.with_name(f"{unfinished.name}.{attempt}"))
            unfinished.rename(home)
            return
        except OSError:  # another process may have been faster: look again
            if attempt == RENAME_TRIES - 1:
                raise


def _weights_stamp(home: Path) -> tuple[int, int] | None:
    prepared = load_prepared(home)
    return prepared.description.stamp if isinstance(prepared, PreparedModel) else None


def _sweep(folder: Path) -> None:
    """Remove the leftovers of killed preparations."""
    for path in folder.glob(f".*.{FORMAT}.*"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
