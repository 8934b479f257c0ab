"""Build a graph: link batches of nodes to their nearest neighbours, without locks.

For each node of a batch, neighbours are searched in the graph as it was before the batch. Then the reverse edges are
added, one target at a time (ParlayANN, Manohar et al., PPoPP 2024). So the result does not depend on the number of
threads. Neighbours are selected by HNSW's heuristic (Malkov and Yashunin, 2018) with DiskANN's factor α (Subramanya et
al., NeurIPS 2019).

Distances between nodes are squared L2 distances of their SQ8 codes (see `ann.sq8`), which are exact integers.
"""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import CACHE_LINE, LAST_KEY, NO_NODE, POOL_BLOCK, SQ8_ZERO
from vsearch_core.kernels.graph import expand_all, make_scratch, start_search, visit
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.keys import key_row
from vsearch_core.kernels.simd import dot_u8i8, prefetch
from vsearch_core.kernels.tuples import CodecArrays, GraphArrays, Sq8Rows


@kernel
def set_pivot(coded: Sq8Rows, node: int, pivot: Any) -> Any:
    """Copy a node's code to `pivot`, as int8 around 0. Return the excess of dot products between codes and `pivot`."""
    total: Any = 0
    for i in range(coded.codes.shape[1]):
        value = np.int64(coded.codes[node, i]) - SQ8_ZERO
        pivot[i] = value
        total += value
    return SQ8_ZERO * total


@kernel
def decode_sq8(coded: Sq8Rows, node: int, out: Any) -> None:
    """Write the vector that a node's code stands for to `out` (d,) int16, in fixed point."""
    factor = np.float32(coded.limit) / np.float32(127.0)
    for i in range(len(out)):
        out[i] = np.int16(np.rint((np.float32(coded.codes[node, i]) - np.float32(SQ8_ZERO)) * factor))


@kernel
def measure_distances(coded: Sq8Rows, node: int, ids: Any, count: int, pivot: Any, distances: Any) -> None:
    """Write to `distances` the squared distances from a node to the nodes ids[:count]. `pivot` is scratch memory."""
    codes, norms = coded.codes, coded.norms
    stride = codes.shape[1]
    for i in range(count):
        for line in range(0, stride, CACHE_LINE):
            prefetch(codes, np.int64(ids[i]) * stride + line)
    excess = set_pivot(coded, node, pivot)
    for i in range(count):
        other = np.int64(ids[i])
        dot = np.int64(dot_u8i8(codes, other * stride, pivot, 0, stride)) - excess
        distances[i] = norms[node] + norms[other] - 2 * dot


@kernel
def prune(coded: Sq8Rows, keys: Any, count: int, alpha: float, degree: int, pivot: Any, out: Any) -> Any:
    """Select at most `degree` neighbours of a node from the sorted candidates keys[:count].

    Writes them to `out` and returns their number. A key has the candidate's distance to the node in the upper 32 bits,
    and the candidate in the lower ones. A candidate is dropped if α times its distance to a selected neighbour is not
    more than its distance to the node. Overwrites `keys`; `pivot` is scratch memory.
    """
    codes, norms = coded.codes, coded.norms
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
        excess = set_pivot(coded, chosen, pivot)
        norm = np.int64(norms[chosen])
        for j in range(i + 1, count):
            if keys[j] >= 0:
                other = keys[j] & 0xFFFFFFFF
                dot = np.int64(dot_u8i8(codes, other * stride, pivot, 0, stride)) - excess
                if alpha * (norm + norms[other] - 2 * dot) <= keys[j] >> 32:
                    keys[j] = -1
    return kept


@kernel
def select_neighbors(
    coded: Sq8Rows, node: int, ids: Any, count: int, alpha: float, degree: int, pivot: Any, distances: Any, out: Any
) -> Any:
    """Select at most `degree` neighbours of a node among the nodes ids[:count].

    Writes them to `out` and returns their number. `pivot` and `distances` are scratch memory.
    """
    measure_distances(coded, node, ids, count, pivot, distances)
    keys = np.empty(count, np.int64)
    for i in range(count):
        keys[i] = (np.int64(distances[i]) << 32) | np.int64(ids[i])
    keys.sort()
    return prune(coded, keys, count, alpha, degree, pivot, out)


@kernel
def find_neighbors(
    graph: GraphArrays, entry_count: int, codec: CodecArrays, coded: Sq8Rows, ef: int, alpha: float, nodes: Any,
    forward: Any,
) -> None:  # fmt: skip
    """Find the neighbours of `nodes` (r,) among the nodes that are linked to the first `entry_count` entries.

    Writes them to `forward` (r, degree), padded with NO_NODE. A search keeps `ef` candidates, a multiple of POOL_BLOCK.
    It looks for the vector that the node's code stands for: the vectors themselves may be in a file that doesn't fit in
    memory.
    """
    degree = forward.shape[1]
    ids, distances = np.empty(ef, np.uint32), np.empty(ef, np.int64)
    pivot = np.empty(coded.codes.shape[1], np.int8)
    neighbors, sketches, _ = graph
    scratch = make_scratch(len(sketches), neighbors.shape[1], sketches.shape[1], ef, codec.basis)
    pool, visited, unseen, weights, _, _, good = scratch
    query = np.empty(len(codec.centre), np.int16)
    for i in range(len(nodes)):
        node = np.int64(nodes[i])
        decode_sq8(coded, node, query)
        excess, _ = start_search(query, graph, entry_count, codec, scratch, ef)
        visit(visited, node)
        expand_all(neighbors, sketches, pool, visited, unseen, weights, good, excess, ef)
        count = 0
        while count < ef and pool[POOL_BLOCK + count] != LAST_KEY:
            ids[count] = key_row(pool[POOL_BLOCK + count])
            count += 1
        out = forward[i]
        out[select_neighbors(coded, node, ids, count, alpha, degree, pivot, distances, out) :] = NO_NODE


@kernel
def add_reverse_edges(
    neighbors: Any, coded: Sq8Rows, targets: Any, sources: Any, bounds: Any, alpha: float, degree: int, start: int,
    stop: int,
) -> None:  # fmt: skip
    """Add each source to the neighbours of its target. A list that has no more room is pruned to `degree`.

    `targets` and `sources` (edges,) are sorted by target. Group i, the edges bounds[i] … bounds[i + 1] - 1, has one
    target; the groups start … stop - 1 are processed.
    """
    capacity = neighbors.shape[1]
    pivot = np.empty(coded.codes.shape[1], np.int8)
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
        kept = select_neighbors(coded, target, ids, have + new, alpha, degree, pivot, distances, neighbors[target])
        neighbors[target, kept:] = NO_NODE


@kernel
def prune_lists(lists: Any, nodes: Any, coded: Sq8Rows, alpha: float, out: Any) -> None:
    """Prune the lists of neighbours (r, capacity) of `nodes` (r,).

    Writes them to `out` (r, degree), padded with NO_NODE.
    """
    capacity, degree = lists.shape[1], out.shape[1]
    pivot = np.empty(coded.codes.shape[1], np.int8)
    distances = np.empty(capacity, np.int64)
    for i in range(len(nodes)):
        have = 0
        while have < capacity and lists[i, have] != NO_NODE:
            have += 1
        if have <= degree:
            out[i] = lists[i, :degree]
        else:
            kept = select_neighbors(coded, nodes[i], lists[i], have, alpha, degree, pivot, distances, out[i])
            out[i, kept:] = NO_NODE


@kernel
def nearest_entries(vectors: Any, rows: Any, entries: GraphArrays, codec: CodecArrays, out: Any) -> None:
    """Find for each of vectors[rows], (n, d) in fixed point, the most similar entry node, and write it to `out` (r,).

    `entries` is a graph that has no other nodes, and no neighbours.
    """
    count, width = entries.sketches.shape
    scratch = make_scratch(count, 1, width, POOL_BLOCK, codec.basis)
    for i in range(len(rows)):
        start_search(vectors[rows[i]], entries, count, codec, scratch, POOL_BLOCK)
        out[i] = key_row(scratch.pool[POOL_BLOCK])
