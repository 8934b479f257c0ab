"""Runs a prepared int8 encoder by kernels of our own, which takes about half the time of ONNX Runtime.

The weights are read from the graph that `onnx.encoder` wrote, so both have the same codes. The results differ by
rounding: kernels quantise each token with a scale of its own, and attention to 8 bits, too.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core import kernel_cache
from vsearch_core.own_files import open_file

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from vsearch_core.kernels.encoder import EncoderWeights

HEAD_SIZES = (32, 64)
MULTIPLE = 64  # of the hidden and the inner size: AMX sums 64 products at once
PRODUCTS = 4  # a layer: query, key and value; the output of attention; inner; outer
NORMS = 2  # a layer


@dataclass(frozen=True, slots=True)
class _Shape:
    """The numbers that an encoder's kernels need besides its weights."""

    layers: int
    heads: int
    hidden: int
    inner: int
    epsilon: float


class CompiledEncoder:
    """An encoder with its weights in memory. Many threads may use it at once."""

    def __init__(self, weights: "EncoderWeights", shape: _Shape, *, is_mean: bool, max_tokens: int) -> None:
        """Use weights that `read_encoder` has read. A window's vector is the mean of its tokens', or the first one."""
        self._is_mean = is_mean
        self._weights = weights
        self._shape = shape
        self._max_tokens = max_tokens
        self._threads = local()

    def load(self) -> None:
        """Compile the kernels, or load them from the cache."""

        def loader() -> None:
            self._encode(np.zeros(1, np.int64))

        kernel_cache.load(loader)

    def run(self, window: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the unit vector (dimension,) of a window (1, tokens), and those of its tokens, (tokens, dimension).

        Raises IndexError if the model has no such token.
        """
        tokens = self._encode(window[0])
        pooled = tokens.mean(axis=0) if self._is_mean else tokens[0]
        return pooled / np.linalg.norm(pooled), tokens

    def _encode(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        from vsearch_core.kernels.encoder import addresses, encode, new_memory

        shape, weights = self._shape, self._weights
        if ids.min() < 0 or ids.max() >= len(weights.words) or len(ids) > self._max_tokens:
            raise IndexError(f"{len(ids)} tokens up to {ids.max()}, of {len(weights.words)} that the model knows")
        own = self._threads
        if not hasattr(own, "memory"):
            own.memory = new_memory(self._max_tokens, shape.hidden, shape.inner, shape.heads)
            own.addresses = addresses(own.memory)
        out = np.empty((len(ids), shape.hidden), np.float32)
        sizes = shape.layers, shape.heads, shape.hidden, shape.inner
        shapes = self._tile_shapes.ctypes.data
        encode(ids, self._addresses, own.addresses, shapes, sizes, shape.epsilon, self._tiles, out.ctypes.data)
        return out

    @cached_property
    def _addresses(self) -> "EncoderWeights":
        from vsearch_core.kernels.encoder import addresses

        return addresses(self._weights)  # type: ignore[no-any-return]

    @cached_property
    def _tiles(self) -> bool:
        from vsearch_core.kernels.encoder_steps import tiles_allowed

        return tiles_allowed()

    @cached_property
    def _tile_shapes(self) -> NDArray[np.uint8]:
        from vsearch_core.kernels.encoder_steps import tile_shapes

        return np.concatenate([tile_shapes(self._shape.hidden // self._shape.heads), tile_shapes(MULTIPLE)])


def read_encoder(graph: Path, pooling: str, max_tokens: int) -> CompiledEncoder | None:
    """Read an encoder from its int8 graph, or return None if the kernels can't run it on this machine.

    They can if the CPU has AVX-512 with VNNI, and the model has absolute positions, sizes that suit the instructions,
    arrays that fit together, and a vector that is the mean or the first of its tokens' vectors. Raises OSError and
    onnx's errors.
    """
    from vsearch_core.kernels.encoder_steps import HAS_VNNI

    if not HAS_VNNI or pooling not in ("mean", "cls"):
        return None
    import onnx

    with open_file(graph, "rb") as file:
        model = onnx.ModelProto.FromString(file.read())
    nodes = _Nodes.of(model, graph.with_suffix(".bin"))
    shape = nodes.shape()
    if shape is None:
        return None
    weights = nodes.weights(shape)
    if not _fits(weights, shape, max_tokens):
        return None
    return CompiledEncoder(weights, shape, is_mean=pooling == "mean", max_tokens=max_tokens)


def _fits(weights: "EncoderWeights", shape: _Shape, max_tokens: int) -> bool:
    """Return True if the arrays have the types and sizes that the kernels expect, which check no bounds."""
    hidden, inner, layers = shape.hidden, shape.inner, shape.layers
    columns, depth = 3 * hidden + hidden + inner + hidden, 3 * hidden + inner  # of a layer's matrices together
    sizes = {
        "words": (np.int8, len(weights.word_scales) * hidden),
        "word_scales": (np.float32, len(weights.words)),
        "norm": (np.float32, 2 * hidden),
        "codes": (np.int8, layers * (4 * hidden * hidden + 2 * hidden * inner)),
        "excess": (np.int32, layers * columns),
        "numbers": (np.float32, layers * (depth + 2 * columns + NORMS * 2 * hidden)),
    }
    arrays = weights._asdict()
    fit = all((arrays[name].dtype, arrays[name].size) == expected for name, expected in sizes.items())
    positions = weights.positions
    return fit and positions.dtype == np.float32 and 1 <= max_tokens <= len(positions) and positions.shape[1] == hidden


@dataclass(frozen=True, slots=True)
class _Nodes:
    """The nodes of a graph and its constants by name."""

    nodes: "list[NodeProto]"
    constants: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, model: "ModelProto", data: Path) -> "_Nodes":
        import onnx

        with open_file(data, "rb") as file:
            values = np.frombuffer(file.read(), np.uint8)
        constants: dict[str, NDArray[Any]] = {}
        for tensor in model.graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                entry = {each.key: each.value for each in tensor.external_data}
                start = int(entry["offset"])
                flat = values[start : start + int(entry["length"])]
                kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
                constants[tensor.name] = flat.view(kind).reshape(tensor.dims)
        return cls(list(model.graph.node), constants)

    def _of_kind(self, kind: str) -> "list[NodeProto]":
        return [node for node in self.nodes if node.op_type == kind]

    def _attribute(self, node: "NodeProto", name: str) -> Any:
        import onnx

        return next(onnx.helper.get_attribute_value(each) for each in node.attribute if each.name == name)

    def shape(self) -> _Shape | None:
        """Return the encoder's shape, or None if the kernels can't run the graph."""
        attention, products = self._of_kind("MultiHeadAttention"), self._of_kind("DynamicQuantizeMatMul")
        norms, layers = self._of_kind("LayerNormalization"), len(attention)
        whole = len(products) == PRODUCTS * layers and len(norms) == NORMS * layers + 1 and len(self._gelus()) == layers
        if not layers or not whole or self._of_kind("Gemm") or any(len(node.input) > 3 for node in attention):
            return None  # the last two: layers after the encoder, and biases by distance
        hidden = len(self.constants[norms[0].input[1]])
        inner, heads = self.constants[products[2].input[1]].shape[1], self._attribute(attention[0], "num_heads")
        if hidden % MULTIPLE or inner % MULTIPLE or hidden / heads not in HEAD_SIZES:
            return None
        return _Shape(layers, heads, hidden, inner, self._attribute(norms[0], "epsilon"))

    def _gelus(self) -> "list[NodeProto]":
        return self._of_kind("Gelu")

    def weights(self, shape: _Shape) -> "EncoderWeights":
        """Return the weights in the order that the kernels read them."""
        from vsearch_core.kernels.encoder import EncoderWeights, pack_columns
        from vsearch_core.kernels.encoder_steps import OFFSET, gelu_coefficients

        by_output = {node.output[0]: node for node in self.nodes}
        products, norms = self._of_kind("DynamicQuantizeMatMul"), self._of_kind("LayerNormalization")
        codes, excess, numbers = [], [], []
        for number, product in enumerate(products):
            matrix = self.constants[product.input[1]]
            codes.append(pack_columns(matrix))
            excess.append(matrix.sum(axis=0, dtype=np.int32) * OFFSET)
            factors = self.constants[by_output[product.input[0]].input[1]]
            numbers += [factors, self.constants[product.input[2]], self.constants[product.input[4]]]
            if number % NORMS:
                numbers += self._norm(norms[1 + number // NORMS])
        words, scales = (self.constants[node.input[0]] for node in self._of_kind("Gather")[:2])
        positions = self.constants[self._of_kind("Slice")[0].input[0]]
        tanh = self._attribute(self._gelus()[0], "approximate") == b"tanh"
        return EncoderWeights(
            words=words.copy(),
            word_scales=scales.reshape(-1).copy(),
            positions=positions.copy(),
            norm=np.concatenate(list(self._norm(norms[0]))),
            codes=np.concatenate(codes),
            excess=np.concatenate(excess),
            numbers=np.concatenate(numbers),
            gelu=gelu_coefficients(_tanh_share if tanh else _erf_share),
        )

    def _norm(self, node: "NodeProto") -> Iterator[NDArray[np.float32]]:
        return (self.constants[name] for name in node.input[1:3])


def _erf_share(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def _tanh_share(x: float) -> float:
    return 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
