"""What a sentence-transformers model folder says beside its weights: pooling, length limit, prompts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vsearch_core.errors import ModelError

Pooling = Literal["mean", "cls"]

KNOWN_MODULES = {"Transformer", "Pooling", "Normalize"}
NEXT_STEP = "choose another model with --model"
FETCH_AGAIN = "fetch the model again"


@dataclass(frozen=True, slots=True)
class SentenceSettings:
    """`max_tokens` counts [CLS] and [SEP]; it is None where the folder sets no limit. The prefixes go before a text."""

    pooling: Pooling
    max_tokens: int | None
    query_prefix: str
    document_prefix: str

    @classmethod
    def read(cls, folder: Path) -> "SentenceSettings":
        """Raises ModelError, which names what isn't known."""
        prompts = _optional(folder / "config_sentence_transformers.json").get("prompts") or {}
        lengths = [
            _optional(folder / "sentence_bert_config.json").get("max_seq_length"),
            _optional(folder / "tokenizer_config.json").get("model_max_length"),
        ]
        return cls(
            pooling=_pooling(folder),
            max_tokens=min((int(each) for each in lengths if isinstance(each, int | float) and each > 0), default=None),
            query_prefix=str(prompts.get("query") or ""),
            document_prefix=str(prompts.get("document") or prompts.get("passage") or ""),
        )


def read_json(path: Path, kind: type = dict) -> Any:
    """The JSON value, of that kind. Raises ModelError where the file can't be read or holds something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(str(path), f"can't be read ({error.strerror})", FETCH_AGAIN) from error
    except ValueError as error:
        raise ModelError(str(path), "isn't JSON", FETCH_AGAIN) from error
    if not isinstance(value, kind):
        raise ModelError(str(path), f"isn't a JSON {kind.__name__}", FETCH_AGAIN)
    return value


def _optional(path: Path) -> dict[str, Any]:
    settings: dict[str, Any] = read_json(path) if path.is_file() else {}
    return settings


def _pooling(folder: Path) -> Pooling:
    """As `modules.json` and the pooling module's settings say; mean where there are none, as is the custom."""
    path = folder / "modules.json"
    modules = read_json(path, list) if path.is_file() else []
    places = {str(module["type"]).rpartition(".")[2]: str(module.get("path", "")) for module in modules}
    if unknown := sorted(places.keys() - KNOWN_MODULES):
        raise ModelError(str(path), f"module {unknown[0]} isn't known", NEXT_STEP)
    if "Pooling" not in places:
        return "mean"
    path = folder / places["Pooling"] / "config.json"
    settings = read_json(path)
    # Before version 6, sentence-transformers wrote a truth value for every mode.
    modes = [key for key, value in settings.items() if key.startswith("pooling_mode_") and value is True]
    match settings.get("pooling_mode", modes):
        case "mean" | ["pooling_mode_mean_tokens"]:
            return "mean"
        case "cls" | ["pooling_mode_cls_token"]:
            return "cls"
        case other:
            raise ModelError(str(path), f"only mean and cls pooling are known, not {other}", NEXT_STEP)
