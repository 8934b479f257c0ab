"""Writes a BERT-like sentence encoder as an ONNX graph, from `config.json` and `model.safetensors`.

The input is `input_ids`, int64 (1, tokens): the tokens of one window. The output is `embedding`, float32
(1, dimension): one vector of unit length. There is no attention mask, because one window needs no padding. Measured on
two cores, one window per thread is 1.4 times as fast as padded batches. It also keeps a vector independent of other
texts, which a batch would not: its texts would share one int8 range.

The nodes are the fused ones that ONNX Runtime's optimiser would create, so a session opens without optimisation. The
exception is SkipLayerNormalization, which is nine times as slow as Add and LayerNormalization.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.model_files import WEIGHTS
from vsearch_core.embed.onnx.families import EncoderConfig
from vsearch_core.embed.onnx.graph import MICROSOFT, GraphBuilder
from vsearch_core.embed.onnx.head import add_head
from vsearch_core.embed.settings import SentenceSettings
from vsearch_core.embed.tensors import TensorReader, open_weights
from vsearch_core.own_files import open_file

BUCKETS = 32  # of distances, in MPNet: 16 a direction, 8 of them exact and 8 growing to MAX_DISTANCE
MAX_DISTANCE = 128


def write_encoder(
    folder: Path,
    target: Path,
    settings: SentenceSettings,
    max_inputs: Sequence[NDArray[np.float32]] | None = None,
) -> None:
    """Write an encoder as an ONNX graph to `target`, and its weights to a file with the suffix .bin beside it.

    Args:
        folder: The folder of the model, with `config.json` and `model.safetensors`.
        target: The file of the graph to write.
        settings: The model's pooling, linear layers and other settings.
        max_inputs: None for an fp32 graph. For an int8 graph, the result of `quantize.max_inputs` for the fp32 graph.
            Each column of a weight matrix and each row of the word embeddings then becomes int8 with a float32 scale.

    Raises:
        ModelError: The model is not supported or lacks a tensor.
    """
    config = EncoderConfig.read(folder)
    source = folder / WEIGHTS
    with open_weights(source) as tensors, open_file(target.with_suffix(".bin"), "xb") as data:
        graph = GraphBuilder(data, target.with_suffix(".bin").name, max_inputs)
        hidden = _Encoder(graph, config, TensorReader(source, tensors, "embeddings.word_embeddings.weight")).add()
        add_head(graph, hidden, settings)
        graph.save(target, settings.dimension(config.hidden))


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Adds the encoder to a graph. Each method adds some nodes and returns the name of their result."""

    graph: GraphBuilder
    config: EncoderConfig
    weights: TensorReader

    def add(self) -> str:
        """Add all layers. Return the name of their result: the tokens' vectors, (1, tokens, hidden)."""
        names, hidden = self.config.family, self._embeddings()
        bias = self._distance_bias() if names.relative else None
        for layer in range(self.config.layers):
            prefix = f"{names.layers}.{layer}."
            attended = self._attention(prefix, hidden, bias)
            hidden = self._feed_forward(prefix, attended)
        return hidden

    def _embeddings(self) -> str:
        graph, size = self.graph, self.config.hidden
        words = graph.lookup(self.weights("embeddings.word_embeddings.weight", (-1, size)), "input_ids")
        first, count = self.config.first_position, self.config.max_positions
        positions = self.weights("embeddings.position_embeddings.weight", (first + count, size))[first:]
        if self.config.family.typed:  # all tokens are of type 0, so that type's row is part of every position's
            positions = positions + self.weights("embeddings.token_type_embeddings.weight", (-1, size))[0]
        table = graph.constant(positions)
        length = graph.node("Shape", "input_ids", start=1, end=2)
        used = graph.node("Slice", table, graph.index(0), length, graph.index(0))
        return self._norm("embeddings.LayerNorm", graph.node("Add", words, used))

    def _distance_bias(self) -> str:
        """Add the attention bias that depends on the distance of two tokens, (1, heads, tokens, tokens)."""
        graph, count = self.graph, self.config.max_positions
        table = self.weights("encoder.relative_attention_bias.weight", (BUCKETS, self.config.heads))
        by_distance = graph.constant(table[_buckets(np.arange(1 - count, count))].T[None])  # (1, heads, distances)
        length = graph.node("Squeeze", graph.node("Shape", "input_ids", start=1, end=2))
        positions = graph.node("Range", graph.scalar(0), length, graph.scalar(1))
        row, column = (graph.node("Unsqueeze", positions, graph.index(axis)) for axis in (1, 0))
        distance = graph.node("Add", graph.node("Sub", column, row), graph.scalar(count - 1))
        return graph.node("Gather", by_distance, distance, axis=2)

    def _attention(self, prefix: str, source: str, bias: str | None) -> str:
        graph, names, size = self.graph, self.config.family, self.config.hidden
        # One product for all three: the source is then quantised once.
        parts = [self._linear(prefix + part, size) for part in (names.query, names.key, names.value)]
        weights, biases = (np.concatenate(each) for each in zip(*parts, strict=True))
        split = graph.nodes("Split", graph.linear(source, weights, biases), outputs=3, axis=-1, num_outputs=3)
        inputs = split if bias is None else [*split, "", "", bias]
        mixed = graph.node("MultiHeadAttention", *inputs, domain=MICROSOFT, num_heads=self.config.heads)
        result = graph.linear(mixed, *self._linear(prefix + names.mixed, size))
        return self._norm(prefix + names.mixed_norm, graph.node("Add", result, source))

    def _feed_forward(self, prefix: str, source: str) -> str:
        graph, names = self.graph, self.config.family
        weight, bias = self._linear(prefix + names.inner, self.config.hidden, -1)
        inner = graph.node("Gelu", graph.linear(source, weight, bias), approximate=self.config.gelu)
        result = graph.linear(inner, *self._linear(prefix + names.outer, len(weight)))
        return self._norm(prefix + names.outer_norm, graph.node("Add", result, source))

    def _linear(
        self, name: str, inputs: int, outputs: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a linear layer's weight (outputs, inputs) and bias (outputs,).

        `outputs` is the hidden size if it is None, and any number if it is -1.
        """
        weight = self.weights(f"{name}.weight", (self.config.hidden if outputs is None else outputs, inputs))
        return weight, self.weights(f"{name}.bias", (len(weight),))

    def _norm(self, name: str, source: str) -> str:
        scale, shift = (self.weights(f"{name}.{part}", (self.config.hidden,)) for part in ("weight", "bias"))
        constants = self.graph.constant(scale), self.graph.constant(shift)
        return self.graph.node("LayerNormalization", source, *constants, epsilon=self.config.epsilon)


def _buckets(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of MPNet's table for distances between tokens (Raffel et al., "T5", JMLR 2020, section 2.1)."""
    exact = BUCKETS // 4
    far = np.abs(distances)
    ratio = np.log(np.maximum(far, 1).astype(np.float32) / exact) / np.float32(np.log(MAX_DISTANCE / exact))
    grown = np.minimum(exact + (ratio * exact).astype(np.int64), BUCKETS // 2 - 1)
    return np.where(distances > 0, BUCKETS // 2, 0) + np.where(far < exact, far, grown)
