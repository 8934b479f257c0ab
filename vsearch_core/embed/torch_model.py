"""Finds, loads and runs a model of the sentence-transformers package; the one module that imports torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.embed import model_files
from vsearch_core.embed.model_files import ModelReference
from vsearch_core.embed.onnx.families import position_count
from vsearch_core.embed.settings import prefixes, read_json
from vsearch_core.embed.windows import Windower
from vsearch_core.errors import InputError, ModelError, first_line

PACKAGES = ("sentence_transformers", "torch")
FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # what sentence-transformers reads; never *.py
IDENTITY = ("*.safetensors", "*.bin", "modules.json", "tokenizer.json", "[0-9]_*/*")  # what decides the vectors
DIGEST = re.compile("[0-9a-f]{64}")
LONGEST = 512  # tokens, where neither the model nor its tokenizer says


def require_package() -> None:
    """Raise ModelError where the extra is not installed; nothing is imported."""
    from importlib.util import find_spec

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        reason = f"the package {missing[0].replace('_', '-')} isn't installed"
        raise ModelError("--embedder sentence-transformers", reason, "run `pip install 'vsearch[torch]'`")


@dataclass(slots=True)
class LoadedModel:
    """A model in its device's memory. `windower` cuts texts as it wants them, `model` is sentence-transformers'."""

    name: str
    identity: str
    device: str
    windower: Windower
    query_prefix: str
    document_prefix: str
    padding: int
    typed: bool
    model: Any

    def encode(self, windows: Sequence[list[int]]) -> NDArray[np.float32]:
        """The windows' unit vectors, float32 (len(windows), dimension); not finite where 16 bits overflow."""
        import torch

        longest = max(map(len, windows))
        ids = torch.full((len(windows), longest), self.padding, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = torch.tensor(window)
            mask[row, : len(window)] = 1
        features = {"input_ids": ids, "attention_mask": mask}
        if self.typed:
            features["token_type_ids"] = torch.zeros_like(ids)
        with torch.inference_mode():
            found = self.model({key: value.to(self.device) for key, value in features.items()})["sentence_embedding"]
            unit = torch.nn.functional.normalize(found.float(), dim=1)
        return np.asarray(unit.cpu().numpy(), dtype=np.float32)

    def use_float32(self) -> bool:
        """Go on with 32-bit numbers. False where it does so already."""
        import torch

        narrow = any(each.dtype == torch.float16 for each in self.model.parameters())
        self.model.float()
        return narrow

    def release_memory(self) -> None:
        """Give memory back that a batch which failed has left reserved."""
        import torch

        if self.device == "cuda":
            torch.cuda.empty_cache()
        elif self.device == "mps":
            torch.mps.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch means that the device, or the machine, has no room. MPS and the CPU say so in words only."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in words or "can't allocate memory" in words)


def choose_device(torch: Any, asked: str | None) -> str:
    """The device to use: the one asked for, else a GPU, else the CPU. Raises InputError where it isn't there."""
    there = ["cuda"] if torch.cuda.is_available() else []
    there += ["mps"] if torch.backends.mps.is_available() else []
    there += ["cpu"]
    if asked is None:
        return there[0]
    if asked not in there:
        raise InputError(f"--device {asked}", "torch finds none here", f"choose one of: {', '.join(there)}")
    return asked


def choose_dtype(torch: Any, device: str) -> Any:
    """float16 on a GPU, which does it several times as fast; float32 on a CPU, which does not."""
    return torch.float32 if device == "cpu" else torch.float16


def load_model(model: str | None, asked_device: str | None) -> LoadedModel:
    """Load the model that `--model` names. No code that comes with a model is run. Raises ModelError, InputError."""
    wanted = model_files.parse_model(model)
    folder = find_folder(wanted)
    try:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError as error:
        raise ModelError("--embedder sentence-transformers", f"can't be loaded ({error})", "reinstall it") from error
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    device = choose_device(torch, asked_device)
    try:
        # LoadedModel on the CPU, so that a model whose file is wider than it will run need not fit the GPU's memory.
        found = SentenceTransformer(str(folder), device="cpu", local_files_only=True, trust_remote_code=False)
        found = found.to(choose_dtype(torch, device)).to(device).eval()
        tokenizer = found.tokenizer
    except Exception as error:  # whatever a model's files provoke
        raise ModelError(
            f"model {wanted.name}", f"can't be loaded ({first_line(error)})", "choose another model"
        ) from error
    plain = _plain_tokenizer(wanted.name, tokenizer)
    if not hasattr(found[0], "auto_model"):
        raise ModelError(f"model {wanted.name}", f"begins with {type(found[0]).__name__}", "choose a transformer")
    query, document = prefixes(wanted.name, found.prompts)
    return LoadedModel(
        name=wanted.name,
        identity=weights_digest(folder),
        device=device,
        windower=Windower(plain, _max_tokens(found[0].auto_model.config, found.max_seq_length)),
        query_prefix=query,
        document_prefix=document,
        padding=tokenizer.pad_token_id or 0,
        typed="token_type_ids" in tokenizer.model_input_names,
        model=found,
    )


def find_folder(wanted: ModelReference) -> Path:
    """The model's folder; a model in the hub's cache is taken as it is, without asking the hub. Raises ModelError."""
    if wanted.folder is not None:
        return wanted.folder
    packaged = model_files.package_folder() if wanted.name == config.MODEL else None
    if packaged is not None:
        return packaged
    return model_files.download_unless_cached(wanted.name, FILES, _is_whole)


def _is_whole(folder: Path) -> bool:
    """Whether a snapshot has all its weights; its download may have been interrupted."""
    shards = folder / "model.safetensors.index.json"
    if shards.is_file():
        names = read_json(shards).get("weight_map", {}).values()
        return all((folder / name).is_file() for name in set(names))
    return any(folder.glob("**/*.safetensors"))


def weights_digest(folder: Path) -> str:
    """One sha256 of the files that decide the vectors."""
    from hashlib import sha256

    files = sorted({path for pattern in IDENTITY for path in folder.glob(pattern) if path.is_file()})
    lines = [f"{path.relative_to(folder).as_posix()} {_digest(path)}\n" for path in files]
    return sha256("".join(lines).encode()).hexdigest()


def _digest(path: Path) -> str:
    """The file's sha256, which the hub's cache gives its large files as their names."""
    from hashlib import file_digest

    real = path.resolve()
    if real.parent.name == "blobs" and DIGEST.fullmatch(real.name):
        return real.name
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _plain_tokenizer(name: str, tokenizer: Any) -> Any:
    """The model's tokenizer, which neither cuts nor pads. Raises ModelError where we can't look into it."""
    from tokenizers import Tokenizer

    if isinstance(tokenizer, Tokenizer):
        raise ModelError(f"model {name}", "is a static model", "use --embedder static")
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ModelError(f"model {name}", "has no fast tokenizer, by which texts are cut", "choose another model")
    plain = Tokenizer.from_str(backend.to_str())
    plain.no_truncation()
    plain.no_padding()
    return plain


def _max_tokens(shape: Any, said: int | None) -> int:
    """The longest window, special tokens included: what the model says of itself, and what its positions allow.

    `shape` is the transformer's configuration.
    """
    limits = [limit for limit in (said, position_count(shape.to_dict())) if limit and limit > 0]
    return int(min(limits, default=LONGEST))
