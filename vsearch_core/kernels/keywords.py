"""The best rows by keyword: MaxScore over windows of rows, with bounds from blocks of postings. For numba only.

Scores are sums of whole numbers (`lexical.bm25`), so that their order is nobody's choice. Terms are taken with the
highest bound first; those whose bounds together can't lift a row among the best are not added up, but looked up for
the rows that may still get there (Turtle and Flood, "Query evaluation: strategies and optimizations", 1995). A window
whose blocks promise too little is passed over (Ding and Suel, "Faster top-k document retrieval using block-max
indexes", SIGIR 2011).
"""

import math
from typing import Any

import numpy as np

from vsearch_core.kernels.constants import BLOCK_POSTINGS, LAST_KEY, POOL_BLOCK, SCORE_BITS
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.keys import key_row, make_key
from vsearch_core.kernels.simd import SUMS_AT_ONCE, first_above, insert_sorted

WINDOW = 8192  # rows, whose sums stay in the processor's nearest caches
_SAMPLE = 1024  # rows of a window that tell how many of it may be wanted
_LOOKUP = 100  # postings are added in the time that one row is looked up in a list, about


@kernel(inline="always", error_model="numpy")
def contribution(count: Any, saturation: Any, weight: Any) -> Any:
    """What a posting adds: as `bm25.contributions`, operation by operation."""
    frequency = np.float32(count)
    return np.int32(frequency / (frequency + saturation) * weight) + np.int32(1)


@kernel(error_model="numpy")
def block_bound(postings: Any, scale: Any, weight: Any, first: int, last: int) -> Any:
    """The most that one of the postings from `first` to `last` (inclusive) can add, by their blocks."""
    counts, ratios = postings[2], postings[3]
    constant, factor = scale  # a posting's saturation / count is constant / count + factor * length / count
    least = np.float32(1e30)
    for block in range(first // BLOCK_POSTINGS, last // BLOCK_POSTINGS + 1):
        ratio = constant / np.float32(counts[block]) + factor * np.float32(ratios[block])
        least = min(least, ratio)
    # A rounding error is far below 1e-5.
    return np.int64(np.float32(1.00001) * weight / (np.float32(1.0) + least)) + 2


@kernel
def first_at_least(rows: Any, start: int, end: int, row: int) -> Any:
    """The first place from start to end in an ascending list whose row is not below `row`; end if there is none."""
    low, high = np.uint64(start), np.uint64(end)
    while low < high:
        middle = (low + high) >> np.uint64(1)
        if np.int64(rows[middle]) < row:
            low = middle + np.uint64(1)
        else:
            high = middle
    return np.int64(low)


@kernel(error_model="numpy")
def add_postings(postings: Any, start: int, end: int, weight: Any, lo: int, sums: Any) -> None:
    """Add what some postings contribute to the sums of the rows from `lo` on."""
    rows, counts, saturations = postings[0], postings[1], postings[4]
    base = np.uint64(lo)
    for place in range(np.uint64(start), np.uint64(end)):
        row = np.uint64(rows[place])
        sums[row - base] += contribution(counts[place], saturations[row], weight)


@kernel
def count_above(sums: Any, count: int, least: Any) -> Any:
    """How many of the first sums are higher."""
    found = np.int32(0)
    some = sums[:count]
    for i in range(len(some)):
        found += np.int32(some[i] > least)
    return np.int64(found)


@kernel(error_model="numpy")
def looked_up(
    postings: Any, weights: Any, window: Any, first: int, row: int, score: Any, threshold: Any
) -> Any:  # fmt: skip
    """A row's score, with the terms from the `first` on looked up; given up where it can't pass the threshold."""
    rows, counts, saturations = postings[0], postings[1], postings[4]
    starts, ends, rest = window
    for i in range(first, len(weights)):
        if score + rest[i] <= threshold:
            return np.int64(0)
        place = first_at_least(rows, starts[i], ends[i], row)
        if place < ends[i] and np.int64(rows[place]) == row:
            score += contribution(counts[place], saturations[row], weights[i])
    return score


@kernel
def collect(
    postings: Any, weights: Any, window: Any, first: int, lo: int, width: int, sums: Any, allowed: Any, base: int,
    threshold: Any, k: int, pool: Any,
) -> None:  # fmt: skip
    """Put the window's rows that belong there into the pool, of which the best k count."""
    rest = window[2]
    beyond = np.int32(max(0, threshold - rest[first]))
    at = first_above(sums, 0, width, beyond)
    while at < width:
        row = lo + at
        if len(allowed) == 0 or allowed[row]:
            score = np.int64(sums[at])
            if first < len(weights):
                score = looked_up(postings, weights, window, first, row, score, threshold)
            if score > threshold:
                insert_sorted(pool, POOL_BLOCK, len(pool) - POOL_BLOCK, make_key(score, base + row))
                if pool[POOL_BLOCK + k - 1] != LAST_KEY:
                    threshold = max(threshold, -(pool[POOL_BLOCK + k - 1] >> 32))
                    beyond = np.int32(max(0, threshold - rest[first]))
        at = first_above(sums, at + 1, width, beyond)


@kernel
def enter_window(postings: Any, scale: Any, lists: Any, weights: Any, window: Any, last: int, bounded: bool) -> None:
    """Find each term's postings up to row `last` (exclusive), from where the last window ended.

    With them the bounds of what this term and those after it can add, which are not worth their time unless `bounded`.
    """
    starts, ends, rest = window
    rest[len(weights)] = 0
    for i in range(len(weights) - 1, -1, -1):
        starts[i] = ends[i]
        ends[i] = lists[i]
        if last < len(postings[4]):
            ends[i] = first_at_least(postings[0], starts[i], ends[i], last)
        rest[i] = rest[i + 1] + 1
        if bounded and starts[i] < ends[i]:
            rest[i] += block_bound(postings, scale, weights[i], starts[i], ends[i] - 1)


@kernel
def search_window(
    postings: Any, weights: Any, window: Any, lo: int, width: int, sums: Any, allowed: Any, base: int, k: int, pool: Any
) -> None:  # fmt: skip
    """Add up the terms until no row without any of them can be among the best, and looking up the rest is cheaper."""
    starts, ends, rest = window
    threshold = np.int64(0) if pool[POOL_BLOCK + k - 1] == LAST_KEY else -(pool[POOL_BLOCK + k - 1] >> 32)
    if rest[0] <= threshold:
        return
    sums[:width] = 0
    left = np.int64(0)
    for i in range(len(weights)):
        left += ends[i] - starts[i]
    first = 0
    while first < len(weights):
        if rest[first] <= threshold and left >= _LOOKUP:
            sample = min(width, _SAMPLE)
            wanted = count_above(sums, sample, np.int32(threshold - rest[first])) * width // sample
            if wanted * _LOOKUP * (len(weights) - first) <= left:
                break
        add_postings(postings, starts[first], ends[first], weights[first], lo, sums)
        left -= ends[first] - starts[first]
        first += 1
    collect(postings, weights, window, first, lo, width, sums, allowed, base, threshold, k, pool)


@kernel(error_model="numpy")
def sort_terms(
    ids: Any, known: Any, part: int, unit: float, lists: Any, weights: Any, window: Any, bounds: Any
) -> None:  # fmt: skip
    """Put a query's terms in order of falling bound: where their lists end, and their weights in units.

    No window's postings have ended beyond their lists' starts yet.
    """
    idf, spans, gains = known
    for i in range(len(ids)):
        term = ids[i]
        weight = np.float32(idf[term] / unit)
        bound = gains[term, part] * weight
        place = i
        while place > 0 and bounds[place - 1] < bound:
            bounds[place] = bounds[place - 1]
            lists[place] = lists[place - 1]
            weights[place] = weights[place - 1]
            window[1][place] = window[1][place - 1]
            place -= 1
        bounds[place] = bound
        weights[place] = weight
        window[1][place] = spans[term, part, 0]
        lists[place] = spans[term, part, 1]


@kernel
def unit_of(idf: Any, ids: Any) -> float:
    """The unit of a query's scores, as `bm25.unit_of`."""
    highest = 0.0
    for term in ids:
        highest += idf[term]
    return math.ldexp(1.0, math.frexp(highest)[1] - SCORE_BITS)


@kernel
def best_rows(
    postings: Any, scale: Any, queries: Any, ids: Any, known: Any, part: int, allowed: Any, base: int, k: int,
    pools: Any,
) -> None:  # fmt: skip
    """Put each query's best rows of a part into its pool, one of pools (q, POOL_BLOCK + k rounded up), as sorted keys.

    `postings`: rows, counts, block counts, block ratios, saturation of each row (float32); `scale`: the two constants
    that saturations are made with. `queries` (q + 1,): where each query's terms start in `ids`, which are their places
    in `known`: idf, spans and gains of `bm25.BM25`. `allowed`: bool, one a row, or empty for all. `base` is
    added to row numbers.
    """
    total = len(postings[4])
    sums = np.empty(WINDOW + SUMS_AT_ONCE, np.int32)
    most = 0
    for query in range(len(queries) - 1):
        most = max(most, queries[query + 1] - queries[query])
    state = np.empty((4, most + 1), np.int64)
    floats = np.empty((2, most), np.float32)
    for query in range(len(queries) - 1):
        own = ids[queries[query] : queries[query + 1]]
        count = len(own)
        lists, weights = state[0, :count], floats[0, :count]
        window = (state[1, :count], state[2, :count], state[3, : count + 1])
        sort_terms(own, known, part, unit_of(known[0], own), lists, weights, window, floats[1])
        pool = pools[query]
        for lo in range(0, total, WINDOW):
            last = min(total, lo + WINDOW)
            enter_window(postings, scale, lists, weights, window, last, pool[POOL_BLOCK + k - 1] != LAST_KEY)
            search_window(postings, weights, window, lo, last - lo, sums, allowed, base, k, pool)


@kernel
def read_pools(pools: Any, queries: Any, ids: Any, idf: Any, rows: Any, scores: Any, counts: Any) -> None:
    """Write the pools' keys as rows and scores, (q, k) both, and how many there are."""
    for query in range(len(pools)):
        unit = np.float32(unit_of(idf, ids[queries[query] : queries[query + 1]]))
        found = 0
        while found < rows.shape[1] and pools[query, POOL_BLOCK + found] != LAST_KEY:
            key = pools[query, POOL_BLOCK + found]
            rows[query, found] = key_row(key)
            scores[query, found] = np.float32(-(key >> 32)) * unit
            found += 1
        counts[query] = found
