"""Walking a graph over sketches, and answering queries with it. For numba only: arrays in, arrays out.

The walk is a best-first search with a sorted linear pool (Fu et al., NSG, VLDB 2019): expand the best candidate that is
not expanded yet, score its unseen neighbours, keep the best. A neighbour costs one cache line (its sketch). Memory is
what a walk waits for, so several queries walk in lanes, a step of each in turn: what one lane asked for arrives while
the others compute. A step is gathering a node's unseen neighbours, or absorbing their scores.

Tuples that travel together: `graph` = (neighbors (n, degree) uint32, sketches (n, width) uint8, entries (e,) uint32),
`codec` = the arrays of `ann.sketch.Codec`, `lanes` as `make_lanes` returns.
"""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import FIXED_ONE, NO_NODE, POOL_BLOCK
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.select import EXPANDED, LAST, key_row, make_key
from vsearch_core.kernels.simd import dot_f32, first_even, insert_sorted, prefetch
from vsearch_core.kernels.sketch import query_weights, sketch_score

STARTS = 3  # of the entry nodes, how many start the walk
CONFIDENCE = 3.0  # standard errors that an estimate is trusted to be off at most …
SURER = 512  # … and one more for so many candidates in the pool: who asks for a wide one wants to miss nothing
IDLE, GATHER, ABSORB, FINISH = 0, 1, 2, 3  # what a lane does next


@kernel
def make_lanes(count: int, nodes: int, degree: int, width: int, beam: int, basis: Any) -> Any:
    """Scratch memory for `count` walks at once, beam a multiple of POOL_BLOCK."""
    pools = np.full(count * (beam + POOL_BLOCK), -LAST, np.int64)
    visited = np.zeros((count, (nodes + 31) // 32), np.uint32)
    fresh = np.empty((count, degree + 1), np.uint32)
    weights = np.zeros(count * 4 * width, np.int8)
    numbers = np.zeros((count, 4), np.int64)  # phase, query, excess, node or number of fresh ones
    small = (
        np.zeros(basis.shape[1], np.int8),
        np.empty(len(basis), np.float32),
        np.empty(degree + 1, np.int64),
        np.zeros(count, np.float32),
    )
    return pools, visited, fresh, weights, numbers, small


@kernel(inline="always")
def see(visited: Any, lane: int, node: int) -> Any:
    """1 if the lane has not seen the node before, else 0; it has from now on."""
    word = np.uint32(node) >> np.uint32(5)
    bit = np.uint32(1) << (np.uint32(node) & np.uint32(31))
    before = visited[lane, word]
    visited[lane, word] = before | bit
    return np.int64((before & bit) == 0)


@kernel(inline="always")
def pool_start(lane: int, beam: int) -> Any:
    """Where a lane's pool begins."""
    return lane * (beam + POOL_BLOCK) + POOL_BLOCK


@kernel
def begin(query: Any, graph: Any, entered: int, codec: Any, lanes: Any, lane: int, beam: int) -> None:
    """Prepare the weights of the fixed-point query and fill the pool with the best entry nodes."""
    _, sketches, entries = graph
    pools, visited, _, weights, numbers, small = lanes
    width = sketches.shape[1]
    visited[lane, :] = 0
    offset = lane * 4 * width
    excess, small[3][lane] = query_weights(query, codec, width, weights, offset, small)
    at = pool_start(lane, beam)
    pools[at : at + beam] = LAST
    for i in range(entered):
        node = np.int64(entries[i])
        key = make_key(sketch_score(sketches, node, width, weights, offset, excess), node)
        if key < pools[at + STARTS - 1]:
            insert_sorted(pools, at, POOL_BLOCK, key)
    for i in range(POOL_BLOCK):
        if i >= STARTS:
            pools[at + i] = LAST
        elif pools[at + i] != LAST:
            see(visited, lane, key_row(pools[at + i]))
    numbers[lane, 2] = excess


@kernel
def choose_next(graph: Any, lanes: Any, lane: int, beam: int) -> Any:
    """Mark the best candidate that is not expanded yet, and ask for its neighbours; False if there is none."""
    neighbors = graph[0]
    pools, numbers = lanes[0], lanes[4]
    at = pool_start(lane, beam)
    place = first_even(pools, at, beam)
    if place >= beam:
        return False
    node = key_row(pools[at + place])
    pools[at + place] |= EXPANDED
    numbers[lane, 3] = node
    degree = neighbors.shape[1]
    for j in range(0, degree, 16):
        prefetch(neighbors, node * degree + j)
    return True


@kernel
def gather(graph: Any, lanes: Any, lane: int) -> None:
    """List the chosen node's unseen neighbours, and ask for their sketches."""
    neighbors, sketches, _ = graph
    visited, fresh, numbers = lanes[1], lanes[2], lanes[4]
    node, width = numbers[lane, 3], sketches.shape[1]
    found = 0
    for j in range(neighbors.shape[1]):
        neighbor = neighbors[node, j]
        if neighbor == NO_NODE:
            break
        prefetch(sketches, np.int64(neighbor) * width)  # seen or not: a branch would cost more
        fresh[lane, found] = neighbor
        found += see(visited, lane, neighbor)
    numbers[lane, 3] = found


@kernel
def absorb(graph: Any, lanes: Any, lane: int, beam: int) -> None:
    """Score the gathered neighbours and put the good ones into the pool."""
    sketches = graph[1]
    pools, _, fresh, weights, numbers, small = lanes
    width = sketches.shape[1]
    offset, excess = lane * 4 * width, numbers[lane, 2]
    at = pool_start(lane, beam)
    good = small[2]
    worst, count = pools[at + beam - 1], 0
    for j in range(numbers[lane, 3]):
        node = np.int64(fresh[lane, j])
        key = make_key(sketch_score(sketches, node, width, weights, offset, excess), node)
        good[count] = key
        count += key < worst
    for j in range(count):
        insert_sorted(pools, at, beam, good[j])


@kernel(inline="always")
def better(score: float, row: int, than_score: float, than_row: int) -> Any:
    """Higher score first, then lower row."""
    return score > than_score or (score == than_score and row < than_row)


@kernel
def place_hit(scores: Any, rows: Any, found: int, score: float, row: int) -> Any:
    """Put a hit into the sorted first `found` of scores and rows (k,), the last falling out; returns how many are in.

    One that does not belong there does nothing.
    """
    k = len(scores)
    if found == k and not better(score, row, scores[k - 1], rows[k - 1]):
        return found
    place = found if found < k else k - 1
    found = place + 1
    while place > 0 and better(score, row, scores[place - 1], rows[place - 1]):
        scores[place], rows[place] = scores[place - 1], rows[place - 1]
        place -= 1
    scores[place], rows[place] = score, row
    return found


@kernel(inline="always")
def dot_fixed(queries: Any, query: int, vectors: Any, row: int) -> Any:
    """The dot product of a float32 query with a fixed-point vector, in units of one."""
    dimension = vectors.shape[1]
    dot = dot_f32(queries, np.int64(query) * dimension, vectors, np.int64(row) * dimension, dimension)
    return dot * np.float32(1.0 / FIXED_ONE)


@kernel(inline="always")
def is_allowed(stored: Any, node: int) -> Any:
    """Whether any of a node's rows is."""
    _, order, starts, allowed = stored
    if len(allowed) == 0:
        return True
    some = False
    for j in range(starts[node], starts[node + 1]):
        some |= allowed[order[j]]
    return some


@kernel
def worth_scoring(stored: Any, pools: Any, at: int, beam: int, k: int, slack: int) -> Any:
    """How many of a pool's first may be among the best k allowed ones, if an estimate is off by at most `slack`.

    Returns (that number, how many allowed nodes are among them), `beam` of them where none can be missing because the
    pool goes further.
    """
    found, limit = 0, LAST >> 32
    for i in range(beam):
        key = pools[at + i]
        if key == LAST:
            return i, found
        if key >> 32 > limit:
            return i, beam
        if is_allowed(stored, key_row(key)):
            found += 1
            if found == k:
                limit = (key >> 32) + slack
    return beam, found


@kernel
def ask_for_rows(stored: Any, pools: Any, at: int, kept: int) -> None:
    """Prefetch the vectors of the pool's best."""
    vectors, order, starts, _ = stored
    dimension = vectors.shape[1]
    for i in range(kept):
        row = np.int64(order[starts[key_row(pools[at + i])]])
        for j in range(0, dimension, 32):
            prefetch(vectors, row * dimension + j)


@kernel
def rescore(queries: Any, query: int, stored: Any, pools: Any, at: int, kept: int, scores: Any, rows: Any) -> Any:
    """Exact dot products of the allowed among a pool's first `kept`, the best into scores and rows; returns how many.

    A node stands for the rows order[starts[node] : starts[node + 1]], all with the same vector; `allowed` (n,) bool
    says which of them count, all if it is empty.
    """
    vectors, order, starts, allowed = stored
    found = 0
    for i in range(kept):
        node = key_row(pools[at + i])
        if not is_allowed(stored, node):
            continue
        score = dot_fixed(queries, query, vectors, np.int64(order[starts[node]]))
        for j in range(starts[node], starts[node + 1]):
            row = np.int64(order[j])
            if len(allowed) == 0 or allowed[row]:
                if found == len(scores) and score < scores[found - 1]:
                    break
                found = place_hit(scores, rows, found, score, row)
    return found


@kernel
def finish_walk(stored: Any, codec: Any, lanes: Any, lane: int, beam: int, k: int) -> Any:
    """Ask for the vectors that are worth scoring, and note how many; returns what `worth_scoring` says of them."""
    pools, numbers, unit = lanes[0], lanes[4], lanes[5][3][lane]
    at = pool_start(lane, beam)
    slack = np.int64((CONFIDENCE + beam / SURER) * codec[4][1] / unit) if unit > 0.0 else LAST >> 33
    numbers[lane, 3], allowed = worth_scoring(stored, pools, at, beam, k, slack)
    ask_for_rows(stored, pools, at, numbers[lane, 3])
    return allowed


@kernel
def search(
    queries: Any, fixed: Any, stored: Any, graph: Any, codec: Any, lane_count: int, beam: int, scores: Any, rows: Any,
    counts: Any, allowed: Any,
) -> None:  # fmt: skip
    """Answer queries (q, d) float32, `fixed` the same as int16, into scores and rows (q, k), counts and allowed (q,).

    `allowed` is what `worth_scoring` says: with few allowed nodes in a pool, better ones may lie beyond.
    """
    neighbors, sketches, entries = graph
    lane_count = min(lane_count, len(queries))
    lanes = make_lanes(lane_count, len(sketches), neighbors.shape[1], sketches.shape[1], beam, codec[0])
    pools, numbers = lanes[0], lanes[4]
    waiting, busy = 0, lane_count
    while busy:
        busy = 0
        for lane in range(lane_count):
            phase, query = numbers[lane, 0], numbers[lane, 1]
            if phase == GATHER:
                gather(graph, lanes, lane)
                numbers[lane, 0] = ABSORB
            elif phase == ABSORB:
                absorb(graph, lanes, lane, beam)
                numbers[lane, 0] = GATHER
                if not choose_next(graph, lanes, lane, beam):
                    allowed[query] = finish_walk(stored, codec, lanes, lane, beam, scores.shape[1])
                    numbers[lane, 0] = FINISH
            else:
                if phase == FINISH:
                    at, kept = pool_start(lane, beam), numbers[lane, 3]
                    counts[query] = rescore(queries, query, stored, pools, at, kept, scores[query], rows[query])
                    numbers[lane, 0] = IDLE
                if waiting < len(queries):
                    begin(fixed[waiting], graph, len(entries), codec, lanes, lane, beam)
                    choose_next(graph, lanes, lane, beam)
                    numbers[lane, 0], numbers[lane, 1] = GATHER, waiting
                    waiting += 1
            busy += numbers[lane, 0] != IDLE
