"""Finds, loads and runs models of the package sentence-transformers."""

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
from vsearch_core.embed.model_names import known_names
from vsearch_core.embed.onnx.families import position_count
from vsearch_core.embed.settings import prefixes, read_json
from vsearch_core.embed.tokenizer_file import check_tokenizer
from vsearch_core.embed.torch_files import refuse_code
from vsearch_core.embed.windows import Windower
from vsearch_core.errors import ArgumentError, ModelError, first_line
from vsearch_core.regular_files import open_regular

PACKAGES = ("sentence_transformers", "torch")
FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # the files that sentence-transformers reads; never *.py
IDENTITY = (
    "*.safetensors",
    "*.bin",
    "modules.json",
    "tokenizer.json",
    "[0-9]_*/*",
)  # the files that determine the vectors
DIGEST = re.compile("[0-9a-f]{64}")
DEFAULT_MAX_TOKENS = 512  # if neither the model nor its tokenizer states a limit


def require_package() -> None:
    """Raise ModelError if sentence-transformers or torch isn't installed. Neither is imported."""
    from importlib.util import find_spec

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        reason = f"the package {missing[0].replace('_', '-')} isn't installed"
        raise ModelError("embedder sentence-transformers", reason, "package-missing", extra="torch")


@dataclass(slots=True)
class LoadedModel:
    """A model that is loaded into the memory of a device.

    Attributes:
        name: The model's name.
        identity: One sha256 of the files that determine its vectors.
        device: The device, such as "cpu" or "cuda".
        windower: Splits texts into windows that the model can read.
        query_prefix: The text that is put before each query.
        document_prefix: The text that is put before each document.
        padding: The id of the padding token.
        typed: True if the model reads token types.
        model: The `SentenceTransformer` object.
    """

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
        """Return the windows' unit vectors, float32 (len(windows), dimension).

        The vectors have nan or infinite components if the model's 16-bit numbers overflow.
        """
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
            output = self.model({key: value.to(self.device) for key, value in features.items()})["sentence_embedding"]
            unit = torch.nn.functional.normalize(output.float(), dim=1)
        return np.asarray(unit.cpu().numpy(), dtype=np.float32)

    def use_float32(self) -> bool:
        """Convert the model to 32-bit numbers. Return False if it had them already."""
        import torch

        narrow = any(each.dtype == torch.float16 for each in self.model.parameters())
        self.model.float()
        return narrow

    def release_memory(self) -> None:
        """Give the GPU memory that torch keeps for reuse back to the device."""
        import torch

        if self.device == "cuda":
            torch.cuda.empty_cache()
        elif self.device == "mps":
            torch.mps.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Return True if an error of torch means that memory ran out. For MPS and the CPU, only its message shows that."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in words or "can't allocate memory" in words)


def choose_device(torch: Any, requested: str | None) -> str:
    """Return the requested device; if it is None, a GPU if there is one, or else the CPU.

    Raises ArgumentError if this machine has no such device.
    """
    available = ["cuda"] if torch.cuda.is_available() else []
    available += ["mps"] if torch.backends.mps.is_available() else []
    available += ["cpu"]
    if requested is None:
        return available[0]
    if requested not in available:
        reason = f"torch finds no {requested} on this machine"
        raise ArgumentError("device", reason, "unknown-choice", choices=", ".join(available))
    return requested


def choose_dtype(torch: Any, device: str) -> Any:
    """Return torch.float32 for a CPU and torch.float16 for a GPU, where it is several times as fast as float32."""
    return torch.float32 if device == "cpu" else torch.float16


def load_model(model: str | None, device: str | None) -> LoadedModel:
    """Load a model from a folder, or from the Hugging Face hub by its name. Code in a model's files is never run.

    Raises ModelError if the model can't be found or loaded, and ArgumentError if this machine has no such device.
    """
    reference = model_files.parse_model(model)
    folder = find_folder(reference)
    refuse_code(folder)
    try:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError as error:
        subject = "embedder sentence-transformers"
        raise ModelError(subject, f"can't be loaded ({error})", "extra-broken", extra="torch") from error
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    device = choose_device(torch, device)
    try:
        # First on the CPU, so that only the narrower numbers that it runs with need to fit the memory of a GPU.
        found = SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
        found = found.to(choose_dtype(torch, device)).to(device).eval()
        tokenizer = found.tokenizer
    except Exception as error:  # whatever a model's files provoke
        raise ModelError(f"model {reference.name}", f"can't be loaded ({first_line(error)})") from error
    plain = _plain_tokenizer(reference.name, tokenizer)
    if not hasattr(found[0], "auto_model"):
        raise ModelError(f"model {reference.name}", f"its first module is {type(found[0]).__name__}, not a transformer")
    query, document = prefixes(known_names(reference.name, folder), found.prompts)
    return LoadedModel(
        name=reference.name,
        identity=weights_digest(folder),
        device=device,
        windower=Windower(plain, _max_tokens(found[0].auto_model.config, found.max_seq_length)),
        query_prefix=query,
        document_prefix=document,
        padding=tokenizer.pad_token_id or 0,
        typed="token_type_ids" in tokenizer.model_input_names,
        model=found,
    )


def find_folder(reference: ModelReference) -> Path:
    """Return the folder of a model; download it from the Hugging Face hub if it isn't in the hub's cache.

    Raises ModelError if it can't be downloaded.
    """
    if reference.folder is not None:
        model_files.refuse_special_files(reference.folder)
        return reference.folder
    package = model_files.package_folder() if reference.name == config.MODEL else None
    if package is not None:
        return package
    return model_files.download_unless_cached(reference.name, FILES, _is_complete)


def _is_complete(folder: Path) -> bool:
    """Return True if a downloaded folder has all its weights. An interrupted download leaves some out."""
    shards = folder / "model.safetensors.index.json"
    if shards.is_file():
        names = read_json(shards).get("weight_map", {}).values()
        return all((folder / name).is_file() for name in set(names))
    return any(folder.glob("**/*.safetensors"))


def weights_digest(folder: Path) -> str:
    """Return one sha256 (in hex) of all files in a model's folder that determine its vectors."""
    from hashlib import sha256

    files = sorted({path for pattern in IDENTITY for path in folder.glob(pattern) if path.is_file()})
    lines = [f"{path.relative_to(folder).as_posix()} {_digest(path)}\n" for path in files]
    return sha256("".join(lines).encode()).hexdigest()


def _digest(path: Path) -> str:
    """Return the file's sha256, which is the name of a large file in the hub's cache."""
    from hashlib import file_digest

    real = path.resolve()
    if real.parent.name == "blobs" and DIGEST.fullmatch(real.name):
        return real.name
    with open_regular(path) as file:
        return file_digest(file, "sha256").hexdigest()


def _plain_tokenizer(name: str, tokenizer: Any) -> Any:
    """Return the model's tokenizer without truncation and padding. Raises ModelError if it isn't a fast one."""
    from tokenizers import Tokenizer

    if isinstance(tokenizer, Tokenizer):
        raise ModelError(f"model {name}", "is a static model", "is-static-model")
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ModelError(f"model {name}", "has no fast tokenizer, which is needed to split texts")
    described = backend.to_str()
    check_tokenizer(f"model {name}", described.encode())
    plain = Tokenizer.from_str(described)
    plain.no_truncation()
    plain.no_padding()
    return plain


def _max_tokens(shape: Any, own_limit: int | None) -> int:
    """Return the most tokens that the model reads at once, special tokens included.

    It is the smaller of the model's own limit and its number of positions in `shape`, the transformer's configuration.
    """
    limits = [limit for limit in (own_limit, position_count(shape.to_dict())) if limit and limit > 0]
    return int(min(limits, default=DEFAULT_MAX_TOKENS))
