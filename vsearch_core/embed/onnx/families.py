"""The families of encoders that we write as ONNX graphs: BERT, and those that hardly differ but in names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsearch_core.embed.settings import read_json
from vsearch_core.errors import ModelError

GELU = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}  # config.json's name: ONNX's approximation


@dataclass(frozen=True, slots=True)
class Family:
    """A family's names for the parts of a layer, and its differences from BERT.

    Attributes:
        typed: True if there are token types; ours are all 0.
        padded: True if the position table begins with rows for the padding.
        relative: True if attention is biased by the distance of two tokens.
        keys: The keys in config.json of the hidden size, the layers, the heads and the activation.
        epsilon: Used if config.json has no layer_norm_eps.
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
    """The settings that decide the shape of the graph.

    Attributes:
        family: The model's family.
        hidden: The length of a token's vector.
        layers: The number of layers.
        heads: The number of attention heads.
        max_positions: The most tokens of a text.
        first_position: The row of the position table for the first token.
        gelu: The approximation of Gelu, by ONNX's name.
        epsilon: Added to the variance by layer normalisation.
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
        """Read `folder/config.json`. Raises ModelError, which names an unsupported setting."""
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
                str(path), f"{hidden} {config.hidden} can't be shared by {config.heads} heads", "model-unsupported"
            )
        return config


def position_count(raw: Mapping[str, Any]) -> int | None:
    """Return the maximum number of tokens that the model has positions for, or None if its config.json has none."""
    positions = raw.get("max_position_embeddings")
    if not isinstance(positions, int):
        return None
    family = FAMILIES.get(str(raw.get("model_type")), BERT)
    return positions - _first_position(family, raw)


def _first_position(family: Family, raw: Mapping[str, Any]) -> int:
    padding = raw.get("pad_token_id")
    return int(DEFAULT_PADDING if padding is None else padding) + 1 if family.padded else 0


def unsupported_feature(raw: Mapping[str, Any]) -> str | None:
    """Return a reason why no graph can be written for this config.json, or None if one can."""
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
