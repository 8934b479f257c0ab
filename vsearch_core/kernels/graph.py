"""Walking a graph over sketches, and answering queries with it. For numba only: arrays in, arrays out.

The walk is a best-first search with a sorted linear pool (Fu et al., NSG, VLDB 2019): expand the best candidate that is
not expanded yet, score its unseen neighbours, keep the best `limit`. A neighbour costs one cache line (its sketch),
which is asked for before the first one is scored.
"""

from typing import Any

import numpy as np
from numba import njit

from vsearch_core.kernels.select import insert, key_row, make_key
from vsearch_core.kernels.simd import dot_f32, prefetch
from vsearch_core.kernels.sketch import query_weights, sketch_score

NONE = 0xFFFFFFFF  # ends a list of neighbours that is not full
ENTRIES = 3  # of the entry nodes, how many start the walk
LINE = 64


@njit(nogil=True, cache=True, inline="always")
def see(visited: Any, node: int) -> Any:
    """1 if the node was not seen before, else 0; it is from now on."""
    word = np.uint32(node) >> np.uint32(5)
    bit = np.uint32(1) << (np.uint32(node) & np.uint32(31))
    before = visited[word]
    visited[word] = before | bit
    return np.int64((before & bit) == 0)


@njit(nogil=True, cache=True)
def enter(codes: Any, entries: Any, count: int, weights: Any, excess: int, pool: Any, visited: Any) -> Any:
    """Fill the pool with the best of entries[:count]; returns its size."""
    width = codes.shape[1]
    size = 0
    for i in range(count):
        node = np.int64(entries[i])
        key = make_key(sketch_score(codes, node, width, weights, excess), node)
        if size < ENTRIES or key < pool[size - 1]:
            _, size = insert(pool, size, ENTRIES, key)
    for i in range(size):
        see(visited, key_row(pool[i]))
    return size


@njit(nogil=True, cache=True)
def walk(
    neighbors: Any, codes: Any, weights: Any, excess: int, pool: Any, size: int, limit: int, visited: Any, fresh: Any
) -> Any:
    """Improve the pool's `size` candidates until the best `limit` found are all expanded; returns the new size.

    `neighbors` (n, degree) uint32, `codes` (n, width) uint8, `pool` int64 (limit,), `visited` uint32 bits zero but for
    what is in the pool, `fresh` uint32 (degree,) scratch.
    """
    degree, width = neighbors.shape[1], codes.shape[1]
    cursor = 0
    while cursor < size:
        node = key_row(pool[cursor])
        pool[cursor] |= 1
        found = 0
        for j in range(degree):
            neighbor = neighbors[node, j]
            if neighbor == NONE:
                break
            fresh[found] = neighbor
            new = see(visited, neighbor)
            if new:
                prefetch(codes, np.int64(neighbor) * width)
            found += new
        lowest = cursor + 1
        for j in range(found):
            key = make_key(sketch_score(codes, fresh[j], width, weights, excess), np.int64(fresh[j]))
            if size < limit or key < pool[size - 1]:
                place, size = insert(pool, size, limit, key)
                prefetch(neighbors, key_row(key) * degree)
                lowest = min(lowest, place)
        cursor = lowest
        while cursor < size and pool[cursor] & 1:
            cursor += 1
    return size


@njit(nogil=True, cache=True)
def rescore(
    query: Any, start: int, vectors: Any, order: Any, starts: Any, pool: Any, size: int, scores: Any, rows: Any
) -> Any:
    """Exact dot products of the pool's first `size` nodes, best first into scores and rows; returns how many."""
    dimension = vectors.shape[1]
    k = len(scores)
    found = 0
    for i in range(size):
        ahead = key_row(pool[i])
        at = np.int64(order[starts[ahead]]) * dimension
        for line in range(0, dimension, LINE // 2):
            prefetch(vectors, at + line)
    for i in range(size):
        node = key_row(pool[i])
        at = np.int64(order[starts[node]]) * dimension
        score = dot_f32(query, start, vectors, at, dimension) * np.float32(1.0 / 32767.0)
        for j in range(starts[node], starts[node + 1]):
            row = np.int64(order[j])
            if found == k and not (score > scores[k - 1] or (score == scores[k - 1] and row < rows[k - 1])):
                break
            place = found if found < k else k - 1
            found = place + 1
            while place > 0 and (
                scores[place - 1] < score or (scores[place - 1] == score and rows[place - 1] > row)
            ):
                scores[place], rows[place] = scores[place - 1], rows[place - 1]
                place -= 1
            scores[place], rows[place] = score, row
    return found


@njit(nogil=True, cache=True)
def search(
    queries: Any, fixed: Any, vectors: Any, order: Any, starts: Any, neighbors: Any, codes: Any, entries: Any,
    basis: Any, digits: Any, steps: Any, beam: int, kept: int, scores: Any, rows: Any, counts: Any,
) -> None:  # fmt: skip
    """Answer queries (q, d) float32, `fixed` the same as int16, into scores and rows (q, k) and counts (q,)."""
    nodes, width = codes.shape
    dimension = queries.shape[1]
    pool = np.empty(beam, np.int64)
    visited = np.zeros((nodes + 31) // 32, np.uint32)
    fresh = np.empty(neighbors.shape[1] + 1, np.uint32)
    weights = np.zeros(4 * width, np.int8)
    buffer = np.empty(len(basis), np.float32)
    for i in range(len(queries)):
        visited[:] = 0
        excess = query_weights(fixed, i * dimension, basis, digits, steps, width, weights, buffer)
        size = enter(codes, entries, len(entries), weights, excess, pool, visited)
        size = walk(neighbors, codes, weights, excess, pool, size, beam, visited, fresh)
        counts[i] = rescore(
            queries, i * dimension, vectors, order, starts, pool, min(size, kept), scores[i], rows[i]
        )
