"""Writes a BERT-family sentence encoder as an ONNX graph, from `config.json` and `model.safetensors`.

The graph takes one text's tokens, `input_ids` int64 (1, tokens), and gives its `embedding` float32 (1, dimension),
pooled and of unit length. It has no attention mask because a run holds one window and so no padding: measured on two
cores, one unpadded window a thread is 1.4 times as fast as padded batches, and a vector then can't depend on its
neighbours, not even through the int8 range that a batch would share.

The nodes are the ones that ONNX Runtime's fusion passes would arrive at, so that a session opens without any
optimisation, except for SkipLayerNormalization, which is nine times as slow as Add and LayerNormalization.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.quantize import quantize_rows, smoothing
from vsearch_core.embed.settings import FETCH_AGAIN, NEXT_STEP, Pooling, read_json
from vsearch_core.errors import ModelError

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators
OPSET = 20  # the first with Gelu
IR_VERSION = 9
ALIGNMENT = 4096  # bytes; a page, so that ONNX Runtime can map each tensor of the data file


@dataclass(frozen=True, slots=True)
class BertConfig:
    """What decides the shape of the graph."""

    hidden: int
    layers: int
    heads: int
    max_positions: int
    epsilon: float

    @classmethod
    def read(cls, folder: Path) -> "BertConfig":
        """From `folder/config.json`. Raises ModelError, which names what this writer doesn't know."""
        path = folder / "config.json"
        raw = read_json(path)
        required = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
        for key, known in required.items():
            if raw.get(key, known) != known:
                raise ModelError(str(path), f"{key} is {raw[key]!r}, only {known!r} is known", NEXT_STEP)
        try:
            config = cls(
                hidden=int(raw["hidden_size"]),
                layers=int(raw["num_hidden_layers"]),
                heads=int(raw["num_attention_heads"]),
                max_positions=int(raw["max_position_embeddings"]),
                epsilon=float(raw.get("layer_norm_eps", 1e-12)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(str(path), f"not the configuration of a BERT encoder ({error})", NEXT_STEP) from error
        if min(config.hidden, config.layers, config.heads) < 1 or config.hidden % config.heads:
            raise ModelError(
                str(path), f"hidden_size {config.hidden} can't be shared by {config.heads} heads", NEXT_STEP
            )
        return config


def write_encoder(
    folder: Path, target: Path, pooling: Pooling, largest_inputs: Sequence[NDArray[np.float32]] | None = None
) -> None:
    """Write `target` (the graph) and, beside it, `target` with the suffix .bin (the numbers, which a session maps).

    fp32, or int8 where `largest_inputs` of the fp32 graph are given: each column of a weight matrix, and each row of
    the word embeddings, then is 8-bit integers with a float32 scale. Raises ModelError where the model in `folder` is
    of another kind or a tensor is missing.
    """
    config = BertConfig.read(folder)
    source = folder / "model.safetensors"
    with _open_weights(source) as tensors, target.with_suffix(".bin").open("wb") as data:
        graph = _Graph(data, target.with_suffix(".bin").name, largest_inputs)
        _add_encoder(graph, config, _Weights(source, tensors), pooling)
        graph.save(target, config.hidden)


class _Weights:
    """The model's tensors by their names, read one at a time."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file
        self._names = set(file.keys())
        # A checkpoint of a model with a head puts the encoder under "bert.".
        self._prefix = "" if "embeddings.word_embeddings.weight" in self._names else "bert."

    def __call__(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The tensor; a length -1 in `shape` stands for any."""
        full = self._prefix + name
        if full not in self._names:
            raise ModelError(str(self._path), f"has no tensor {name!r}", NEXT_STEP)
        try:
            tensor = np.asarray(self._file.get_tensor(full)).astype(np.float32, copy=False)
        except (TypeError, ValueError) as error:  # bfloat16, which numpy doesn't have
            raise ModelError(str(self._path), f"{name!r} has a type that can't be read", NEXT_STEP) from error
        fits = len(tensor.shape) == len(shape) and all(w in (-1, g) for w, g in zip(shape, tensor.shape, strict=True))
        if not fits:
            raise ModelError(str(self._path), f"{name!r} has shape {tensor.shape}, not {shape}", NEXT_STEP)
        return tensor


def _open_weights(path: Path) -> Any:
    """safetensors' reader, to be used in a `with`."""
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="numpy")
    except (OSError, SafetensorError) as error:
        raise ModelError(str(path), f"can't be read ({error})", FETCH_AGAIN) from error


class _Graph:
    """Nodes and constants in the making. A method that adds a node returns the name of what it computes."""

    def __init__(self, data: BinaryIO, location: str, largest_inputs: Sequence[NDArray[np.float32]] | None) -> None:
        self._data = data
        self._location = location
        self._int8 = largest_inputs is not None
        self._largest_inputs = iter(largest_inputs or ())  # one for each product, in order
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def constant(self, values: NDArray[Any]) -> str:
        """A constant whose numbers go to the data file, each tensor from a page's start on."""
        import onnx

        tensor = onnx.TensorProto(
            name=f"constant_{len(self._constants)}",
            data_type=onnx.helper.np_dtype_to_tensor_dtype(values.dtype),
            dims=values.shape,
            data_location=onnx.TensorProto.EXTERNAL,
        )
        self._data.write(bytes(-self._data.tell() % ALIGNMENT))
        entries = {"location": self._location, "offset": self._data.tell(), "length": values.nbytes}
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=str(value))
        self._data.write(np.ascontiguousarray(values).tobytes())
        self._constants.append(tensor)
        return str(tensor.name)

    def index(self, *values: int) -> str:
        """A small int64 constant, kept in the graph itself because shapes are worked out from it."""
        from onnx import numpy_helper

        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def nodes(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> list[str]:
        from onnx import helper

        names = [f"{kind}_{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, names[0], domain=domain, **attributes))
        return names

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        return self.nodes(kind, *inputs, domain=domain, **attributes)[0]

    def linear(self, source: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """source (…, inputs) · weight (outputs, inputs)ᵀ + bias (outputs,)."""
        if not self._int8:
            product = self.node("MatMul", source, self.constant(weight.T))
            return self.node("Add", product, self.constant(bias))
        factors = smoothing(next(self._largest_inputs), weight)
        source = self.node("Mul", source, self.constant(1 / factors))
        codes, scales = quantize_rows(weight * factors)
        constants = self.constant(codes.T), self.constant(scales), "", self.constant(bias)  # "": the zero point is 0
        return self.node("DynamicQuantizeMatMul", source, *constants, domain=MICROSOFT)

    def lookup(self, table: NDArray[np.float32], rows: str) -> str:
        """table[rows]."""
        if not self._int8:
            return self.node("Gather", self.constant(table), rows)
        codes, scales = quantize_rows(table)
        values = self.node("Cast", self.node("Gather", self.constant(codes), rows), to=1)  # 1: float32
        return self.node("Mul", values, self.node("Gather", self.constant(scales[:, None]), rows))

    def save(self, target: Path, dimension: int) -> None:
        """Write the graph; its last node's value is the embedding."""
        import onnx
        from onnx import TensorProto, helper

        self._nodes[-1].output[0] = "embedding"
        source = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])
        result = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, dimension])
        graph = helper.make_graph(self._nodes, "encoder", [source], [result], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="vsearch")
        target.write_bytes(onnx.ModelProto.SerializeToString(model))


def _add_encoder(graph: _Graph, config: BertConfig, weights: _Weights, pooling: Pooling) -> None:
    hidden = _add_embeddings(graph, config, weights)
    for layer in range(config.layers):
        prefix = f"encoder.layer.{layer}."
        attended = _add_attention(graph, config, weights, prefix + "attention.", hidden)
        hidden = _add_feed_forward(graph, config, weights, prefix, attended)
    if pooling == "mean":
        pooled = graph.node("ReduceMean", hidden, graph.index(1), keepdims=0)
    else:
        pooled = graph.node("Squeeze", graph.node("Gather", hidden, graph.index(0), axis=1), graph.index(1))
    graph.node("LpNormalization", pooled, axis=-1, p=2)


def _add_embeddings(graph: _Graph, config: BertConfig, weights: _Weights) -> str:
    words = graph.lookup(weights("embeddings.word_embeddings.weight", (-1, config.hidden)), "input_ids")
    # All tokens are of type 0, so that type's row is part of every position's.
    positions = weights("embeddings.position_embeddings.weight", (config.max_positions, config.hidden))
    table = graph.constant(positions + weights("embeddings.token_type_embeddings.weight", (-1, config.hidden))[0])
    length = graph.node("Shape", "input_ids", start=1, end=2)
    used = graph.node("Slice", table, graph.index(0), length, graph.index(0))
    return _add_norm(graph, config, weights, "embeddings.LayerNorm", graph.node("Add", words, used))


def _add_attention(graph: _Graph, config: BertConfig, weights: _Weights, prefix: str, source: str) -> str:
    size = config.hidden
    parts = [f"{prefix}self.{part}" for part in ("query", "key", "value")]
    # One product for all three: the source is then quantised once.
    weight = np.concatenate([weights(f"{part}.weight", (size, size)) for part in parts])
    bias = np.concatenate([weights(f"{part}.bias", (size,)) for part in parts])
    split = graph.nodes("Split", graph.linear(source, weight, bias), outputs=3, axis=-1, num_outputs=3)
    mixed = graph.node("MultiHeadAttention", *split, domain=MICROSOFT, num_heads=config.heads)
    name = f"{prefix}output.dense"
    result = graph.linear(mixed, weights(f"{name}.weight", (size, size)), weights(f"{name}.bias", (size,)))
    return _add_norm(graph, config, weights, f"{prefix}output.LayerNorm", graph.node("Add", result, source))


def _add_feed_forward(graph: _Graph, config: BertConfig, weights: _Weights, prefix: str, source: str) -> str:
    size = config.hidden
    inner_weight = weights(f"{prefix}intermediate.dense.weight", (-1, size))
    inner_bias = weights(f"{prefix}intermediate.dense.bias", (len(inner_weight),))
    inner = graph.node("Gelu", graph.linear(source, inner_weight, inner_bias))
    outer = weights(f"{prefix}output.dense.weight", (size, len(inner_weight)))
    result = graph.linear(inner, outer, weights(f"{prefix}output.dense.bias", (size,)))
    return _add_norm(graph, config, weights, f"{prefix}output.LayerNorm", graph.node("Add", result, source))


def _add_norm(graph: _Graph, config: BertConfig, weights: _Weights, prefix: str, source: str) -> str:
    scale = graph.constant(weights(f"{prefix}.weight", (config.hidden,)))
    shift = graph.constant(weights(f"{prefix}.bias", (config.hidden,)))
    return graph.node("LayerNormalization", source, scale, shift, epsilon=config.epsilon)
