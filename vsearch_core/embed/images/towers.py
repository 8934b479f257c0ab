"""Writes the two transformers of CLIP and SigLIP as ONNX graphs, from `model.safetensors`.

The graph for texts has the input `input_ids`, int64 (1, tokens). That for pictures has `pixels`, float32 (1, 3, height,
width). The output of both is `embedding`, float32 (1, dimension), of unit length. Sources: Radford et al., "Learning
Transferable Visual Models From Natural Language Supervision", ICML 2021; Zhai et al., "Sigmoid Loss for Language Image
Pre-Training", ICCV 2023; and their code in the package transformers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.images.settings import CLIP, ImageModelConfig, TowerConfig
from vsearch_core.embed.onnx.graph import MICROSOFT, GraphBuilder, GraphInput
from vsearch_core.embed.onnx.head import add_norm
from vsearch_core.embed.tensors import TensorReader, open_weights
from vsearch_core.errors import ModelError
from vsearch_core.own_files import open_file

PIXELS = "pixels"  # the input of the graph for pictures
_FLOAT = 1  # ONNX's number of float32
_ANCHOR = "text_model.embeddings.token_embedding.weight"


def write_towers(weights: Path, config: ImageModelConfig, texts: Path, pictures: Path) -> int:
    """Write the graph for texts and that for pictures, and their weights to files with the suffix .bin beside them.

    `weights` is the model's safetensors file. Return the dimension of the vectors. Raises ModelError if the file lacks
    a tensor.
    """
    is_clip = config.family == CLIP
    with open_weights(weights) as tensors:
        reader = TensorReader(weights, tensors, _ANCHOR)
        with _graph(texts) as graph:
            tower = _Tower(graph, config.texts, reader, "text_model.")
            dimension = tower.add_clip_text(config.end) if is_clip else tower.add_siglip_text()
            graph.save(texts, dimension)
        with _graph(pictures) as graph:
            tower = _Tower(graph, config.pictures, reader, "vision_model.")
            found = tower.add_clip_picture() if is_clip else tower.add_siglip_picture()
            side = config.pictures.positions * config.pictures.patch
            graph.save(pictures, found, GraphInput(PIXELS, _FLOAT, (1, 3, side, side)))
    if found != dimension:
        reason = f"gives texts {dimension} dimensions, and pictures {found}"
        raise ModelError(str(weights), reason, "model-unsupported")
    return dimension


@contextmanager
def _graph(target: Path) -> Iterator[GraphBuilder]:
    data = target.with_suffix(".bin")
    with open_file(data, "xb") as file:
        yield GraphBuilder(file, data.name, None)


@dataclass(frozen=True, slots=True)
class _Tower:
    """Adds a transformer to a graph, whose layers normalise their input instead of their output."""

    graph: GraphBuilder
    config: TowerConfig
    weights: TensorReader
    prefix: str

    def add_clip_text(self, end: int | None) -> int:
        """Add CLIP's transformer for texts: each token reads those before it, and the last one counts."""
        hidden = self._norm("final_layer_norm", self._layers(self._tokens(), causal=True))
        graph = self.graph
        if end is None:
            at = graph.node("ArgMax", "input_ids", axis=1, keepdims=0)
        else:
            is_end = graph.node("Equal", "input_ids", graph.index(end))
            at = graph.node("ArgMax", graph.node("Cast", is_end, to=_FLOAT), axis=1, keepdims=0)
        vector = graph.node("Squeeze", graph.node("Gather", hidden, at, axis=1), graph.index(1))
        return self._project(vector, "text_projection")

    def add_siglip_text(self) -> int:
        """Add SigLIP's transformer for texts, of which the last token counts."""
        hidden = self._norm("final_layer_norm", self._layers(self._tokens()))
        last = self.graph.node("Gather", hidden, self.graph.scalar(-1), axis=1)
        weight, bias = self._linear("head", -1)
        add_norm(self.graph, self.graph.linear(last, weight, bias))
        return len(weight)

    def add_clip_picture(self) -> int:
        """Add CLIP's transformer for pictures, with a first vector that stands for no patch, and alone counts."""
        graph, size = self.graph, self.config.hidden
        first = graph.constant(self._tensor("embeddings.class_embedding", (size,))[None, None])
        patches = graph.node("Concat", first, self._patches(bias=False), axis=1)
        hidden = self._norm("pre_layrnorm", self._with_positions(patches, self.config.positions**2 + 1))
        vector = graph.node("Gather", self._layers(hidden), graph.scalar(0), axis=1)
        return self._project(self._norm("post_layernorm", vector), "visual_projection")

    def add_siglip_picture(self) -> int:
        """Add SigLIP's transformer for pictures, whose patches are weighed by an attention with one learned query."""
        graph, size = self.graph, self.config.hidden
        patches = self._with_positions(self._patches(bias=True), self.config.positions**2)
        hidden = self._norm("post_layernorm", self._layers(patches))
        probe = self._tensor("head.probe", (1, 1, size))
        weights = self._tensor("head.attention.in_proj_weight", (3 * size, size))
        biases = self._tensor("head.attention.in_proj_bias", (3 * size,))
        query = graph.constant((probe @ weights[:size].T + biases[:size]).astype(np.float32))
        both = graph.linear(hidden, weights[size:], biases[size:])
        key, value = graph.nodes("Split", both, outputs=2, axis=-1, num_outputs=2)
        mixed = graph.node("MultiHeadAttention", query, key, value, domain=MICROSOFT, num_heads=self.config.heads)
        result = graph.linear(mixed, *self._linear("head.attention.out_proj"))
        inner = self._feed_forward("head.mlp.", self._norm("head.layernorm", result))
        add_norm(graph, graph.node("Squeeze", graph.node("Add", result, inner), graph.index(1)))
        return size

    def _project(self, vector: str, name: str) -> int:
        """Add CLIP's projection into the common space, and return its dimension."""
        weight = self.weights(f"{name}.weight", (-1, self.config.hidden))
        add_norm(self.graph, self.graph.node("MatMul", vector, self.graph.constant(weight.T)))
        return len(weight)

    def _tokens(self) -> str:
        """Add the tokens' vectors and those of their positions, (1, tokens, hidden)."""
        graph, size = self.graph, self.config.hidden
        table = graph.constant(
            self._tensor("embeddings.position_embedding.weight", (-1, size))[: self.config.positions]
        )
        length = graph.node("Shape", "input_ids", start=1, end=2)
        used = graph.node("Slice", table, graph.index(0), length, graph.index(0))
        words = graph.lookup(self._tensor("embeddings.token_embedding.weight", (-1, size)), "input_ids")
        return graph.node("Add", words, used)

    def _patches(self, *, bias: bool) -> str:
        """Add the patches' vectors, (1, patches, hidden)."""
        graph, size, patch = self.graph, self.config.hidden, self.config.patch
        name = "embeddings.patch_embedding"
        inputs = [graph.constant(self._tensor(f"{name}.weight", (size, 3, patch, patch)))]
        if bias:
            inputs.append(graph.constant(self._tensor(f"{name}.bias", (size,))))
        grid = graph.node("Conv", PIXELS, *inputs, strides=[patch, patch])
        return graph.node("Transpose", graph.node("Reshape", grid, graph.index(1, size, -1)), perm=[0, 2, 1])

    def _with_positions(self, patches: str, count: int) -> str:
        table = self._tensor("embeddings.position_embedding.weight", (count, self.config.hidden))
        return self.graph.node("Add", patches, self.graph.constant(table))

    def _layers(self, hidden: str, *, causal: bool = False) -> str:
        graph = self.graph
        for layer in range(self.config.layers):
            prefix = f"encoder.layers.{layer}."
            attended = self._attention(prefix, self._norm(f"{prefix}layer_norm1", hidden), causal=causal)
            hidden = graph.node("Add", hidden, attended)
            inner = self._feed_forward(f"{prefix}mlp.", self._norm(f"{prefix}layer_norm2", hidden))
            hidden = graph.node("Add", hidden, inner)
        return hidden

    def _attention(self, prefix: str, source: str, *, causal: bool) -> str:
        graph = self.graph
        parts = [self._linear(f"{prefix}self_attn.{part}_proj") for part in "qkv"]
        weights, biases = (np.concatenate(each) for each in zip(*parts, strict=True))
        split = graph.nodes("Split", graph.linear(source, weights, biases), outputs=3, axis=-1, num_outputs=3)
        heads = self.config.heads
        mixed = graph.node("MultiHeadAttention", *split, domain=MICROSOFT, num_heads=heads, unidirectional=int(causal))
        return graph.linear(mixed, *self._linear(f"{prefix}self_attn.out_proj"))

    def _feed_forward(self, prefix: str, source: str) -> str:
        graph = self.graph
        weight, bias = self._linear(f"{prefix}fc1", -1)
        inner = graph.linear(source, weight, bias)
        if self.config.activation == "quick_gelu":
            active = graph.node("QuickGelu", inner, domain=MICROSOFT, alpha=1.702)
        else:
            active = graph.node("Gelu", inner, approximate="none" if self.config.activation == "gelu" else "tanh")
        return graph.linear(active, *self._linear(f"{prefix}fc2", self.config.hidden, len(weight)))

    def _linear(
        self, name: str, outputs: int | None = None, inputs: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a linear layer's weight (outputs, inputs) and bias (outputs,); both are the hidden size if None."""
        size = self.config.hidden
        shape = (size if outputs is None else outputs, size if inputs is None else inputs)
        weight = self._tensor(f"{name}.weight", shape)
        return weight, self._tensor(f"{name}.bias", (len(weight),))

    def _norm(self, name: str, source: str) -> str:
        scale, shift = (self._tensor(f"{name}.{part}", (self.config.hidden,)) for part in ("weight", "bias"))
        constants = self.graph.constant(scale), self.graph.constant(shift)
        return self.graph.node("LayerNormalization", source, *constants, epsilon=self.config.epsilon)

    def _tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return self.weights(self.prefix + name, shape)
