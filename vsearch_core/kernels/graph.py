"""Search a graph of nodes by their sketches (compressed vectors), and rescore the nodes found with exact vectors.

The search is best-first (Fu et al., NSG, VLDB 2019). Candidates are kept in a pool, a sorted array of keys (see
`keys`). Each step expands the best candidate that is not expanded yet: its unvisited neighbours are scored, and the
best are inserted into the pool. A neighbour's sketch takes one cache line.

A search mostly waits for memory. So it works on three candidates at once, like an assembly line: in each step the list
of neighbours of one candidate is prefetched, the sketches of the neighbours of the one chosen before, and those of the
one before that are scored, since their sketches have arrived meanwhile. A candidate is thus chosen before the last two
are scored, and about four more are expanded in a search than necessary.

These functions check no bounds; `ann.check` does so before a graph is first searched. The functions for one step take
their arrays as separate arguments: reading them from a named tuple counts references, which costs a third of the speed.
"""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import CACHE_LINE, FIXED_ONE, LAST_KEY, POOL_BLOCK
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.keys import EXPANDED, key_row, make_key
from vsearch_core.kernels.simd import dot_f32, first_even, gather_unvisited, insert_sorted, prefetch, score_nodes
from vsearch_core.kernels.sketch import SCALE_ONE, query_weights, sketch_score
from vsearch_core.kernels.tuples import CodecArrays, GraphArrays, Scratch, StoredRows

STARTS = 3  # the best entry nodes with which a search starts
MARGIN = 3.0  # standard errors by which an estimate is assumed to be off at most
LINE_NODES = CACHE_LINE // 4  # node numbers in a cache line
CANDIDATES_PER_SIGMA = 512  # the margin grows by one standard error per 512 candidates in the pool


@kernel
def make_scratch(nodes: int, degree: int, width: int, ef: int, basis: Any) -> Any:
    """Allocate scratch memory for searches with a pool of `ef` keys, a multiple of POOL_BLOCK.

    `nodes` is the number of nodes of the graph, `degree` the number of neighbours of each, `width` the size of a sketch
    in bytes, and `basis` (m, d padded) that of the sketches' codec.
    """
    return Scratch(
        np.full(ef + POOL_BLOCK, -LAST_KEY, np.int64),
        np.empty((nodes + 31) // 32, np.uint32),  # cleared by `start_search`
        np.empty(2 * (degree + 1), np.uint32),
        np.zeros(4 * width, np.int8),
        np.zeros(basis.shape[1], np.int8),
        np.empty(len(basis), np.float32),
        np.empty(degree + 1, np.int64),
    )


@kernel(inline="always")
def visit(visited: Any, node: int) -> Any:
    """Mark a node as visited, in `Scratch.visited`. Return 1 if it was not visited before, else 0."""
    word = np.uint32(node) >> np.uint32(5)
    bit = np.uint32(1) << (np.uint32(node) & np.uint32(31))
    before = visited[word]
    visited[word] = before | bit
    return np.int64((before & bit) == 0)


@kernel
def round_to_fixed(queries: Any, query: int, out: Any) -> None:
    """Write queries[query], (q, d) float32, in fixed point to `out` (d,) int16, as `ann.flat.to_fixed` does."""
    for i in range(len(out)):
        value = min(max(queries[query, i], np.float32(-1.0)), np.float32(1.0))
        out[i] = np.int16(np.rint(value * np.float32(FIXED_ONE)))


@kernel
def start_search(query: Any, graph: GraphArrays, entries: int, codec: CodecArrays, scratch: Scratch, ef: int) -> Any:
    """Start the search for a query (d,) int16: compute its weights, and put the best entry nodes in the pool.

    Only the first `entries` of the graph's entry nodes are compared. Returns (excess, unit) as `query_weights` does.
    """
    sketches, weights, pool = graph.sketches, scratch.weights, scratch.pool
    width = sketches.shape[1]
    scratch.visited[:] = 0
    excess, unit = query_weights(query, codec, width, weights, 0, scratch.query_codes, scratch.components)
    pool[POOL_BLOCK : POOL_BLOCK + ef] = LAST_KEY
    for i in range(entries):
        node = np.int64(graph.entries[i])
        key = make_key(sketch_score(sketches, node, width, weights, 0, excess), node)
        if key < pool[POOL_BLOCK + STARTS - 1]:
            insert_sorted(pool, POOL_BLOCK, POOL_BLOCK, key)
    for i in range(POOL_BLOCK):
        if i >= STARTS:
            pool[POOL_BLOCK + i] = LAST_KEY
        elif pool[POOL_BLOCK + i] != LAST_KEY:
            visit(scratch.visited, key_row(pool[POOL_BLOCK + i]))
    return excess, unit


@kernel
def expand_all(
    neighbors: Any, sketches: Any, pool: Any, visited: Any, unseen: Any, weights: Any, good: Any, excess: int, ef: int
) -> None:
    """Expand the best candidate of the pool again and again, until all in the pool are expanded.

    `excess` is the result of `start_search`; the arrays are those of `GraphArrays` and `Scratch`. This is one function,
    because calls within the loop would count references to arrays.
    """
    degree, width = neighbors.shape[1], sketches.shape[1]
    at, waiting, start = 0, np.int64(0), np.int64(-1)
    while True:
        count = np.int64(0)
        if start >= 0:
            count = gather_unvisited(neighbors, start, degree, sketches, width, visited, unseen, at)
        at = degree + 1 - at
        place, start = POOL_BLOCK + first_even(pool, POOL_BLOCK, ef), np.int64(-1)
        if place < POOL_BLOCK + ef:
            start = key_row(pool[place]) * degree
            pool[place] |= EXPANDED
            for j in range(0, degree, LINE_NODES):
                prefetch(neighbors, start + j)
        elif waiting == 0 and count == 0:
            return
        worst = pool[POOL_BLOCK + ef - 1]
        kept = score_nodes(sketches, width, weights, excess, SCALE_ONE, unseen, at, waiting, worst, good)
        for j in range(kept):
            insert_sorted(pool, POOL_BLOCK, ef, good[j])
        waiting = count


@kernel(inline="always")
def ranks_before(score: float, row: int, other_score: float, other_row: int) -> Any:
    """Return True if the first hit ranks before the other: its score is higher, or equal with a lower row."""
    return score > other_score or (score == other_score and row < other_row)


@kernel
def insert_hit(scores: Any, rows: Any, count: int, score: float, row: int) -> Any:
    """Insert a hit into the arrays `scores` and `rows` (k,), whose first `count` values are sorted, best first.

    If the arrays are full, the worst hit is dropped. Returns the new count.
    """
    k = len(scores)
    if count == k and not ranks_before(score, row, scores[k - 1], rows[k - 1]):
        return count
    place = count if count < k else k - 1
    count = place + 1
    while place > 0 and ranks_before(score, row, scores[place - 1], rows[place - 1]):
        scores[place], rows[place] = scores[place - 1], rows[place - 1]
        place -= 1
    scores[place], rows[place] = score, row
    return count


@kernel(inline="always")
def dot_fixed(queries: Any, query: int, vectors: Any, row: int) -> Any:
    """Return the dot product of queries[query], (q, d) float32, and vectors[row], (n, d) in fixed point."""
    dimension = vectors.shape[1]
    dot = dot_f32(queries, np.int64(query) * dimension, vectors, np.int64(row) * dimension, dimension)
    return dot * np.float32(1.0 / FIXED_ONE)


@kernel(inline="always")
def is_allowed(stored: StoredRows, node: int) -> Any:
    """Return True if at least one of the rows of a node is allowed."""
    _, order, starts, allowed = stored
    if len(allowed) == 0:
        return True
    some = False
    for j in range(starts[node], starts[node + 1]):
        some |= allowed[order[j]]
    return some


@kernel
def count_to_rescore(stored: StoredRows, pools: Any, at: int, ef: int, k: int, slack: int) -> Any:
    """Return (count, allowed): the number of candidates to rescore, and how many of them are allowed.

    The candidates are the first `count` in the pool that starts at `at`: all that may be among the best k allowed nodes
    if their scores are wrong by up to `slack`. If the pool has more candidates than these, it can't have missed any
    such node, and `allowed` is `ef` instead.
    """
    found, limit, everything = 0, LAST_KEY >> 32, len(stored.allowed) == 0
    for i in range(ef):
        key = pools[at + i]
        if key == LAST_KEY:
            return i, found
        if key >> 32 > limit:
            return i, ef
        if everything or is_allowed(stored, key_row(key)):
            found += 1
            if found == k:
                limit = (key >> 32) + slack
    return ef, found


@kernel
def prefetch_vectors(stored: StoredRows, pools: Any, at: int, count: int) -> None:
    """Prefetch the vectors of the first `count` candidates in the pool that starts at `at`."""
    vectors, order, starts = stored.vectors, stored.order, stored.starts
    dimension = vectors.shape[1]
    for i in range(count):
        row = np.int64(order[starts[key_row(pools[at + i])]])
        for j in range(0, dimension, 32):
            prefetch(vectors, row * dimension + j)


@kernel
def rescore(
    queries: Any, query: int, stored: StoredRows, pools: Any, at: int, count: int, scores: Any, rows: Any
) -> Any:
    """Compute exact dot products for the first `count` nodes in the pool that starts at `at`.

    Writes the best allowed rows to `scores` and `rows` (k,), best first, and returns their number.
    """
    vectors, order, starts, allowed = stored.vectors, stored.order, stored.starts, stored.allowed
    dimension, everything, found = vectors.shape[1], len(allowed) == 0, 0
    for i in range(count):
        node = key_row(pools[at + i])
        if not everything and not is_allowed(stored, node):
            continue
        row = np.int64(order[starts[node]])  # not `dot_fixed`, which would count references to arrays
        dot = dot_f32(queries, query * dimension, vectors, row * dimension, dimension)
        score = dot * np.float32(1.0 / FIXED_ONE)
        for j in range(starts[node], starts[node + 1]):
            row = np.int64(order[j])
            if everything or allowed[row]:
                if found == len(scores) and score < scores[found - 1]:
                    break
                found = insert_hit(scores, rows, found, score, row)
    return found


@kernel
def finish_search(stored: StoredRows, codec: CodecArrays, pool: Any, unit: float, ef: int, k: int) -> Any:
    """Prefetch the vectors of the candidates to rescore. Return (count, allowed) as `count_to_rescore` does.

    `unit` is the result of `start_search`.
    """
    slack = np.int64((MARGIN + ef / CANDIDATES_PER_SIGMA) * codec.error / unit) if unit > 0.0 else LAST_KEY >> 33
    count, allowed = count_to_rescore(stored, pool, POOL_BLOCK, ef, k, slack)
    prefetch_vectors(stored, pool, POOL_BLOCK, count)
    return count, allowed


@kernel
def search_graph(
    queries: Any, stored: StoredRows, graph: GraphArrays, codec: CodecArrays, ef: int, scores: Any, rows: Any,
    counts: Any, allowed_counts: Any,
) -> None:  # fmt: skip
    """Search the graph for the k rows nearest to each query.

    `queries` are (q, d) float32. Pools have `ef` keys, a multiple of POOL_BLOCK. Writes the hits to `scores` (q, k)
    float32 and `rows` (q, k) int64, best first, and their number to `counts` (q,). Writes to `allowed_counts` (q,) the
    number of allowed candidates (see `count_to_rescore`): if it is small, the search may have missed better rows.
    """
    neighbors, sketches, entries = graph
    scratch = make_scratch(len(sketches), neighbors.shape[1], sketches.shape[1], ef, codec.basis)
    pool, visited, unseen, weights, _, _, good = scratch
    fixed = np.empty(queries.shape[1], np.int16)
    for query in range(len(queries)):
        round_to_fixed(queries, query, fixed)
        excess, unit = start_search(fixed, graph, len(entries), codec, scratch, ef)
        expand_all(neighbors, sketches, pool, visited, unseen, weights, good, excess, ef)
        count, allowed_counts[query] = finish_search(stored, codec, pool, unit, ef, scores.shape[1])
        counts[query] = rescore(queries, query, stored, pool, POOL_BLOCK, count, scores[query], rows[query])
