"""Linking nodes into a graph, in batches without locks. For numba only: arrays in, arrays out.

Every node of a batch is searched for in the graph as it was before the batch; then the edges back are added, a target
at a time (ParlayANN, Manohar et al., PPoPP 2024). So the result does not depend on threads. Neighbours are chosen by
the heuristic of HNSW (Malkov and Yashunin, 2018) with DiskANN's factor α (Subramanya et al., NeurIPS 2019).

Distances between rows are squared L2 over SQ8 codes: integers, and exactly those of the decoded codes.
"""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import CACHE_LINE, NO_NODE, POOL_BLOCK, SQ8_ZERO
from vsearch_core.kernels.graph import (
    ABSORB,
    FINISH,
    GATHER,
    IDLE,
    absorb,
    begin,
    choose_next,
    gather,
    make_lanes,
    pool_start,
    see,
)
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.select import LAST, key_row
from vsearch_core.kernels.simd import dot_u8i8, prefetch


@kernel
def take_pivot(codes: Any, node: int, pivot: Any) -> Any:
    """Copy a node's code as int8; returns the sum, times 128, that a dot product with it is too high."""
    total: Any = 0
    for i in range(codes.shape[1]):
        value = np.int64(codes[node, i]) - SQ8_ZERO
        pivot[i] = value
        total += value
    return SQ8_ZERO * total


@kernel
def measure(codes: Any, norms: Any, node: int, ids: Any, count: int, pivot: Any, distances: Any) -> None:
    """Distances of ids[:count] from a node."""
    stride = codes.shape[1]
    for i in range(count):
        for line in range(0, stride, CACHE_LINE):
            prefetch(codes, np.int64(ids[i]) * stride + line)
    excess = take_pivot(codes, node, pivot)
    for i in range(count):
        other = np.int64(ids[i])
        dot = np.int64(dot_u8i8(codes, other * stride, pivot, 0, stride)) - excess
        distances[i] = norms[node] + norms[other] - 2 * dot


@kernel
def prune(codes: Any, norms: Any, keys: Any, count: int, alpha: float, degree: int, pivot: Any, out: Any) -> Any:
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


@kernel
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


@kernel
def link(
    vectors: Any, order: Any, graph: Any, codec: Any, codes: Any, norms: Any, lane_count: int, beam: int, alpha: float,
    first: int, start: int, stop: int, forward: Any,
) -> None:  # fmt: skip
    """Find the neighbours of the nodes start … stop - 1 among those before `first`, into forward[node - first].

    `vectors` (n, d) fixed point, `order` the row of each node, `codes` and `norms` SQ8.
    """
    neighbors, sketches, entries = graph
    degree = forward.shape[1]
    ids, distances = np.empty(beam, np.uint32), np.empty(beam, np.int64)
    pivot = np.empty(codes.shape[1], np.int8)
    lanes = make_lanes(lane_count, len(sketches), neighbors.shape[1], sketches.shape[1], beam, codec[0])
    pools, numbers = lanes[0], lanes[4]
    entered = min(first, len(entries))
    waiting, busy = start, 1
    while busy:
        busy = 0
        for lane in range(lane_count):
            phase = numbers[lane, 0]
            if phase == GATHER:
                gather(graph, lanes, lane)
                numbers[lane, 0] = ABSORB
            elif phase == ABSORB:
                absorb(graph, lanes, lane, beam)
                numbers[lane, 0] = GATHER if choose_next(graph, lanes, lane, beam) else FINISH
            else:
                if phase == FINISH:
                    at, found = pool_start(lane, beam), 0
                    while found < beam and pools[at + found] != LAST:
                        ids[found] = key_row(pools[at + found])
                        found += 1
                    node = numbers[lane, 1]
                    out = forward[node - first]
                    out[choose(codes, norms, node, ids, found, alpha, degree, pivot, distances, out) :] = NO_NODE
                    numbers[lane, 0] = IDLE
                if waiting < stop:
                    begin(vectors[order[waiting]], graph, entered, codec, lanes, lane, beam)
                    see(lanes[1], lane, waiting)
                    choose_next(graph, lanes, lane, beam)
                    numbers[lane, 0], numbers[lane, 1] = GATHER, waiting
                    waiting += 1
            busy += numbers[lane, 0] != IDLE


@kernel
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
        while have < capacity and neighbors[target, have] != NO_NODE:
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
        neighbors[target, kept:] = NO_NODE


@kernel
def cut(neighbors: Any, codes: Any, norms: Any, alpha: float, start: int, stop: int, out: Any) -> None:
    """Bring the lists of the nodes start … stop - 1 down to the length of out's."""
    capacity, degree = neighbors.shape[1], out.shape[1]
    pivot = np.empty(codes.shape[1], np.int8)
    distances = np.empty(capacity, np.int64)
    for node in range(start, stop):
        have = 0
        while have < capacity and neighbors[node, have] != NO_NODE:
            have += 1
        if have <= degree:
            out[node] = neighbors[node, :degree]
        else:
            kept = choose(codes, norms, node, neighbors[node], have, alpha, degree, pivot, distances, out[node])
            out[node, kept:] = NO_NODE


@kernel
def nearest_entries(vectors: Any, order: Any, graph: Any, codec: Any, start: int, stop: int, out: Any) -> None:
    """Write the entry node most like each of the nodes start … stop - 1."""
    _, sketches, entries = graph
    lanes = make_lanes(1, len(sketches), 1, sketches.shape[1], POOL_BLOCK, codec[0])
    for node in range(start, stop):
        begin(vectors[order[node]], graph, len(entries), codec, lanes, 0, POOL_BLOCK)
        out[node] = key_row(lanes[0][POOL_BLOCK])
