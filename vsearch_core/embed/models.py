"""Models made ready to run, kept in vsearch's cache: the graphs, the tokenizer, and a description of both.

A prepared model is a folder that appears whole, by one rename, and is never written to again. `model.json` holds every
file's size, so that opening it costs a few `stat` calls and no reading of the weights.
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
from vsearch_core.embed.prepared import DESCRIPTION, ModelKind, PreparedModel, load_prepared, stamp_of
from vsearch_core.errors import ModelError

FORMAT = 2  # raised when what a prepared folder holds changes; another format has another folder
RENAMES = 3  # tries to put a prepared folder in its place
ABANDONED = 3600.0  # seconds after which an unfinished preparation is taken for dead


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One line of `vsearch models`. `provider` is the `--embedder` that runs the model.

    `location` is None where the model would come from the hub; `precisions` are those prepared (none before the first
    use), `precision` the one that this machine uses, because of `reason`. What only preparing tells is None before it,
    and so are a static model's precision and its `max_tokens`: it has no arithmetic to choose, and no limit.
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


def list_models() -> tuple[ModelInfo, ...]:
    """The prepared models, by name, after the default one, which is there even where it isn't prepared yet."""
    folders = sorted(path.parent for path in _models_dir().glob(f"[!.]*.{FORMAT}/{DESCRIPTION}"))
    found = [_info(model) for model in map(load_prepared, folders) if isinstance(model, PreparedModel)]
    if not any(info.name == config.MODEL and info.source != "folder" for info in found):
        package = model_files.package_folder()
        origin: Origin = "package" if package else "hub"
        known = DEFAULT_WEIGHTS if package else None
        best = best_precision()
        found.append(ModelInfo(config.MODEL, "local", package, origin, known, None, None, "", "", (), *best))
    return tuple(sorted(found, key=lambda info: (info.name != config.MODEL, info.name)))


def _info(model: PreparedModel) -> ModelInfo:
    said = model.description
    precision, reason = (None, "") if said.kind == "static" else model.best_precision()
    facts = (said.weights, said.dimension, said.max_tokens, said.query_prefix, said.document_prefix)
    return ModelInfo(said.name, said.kind, model.folder, said.origin, *facts, model.precisions, precision, reason)


def open_model(
    model: str | None, report: Callable[[str], None] | None = None, kind: ModelKind = "local"
) -> PreparedModel:
    """The prepared model, prepared now if it isn't yet, or is damaged, or the user's folder has changed.

    `model` is None (the default model), a folder or a hub name. `report` gets one line before slow work. Raises
    ModelError.
    """
    wanted = model_files.parse_model(model)
    home = _models_dir() / _folder_name(wanted, kind)
    prepared = load_prepared(home)
    if isinstance(prepared, PreparedModel) and _is_current(prepared, wanted):
        return prepared
    try:
        source = model_files.find_static_model(wanted) if kind == "static" else model_files.find_encoder(wanted)
    except ModelError as error:
        if isinstance(prepared, str):  # the damage is what to tell, the unreachable source only why it stays
            raise ModelError(prepared, "is damaged", f"the model can't be prepared again: {error}") from error
        raise
    if report:
        report(f"preparing {wanted.name} (once a machine) …")
    return prepare(source, home, kind)


def prepare(source: ModelFiles, home: Path, kind: ModelKind = "local") -> PreparedModel:
    """Make `home` from the source's files. Another process may do so at the same time: the first one's is kept.

    Raises ModelError where the weights aren't the expected ones, the model is of an unknown kind, or the folder can't
    be written.
    """
    from vsearch_core.embed.preparation import write_model_files  # a query needs none of it

    unfinished = home.parent / f".{home.name}.{os.getpid()}.{time.monotonic_ns()}"
    try:
        unfinished.mkdir(parents=True)
        _sweep(home.parent)
        write_model_files(kind, source, unfinished)
        _put_in_place(unfinished, home)
    except OSError as error:
        reason = f"can't be written ({error.strerror or error})"
        raise ModelError(str(home), reason, "set VSEARCH_CACHE_DIR to a folder with room for it") from error
    finally:
        for path in home.parent.glob(f"{unfinished.name}*"):
            shutil.rmtree(path, ignore_errors=True)
    prepared = load_prepared(home)
    if not isinstance(prepared, PreparedModel):
        raise ModelError(str(home), "was damaged while it was prepared", "try again")
    return prepared


def _models_dir() -> Path:
    return config.cache_dir() / "models"


def _folder_name(wanted: ModelReference, kind: ModelKind) -> str:
    """A folder name for the model; two folders of one name must not share it."""
    name = ("static--" if kind == "static" else "") + wanted.name.replace("/", "--")
    if wanted.folder is not None:
        from hashlib import sha256

        name += "-" + sha256(os.fsencode(wanted.folder)).hexdigest()[:8]
    return f"{name}.{FORMAT}"


def _is_current(prepared: PreparedModel, wanted: ModelReference) -> bool:
    """Whether a folder that the user names still holds the weights that were prepared; others don't change."""
    said = prepared.description
    return wanted.folder is None or said.stamp == stamp_of(wanted.folder / said.file)


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
    prepared = load_prepared(home)
    return prepared.description.stamp if isinstance(prepared, PreparedModel) else None


def _sweep(folder: Path) -> None:
    """Remove what preparations that were killed have left."""
    for path in folder.glob(f".*.{FORMAT}.*"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
