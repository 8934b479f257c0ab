"""Adds what follows an encoder in a graph: pooling, linear layers, unit length; by operators of every opset."""

from pathlib import Path

import numpy as np

from vsearch_core.embed.onnx.graph import GraphBuilder
from vsearch_core.embed.settings import Dense, SentenceSettings
from vsearch_core.embed.tensors import TensorReader, open_weights

POOLED_TOKEN = {"cls": 0, "lasttoken": -1}


def add_head(graph: GraphBuilder, tokens: str, settings: SentenceSettings) -> str:
    """Pool the tokens' vectors `tokens` (1, tokens, hidden) into the embedding (1, dimension). Raises ModelError."""
    if settings.pooling == "mean":
        channels = graph.node("Transpose", tokens, perm=[0, 2, 1])
        pooled = graph.node("Flatten", graph.node("GlobalAveragePool", channels), axis=1)
    else:
        pooled = graph.node("Gather", tokens, graph.scalar(POOLED_TOKEN[settings.pooling]), axis=1)
    for layer in settings.dense:
        pooled = _add_dense(graph, pooled, layer)
    return add_norm(graph, pooled)


def add_norm(graph: GraphBuilder, vector: str) -> str:
    """Add the scaling of the vector (1, dimension) to unit length."""
    return graph.node("LpNormalization", vector, axis=-1, p=2)


def _add_dense(graph: GraphBuilder, source: str, layer: Dense) -> str:
    path: Path = layer.weights
    with open_weights(path) as tensors:
        weights = TensorReader(path, tensors, "linear.weight")
        weight = weights("linear.weight", (layer.outputs, layer.inputs))
        bias = weights("linear.bias", (layer.outputs,)) if layer.bias else np.zeros(layer.outputs, dtype=np.float32)
    product = graph.node(
        "Gemm", source, graph.constant(weight), graph.constant(bias), transB=1
    )  # never 8-bit: it is small
    return graph.node(layer.activation, product) if layer.activation else product
