"""Adds the last steps to an encoder's graph: pooling, linear layers and scaling to unit length.

Only operators that every opset has are used.
"""

from pathlib import Path

import numpy as np

from vsearch_core.embed.onnx.graph import GraphBuilder
from vsearch_core.embed.settings import Dense, SentenceSettings
from vsearch_core.embed.tensors import TensorReader, open_weights

POOLED_TOKEN = {"cls": 0, "lasttoken": -1}


def add_head(graph: GraphBuilder, tokens: str, settings: SentenceSettings) -> str:
    """Add the steps from the tokens' vectors (1, tokens, hidden) to the embedding (1, dimension).

    The tokens' vectors become a second output if the embedding is their mean: then the mean of some of them lies in the
    same vector space, which late windows need. Return the name of the embedding. Raises ModelError if the weights of a
    linear layer can't be read.
    """
    if settings.pooling == "mean" and not settings.dense:
        graph.show_tokens(tokens)
    if settings.pooling == "mean":
        channels = graph.node("Transpose", tokens, perm=[0, 2, 1])
        pooled = graph.node("Flatten", graph.node("GlobalAveragePool", channels), axis=1)
    else:
        pooled = graph.node("Gather", tokens, graph.scalar(POOLED_TOKEN[settings.pooling]), axis=1)
    for layer in settings.dense:
        pooled = _add_dense(graph, pooled, layer)
    return add_norm(graph, pooled)


def add_norm(graph: GraphBuilder, vector: str) -> str:
    """Add the scaling of a vector (1, dimension) to unit length. Return the name of the result."""
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
