"""Looking at every allowed row instead of walking. For numba only."""

from typing import Any

import numpy as np
from numba import njit

from vsearch_core.kernels.graph import BLOCK, ask_for_rows, begin, dot_fixed, make_lanes, place_hit, rescore
from vsearch_core.kernels.select import LAST, make_key
from vsearch_core.kernels.simd import insert_sorted, prefetch
from vsearch_core.kernels.sketch import sketch_score

_AHEAD = 16  # rows asked for before they are scored


@njit(nogil=True, cache=True)
def allowed_nodes(order: Any, starts: Any, allowed: Any, out: Any) -> Any:
    """List the nodes with an allowed row into out; returns how many."""
    found = 0
    for node in range(len(starts) - 1):
        out[found] = node
        some = np.int64(0)
        for j in range(starts[node], starts[node + 1]):
            some |= np.int64(allowed[order[j]])
        found += some
    return found


@njit(nogil=True, cache=True)
def scan_sketches(
    queries: Any, fixed: Any, stored: Any, graph: Any, codec: Any, nodes: Any, kept: int, scores: Any, rows: Any,
    counts: Any,
) -> None:  # fmt: skip
    """As `graph.search`, with every node of a list looked at by its sketch, and the best `kept` of them by vector."""
    _, sketches, _ = graph
    width = sketches.shape[1]
    lanes = make_lanes(1, 0, 1, width, kept, codec[0])
    pools, weights, numbers = lanes[0], lanes[3], lanes[4]
    for query in range(len(queries)):
        begin(fixed[query], graph, 0, codec, lanes, 0, kept)
        excess = numbers[0, 2]
        worst = LAST
        for i in range(len(nodes)):
            prefetch(sketches, np.int64(nodes[min(i + _AHEAD, len(nodes) - 1)]) * width)
            node = np.int64(nodes[i])
            key = make_key(sketch_score(sketches, node, width, weights, 0, excess), node)
            if key < worst:
                insert_sorted(pools, BLOCK, kept, key)
                worst = pools[BLOCK + kept - 1]
        ask_for_rows(stored, pools, BLOCK, kept)
        counts[query] = rescore(queries, query, stored, pools, BLOCK, kept, kept, scores[query], rows[query])[0]


@njit(nogil=True, cache=True)
def scan_rows(queries: Any, vectors: Any, wanted: Any, scores: Any, rows: Any, counts: Any) -> None:
    """The best of the wanted rows (ascending) for queries (q, d), by exact dot products with vectors in fixed point."""
    dimension, k = vectors.shape[1], scores.shape[1]
    for query in range(len(queries)):
        found = 0
        for i in range(len(wanted)):
            row = np.int64(wanted[i])
            ahead = np.int64(wanted[min(i + 4, len(wanted) - 1)])
            for j in range(0, dimension, 32):
                prefetch(vectors, ahead * dimension + j)
            score = dot_fixed(queries, query, vectors, row)
            if found == k and score <= scores[query, k - 1]:
                continue
            found = place_hit(scores[query], rows[query], found, score, row)
        counts[query] = found
