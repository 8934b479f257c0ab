"""Reads the settings in the folder of a sentence-transformers model: pooling, maximum length and prompts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeGuard

from vsearch_core.errors import ModelError
from vsearch_core.json_text import parse_json
from vsearch_core.regular_files import open_regular

Pooling = Literal["mean", "cls", "lasttoken"]

POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "lasttoken")
MODULES = ("Transformer", "Pooling", "Dense", "Normalize")  # in the order in which they may stand
ACTIVATIONS = {"Identity": "", "Tanh": "Tanh", "ReLU": "Relu"}  # torch's class: ONNX's operator, "" for none

PACKAGE = "sentence_transformers."  # of every module that a model may name
MAX_JSON_BYTES = 20_000_000
MAX_PREFIX = 10_000  # characters

DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # as sentence-transformers looks for them, the first one first

# Families whose files lack the prefixes that their model cards require: (name without owner, query, document).
E5 = ("query: ", "passage: ")
BGE = "Represent this sentence for searching relevant passages: "
FAMILIES = (
    (r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?", *E5),
    (r"bge-(small|base|large)-en(-v1\.5)?", BGE, ""),
    (r"bge-(small|base|large)-zh(-v1\.5)?", "为这个句子生成表示以用于检索相关文章：", ""),
    (r"snowflake-arctic-embed-(xs|s|m|l)(-v1\.5)?", BGE, ""),
    (r"mxbai-embed-(large|xsmall)-v1", BGE, ""),
    (r"nomic-embed-text-v1(\.5)?|modernbert-embed-base", "search_query: ", "search_document: "),
)


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer after the pooling.

    Attributes:
        weights: The file of its weights.
        inputs: The length of the vectors that it takes.
        outputs: The length of the vectors that it returns.
        bias: True if it adds a bias.
        activation: ONNX's name for its activation function; "" if it has none.
    """

    weights: Path
    inputs: int
    outputs: int
    bias: bool
    activation: str


@dataclass(frozen=True, slots=True)
class SentenceSettings:
    """The settings of a sentence-transformers model, except those of its encoder.

    Attributes:
        pooling: The way to combine the tokens' vectors: their mean, or the vector of the first ("cls") or last token.
        dense: The linear layers after the pooling.
        max_tokens: The most tokens that it reads at once, [CLS] and [SEP] included; None if the folder sets no limit.
        lower_case: True if texts are converted to lower case before the tokenizer reads them.
        query_prefix: The text that is put before each query.
        document_prefix: The text that is put before each document.
    """

    pooling: Pooling
    dense: tuple[Dense, ...]
    max_tokens: int | None
    lower_case: bool
    query_prefix: str
    document_prefix: str

    def dimension(self, hidden: int) -> int:
        """Return the embedding's dimension for an encoder whose token vectors have `hidden` components."""
        return self.dense[-1].outputs if self.dense else hidden

    @classmethod
    def read(cls, folder: Path, names: Sequence[str]) -> "SentenceSettings":
        """Read the settings of a model from its folder. `names` are those that it may be known by.

        Raises ModelError if a file is damaged or a setting is not supported.
        """
        sentence = read_optional(folder / "sentence_bert_config.json")
        prompts = read_optional(folder / "config_sentence_transformers.json").get("prompts")
        lengths = [
            sentence.get("max_seq_length"),
            read_optional(folder / "tokenizer_config.json").get("model_max_length"),
        ]
        query, document = prefixes(names, prompts if isinstance(prompts, dict) else {})
        places = _modules(folder)
        return cls(
            pooling=_pooling([folder / place for place in places["Pooling"]], prefixed=bool(query or document)),
            dense=tuple(_dense(folder / place) for place in places["Dense"]),
            max_tokens=min((int(each) for each in lengths if _is_length(each)), default=None),
            lower_case=sentence.get("do_lower_case") is True,
            query_prefix=query,
            document_prefix=document,
        )


def _is_length(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 < value < inf


def prefixes(names: Sequence[str], prompts: Mapping[str, object]) -> tuple[str, str]:
    """Return a model's prefixes: the text to put before each query, and the text to put before each document.

    `prompts` are the prompts in the model's files. If it has none, the prefixes of the first name that is that of a
    known family (such as E5) are used. Otherwise both are empty.
    """
    query = str(prompts.get("query") or "")
    document = next((str(prompts[key]) for key in DOCUMENT_PROMPTS if prompts.get(key)), "")
    if max(len(query), len(document)) > MAX_PREFIX:
        reason = f"has a prompt of more than {MAX_PREFIX:,} characters"
        raise ModelError(f"model {names[0]}", reason, "model-unsupported")
    if query or document:
        return query, document
    plain = [name.rpartition("/")[2].lower() for name in names]
    found = ((before, after) for name in plain for known, before, after in FAMILIES if re.fullmatch(known, name))
    return next(found, ("", ""))


def read_bytes(path: Path, most: int) -> bytes:
    """Return a file's bytes. Raises ModelError if it can't be read, or has more than `most` bytes."""
    try:
        with open_regular(path) as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise ModelError(str(path), f"can't be read ({error.strerror})", "model-damaged") from error
    if len(raw) > most:
        raise ModelError(str(path), f"is larger than {most // 1_000_000} MB", "model-damaged")
    return raw


def read_json(path: Path, kind: type = dict) -> Any:
    """Return the JSON value of a file. Raises ModelError if it can't be read, or isn't of the type `kind`."""
    raw = read_bytes(path, MAX_JSON_BYTES)
    try:
        value = parse_json(raw)
    except ValueError as error:
        raise ModelError(str(path), "isn't JSON", "model-damaged") from error
    if not isinstance(value, kind):
        raise ModelError(str(path), f"isn't a JSON {kind.__name__}", "model-damaged")
    return value


def read_optional(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file, or {} if there is no such file. Raises ModelError if it can't be read."""
    settings: dict[str, Any] = read_json(path) if path.is_file() else {}
    return settings


def module_place(path: Path, module: Mapping[str, Any]) -> str:
    """Return the folder of a module, relative to the model's. Raises ModelError if it is outside of the model.

    `path` is the file that lists the modules.
    """
    place = PurePosixPath(str(module.get("path", "")))
    if place.is_absolute() or ".." in place.parts:
        raise ModelError(str(path), f"names the folder {place}, outside of the model", "model-unsupported")
    return str(place)


def _modules(folder: Path) -> dict[str, list[str]]:
    """Return the folders of each kind of module, by `modules.json`. Without that file, there are no modules."""
    path = folder / "modules.json"
    modules = read_json(path, list) if path.is_file() else []
    places: dict[str, list[str]] = {kind: [] for kind in MODULES}
    before = MODULES[0]
    for module in modules:
        name = str(module["type"])
        kind = name.rpartition(".")[2]
        if kind not in places or not name.startswith(PACKAGE):
            raise ModelError(str(path), f"module {name} isn't supported", "model-unsupported")
        if MODULES.index(kind) < MODULES.index(before) or (places[kind] and kind != "Dense"):
            raise ModelError(str(path), f"module {kind} after {before} isn't supported", "model-unsupported")
        places[kind].append(module_place(path, module))
        before = kind
    return places


def _pooling(folders: list[Path], *, prefixed: bool) -> Pooling:
    """Return the pooling module's mode, or mean if there is no such module."""
    if not folders:
        return "mean"
    path = folders[0] / "config.json"
    settings = read_json(path)
    if prefixed and settings.get("include_prompt") is False:
        raise ModelError(str(path), "leaving the prompt out of the pooling isn't supported", "model-unsupported")
    # Before version 6, sentence-transformers wrote a truth value for every mode.
    named = [key for key, value in settings.items() if key.startswith("pooling_mode_") and value is True]
    modes = [key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token") for key in named]
    said = settings.get("pooling_mode", modes[0] if len(modes) == 1 else modes or "mean")
    for known in POOLINGS:
        if said == known:
            return known
    raise ModelError(str(path), f"pooling by {said} isn't supported, only {', '.join(POOLINGS)}", "model-unsupported")


def _dense(folder: Path) -> Dense:
    path = folder / "config.json"
    said = read_json(path)
    activation = str(said.get("activation_function", "torch.nn.modules.activation.Tanh")).rpartition(".")[2]
    if activation not in ACTIVATIONS:
        raise ModelError(str(path), f"activation {activation} isn't supported", "model-unsupported")
    ends = {said.get(f"module_{end}_name") or "sentence_embedding" for end in ("input", "output")}
    if said.get("use_residual") or ends != {"sentence_embedding"}:
        reason = "only dense layers after the pooling, without a residual connection, are supported"
        raise ModelError(str(path), reason, "model-unsupported")
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(str(weights), "is missing", "model-unsupported")
    try:
        inputs, outputs = int(said["in_features"]), int(said["out_features"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            str(path), f"is not the configuration of a linear layer ({error})", "model-unsupported"
        ) from error
    return Dense(weights, inputs, outputs, said.get("bias", True) is True, ACTIVATIONS[activation])
