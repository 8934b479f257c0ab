"""Check a graph's arrays before it is searched. Kernels check no bounds: a damaged array could crash the process."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.hnsw import Graph
from vsearch_core.ann.sketch import MAX_LINES
from vsearch_core.kernels.constants import CACHE_LINE, NO_NODE

_BLOCK = 1 << 15  # nodes checked at a time, whose temporary arrays stay in the processor's cache
_TYPES = {  # dtype and number of dimensions
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
    """Raise ValueError if it is not safe to search the graph with these vectors, (n, d) int16.

    The error names the faulty array. The check takes tens of milliseconds and a few MB of memory for a million rows.
    """
    for name, array in graph.arrays().items():
        dtype, dimensions = _TYPES[name]
        _require(array.dtype == dtype and array.ndim == dimensions, name, f"{array.dtype} of shape {array.shape}")
    _require(vectors.dtype == np.int16 and vectors.ndim == 2, "vectors", f"{vectors.dtype} of shape {vectors.shape}")
    _check_nodes(graph, len(vectors))
    _check_codec(graph, vectors.shape[1])


def _check_nodes(graph: Graph, rows: int) -> None:
    neighbors, sketches, entries = graph.neighbors, graph.sketches, graph.entries
    order, starts = graph.order, graph.starts
    nodes, width = sketches.shape
    _require(len(order) == rows, "order", f"it has {len(order)} rows, but the segment has {rows}")
    _require(len(starts) == nodes + 1, "starts", f"it has {len(starts) - 1} nodes, but {nodes} have sketches")
    _require(len(neighbors) == nodes, "neighbors", f"it has {len(neighbors)} nodes, but {nodes} have sketches")
    _require(width in range(CACHE_LINE, (MAX_LINES + 1) * CACHE_LINE, CACHE_LINE), "sketches", f"{width} bytes each")
    _require(starts[0] == 0 and starts[-1] == rows, "starts", "not all rows belong to a node")
    _require(bool((starts[1:] > starts[:-1]).all()), "starts", "not increasing")
    _require(0 < len(entries) <= nodes or not nodes, "entries", f"{len(entries)} entries for {nodes} nodes")
    _require(bool((entries < nodes).all()), "entries", "a node is out of range")
    _require(bool((np.diff(np.sort(entries)) > 0).all()), "entries", "a node occurs twice")
    _require(bool((order < rows).all()), "order", "a row is out of range")
    seen = np.zeros(rows, np.bool_)
    seen[order] = True
    _require(bool(seen.all()), "order", "a row is missing")
    for start in range(0, nodes, _BLOCK):
        some = neighbors[start : start + _BLOCK]
        _require(bool(((some < nodes) | (some == NO_NODE)).all()), "neighbors", "a node is out of range")


def _check_codec(graph: Graph, dimension: int) -> None:
    codec = graph.codec
    components, stride = codec.basis.shape
    digits = int(codec.digits.sum(dtype=np.int64))
    padded = -(-dimension // CACHE_LINE) * CACHE_LINE
    _require(stride == padded, "basis", f"{stride} columns for {dimension} dimensions")
    _require(len(codec.digits) == components, "digits", f"{len(codec.digits)} values for {components} components")
    _require(bool(((codec.digits >= 1) & (codec.digits <= 4)).all()), "digits", "a value is not between 1 and 4")
    _require(digits <= 4 * (graph.sketches.shape[1] - 1), "digits", "more than fit into a sketch")
    _require(len(codec.gains) == components, "gains", f"{len(codec.gains)} values for {components} components")
    _require(bool(((codec.gains > 1e-12) & (codec.gains < 1e6)).all()), "gains", "a value is out of range")
    _require(len(codec.centre) == dimension, "centre", f"{len(codec.centre)} values for {dimension} dimensions")
    _require(len(codec.measures) == 2, "measures", f"{len(codec.measures)} values instead of 2")
    least, error = codec.measures
    valid = bool(np.isfinite(codec.measures).all() and least >= 0 and error >= 0)
    _require(valid, "measures", "a value is negative or not finite")


def _require(condition: bool, name: str, fault: str) -> None:
    if not condition:
        raise ValueError(f"{name}: {fault}")
