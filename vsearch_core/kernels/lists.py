"""Assign vectors to inverted lists, and search the lists nearest to a query (see `ann.ivf`).

All sums are of integers, so they don't depend on the order of additions or on the number of threads.
"""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import LAST_KEY, POOL_BLOCK
from vsearch_core.kernels.graph import make_scratch
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.keys import key_row, make_key
from vsearch_core.kernels.scan import search_nodes
from vsearch_core.kernels.simd import dot_i16, insert_sorted
from vsearch_core.kernels.tuples import CodecArrays, GraphArrays, StoredRows

_FRONT = 8  # one of so many of the searched lists is examined by `excludes_nearest`
_ROWS_AT_ONCE = 8  # that are compared with a centroid while it is in the processor's cache


@kernel
def assign(vectors: Any, rows: Any, centroids: Any, start: int, stop: int, lists: Any, dots: Any) -> None:
    """Write the list of each of vectors[rows[start:stop]] to lists[start:stop]: that with the nearest centroid.

    `vectors` (n, d) and `centroids` (c, d) are int16 in fixed point, and of length 1. The nearest centroid is the one
    with the largest dot product, which is written to `dots` (r,) int64; of equal ones, it is the first.
    """
    dimension = vectors.shape[1]
    for first in range(start, stop, _ROWS_AT_ONCE):
        last = min(stop, first + _ROWS_AT_ONCE)
        for i in range(first, last):
            lists[i], dots[i] = 0, -LAST_KEY
        for centroid in range(len(centroids)):
            at = centroid * dimension
            for i in range(first, last):
                dot = np.int64(dot_i16(vectors, np.int64(rows[i]) * dimension, centroids, at, dimension))
                if dot > dots[i]:
                    lists[i], dots[i] = centroid, dot


@kernel
def add_to_sums(vectors: Any, rows: Any, lists: Any, sums: Any, counts: Any) -> None:
    """Add each of vectors[rows], (n, d) int16, to sums[its list], (c, d) int64, and 1 to counts[its list], (c,)."""
    for i in range(len(rows)):
        row, own = np.int64(rows[i]), np.int64(lists[i])
        counts[own] += 1
        for j in range(vectors.shape[1]):
            sums[own, j] += vectors[row, j]


@kernel
def rank_lists(query: Any, centroids: Any, pool: Any) -> None:
    """Fill the pool with the keys of the lists nearest to the query (d,) int16, best first.

    The pool (POOL_BLOCK + p,) int64 begins with guard slots, as in `Scratch`; p is a multiple of POOL_BLOCK. If there
    are fewer than p lists, it ends with LAST_KEY.
    """
    count, dimension = len(pool) - POOL_BLOCK, centroids.shape[1]
    pool[POOL_BLOCK:] = LAST_KEY
    worst = LAST_KEY
    for number in range(len(centroids)):
        key = make_key(np.int64(dot_i16(query, 0, centroids, number * dimension, dimension)), number)
        if count >= len(centroids):
            pool[POOL_BLOCK + number] = key
        elif key < worst:
            insert_sorted(pool, POOL_BLOCK, count, key)
            worst = pool[POOL_BLOCK + count - 1]
    if count >= len(centroids):
        pool[POOL_BLOCK : POOL_BLOCK + len(centroids)].sort()


@kernel
def list_probed_nodes(pool: Any, stops: Any, order: Any, allowed: Any, nprobe: int, enough: int, nodes: Any) -> Any:
    """Write the allowed nodes of the nearest lists to `nodes` (n + 1,), and return their number.

    `pool` has the lists in order, as `rank_lists` writes them. List i has the nodes from stops[i] to stops[i + 1], and
    `order` (n,) the row of each node. `allowed` (n,) bool marks the allowed rows; if it is empty, all are. The first
    `nprobe` lists are taken, and then more until there are `enough` allowed nodes. Returns less than `enough` if the
    lists in the pool have no more.
    """
    count: Any = 0
    for place in range(POOL_BLOCK, len(pool)):
        if pool[place] == LAST_KEY or (place - POOL_BLOCK >= nprobe and count >= enough):
            break
        number = key_row(pool[place])
        start, stop = np.int64(stops[number]), np.int64(stops[number + 1])
        if len(allowed) == 0:
            for node in range(start, stop):
                nodes[count + node - start] = node
            count += stop - start
        else:
            for node in range(start, stop):
                nodes[count] = node  # always: an unpredictable branch would cost more
                count += np.int64(allowed[order[node]])
    return count


@kernel
def excludes_nearest(pool: Any, stops: Any, order: Any, allowed: Any, nprobe: int, least: float) -> Any:
    """Return True if a smaller share than `least` of the rows in the lists nearest to the query are allowed.

    Then the nearest allowed rows may be no closer to the query than many others, and spread over most lists. The
    nearest `nprobe` / 8 lists are examined. The other arguments are those of `list_probed_nodes`.
    """
    total: Any = 0
    count: Any = 0
    for place in range(POOL_BLOCK, min(len(pool), POOL_BLOCK + max(1, nprobe // _FRONT))):
        if pool[place] == LAST_KEY:
            break
        number = key_row(pool[place])
        for node in range(np.int64(stops[number]), np.int64(stops[number + 1])):
            total += 1
            count += np.int64(allowed[order[node]])
    return count < least * total


@kernel
def search_lists(
    queries: Any, fixed: Any, stored: StoredRows, coded: GraphArrays, codec: CodecArrays, centroids: Any, stops: Any,
    nprobe: int, ranked: int, enough: int, least: float, kept: int, scores: Any, rows: Any, counts: Any,
    allowed_counts: Any,
) -> None:  # fmt: skip
    """Find the k rows nearest to each query in the lists nearest to it.

    `queries` (q, d) float32 and `fixed` (q, d) int16 are the same queries, as floats and in fixed point. Lists are
    chosen from the nearest `ranked`, a multiple of POOL_BLOCK, as by `list_probed_nodes`; their nodes are searched as
    by `scan.search_nodes`. Writes the hits to `scores` (q, k) float32 and `rows` (q, k) int64, best first, their number
    to `counts` (q,), and the number of compared nodes to `allowed_counts` (q,): 0 if these lists don't suffice, because
    they have too few allowed rows or `excludes_nearest` is true, given `least`.
    """
    scratch = make_scratch(0, 1, coded.sketches.shape[1], kept, codec.basis)
    pool = np.full(POOL_BLOCK + ranked, -LAST_KEY, np.int64)
    probed = np.empty(len(coded.sketches) + 1, np.uint32)
    order, allowed = stored.order, stored.allowed
    for query in range(len(queries)):
        rank_lists(fixed[query], centroids, pool)
        if len(allowed) and excludes_nearest(pool, stops, order, allowed, nprobe, least):
            continue
        count = list_probed_nodes(pool, stops, order, allowed, nprobe, enough, probed)
        if count >= enough:
            allowed_counts[query] = count
            counts[query] = search_nodes(
                queries, fixed, query, stored, coded, codec, scratch, probed[:count], kept, scores[query], rows[query]
            )
