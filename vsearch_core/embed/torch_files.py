"""Refuse a model's files that could make sentence-transformers or transformers run code, before they read them.

Both packages have a switch for code that comes with a model, which is off (`trust_remote_code`). This check does not
depend on their versions.
"""

import re
from pathlib import Path
from typing import Any

from vsearch_core.embed.settings import PACKAGE, module_place, read_json, read_optional
from vsearch_core.errors import ModelError
from vsearch_core.json_text import json_objects

KNOWN_MODULES = frozenset(
    ("Transformer", "Pooling", "Dense", "Normalize", "LayerNorm", "WeightedLayerPooling", "Dropout", "StaticEmbedding")
)
SETTINGS = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.h5", "*.msgpack")
ADAPTER = "adapter_config.json"  # names another model, which transformers would load
_ACTIVATION = re.compile(r"torch\.nn\.modules\.(activation|linear)\.[A-Za-z]+")


def refuse_code(folder: Path) -> None:
    """Raise ModelError if a model names code of its own, or has weights that only pickle can read."""
    places = [folder, *(folder / place for place in _module_places(folder))]
    for place in places:
        for name in SETTINGS:
            _refuse_named_code(place / name, read_optional(place / name))
        if not any(place.glob("*.safetensors")):
            pickles = sorted(path.name for pattern in PICKLES for path in place.glob(pattern))
            if pickles:
                reason = "is a pickle, which can run code; only safetensors are read"
                raise ModelError(str(place / pickles[0]), reason, "model-unsupported")
    if (folder / ADAPTER).exists():
        raise ModelError(str(folder / ADAPTER), "makes it an adapter of another model", "model-unsupported")


def _module_places(folder: Path) -> list[str]:
    """Return the folders of the model's modules, by `modules.json`. Raises ModelError for a class it may not name."""
    path = folder / "modules.json"
    places = []
    for module in read_json(path, list) if path.is_file() else ():
        name = module.get("type") if isinstance(module, dict) else None
        if not isinstance(name, str) or not name.startswith(PACKAGE) or name.rpartition(".")[2] not in KNOWN_MODULES:
            raise ModelError(str(path), f"module {name} isn't supported", "model-unsupported")
        places.append(module_place(path, module))
    return places


def _refuse_named_code(path: Path, settings: dict[str, Any]) -> None:
    for each in json_objects(settings):
        if "auto_map" in each or each.get("trust_remote_code") or "custom_pipelines" in each:
            raise ModelError(str(path), "names code of its own, which is never run", "model-unsupported")
        activations = [each[key] for key in ("activation_function", "activation_fn") if "." in str(each.get(key))]
        if any(not _ACTIVATION.fullmatch(str(name)) for name in activations):
            raise ModelError(str(path), f"activation {activations[0]} isn't supported", "model-unsupported")
