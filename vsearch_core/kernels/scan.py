"""Compare queries with every allowed row, instead of searching the graph (whose nodes are groups of equal rows)."""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import FIXED_ONE, LAST_KEY, POOL_BLOCK
from vsearch_core.kernels.graph import (
    MARGIN,
    dot_fixed,
    finish_search,
    insert_hit,
    is_allowed,
    make_scratch,
    rescore,
    start_search,
)
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.keys import make_key
from vsearch_core.kernels.simd import dot_f32, insert_sorted, prefetch
from vsearch_core.kernels.sketch import sketch_score
from vsearch_core.kernels.tuples import CodecArrays, GraphArrays, Scratch, StoredRows

_SKETCHES_AHEAD = 16  # sketches that are prefetched before they are scored
_VECTORS_AHEAD = 4
_INDISTINCT = 0.5  # if more of a sample lie within the error of its best, sketches don't discriminate between rows


@kernel
def list_allowed_rows(allowed: Any, out: Any) -> Any:
    """Write the allowed rows to `out` (n + 1,) and return their number. `allowed` (n,) bool marks them."""
    count: Any = 0
    for row in range(len(allowed)):
        out[count] = row  # always: an unpredictable branch would cost more
        count += np.int64(allowed[row])
    return count


@kernel
def list_allowed_nodes(order: Any, starts: Any, allowed: Any, out: Any) -> Any:
    """Write the nodes that have an allowed row to `out` (nodes + 1,), and return their number.

    `order`, `starts` and `allowed` are those of `StoredRows`.
    """
    count: Any = 0
    for node in range(len(starts) - 1):
        out[count] = node
        some: Any = np.int64(0)
        for j in range(starts[node], starts[node + 1]):
            some |= np.int64(allowed[order[j]])
        count += some
    return count


@kernel
def find_best_sketches(graph: GraphArrays, scratch: Scratch, excess: int, nodes: Any, kept: int) -> None:
    """Fill the pool with the `kept` best of the given nodes, by the estimated scores of their sketches.

    `excess` is the result of `start_search`.
    """
    sketches, pool, weights = graph.sketches, scratch.pool, scratch.weights
    width = sketches.shape[1]
    worst = LAST_KEY
    for i in range(len(nodes)):
        prefetch(sketches, np.int64(nodes[min(i + _SKETCHES_AHEAD, len(nodes) - 1)]) * width)
        node = np.int64(nodes[i])
        key = make_key(sketch_score(sketches, node, width, weights, 0, excess), node)
        if key < worst:
            insert_sorted(pool, POOL_BLOCK, kept, key)
            worst = pool[POOL_BLOCK + kept - 1]


@kernel
def rescore_beyond(
    queries: Any, query: int, stored: StoredRows, graph: GraphArrays, scratch: Scratch, excess: int, unit: float,
    nodes: Any, last: int, base: float, margin: float, count: int, scores: Any, rows: Any,
) -> Any:  # fmt: skip
    """Compute exact scores of the nodes that the pool has no room for, if they may be better than the worst hit.

    `last` is the pool's last key: only nodes whose keys (see `keys`) are greater are compared. A node may be better if
    its estimated dot product, `base` + score * unit, plus `margin` is at least the score of the worst hit. Better rows
    are inserted into `scores` and `rows` (k,), which have `count` hits. Returns the new count.
    """
    vectors, order, starts, allowed = stored.vectors, stored.order, stored.starts, stored.allowed
    sketches, weights = graph.sketches, scratch.weights
    width = sketches.shape[1]
    for i in range(len(nodes)):
        node = np.int64(nodes[i])
        score = sketch_score(sketches, node, width, weights, 0, excess)
        if make_key(score, node) <= last or base + score * unit + margin < scores[count - 1]:
            continue
        dot = dot_fixed(queries, query, vectors, np.int64(order[starts[node]]))
        for j in range(starts[node], starts[node + 1]):
            if len(allowed) == 0 or allowed[order[j]]:
                count = insert_hit(scores, rows, count, dot, np.int64(order[j]))
    return count


@kernel
def search_nodes(
    queries: Any, fixed: Any, query: int, stored: StoredRows, graph: GraphArrays, codec: CodecArrays, scratch: Scratch,
    nodes: Any, kept: int, scores: Any, rows: Any,
) -> Any:  # fmt: skip
    """Find the k rows nearest to queries[query] among the rows of the given nodes.

    `fixed` has the queries in fixed point. The sketches of all nodes are compared, and then the vectors of
    the `kept` best. It is mostly enough to rescore these. If scores differ by less than the error of sketches, such as
    for rows that are all far from the query, more nodes are rescored, up to all. Writes the hits to `scores` and `rows`
    (k,), best first, and returns their number.
    """
    dimension, k = queries.shape[1], len(scores)
    excess, unit = start_search(fixed[query], graph, 0, codec, scratch, kept)
    find_best_sketches(graph, scratch, excess, nodes, kept)
    pool = scratch.pool
    count, _ = finish_search(stored, codec, pool, unit, kept, k)
    count = rescore(queries, query, stored, pool, POOL_BLOCK, count, scores, rows)
    last = pool[POOL_BLOCK + kept - 1]
    base = dot_f32(queries, query * dimension, codec.centre, 0, dimension) * np.float32(1.0 / FIXED_ONE)
    worst = base - (last >> 32) * unit
    margin = MARGIN * codec.error
    if last != LAST_KEY and count == k and worst + margin >= scores[k - 1]:
        count = rescore_beyond(
            queries, query, stored, graph, scratch, excess, unit, nodes, last, base, margin, count, scores, rows
        )
    return count


@kernel
def scan_sketches(
    queries: Any, fixed: Any, stored: StoredRows, graph: GraphArrays, codec: CodecArrays, nodes: Any, kept: int,
    scores: Any, rows: Any, counts: Any,
) -> None:  # fmt: skip
    """Find the k rows nearest to each query among the rows of the given nodes, as `search_nodes` does.

    The other arguments are those of `graph.search_graph`.
    """
    scratch = make_scratch(0, 1, graph.sketches.shape[1], kept, codec.basis)
    for query in range(len(queries)):
        counts[query] = search_nodes(
            queries, fixed, query, stored, graph, codec, scratch, nodes, kept, scores[query], rows[query]
        )


@kernel
def sketches_discriminate(
    fixed: Any, stored: StoredRows, graph: GraphArrays, codec: CodecArrays, step: int, out: Any
) -> None:
    """Decide for each query if sketches can separate its best allowed nodes from most others.

    Writes True to `out` (q,) if few of a sample of nodes have nearly the best estimated score. The sample is every
    `step`-th node. `fixed` (q, d) are the queries in fixed point.
    """
    sketches = graph.sketches
    width = sketches.shape[1]
    sample, count = np.empty(len(sketches) // step + 1, np.uint32), 0
    for node in range(0, len(sketches), step):
        sample[count] = node
        if is_allowed(stored, node):
            prefetch(sketches, node * width)
            count += 1
    scratch = make_scratch(0, 1, width, POOL_BLOCK, codec.basis)
    estimates = np.empty(count, np.int64)
    for query in range(len(fixed)):
        excess, unit = start_search(fixed[query], graph, 0, codec, scratch, POOL_BLOCK)
        best = -LAST_KEY
        for i in range(count):
            estimates[i] = sketch_score(sketches, sample[i], width, scratch.weights, 0, excess)
            best = max(best, estimates[i])
        near = 0
        for i in range(count):
            near += (best - estimates[i]) * unit <= 2 * MARGIN * codec.error
        out[query] = near <= max(1.0, _INDISTINCT * count)


@kernel
def scan_rows(queries: Any, vectors: Any, listed: Any, scores: Any, rows: Any, counts: Any) -> None:
    """Find the k rows nearest to each query among the rows in `listed` (ascending), by exact dot products.

    `queries` (q, d) are float32, and `vectors` (n, d) in fixed point. Writes the hits to `scores` and `rows` (q, k),
    best first, and their number to `counts` (q,).
    """
    dimension, k = vectors.shape[1], scores.shape[1]
    for query in range(len(queries)):
        count = 0
        for i in range(len(listed)):
            row = np.int64(listed[i])
            ahead = np.int64(listed[min(i + _VECTORS_AHEAD, len(listed) - 1)])
            for j in range(0, dimension, 32):
                prefetch(vectors, ahead * dimension + j)
            score = dot_fixed(queries, query, vectors, row)
            if count == k and score <= scores[query, k - 1]:
                continue
            count = insert_hit(scores[query], rows[query], count, score, row)
        counts[query] = count
