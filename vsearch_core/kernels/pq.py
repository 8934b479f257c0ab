"""Encode vectors by product quantisation, and search inverted lists of such codes. `ann.pq` describes the codes.

Components are float32, in units of 1 / FIXED_ONE. Those of a row don't depend on other rows, and all sums over rows are
of integers, so codes don't depend on the number of threads.
"""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import FIXED_ONE, LAST_KEY, POOL_BLOCK, PQ_BLOCK, PQ_CENTROIDS
from vsearch_core.kernels.graph import CANDIDATES_PER_SIGMA, count_to_rescore, prefetch_vectors, rescore
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.keys import key_row, make_key
from vsearch_core.kernels.lists import excludes_nearest, rank_lists
from vsearch_core.kernels.simd import (
    LARGEST_SMALL_ELEMENT,
    dot_f32,
    dot_i16,
    insert_sorted,
    lowest_bit,
    nearest_of_16,
    nearest_of_256,
    sum_small_tables,
    sum_tables,
)
from vsearch_core.kernels.tuples import PqArrays, StoredRows

_LAST_SUM = 65_535  # the largest sum of table elements
_LARGEST_ELEMENT = 255  # of a table of a byte's 256 values
# Standard errors by which an estimate is assumed to be off at most. The error is that of any row; estimates of rows
# near the query are off by more, as centroids are means.
_MARGIN = 5.0
_ALONG = 2.0  # weight of an error's part along the vector; other parts have 1
_PASSES = 3  # over the sub-vectors of a code, at most, to lower the weighted error
_FAST = {"contract", "nnan", "nsz"}  # lets LLVM find a least or largest element by vector instructions


@kernel(inline="always")
def place_in_block(row: int) -> Any:
    """Return the place of a row's byte among the 64 bytes of its block, as `simd.make_sum_tables` expects it."""
    return 2 * (row % 32) + row // 32


@kernel
def rotate(vectors: Any, rotation: Any, start: int, stop: int, out: Any) -> None:
    """Write the components of vectors[start:stop], (r, d) int16 in fixed point, to out[start:stop].

    `rotation` (c, d) int16 has the direction of each component in a row, of length FIXED_ONE. `out` is (r, c) float32.
    """
    dimension = vectors.shape[1]
    for i in range(start, stop):
        at = i * dimension
        for j in range(len(rotation)):
            dot = np.int64(dot_i16(vectors, at, rotation, j * dimension, dimension))
            out[i, j] = np.float32(dot) * np.float32(1.0 / FIXED_ONE)


@kernel
def quantise(components: Any, books: Any, halves: Any, start: int, stop: int, codes: Any) -> None:
    """Write the nearest centroid of each sub-vector of components[start:stop], (r, c) float32, to `codes` (r, m) uint8.

    `books` (m, s, t) float32 has the t centroids of each sub-vector in columns, 16 or 256, and `halves` (m, t) half of
    their squared lengths; c = m * s.
    """
    parts, size, count = books.shape
    flat, books_flat, halves_flat = components.reshape(-1), books.reshape(-1), halves.reshape(-1)
    for i in range(start, stop):
        for part in range(parts):
            at, book, half = (i * parts + part) * size, part * size * count, part * count
            if count == PQ_CENTROIDS:
                codes[i, part] = nearest_of_256(flat, at, books_flat, book, halves_flat, half, size)
            else:
                codes[i, part] = nearest_of_16(flat, at, books_flat, book, halves_flat, half, size)


@kernel
def weigh_centroids(components: Any, whole: Any, at: int, book: Any, errors: Any, shares: Any) -> None:
    """Write each centroid's squared error to `errors` (t,), and the dot product of its error and `whole` to `shares`.

    The error is that of the sub-vector components[at : at + s]; `whole` has the components of the vector, and `book` is
    (s, t).
    """
    for centroid in range(len(errors)):
        errors[centroid] = np.float32(0.0)
        shares[centroid] = np.float32(0.0)
    for j in range(len(book)):
        component, own, row = components[at + j], whole[at + j], book[j]
        for centroid in range(len(errors)):
            error = component - row[centroid]
            errors[centroid] += error * error
            shares[centroid] += error * own


@kernel
def align(components: Any, wholes: Any, books: Any, start: int, stop: int, codes: Any) -> None:
    """Change codes[start:stop], (r, m) uint8, so that less of the error is along the vector (Guo et al., ICML 2020).

    A query's nearest rows point towards it, so the part of a row's error along the row changes their scores most. It is
    weighted _ALONG times in the squared error, which is lowered by one sub-vector after the other. `components` (r, m *
    s) are the residuals, and `wholes` those of unit vectors without anything subtracted; `books` is that of `quantise`.
    """
    parts, size, count = books.shape
    errors, shares = np.empty(count, np.float32), np.empty(count, np.float32)
    factor = np.float32((_ALONG - 1.0) / (np.float64(FIXED_ONE) * FIXED_ONE))
    for i in range(start, stop):
        row, whole, code = components[i], wholes[i], codes[i]
        along = np.float32(0.0)
        for part in range(parts):
            for j in range(size):
                at = part * size + j
                along += (row[at] - books[part, j, code[part]]) * whole[at]
        for _ in range(_PASSES):
            changed = False
            for part in range(parts):
                former = code[part]
                weigh_centroids(row, whole, part * size, books[part], errors, shares)
                rest = along - shares[former]
                for centroid in range(count):
                    total = rest + shares[centroid]
                    errors[centroid] += factor * total * total
                best = former
                for centroid in range(count):
                    if errors[centroid] < errors[best]:
                        best = np.uint8(centroid)
                if best != former:
                    code[part] = best
                    along = rest + shares[best]
                    changed = True
            if not changed:
                break


@kernel
def add_to_books(components: Any, codes: Any, sums: Any, counts: Any) -> None:
    """Add each sub-vector's rounded components to sums[its part, :, its code], and 1 to counts[its part, its code].

    `components` (r, m * s) float32 and `codes` (r, m) uint8 are those of `quantise`. `sums` (m, s, t) and `counts`
    (m, t) are int64.
    """
    parts, size = sums.shape[0], sums.shape[1]
    for i in range(len(codes)):
        for part in range(parts):
            code = codes[i, part]
            counts[part, code] += 1
            for j in range(size):
                sums[part, j, code] += np.int64(np.rint(components[i, part * size + j]))


@kernel
def encode_rows(
    vectors: Any, nodes: Any, lists: Any, centroids: Any, pq: PqArrays, halves: Any, start: int, stop: int, blocks: Any
) -> None:
    """Write the codes of the rows start … stop - 1 to `blocks` (n / PQ_BLOCK, bytes, PQ_BLOCK) uint8, all zeros.

    `vectors` (n, d) int16 are in fixed point; `nodes` (n,) is the place of each row's code, `lists` (n,) its list, and
    `centroids` (lists, c) float32 are the components of the lists' centroids, which are subtracted. The numbers of 256
    centroids take a byte each, those of 16 centroids half a byte: first the low half, then the high half. No byte
    belongs to two rows, so threads may write different rows at once.
    """
    parts = pq.books.shape[0]
    wholes = np.empty((1, pq.rotation.shape[0]), np.float32)
    components = np.empty_like(wholes)
    codes = np.empty((1, parts), np.uint8)
    for row in range(start, stop):
        rotate(vectors[row : row + 1], pq.rotation, 0, 1, wholes)
        for j in range(components.shape[1]):
            components[0, j] = wholes[0, j] - centroids[lists[row], j]
        quantise(components, pq.books, halves, 0, 1, codes)
        align(components, wholes, pq.books, 0, 1, codes)
        node = np.int64(nodes[row])
        block, place = node // PQ_BLOCK, place_in_block(node % PQ_BLOCK)
        for part in range(parts):
            if pq.books.shape[2] == PQ_CENTROIDS:
                blocks[block, part, place] = codes[0, part]
            else:
                blocks[block, part // 2, place] |= codes[0, part] << np.uint8(4 * (part % 2))


@kernel(fastmath=_FAST)
def dot_products(components: Any, at: int, book: Any, out: Any) -> Any:
    """Write the dot products of components[at : at + s] with all centroids of `book` (s, t) to `out` (t,).

    Returns the least and the largest of them.
    """
    for centroid in range(len(out)):
        out[centroid] = np.float32(0.0)
    for j in range(len(book)):
        component = components[at + j]
        row = book[j]
        for centroid in range(len(out)):
            out[centroid] += component * row[centroid]
    least, most = out[0], out[0]
    for centroid in range(len(out)):
        least = min(least, out[centroid])
    for centroid in range(len(out)):
        most = max(most, out[centroid])
    return least, most


@kernel(fastmath=_FAST)
def round_to_steps(products: Any, least: float, factor: float, out: Any) -> None:
    """Write (products - least) * factor, rounded, to `out` (t,) uint8."""
    for centroid in range(len(out)):
        out[centroid] = np.uint8(np.int32((products[centroid] - least) * factor + np.float32(0.5)))


@kernel
def make_tables(pq: PqArrays) -> Any:
    """Return scratch memory for a query's tables, (components, exact, tables): see `fill_tables`."""
    parts, _, count = pq.books.shape
    exact = np.empty((parts, count), np.float32)
    return np.empty(len(pq.rotation), np.float32), exact, np.empty(parts * count, np.uint8)


@kernel
def fill_tables(query: Any, pq: PqArrays, components: Any, exact: Any, tables: Any) -> Any:
    """Fill a query's tables of dot products with all centroids, rounded to whole steps. Return (step, least).

    `query` (1, d) is float32. `tables` (m * t,) uint8 receives the dot product of each sub-vector's part of the query
    with each centroid, less the least one of the part, in steps. `least` is the sum of these least products. A dot
    product of unit vectors is about step * (sum of the elements) + least. `components` (c,) and `exact` (m, t) float32
    are scratch memory.
    """
    rotation, books = pq.rotation.reshape(-1), pq.books
    parts, size, count = books.shape
    dimension = query.shape[1]
    unit = np.float32(1.0 / FIXED_ONE)
    for j in range(len(components)):
        components[j] = dot_f32(query, 0, rotation, j * dimension, dimension) * unit * unit
    total, widest = np.float32(0.0), np.float32(1e-9)
    lowest = np.empty(parts, np.float32)
    for part in range(parts):
        least, most = dot_products(components, part * size, books[part], exact[part])
        lowest[part] = least
        total += least
        widest = max(widest, most - least)
    largest = _LARGEST_ELEMENT if count == PQ_CENTROIDS else LARGEST_SMALL_ELEMENT
    factor = np.float32(largest) / widest
    for part in range(parts):
        at = part * count
        round_to_steps(exact[part], lowest[part], factor, tables[at : at + count])
    return np.float32(1.0) / factor, total


@kernel
def scan_codes(
    codes: Any, size: int, tables: Any, start: int, stop: int, offset: int, order: Any, allowed: Any, pool: Any,
    sums: Any,
) -> None:  # fmt: skip
    """Insert the best of the nodes from `start` to `stop` into the pool, by the sums of their tables' elements.

    `codes` (b * size * PQ_BLOCK,) uint8 are blocks of codes of `size` bytes, and `tables` those of `fill_tables`.
    `offset` is added to the sums. The pool (POOL_BLOCK + kept,) int64 has keys, after guard slots as in `Scratch`.
    `allowed` (n,) bool marks the allowed rows; if it is empty, all are. `sums` (PQ_BLOCK,) uint16 is scratch memory.
    """
    last, has_bytes = len(pool) - 1, len(tables) == size * PQ_CENTROIDS
    for block in range(start // PQ_BLOCK, (stop + PQ_BLOCK - 1) // PQ_BLOCK):
        least = -(pool[last] >> 32) - offset if pool[last] != LAST_KEY else np.int64(0)
        if least > _LAST_SUM:
            return
        at, bound = block * size * PQ_BLOCK, np.uint16(max(least, 0))
        if has_bytes:
            found = sum_tables(codes, at, tables, size, sums, bound)
        else:
            found = sum_small_tables(codes, at, tables, size, sums, bound)
        while found != 0:
            place = lowest_bit(found)
            found &= found - np.uint64(1)
            node = block * PQ_BLOCK + place
            if start <= node < stop and (len(allowed) == 0 or allowed[order[node]]):
                key = make_key(offset + np.int64(sums[place]), node)
                if key < pool[last]:
                    insert_sorted(pool, POOL_BLOCK, last + 1 - POOL_BLOCK, key)


@kernel
def count_allowed(order: Any, allowed: Any, start: int, stop: int) -> Any:
    """Return the number of allowed rows among order[start:stop]; if `allowed` is empty, all are."""
    if len(allowed) == 0:
        return stop - start
    count: Any = 0
    for node in range(start, stop):
        count += np.int64(allowed[order[node]])
    return count


@kernel
def search_codes(
    queries: Any, fixed: Any, stored: StoredRows, pq: PqArrays, nprobe: int, ranked: int, enough: int, least: float,
    kept: int, scores: Any, rows: Any, counts: Any, allowed_counts: Any,
) -> None:  # fmt: skip
    """Find the k rows nearest to each query by the codes in the lists nearest to it, and the vectors of the best.

    As many as `kept` of the best nodes, a multiple of POOL_BLOCK, are scored from their vectors. The other arguments,
    and the results, are those of `lists.search_lists`.
    """
    order, allowed, stops, centroids = stored.order, stored.allowed, pq.stops, pq.centroids
    codes, size = pq.blocks.reshape(-1), pq.blocks.shape[1]
    ranking = np.full(POOL_BLOCK + ranked, -LAST_KEY, np.int64)
    pool = np.full(POOL_BLOCK + kept, -LAST_KEY, np.int64)
    components, exact, tables = make_tables(pq)
    sums = np.empty(PQ_BLOCK, np.uint16)
    unit = 1.0 / (np.float64(FIXED_ONE) * FIXED_ONE)
    for query in range(len(queries)):
        rank_lists(fixed[query], centroids, ranking)
        if len(allowed) and excludes_nearest(ranking, stops, order, allowed, nprobe, least):
            continue
        step, _ = fill_tables(queries[query : query + 1], pq, components, exact, tables)
        pool[POOL_BLOCK:] = LAST_KEY
        count: Any = 0
        for place in range(POOL_BLOCK, len(ranking)):
            if ranking[place] == LAST_KEY or (place - POOL_BLOCK >= nprobe and count >= enough):
                break
            number = key_row(ranking[place])
            start, stop = np.int64(stops[number]), np.int64(stops[number + 1])
            count += count_allowed(order, allowed, start, stop)
            offset = np.int64(np.rint(-(ranking[place] >> 32) * unit / step))
            scan_codes(codes, size, tables, start, stop, offset, order, allowed, pool, sums)
        if count >= enough:
            allowed_counts[query] = count
            slack = np.int64((_MARGIN + kept / CANDIDATES_PER_SIGMA) * pq.error / step)
            close, _ = count_to_rescore(stored, pool, POOL_BLOCK, kept, scores.shape[1], slack)
            prefetch_vectors(stored, pool, POOL_BLOCK, close)
            counts[query] = rescore(queries, query, stored, pool, POOL_BLOCK, close, scores[query], rows[query])
