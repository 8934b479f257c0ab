"""The families of encoders that we write as ONNX graphs: BERT, and those that differ from it by little but names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsearch_core.embed.settings import read_json
from vsearch_core.errors import ModelError

GELU = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}  # config.json's name: ONNX's approximation


@dataclass(frozen=True, slots=True)
class Family:
    """What a family calls the parts of a layer, and how it differs.

    `typed`: there are token types, of which all ours are 0. `padded`: position 0 is in the row after the padding
    token's. `relative`: attention is biased by the distance of two tokens. `keys` are config.json's words for the
    hidden size, the layers, the heads and the activation; `epsilon` stands where config.json has no layer_norm_eps.
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
    """What decides the shape of the graph. `max_positions` counts the tokens that a text may have.

    `first_position` is the row of the position table that belongs to the first token, `gelu` ONNX's approximation.
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
        """From `folder/config.json`. Raises ModelError, which names what this writer doesn't know."""
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
                str(path), f"not the configuration of an encoder ({error})", "model-unsupported"
            ) from error
        if min(config.hidden, config.layers, config.heads, config.max_positions) < 1 or config.hidden % config.heads:
            raise ModelError(
                str(path), f"{hidden} {config.hidden} can't be shared by {config.heads} heads", "model-unsupported"
            )
        return config


def position_count(raw: Mapping[str, Any]) -> int | None:
    """How many tokens a model has positions for, by its config.json; None where that says nothing."""
    positions = raw.get("max_position_embeddings")
    if not isinstance(positions, int):
        return None
    family = FAMILIES.get(str(raw.get("model_type")), BERT)
    return positions - _first_position(family, raw)


def _first_position(family: Family, raw: Mapping[str, Any]) -> int:
    padding = raw.get("pad_token_id")
    return int(DEFAULT_PADDING if padding is None else padding) + 1 if family.padded else 0


def unsupported_feature(raw: Mapping[str, Any]) -> str | None:
    """What a config.json has that this writer doesn't know; None where it knows all."""
    family = FAMILIES.get(str(raw.get("model_type", "bert")))
    if family is None:
        return f"model_type is {raw['model_type']!r}, only {', '.join(FAMILIES)} are known"
    activation = raw.get(family.keys[3], "gelu")
    if activation not in GELU:
        return f"{family.keys[3]} is {activation!r}, only {', '.join(GELU)} are known"
    positions = raw.get("position_embedding_type", "absolute")
    if positions != "absolute":
        return f"position_embedding_type is {positions!r}, only 'absolute' is known"
    return "it is a decoder" if raw.get("is_decoder") else None
