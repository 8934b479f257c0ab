"""Whether a graph's arrays may be walked. Kernels check no bounds: what passes here can't make them leave an array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.hnsw import Graph
from vsearch_core.ann.sketch import MAX_LINES
from vsearch_core.kernels.constants import CACHE_LINE, NO_NODE

_BLOCK = 1 << 15  # nodes at a time: what is made of them stays in the processor's cache
_SHAPES = {
    "neighbors": (np.uint32, 2),
    "sketches": (np.uint8, 2),
    "entries": (np.uint32, 1),
    "order": (np.uint32, 1),
    "starts": (np.uint32, 1),
    "basis": (np.uint8, 2),
    "digits": (np.uint8, 1),
    "gains": (np.float32, 1),
    "centre": (np.int16, 1),
    "measures": (np.float32, 1),
}


def check_graph(graph: Graph, vectors: NDArray[Any]) -> None:
    """Raise ValueError, naming the array and its fault, unless the graph is one over vectors (n, d) int16.

    Takes tens of milliseconds and a few MB of memory a million rows.
    """
    for name, array in graph.arrays().items():
        dtype, dimensions = _SHAPES[name]
        _require(array.dtype == dtype and array.ndim == dimensions, name, f"{array.dtype} of shape {array.shape}")
    _require(vectors.dtype == np.int16 and vectors.ndim == 2, "vectors", f"{vectors.dtype} of shape {vectors.shape}")
    _check_nodes(graph, len(vectors))
    _check_codec(graph, vectors.shape[1])


def _check_nodes(graph: Graph, rows: int) -> None:
    """Every number of a node or a row is one of a node or a row that there is."""
    neighbors, sketches, entries = graph.neighbors, graph.sketches, graph.entries
    order, starts = graph.order, graph.starts
    nodes, width = sketches.shape
    _require(len(order) == rows, "order", f"{len(order)} rows where the segment has {rows}")
    _require(len(starts) == nodes + 1, "starts", f"{len(starts) - 1} nodes where {nodes} have sketches")
    _require(len(neighbors) == nodes, "neighbors", f"{len(neighbors)} nodes where {nodes} have sketches")
    _require(width in range(CACHE_LINE, (MAX_LINES + 1) * CACHE_LINE, CACHE_LINE), "sketches", f"{width} bytes each")
    _require(starts[0] == 0 and starts[-1] == rows, "starts", "they don't span the rows")
    _require(bool((starts[1:] > starts[:-1]).all()), "starts", "they don't rise")
    _require(0 < len(entries) <= nodes or not nodes, "entries", f"{len(entries)} for {nodes} nodes")
    _require(bool((entries < nodes).all()), "entries", "one is no node")
    _require(bool((np.diff(np.sort(entries)) > 0).all()), "entries", "one is there twice")
    _require(bool((order < rows).all()), "order", "one is no row")
    seen = np.zeros(rows, np.bool_)
    seen[order] = True
    _require(bool(seen.all()), "order", "a row is missing")
    for start in range(0, nodes, _BLOCK):
        some = neighbors[start : start + _BLOCK]
        _require(bool(((some < nodes) | (some == NO_NODE)).all()), "neighbors", "one is no node")


def _check_codec(graph: Graph, dimension: int) -> None:
    """The codec is one for the vectors and the sketches."""
    codec = graph.codec
    components, stride = codec.basis.shape
    digits = int(codec.digits.sum(dtype=np.int64))
    _require(
        stride == -(-dimension // CACHE_LINE) * CACHE_LINE, "basis", f"{stride} columns for {dimension} dimensions"
    )
    _require(len(codec.digits) == components, "digits", f"{len(codec.digits)} for {components} components")
    _require(bool(((codec.digits >= 1) & (codec.digits <= 4)).all()), "digits", "one is not between 1 and 4")
    _require(digits <= 4 * (graph.sketches.shape[1] - 1), "digits", "they don't fit a sketch")
    _require(len(codec.gains) == components, "gains", f"{len(codec.gains)} for {components} components")
    _require(bool(((codec.gains > 1e-12) & (codec.gains < 1e6)).all()), "gains", "one is no digit's step")
    _require(len(codec.centre) == dimension, "centre", f"{len(codec.centre)} values for {dimension} dimensions")
    _require(len(codec.measures) == 2, "measures", f"{len(codec.measures)} where there are 2")
    least, error = codec.measures
    _require(bool(np.isfinite(codec.measures).all() and least >= 0 and error >= 0), "measures", "no measures of errors")


def _require(condition: bool, name: str, fault: str) -> None:
    if not condition:
        raise ValueError(f"{name}: {fault}")
