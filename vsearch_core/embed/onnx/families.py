"""The families of encoders that can be written as ONNX graphs: BERT, and models that differ from it mainly in names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsearch_core.embed.settings import read_json
from vsearch_core.errors import ModelError

GELU = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}  # config.json's name: ONNX's approximation


@dataclass(frozen=True, slots=True)
class Family:
    """A family's names for the tensors of a layer, and its differences from BERT.

    The attributes `layers` to `outer_norm` are the names of tensors in the model's file.

    Attributes:
        typed: True if the model reads token types; every token gets type 0.
        padded: True if the position table begins with rows for padding.
        relative: True if attention has a bias that depends on the distance of two tokens.
        keys: The names in config.json for the hidden size, the number of layers, the number of heads and the activation
            function, in this order.
        epsilon: The value of layer_norm_eps if config.json has none.
    """

    layers: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    mixed: str = "attention.output.dense"
    mixed_norm: str = "attention.output.LayerNorm"
    inner: str = "intermediate.dense"
    outer: str = "output.dense"
    outer_norm: str = "output.LayerNorm"
    typed: bool = True
    padded: bool = False
    relative: bool = False
    keys: tuple[str, str, str, str] = ("hidden_size", "num_hidden_layers", "num_attention_heads", "hidden_act")
    epsilon: float = 1e-12


BERT = Family()
ROBERTA = Family(padded=True, epsilon=1e-5)
MPNET = Family(
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    mixed="attention.attn.o",
    mixed_norm="attention.LayerNorm",
    typed=False,
    padded=True,
    relative=True,
)
DISTILBERT = Family(
    layers="transformer.layer",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    mixed="attention.out_lin",
    mixed_norm="sa_layer_norm",
    inner="ffn.lin1",
    outer="ffn.lin2",
    outer_norm="output_layer_norm",
    typed=False,
    keys=("dim", "n_layers", "n_heads", "activation"),
)
FAMILIES = {
    "bert": BERT,
    "camembert": ROBERTA,
    "distilbert": DISTILBERT,
    "mpnet": MPNET,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
}
DEFAULT_PADDING = 1  # the padding token's id where config.json doesn't say, in every family with `padded`


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The settings in config.json that determine an encoder's graph.

    Attributes:
        family: The model's family.
        hidden: The length of a token's vector.
        layers: The number of layers.
        heads: The number of attention heads.
        max_positions: The most tokens that the model reads at once.
        first_position: The row of the position table for the first token.
        gelu: ONNX's name for the approximation of Gelu: "none" or "tanh".
        epsilon: The number that layer normalisation adds to the variance.
    """

    family: Family
    hidden: int
    layers: int
    heads: int
    max_positions: int
    first_position: int
    gelu: str
    epsilon: float

    @classmethod
    def read(cls, folder: Path) -> "EncoderConfig":
        """Read `folder/config.json`. Raises ModelError if a setting is missing or not supported."""
        path = folder / "config.json"
        raw = read_json(path)
        if reason := unsupported_feature(raw):
            raise ModelError(str(path), reason, "model-unsupported")
        family = FAMILIES[raw.get("model_type", "bert")]
        hidden, layers, heads, activation = family.keys
        try:
            first = _first_position(family, raw)
            config = cls(
                family=family,
                hidden=int(raw[hidden]),
                layers=int(raw[layers]),
                heads=int(raw[heads]),
                max_positions=int(raw["max_position_embeddings"]) - first,
                first_position=first,
                gelu=GELU[raw.get(activation, "gelu")],
                epsilon=float(raw.get("layer_norm_eps", family.epsilon)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                str(path), f"is not the configuration of a supported encoder ({error})", "model-unsupported"
            ) from error
        if min(config.hidden, config.layers, config.heads, config.max_positions) < 1 or config.hidden % config.heads:
            raise ModelError(
                str(path), f"{hidden} {config.hidden} can't be divided by {config.heads} heads", "model-unsupported"
            )
        return config


def position_count(raw: Mapping[str, Any]) -> int | None:
    """Return the most tokens that a model with this config.json can read at once, or None if it states no limit."""
    positions = raw.get("max_position_embeddings")
    if not isinstance(positions, int):
        return None
    family = FAMILIES.get(str(raw.get("model_type")), BERT)
    return positions - _first_position(family, raw)


def _first_position(family: Family, raw: Mapping[str, Any]) -> int:
    padding = raw.get("pad_token_id")
    return int(DEFAULT_PADDING if padding is None else padding) + 1 if family.padded else 0


def unsupported_feature(raw: Mapping[str, Any]) -> str | None:
    """Return the reason why no graph can be written for a model with this config.json, or None if one can."""
    family = FAMILIES.get(str(raw.get("model_type", "bert")))
    if family is None:
        return f"model_type is {raw['model_type']!r}, only {', '.join(FAMILIES)} are supported"
    activation = raw.get(family.keys[3], "gelu")
    if activation not in GELU:
        return f"{family.keys[3]} is {activation!r}, only {', '.join(GELU)} are supported"
    positions = raw.get("position_embedding_type", "absolute")
    if positions != "absolute":
        return f"position_embedding_type is {positions!r}, only 'absolute' is supported"
    return "it is a decoder" if raw.get("is_decoder") else None
