"""Search a graph over sketches, and rescore what it finds.

The search is best-first with a sorted linear pool (Fu et al., NSG, VLDB 2019): expand the best candidate that is not
expanded yet, score its unvisited neighbours, keep the best. A neighbour costs one cache line, its sketch. Since a
search mostly waits for memory, each thread runs several at once in lanes, one step of each in turn: the cache lines
that one lane prefetched arrive while the others compute. A step either gathers a node's unvisited neighbours or scores
them.

Functions here check no bounds: `ann.check` does, before a graph is first searched. The functions of a step take their
arrays one by one: reading them from a named tuple counts references, which would cost a third of the speed.
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
    """Return scratch memory for `count` searches at once with pools of `ef` keys, a multiple of POOL_BLOCK."""
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
    """Mark a node as visited; return 1 if the lane visits it for the first time, else 0."""
    word = np.uint32(node) >> np.uint32(5)
    bit = np.uint32(1) << (np.uint32(node) & np.uint32(31))
    before = visited[lane, word]
    visited[lane, word] = before | bit
    return np.int64((before & bit) == 0)


@kernel(inline="always")
def pool_start(lane: int, ef: int) -> Any:
    """Return the place in `Lanes.pools` where a lane's pool begins."""
    return lane * (ef + POOL_BLOCK) + POOL_BLOCK


@kernel
def start_search(
    query: Any, graph: GraphArrays, entries: int, codec: CodecArrays, lanes: Lanes, lane: int, ef: int
) -> None:
    """Compute the weights of a query (d,) in fixed point, and fill the pool with the best of the first `entries`."""
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
    """Choose the best candidate that is not expanded yet and prefetch its neighbours; return False if none is left."""
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
    """List the chosen node's unvisited neighbours and prefetch their sketches."""
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
    """Score the gathered neighbours and insert those that are good enough into the pool."""
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
    """Return True if a hit ranks before another: higher score first, then lower row."""
    return score > other_score or (score == other_score and row < other_row)


@kernel
def insert_hit(scores: Any, rows: Any, count: int, score: float, row: int) -> Any:
    """Insert a hit into the sorted first `count` of scores and rows (k,) if it is good enough; return the new count."""
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
    """Return the dot product of a float32 query with a fixed-point vector as float32."""
    dimension = vectors.shape[1]
    dot = dot_f32(queries, np.int64(query) * dimension, vectors, np.int64(row) * dimension, dimension)
    return dot * np.float32(1.0 / FIXED_ONE)


@kernel(inline="always")
def is_allowed(stored: StoredRows, node: int) -> Any:
    """Return True if any of a node's rows is allowed."""
    _, order, starts, allowed = stored
    if len(allowed) == 0:
        return True
    some = False
    for j in range(starts[node], starts[node + 1]):
        some |= allowed[order[j]]
    return some


@kernel
def count_to_rescore(stored: StoredRows, pools: Any, at: int, ef: int, k: int, slack: int) -> Any:
    """Count the first candidates of a pool that may be among the best k allowed ones if estimates are off by `slack`.

    Returns (count, allowed): `allowed` is the number of allowed nodes among them, or `ef` where the pool extends beyond
    them, so that it can't have missed any.
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
    """Prefetch the vectors of the first `count` candidates of a pool."""
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
    """Write the best allowed rows among a pool's first `count` nodes, by exact dot products; return their number."""
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
    """Set the lane's COUNT to the candidates to rescore, prefetch their vectors, and return how many are allowed."""
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
    """Search the graph for queries (q, d) float32, in `lane_count` lanes with pools of `ef`, a multiple of POOL_BLOCK.

    `fixed` (q, d) int16 holds the same queries in fixed point. Writes the hits to `scores` (q, k) float32 and `rows`
    (q, k) int64, best first, their number to `counts` (q,), and to `allowed_counts` (q,) what `count_to_rescore`
    returns: where few allowed nodes are in the pool, better ones may lie beyond.
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
