"""Check the arrays of a graph, of inverted lists or of PQ codes before they are searched.

Kernels check no bounds: a damaged array could crash the process.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.ann.hnsw import Graph
from vsearch_core.ann.ivf import Grouping, InvertedLists
from vsearch_core.ann.pq import CODES, PqLists, code_bytes, sub_vectors
from vsearch_core.ann.sketch import MAX_LINES, Codec
from vsearch_core.kernels.constants import CACHE_LINE, FIXED_ONE, NO_NODE, PQ_BLOCK, PQ_CENTROIDS, PQ_FEW_CENTROIDS

_BLOCK = 1 << 15  # nodes checked at a time, whose temporary arrays stay in the processor's cache
_CODEC_TYPES = {  # dtype and number of dimensions
    "basis": (np.uint8, 2),
    "digits": (np.uint8, 1),
    "gains": (np.float32, 1),
    "centre": (np.int16, 1),
    "measures": (np.float32, 1),
}
_GRAPH_TYPES = {
    "neighbors": (np.uint32, 2),
    "sketches": (np.uint8, 2),
    "entries": (np.uint32, 1),
    "order": (np.uint32, 1),
    "starts": (np.uint32, 1),
    **_CODEC_TYPES,
}
_GROUPING_TYPES = {
    "centroids": (np.int16, 2),
    "stops": (np.uint32, 1),
    "order": (np.uint32, 1),
    "training": (np.float64, 1),
}
_LIST_TYPES = {**_GROUPING_TYPES, "sketches": (np.uint8, 2), **_CODEC_TYPES}
_PQ_TYPES = {
    **_GROUPING_TYPES,
    "rotation": (np.int16, 2),
    "books": (np.float32, 2),
    "error": (np.float32, 1),
}
_LARGEST_COMPONENT = 1 << 17  # twice the largest of a residual, in units of 1 / FIXED_ONE


def check_graph(graph: Graph, vectors: NDArray[Any]) -> None:
    """Raise ValueError if it is not safe to search the graph with these vectors, (n, d) int16.

    The error names the faulty array. The check takes tens of milliseconds and a few MB of memory for a million rows.
    """
    _check_types({**graph.arrays(), "vectors": vectors}, {**_GRAPH_TYPES, "vectors": (np.int16, 2)})
    _check_nodes(graph, len(vectors))
    _check_codec(graph.codec, graph.sketches.shape[1], vectors.shape[1])


def check_lists(lists: InvertedLists, vectors: NDArray[Any]) -> None:
    """Raise ValueError if it is not safe to search inverted lists with these vectors, (n, d) int16.

    The error names the faulty array.
    """
    _check_types({**lists.arrays(), "vectors": vectors}, {**_LIST_TYPES, "vectors": (np.int16, 2)})
    rows, dimension = vectors.shape
    sketches = lists.sketches
    _check_grouping(lists.grouping, rows, dimension)
    _require(len(sketches) == rows, "sketches", f"{len(sketches)} for {rows} rows")
    _check_codec(lists.codec, sketches.shape[1], dimension)


def check_pq(lists: PqLists, vectors: NDArray[Any]) -> None:
    """Raise ValueError if it is not safe to search lists of PQ codes with these vectors, (n, d) int16.

    The error names the faulty array.
    """
    _require(lists.blocks.ndim == 2, CODES, f"its shape is {lists.blocks.shape}")
    code_size, codes = lists.bytes, f"{CODES}{lists.bytes}"
    _check_types({**lists.arrays(), "vectors": vectors}, {**_PQ_TYPES, codes: (np.uint8, 2), "vectors": (np.int16, 2)})
    rows, dimension = vectors.shape
    _check_grouping(lists.grouping, rows, dimension)
    valid = 1 <= code_size == code_bytes(code_size, dimension) <= config.PQ_BYTES[2]
    _require(valid, codes, f"{code_size} bytes each")
    shape = (-(-rows // PQ_BLOCK), code_size * PQ_BLOCK)
    _require(lists.blocks.shape == shape, codes, f"its shape is {lists.blocks.shape} for {rows} rows")
    rotation, books, error = lists.quantiser.rotation, lists.quantiser.books, lists.quantiser.error
    centroids = books.shape[1]
    _require(centroids in (PQ_FEW_CENTROIDS, PQ_CENTROIDS), "books", f"{centroids} centroids of each sub-vector")
    parts = sub_vectors(code_size, centroids)
    size = -(-dimension // parts)
    _require(rotation.shape == (parts * size, dimension), "rotation", f"its shape is {rotation.shape}")
    lengths = np.square(rotation.astype(np.float64)).sum(axis=1)
    _require(bool((lengths <= (1.01 * FIXED_ONE) ** 2).all()), "rotation", "a direction is too long")
    _require(len(books) == parts * size, "books", f"its shape is {books.shape}")
    _require(bool((np.abs(books) <= _LARGEST_COMPONENT).all()), "books", "a value is out of range")
    _require(error.shape == (1,) and bool(0 <= error[0] <= 2), "error", "it is missing or out of range")


def _check_grouping(grouping: Grouping, rows: int, dimension: int) -> None:
    centroids, stops, order, training = grouping
    count, width = centroids.shape
    _require(width == dimension, "centroids", f"{width} columns for {dimension} dimensions")
    _require(0 < count <= rows or count == rows == 0, "centroids", f"{count} lists for {rows} rows")
    _require(len(stops) == count + 1, "stops", f"it has {len(stops) - 1} lists, but {count} have centroids")
    _require(stops[0] == 0 and stops[-1] == rows, "stops", "not all rows belong to a list")
    _require(bool((stops[1:] >= stops[:-1]).all()), "stops", "not in order")
    _check_order(order, rows)
    valid = len(training) == 2 and bool(np.isfinite(training).all() and (training >= 0).all())
    _require(valid, "training", "a value is missing, negative or not finite")


def _check_types(arrays: dict[str, NDArray[Any]], types: dict[str, tuple[type, int]]) -> None:
    for name, array in arrays.items():
        dtype, dimensions = types[name]
        _require(array.dtype == dtype and array.ndim == dimensions, name, f"{array.dtype} of shape {array.shape}")


def _check_order(order: NDArray[Any], rows: int) -> None:
    _require(len(order) == rows, "order", f"it has {len(order)} rows, but the segment has {rows}")
    _require(bool((order < rows).all()), "order", "a row is out of range")
    seen = np.zeros(rows, np.bool_)
    seen[order] = True
    _require(bool(seen.all()), "order", "a row is missing")


def _check_nodes(graph: Graph, rows: int) -> None:
    neighbors, sketches, entries = graph.neighbors, graph.sketches, graph.entries
    starts, nodes = graph.starts, len(sketches)
    _require(len(starts) == nodes + 1, "starts", f"it has {len(starts) - 1} nodes, but {nodes} have sketches")
    _require(len(neighbors) == nodes, "neighbors", f"it has {len(neighbors)} nodes, but {nodes} have sketches")
    _require(starts[0] == 0 and starts[-1] == rows, "starts", "not all rows belong to a node")
    _require(bool((starts[1:] > starts[:-1]).all()), "starts", "not increasing")
    _require(0 < len(entries) <= nodes or not nodes, "entries", f"{len(entries)} entries for {nodes} nodes")
    _require(bool((entries < nodes).all()), "entries", "a node is out of range")
    _require(bool((np.diff(np.sort(entries)) > 0).all()), "entries", "a node occurs twice")
    _check_order(graph.order, rows)
    for start in range(0, nodes, _BLOCK):
        some = neighbors[start : start + _BLOCK]
        _require(bool(((some < nodes) | (some == NO_NODE)).all()), "neighbors", "a node is out of range")


def _check_codec(codec: Codec, width: int, dimension: int) -> None:
    _require(width in range(CACHE_LINE, (MAX_LINES + 1) * CACHE_LINE, CACHE_LINE), "sketches", f"{width} bytes each")
    components, stride = codec.basis.shape
    digits = int(codec.digits.sum(dtype=np.int64))
    padded = -(-dimension // CACHE_LINE) * CACHE_LINE
    _require(stride == padded, "basis", f"{stride} columns for {dimension} dimensions")
    _require(len(codec.digits) == components, "digits", f"{len(codec.digits)} values for {components} components")
    _require(bool(((codec.digits >= 1) & (codec.digits <= 4)).all()), "digits", "a value is not between 1 and 4")
    _require(digits <= 4 * (width - 1), "digits", "more than fit into a sketch")
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
