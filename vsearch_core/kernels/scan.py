"""Looking at every allowed row instead of walking. For numba only."""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import FIXED_ONE, POOL_BLOCK
from vsearch_core.kernels.graph import (
    CONFIDENCE,
    begin,
    dot_fixed,
    finish_walk,
    is_allowed,
    make_lanes,
    place_hit,
    rescore,
)
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.select import LAST, make_key
from vsearch_core.kernels.simd import dot_f32, insert_sorted, prefetch
from vsearch_core.kernels.sketch import sketch_score

_AHEAD = 16  # rows asked for before they are scored
_TELLING = 0.5  # of a sample may lie within the error of its best, else sketches don't tell rows apart


@kernel
def allowed_rows(allowed: Any, out: Any) -> Any:
    """List the allowed rows into out, which has room for one more; returns how many."""
    found: Any = 0
    for row in range(len(allowed)):
        out[found] = row  # always: a branch that can't be predicted would cost more
        found += np.int64(allowed[row])
    return found


@kernel
def allowed_nodes(order: Any, starts: Any, allowed: Any, out: Any) -> Any:
    """List the nodes with an allowed row into out; returns how many."""
    found: Any = 0
    for node in range(len(starts) - 1):
        out[found] = node
        some: Any = np.int64(0)
        for j in range(starts[node], starts[node + 1]):
            some |= np.int64(allowed[order[j]])
        found += some
    return found


@kernel
def best_sketches(graph: Any, lanes: Any, nodes: Any, kept: int) -> None:
    """Fill the one lane's pool with the best `kept` of the listed nodes."""
    sketches, pools, weights, excess = graph[1], lanes[0], lanes[3], lanes[4][0, 2]
    width = sketches.shape[1]
    worst = LAST
    for i in range(len(nodes)):
        prefetch(sketches, np.int64(nodes[min(i + _AHEAD, len(nodes) - 1)]) * width)
        node = np.int64(nodes[i])
        key = make_key(sketch_score(sketches, node, width, weights, 0, excess), node)
        if key < worst:
            insert_sorted(pools, POOL_BLOCK, kept, key)
            worst = pools[POOL_BLOCK + kept - 1]


@kernel
def rescore_beyond(
    queries: Any, query: int, stored: Any, graph: Any, lanes: Any, nodes: Any, last: int, base: float, margin: float,
    found: int, scores: Any, rows: Any,
) -> Any:  # fmt: skip
    """Score the vectors of all listed nodes behind the key `last` that may yet beat the worst hit, by a margin.

    A dot product is estimated as `base` + score * unit. Returns the number of hits.
    """
    vectors, order, starts, allowed = stored
    sketches, weights, excess, unit = graph[1], lanes[3], lanes[4][0, 2], lanes[5][3][0]
    width = sketches.shape[1]
    for i in range(len(nodes)):
        node = np.int64(nodes[i])
        score = sketch_score(sketches, node, width, weights, 0, excess)
        if make_key(score, node) <= last or base + score * unit + margin < scores[found - 1]:
            continue
        dot = dot_fixed(queries, query, vectors, np.int64(order[starts[node]]))
        for j in range(starts[node], starts[node + 1]):
            if len(allowed) == 0 or allowed[order[j]]:
                found = place_hit(scores, rows, found, dot, np.int64(order[j]))
    return found


@kernel
def scan_sketches(
    queries: Any, fixed: Any, stored: Any, graph: Any, codec: Any, nodes: Any, kept: int, scores: Any, rows: Any,
    counts: Any,
) -> None:  # fmt: skip
    """As `graph.search`, with every node of a list looked at by its sketch, and those by vector that may be wanted.

    Mostly the best `kept` are enough. Where scores lie closer than the sketches' error, as among rows that are all far
    from the query, more are, up to all.
    """
    dimension, k = queries.shape[1], scores.shape[1]
    centre, error = codec[3], codec[4][1]
    lanes = make_lanes(1, 0, 1, graph[1].shape[1], kept, codec[0])
    pools = lanes[0]
    for query in range(len(queries)):
        begin(fixed[query], graph, 0, codec, lanes, 0, kept)
        best_sketches(graph, lanes, nodes, kept)
        finish_walk(stored, codec, lanes, 0, kept, k)
        found = rescore(queries, query, stored, pools, POOL_BLOCK, lanes[4][0, 3], scores[query], rows[query])
        last = pools[POOL_BLOCK + kept - 1]
        base = dot_f32(queries, query * dimension, centre, 0, dimension) * np.float32(1.0 / FIXED_ONE)
        worst = base - (last >> 32) * lanes[5][3][0]
        margin = CONFIDENCE * error
        if last != LAST and found == k and worst + margin >= scores[query, k - 1]:
            found = rescore_beyond(
                queries, query, stored, graph, lanes, nodes, last, base, margin, found, scores[query], rows[query]
            )
        counts[query] = found


@kernel
def tell_apart(fixed: Any, stored: Any, graph: Any, codec: Any, step: int, telling: Any) -> None:
    """Write for each query in fixed point whether few allowed nodes come close to the best one, by their sketches.

    Of the nodes, every `step`-th is looked at.
    """
    sketches = graph[1]
    width = sketches.shape[1]
    sample, found = np.empty(len(sketches) // step + 1, np.uint32), 0
    for node in range(0, len(sketches), step):
        sample[found] = node
        if is_allowed(stored, node):
            prefetch(sketches, node * width)
            found += 1
    lanes = make_lanes(1, 0, 1, width, POOL_BLOCK, codec[0])
    estimates = np.empty(found, np.int64)
    for query in range(len(fixed)):
        begin(fixed[query], graph, 0, codec, lanes, 0, POOL_BLOCK)
        excess, unit = lanes[4][0, 2], lanes[5][3][0]
        best = -LAST
        for i in range(found):
            estimates[i] = sketch_score(sketches, sample[i], width, lanes[3], 0, excess)
            best = max(best, estimates[i])
        near = 0
        for i in range(found):
            near += (best - estimates[i]) * unit <= 2 * CONFIDENCE * codec[4][1]
        telling[query] = near <= max(1.0, _TELLING * found)


@kernel
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
