"""Linking nodes into a graph, in batches without locks. For numba only: arrays in, arrays out.

Every node of a batch is searched for in the graph as it was before the batch; then the edges back are added, a target
at a time (ParlayANN, Manohar et al., PPoPP 2024). So the result does not depend on threads. Neighbours are chosen by
the heuristic of HNSW (Malkov and Yashunin, 2018) with DiskANN's factor α (Subramanya et al., NeurIPS 2019).

Distances between rows are squared L2 over SQ8 codes: integers, and exactly those of the decoded codes.
"""

from typing import Any

import numpy as np
from numba import njit

from vsearch_core.kernels.graph import NONE, enter, walk
from vsearch_core.kernels.select import key_row
from vsearch_core.kernels.simd import dot_u8i8, prefetch
from vsearch_core.kernels.sketch import query_weights


@njit(nogil=True, cache=True)
def take_pivot(codes: Any, node: int, pivot: Any) -> Any:
    """Copy a node's code as int8; returns the sum, times 128, that a dot product with it is too high."""
    total = 0
    for i in range(codes.shape[1]):
        value = np.int64(codes[node, i]) - 128
        pivot[i] = value
        total += value
    return 128 * total


@njit(nogil=True, cache=True)
def measure(codes: Any, norms: Any, node: int, ids: Any, count: int, pivot: Any, distances: Any) -> None:
    """Distances of ids[:count] from a node."""
    stride = codes.shape[1]
    for i in range(count):
        for line in range(0, stride, 64):
            prefetch(codes, np.int64(ids[i]) * stride + line)
    excess = take_pivot(codes, node, pivot)
    for i in range(count):
        other = np.int64(ids[i])
        dot = np.int64(dot_u8i8(codes, other * stride, pivot, 0, stride)) - excess
        distances[i] = norms[node] + norms[other] - 2 * dot


@njit(nogil=True, cache=True)
def prune(
    codes: Any, norms: Any, keys: Any, count: int, alpha: float, degree: int, pivot: Any, out: Any
) -> Any:
    """Choose at most `degree` of the sorted candidates keys[:count] (distance above id) into out; returns how many.

    A candidate is dropped when it is α times nearer to one chosen before than to the node. `keys` is overwritten.
    """
    stride = codes.shape[1]
    kept = 0
    for i in range(count):
        if keys[i] < 0:
            continue
        chosen = keys[i] & 0xFFFFFFFF
        out[kept] = chosen
        kept += 1
        if kept == degree:
            break
        excess = take_pivot(codes, chosen, pivot)
        norm = np.int64(norms[chosen])
        for j in range(i + 1, count):
            if keys[j] >= 0:
                other = keys[j] & 0xFFFFFFFF
                dot = np.int64(dot_u8i8(codes, other * stride, pivot, 0, stride)) - excess
                if alpha * (norm + norms[other] - 2 * dot) <= keys[j] >> 32:
                    keys[j] = -1
    return kept


@njit(nogil=True, cache=True)
def choose(
    codes: Any, norms: Any, node: int, ids: Any, count: int, alpha: float, degree: int, pivot: Any, distances: Any,
    out: Any,
) -> Any:  # fmt: skip
    """Choose a node's neighbours among ids[:count] into out; returns how many."""
    measure(codes, norms, node, ids, count, pivot, distances)
    keys = np.empty(count, np.int64)
    for i in range(count):
        keys[i] = (np.int64(distances[i]) << 32) | np.int64(ids[i])
    keys.sort()
    return prune(codes, norms, keys, count, alpha, degree, pivot, out)


@njit(nogil=True, cache=True)
def link(
    neighbors: Any, vectors: Any, order: Any, sketches: Any, basis: Any, digits: Any, steps: Any, codes: Any,
    norms: Any, entries: Any, beam: int, alpha: float, first: int, start: int, stop: int, forward: Any,
) -> None:  # fmt: skip
    """Find the neighbours of the nodes start … stop - 1 among those before `first`, into forward[node - first]."""
    width, dimension, degree = sketches.shape[1], vectors.shape[1], forward.shape[1]
    pool = np.empty(beam, np.int64)
    ids = np.empty(beam, np.uint32)
    distances = np.empty(beam, np.int64)
    pivot = np.empty(codes.shape[1], np.int8)
    visited = np.zeros((len(sketches) + 31) // 32, np.uint32)
    fresh = np.empty(neighbors.shape[1] + 1, np.uint32)
    weights = np.zeros(4 * width, np.int8)
    buffer = np.empty(len(basis), np.float32)
    for node in range(start, stop):
        visited[:] = 0
        at = np.int64(order[node]) * dimension
        excess = query_weights(vectors, at, basis, digits, steps, width, weights, buffer)
        size = enter(sketches, entries, min(first, len(entries)), weights, excess, pool, visited)
        see_self = np.uint32(node)
        visited[see_self >> np.uint32(5)] |= np.uint32(1) << (see_self & np.uint32(31))
        size = walk(neighbors, sketches, weights, excess, pool, size, beam, visited, fresh)
        for i in range(size):
            ids[i] = key_row(pool[i])
        kept = choose(codes, norms, node, ids, size, alpha, degree, pivot, distances, forward[node - first])
        forward[node - first, kept:] = NONE


@njit(nogil=True, cache=True)
def link_back(
    neighbors: Any, codes: Any, norms: Any, targets: Any, sources: Any, bounds: Any, alpha: float, degree: int,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Add the edges of groups start … stop - 1, each of one target; a list that overflows is cut to `degree`."""
    capacity = neighbors.shape[1]
    pivot = np.empty(codes.shape[1], np.int8)
    for group in range(start, stop):
        target = np.int64(targets[bounds[group]])
        have = 0
        while have < capacity and neighbors[target, have] != NONE:
            have += 1
        new = bounds[group + 1] - bounds[group]
        if have + new <= capacity:
            for i in range(new):
                neighbors[target, have + i] = sources[bounds[group] + i]
            continue
        ids = np.empty(have + new, np.uint32)
        ids[:have] = neighbors[target, :have]
        ids[have:] = sources[bounds[group] : bounds[group + 1]]
        distances = np.empty(have + new, np.int64)
        kept = choose(codes, norms, target, ids, have + new, alpha, degree, pivot, distances, neighbors[target])
        neighbors[target, kept:] = NONE


@njit(nogil=True, cache=True)
def cut(neighbors: Any, codes: Any, norms: Any, alpha: float, start: int, stop: int, out: Any) -> None:
    """Bring the lists of the nodes start … stop - 1 down to the length of out's."""
    capacity, degree = neighbors.shape[1], out.shape[1]
    pivot = np.empty(codes.shape[1], np.int8)
    distances = np.empty(capacity, np.int64)
    for node in range(start, stop):
        have = 0
        while have < capacity and neighbors[node, have] != NONE:
            have += 1
        if have <= degree:
            out[node] = neighbors[node, :degree]
        else:
            kept = choose(codes, norms, node, neighbors[node], have, alpha, degree, pivot, distances, out[node])
            out[node, kept:] = NONE
