"""Search a graph of nodes by their sketches (compressed vectors), and rescore the nodes found with exact vectors.

The search is best-first (Fu et al., NSG, VLDB 2019). Candidates are kept in a pool, a sorted array of keys (see
`keys`). Each iteration expands the best candidate that is not expanded yet: its unvisited neighbours are scored, and
the best are inserted into the pool. A neighbour's sketch takes one cache line.

A search mostly waits for memory. So each thread runs several searches at once, in lanes, one step of each in turn:
memory that one lane has prefetched arrives while the others compute. A step either gathers a node's unvisited
neighbours or scores them.

These functions check no bounds; `ann.check` does so before a graph is first searched. The functions for one step take
their arrays as separate arguments: reading them from a named tuple counts references, which costs a third of the speed.
"""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import FIXED_ONE, LAST_KEY, NO_NODE, POOL_BLOCK
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.keys import EXPANDED, key_row, make_key
from vsearch_core.kernels.simd import dot_f32, first_even, insert_sorted, prefetch
from vsearch_core.kernels.sketch import query_weights, sketch_score
from vsearch_core.kernels.tuples import CodecArrays, GraphArrays, Lanes, StoredRows

STARTS = 3  # the best entry nodes with which a search starts
MARGIN = 3.0  # standard errors by which an estimate is assumed to be off at most
CANDIDATES_PER_SIGMA = 512  # the margin grows by one standard error per 512 candidates in the pool
IDLE, GATHER, SCORE, FINISH = 0, 1, 2, 3  # the phases of a lane: what it does in its next step
PHASE, QUERY, EXCESS, NODE, COUNT = 0, 1, 2, 3, 4  # the columns of `Lanes.state`


@kernel
def make_lanes(count: int, nodes: int, degree: int, width: int, ef: int, basis: Any) -> Any:
    """Allocate scratch memory for `count` searches at once. Each pool has `ef` keys, a multiple of POOL_BLOCK.

    `nodes` is the number of nodes of the graph, `degree` the number of neighbours of each, `width` the size of a sketch
    in bytes, and `basis` (m, d padded) that of the sketches' codec.
    """
    return Lanes(
        np.full(count * (ef + POOL_BLOCK), -LAST_KEY, np.int64),
        np.zeros((count, (nodes + 31) // 32), np.uint32),
        np.empty((count, degree + 1), np.uint32),
        np.zeros(count * 4 * width, np.int8),
        np.zeros(count, np.float32),
        np.zeros((count, 5), np.int64),
        np.zeros(basis.shape[1], np.int8),
        np.empty(len(basis), np.float32),
        np.empty(degree + 1, np.int64),
    )


@kernel(inline="always")
def visit(visited: Any, lane: int, node: int) -> Any:
    """Mark a node as visited by the lane, in `Lanes.visited`. Return 1 if it was not visited before, else 0."""
    word = np.uint32(node) >> np.uint32(5)
    bit = np.uint32(1) << (np.uint32(node) & np.uint32(31))
    before = visited[lane, word]
    visited[lane, word] = before | bit
    return np.int64((before & bit) == 0)


@kernel(inline="always")
def pool_start(lane: int, ef: int) -> Any:
    """Return the index in `Lanes.pools` at which the pool of a lane starts."""
    return lane * (ef + POOL_BLOCK) + POOL_BLOCK


@kernel
def start_search(
    query: Any, graph: GraphArrays, entries: int, codec: CodecArrays, lanes: Lanes, lane: int, ef: int
) -> None:
    """Start the search for a query (d,) int16 in a lane: compute its weights, and put the best entry nodes in the pool.

    Only the first `entries` of the graph's entry nodes are compared.
    """
    sketches, weights, pools = graph.sketches, lanes.weights, lanes.pools
    width = sketches.shape[1]
    lanes.visited[lane, :] = 0
    offset = lane * 4 * width
    excess, lanes.units[lane] = query_weights(query, codec, width, weights, offset, lanes.query_codes, lanes.components)
    at = pool_start(lane, ef)
    pools[at : at + ef] = LAST_KEY
    for i in range(entries):
        node = np.int64(graph.entries[i])
        key = make_key(sketch_score(sketches, node, width, weights, offset, excess), node)
        if key < pools[at + STARTS - 1]:
            insert_sorted(pools, at, POOL_BLOCK, key)
    for i in range(POOL_BLOCK):
        if i >= STARTS:
            pools[at + i] = LAST_KEY
        elif pools[at + i] != LAST_KEY:
            visit(lanes.visited, lane, key_row(pools[at + i]))
    lanes.state[lane, EXCESS] = excess


@kernel
def expand_next(neighbors: Any, pools: Any, state: Any, lane: int, ef: int) -> Any:
    """Choose the best candidate that is not expanded yet; prefetch its neighbours. Return False if there is none."""
    at = pool_start(lane, ef)
    place = first_even(pools, at, ef)
    if place >= ef:
        return False
    node = key_row(pools[at + place])
    pools[at + place] |= EXPANDED
    state[lane, NODE] = node
    degree = neighbors.shape[1]
    for j in range(0, degree, 16):
        prefetch(neighbors, node * degree + j)
    return True


@kernel
def gather_neighbors(neighbors: Any, sketches: Any, visited: Any, unseen: Any, state: Any, lane: int) -> None:
    """Write the chosen node's unvisited neighbours to `unseen`, mark them as visited, and prefetch their sketches."""
    node, width = state[lane, NODE], sketches.shape[1]
    count = 0
    for j in range(neighbors.shape[1]):
        neighbor = neighbors[node, j]
        if neighbor == NO_NODE:
            break
        prefetch(sketches, np.int64(neighbor) * width)  # visited or not: a branch would cost more
        unseen[lane, count] = neighbor
        count += visit(visited, lane, neighbor)
    state[lane, COUNT] = count


@kernel
def score_neighbors(
    sketches: Any, pools: Any, unseen: Any, weights: Any, good: Any, state: Any, lane: int, ef: int
) -> None:
    """Score the neighbours in `unseen`, and insert those that are better than the worst candidate into the pool."""
    width = sketches.shape[1]
    offset, excess = lane * 4 * width, state[lane, EXCESS]
    at = pool_start(lane, ef)
    worst, count = pools[at + ef - 1], 0
    for j in range(state[lane, COUNT]):
        node = np.int64(unseen[lane, j])
        key = make_key(sketch_score(sketches, node, width, weights, offset, excess), node)
        good[count] = key
        count += key < worst
    for j in range(count):
        insert_sorted(pools, at, ef, good[j])


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
    found, limit = 0, LAST_KEY >> 32
    for i in range(ef):
        key = pools[at + i]
        if key == LAST_KEY:
            return i, found
        if key >> 32 > limit:
            return i, ef
        if is_allowed(stored, key_row(key)):
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
    found = 0
    for i in range(count):
        node = key_row(pools[at + i])
        if not is_allowed(stored, node):
            continue
        score = dot_fixed(queries, query, vectors, np.int64(order[starts[node]]))
        for j in range(starts[node], starts[node + 1]):
            row = np.int64(order[j])
            if len(allowed) == 0 or allowed[row]:
                if found == len(scores) and score < scores[found - 1]:
                    break
                found = insert_hit(scores, rows, found, score, row)
    return found


@kernel
def finish_search(stored: StoredRows, codec: CodecArrays, lanes: Lanes, lane: int, ef: int, k: int) -> Any:
    """Prepare a lane for rescoring: set its COUNT to the number of candidates to rescore, and prefetch their vectors.

    Returns the number of allowed candidates, as `count_to_rescore`.
    """
    unit = lanes.units[lane]
    at = pool_start(lane, ef)
    slack = np.int64((MARGIN + ef / CANDIDATES_PER_SIGMA) * codec.error / unit) if unit > 0.0 else LAST_KEY >> 33
    lanes.state[lane, COUNT], allowed = count_to_rescore(stored, lanes.pools, at, ef, k, slack)
    prefetch_vectors(stored, lanes.pools, at, lanes.state[lane, COUNT])
    return allowed


@kernel
def search_graph(
    queries: Any, fixed: Any, stored: StoredRows, graph: GraphArrays, codec: CodecArrays, lane_count: int, ef: int,
    scores: Any, rows: Any, counts: Any, allowed_counts: Any,
) -> None:  # fmt: skip
    """Search the graph for the k rows nearest to each query.

    `queries` (q, d) float32 and `fixed` (q, d) int16 are the same queries, as floats and in fixed point. `lane_count`
    searches run at once, with pools of `ef` keys, a multiple of POOL_BLOCK. Writes the hits to `scores` (q, k) float32
    and `rows` (q, k) int64, best first, and their number to `counts` (q,). Writes to `allowed_counts` (q,) the number
    of allowed candidates (see `count_to_rescore`): if it is small, the search may have missed better rows.
    """
    lane_count = min(lane_count, len(queries))
    neighbors, sketches, entries = graph
    lanes = make_lanes(lane_count, len(sketches), neighbors.shape[1], sketches.shape[1], ef, codec.basis)
    pools, visited, unseen, weights, _, state, _, _, good = lanes
    waiting, busy = 0, lane_count
    while busy:
        busy = 0
        for lane in range(lane_count):
            phase, query = state[lane, PHASE], state[lane, QUERY]
            if phase == GATHER:
                gather_neighbors(neighbors, sketches, visited, unseen, state, lane)
                state[lane, PHASE] = SCORE
            elif phase == SCORE:
                score_neighbors(sketches, pools, unseen, weights, good, state, lane, ef)
                state[lane, PHASE] = GATHER
                if not expand_next(neighbors, pools, state, lane, ef):
                    allowed_counts[query] = finish_search(stored, codec, lanes, lane, ef, scores.shape[1])
                    state[lane, PHASE] = FINISH
            else:
                if phase == FINISH:
                    at, count = pool_start(lane, ef), state[lane, COUNT]
                    counts[query] = rescore(queries, query, stored, pools, at, count, scores[query], rows[query])
                    state[lane, PHASE] = IDLE
                if waiting < len(queries):
                    start_search(fixed[waiting], graph, len(entries), codec, lanes, lane, ef)
                    expand_next(neighbors, pools, state, lane, ef)
                    state[lane, PHASE], state[lane, QUERY] = GATHER, waiting
                    waiting += 1
            busy += state[lane, PHASE] != IDLE
