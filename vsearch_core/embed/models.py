"""Opens a model that is prepared in the cache folder, and prepares it first if necessary.

To prepare a model is to convert it into a folder of files that load quickly: its ONNX graphs, its tokenizer and a
description. The folder is written under a temporary name and then renamed, so it is always complete. It never changes
after that.
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vsearch_core import config
from vsearch_core.embed import model_files
from vsearch_core.embed.foreign_errors import model_errors
from vsearch_core.embed.model_files import (
    DEFAULT_WEIGHTS,
    RECIPE,
    ModelFiles,
    ModelReference,
    Origin,
)
from vsearch_core.embed.onnx.runtime import Precision, best_precision
from vsearch_core.embed.prepared import DESCRIPTION, ModelKind, PreparedModel, file_stamp, load_prepared
from vsearch_core.errors import ModelError
from vsearch_core.own_files import make_own_folders

FORMAT = 3  # raised when the contents of a prepared folder change; another format has another folder
RENAME_TRIES = 3
_FINDERS: Mapping[ModelKind, Callable[[ModelReference], ModelFiles]] = {
    "local": model_files.find_encoder,
    "static": model_files.find_static_model,
    "image": model_files.find_image_model,
}
ABANDONED = 3600.0  # seconds after which an unfinished folder is deleted: its process was killed


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be used on this machine, and the way it would run.

    Attributes:
        name: The model's name.
        provider: The provider that runs it: "local" or "static"; "image" if it reads pictures, too.
        location: Its folder; None if it would have to be downloaded.
        source: Where its files come from: "folder", "package" or "hub".
        weights: The sha256 of its weights; None if that isn't known yet.
        dimension: The length of its vectors; None before it is prepared.
        max_tokens: The most tokens that it reads at once; None before it is prepared, and for a static model.
        query_prefix: The text that is put before each query.
        document_prefix: The text that is put before each document.
        precisions: The precisions of its graphs; empty before it is prepared.
        precision: The precision that this machine would use; None for other models.
        reason: The reason for that precision.
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
    """Return the prepared models, sorted by name. The default model comes first, even if it isn't prepared yet.

    `cache_dir` is the folder for prepared models; None means the platform's cache folder.
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
    precision, reason = model.best_precision() if described.kind == "local" else (None, "")
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
    """Return a model that is ready to run. Prepare it first if it isn't prepared, is damaged, or has changed.

    Args:
        model: A folder or a name on the Hugging Face hub; None means the default model.
        report: Called with a line of text before slow work.
        kind: "local" for an encoder, "static" for a static model, "image" for one that reads pictures.
        cache_dir: The folder for prepared models; None means the platform's cache folder.

    Raises:
        ModelError: The model can't be found or prepared.
    """
    local = model_files.distilled_from(kind, model)
    reference = model_files.parse_model(model if local is None else local)
    home = _models_dir(cache_dir) / _folder_name(reference, kind, is_distilled=local is not None)
    prepared = load_prepared(home)
    if isinstance(prepared, PreparedModel) and _is_current(prepared, reference):
        return prepared
    if local is not None:
        return _distil(open_model(local, report, "local", cache_dir), home, report)
    try:
        with model_errors(f"model {reference.name}", "can't be read", "model-damaged"):
            source = _FINDERS[kind](reference)
    except ModelError as error:
        if isinstance(prepared, Path):  # the cause; that the source is out of reach comes second
            reason = f"is damaged, and the model can't be prepared again ({error})"
            raise ModelError(str(prepared), reason, error.code, **error.details) from error
        raise
    if report:
        report(f"preparing {reference.name} (once per machine) …")
    new = prepare(source, home, kind)
    described = new.description
    is_plain = kind == "local" and not (described.query_prefix or described.document_prefix)
    if report and is_plain and described.weights != DEFAULT_WEIGHTS:
        report(f"model {described.name}: no prefix of queries or documents is known for it")
    return new


def _distil(source: PreparedModel, home: Path, report: Callable[[str], None] | None) -> PreparedModel:
    """Prepare the static model that is distilled from a local one. Raises ModelError."""
    if report:
        report(f"distilling a static model from {source.description.name} (once per machine) …")

    def write(folder: Path) -> None:
        from vsearch_core.embed.distilled import write_distilled_model

        write_distilled_model(source, folder)

    return _prepare(source.description.name, home, write)


def is_prepared(kind: str, model: str | None, cache_dir: Path | None = None) -> bool:
    """Return True if the model is prepared, so that opening it fetches nothing and reads none of its own files."""
    kinds: dict[str, ModelKind] = {"local": "local", "static": "static", "image": "image"}
    if kind not in kinds:
        return False
    local = model_files.distilled_from(kinds[kind], model)
    try:
        reference = model_files.parse_model(model if local is None else local)
    except ModelError:
        return False
    name = _folder_name(reference, kinds[kind], is_distilled=local is not None)
    prepared = load_prepared(_models_dir(cache_dir) / name)
    return isinstance(prepared, PreparedModel) and _is_current(prepared, reference)


def prepare(source: ModelFiles, home: Path, kind: ModelKind = "local") -> PreparedModel:
    """Prepare a model in the folder `home` and return it.

    If several processes prepare the same model at once, the folder that is complete first is kept. Raises ModelError if
    the weights have the wrong checksum, the model is not supported, or the folder can't be written.
    """

    def write(folder: Path) -> None:
        from vsearch_core.embed.preparation import write_model_files  # a query needs none of it

        write_model_files(kind, source, folder)

    return _prepare(source.name, home, write)


def _prepare(name: str, home: Path, write: Callable[[Path], None]) -> PreparedModel:
    """Let `write` write the files of the model `name` to a folder, and put it in place as `home`."""
    unfinished = home.parent / f".{home.name}.{os.getpid()}.{time.monotonic_ns()}"
    try:
        make_own_folders(unfinished.parent)
        unfinished.mkdir()
        _sweep(home.parent)
        with model_errors(f"model {name}", "can't be prepared", "model-damaged"):
            write(unfinished)
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


def _folder_name(reference: ModelReference, kind: ModelKind, *, is_distilled: bool = False) -> str:
    """Return a folder name for the model. Two models from different folders get different names."""
    name = f"distilled-{RECIPE}--" if is_distilled else "" if kind == "local" else f"{kind}--"
    name += reference.name.replace("/", "--")
    if reference.folder is not None:
        from hashlib import sha256

        name += "-" + sha256(os.fsencode(reference.folder)).hexdigest()[:8]
    return f"{name}.{FORMAT}"


def _is_current(prepared: PreparedModel, reference: ModelReference) -> bool:
    """Return True unless the weights in a folder that the user named have changed; other sources don't change."""
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
    """Remove the unfinished folders of processes that were killed."""
    for path in folder.glob(f".*.{FORMAT}.*"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
