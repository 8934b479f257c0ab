"""Find the rows with the highest BM25 scores, with the MaxScore algorithm.

Rows are processed in windows of consecutive rows, and terms in descending order of their bound: the most that a term
can add to a score. The scores of the first terms are summed for all rows of a window. If the bounds of the other terms
together can't lift a row into the best k, these terms are only looked up for rows that may still get there (Turtle and
Flood, "Query evaluation: strategies and optimizations", 1995). A window is skipped if the bounds of its blocks of
postings are too low (Ding and Suel, "Faster top-k document retrieval using block-max indexes", SIGIR 2011).

Scores are sums of whole numbers of units (see `lexical.bm25`), so they don't depend on the order of additions. The best
rows so far are kept in a pool, a sorted array of keys (see `keys`). These functions check no bounds; `BM25.check` does
so before a list of postings is first used.
"""

import math
from typing import Any

import numpy as np

from vsearch_core.kernels.constants import BLOCK_POSTINGS, LAST_KEY, POOL_BLOCK, SCORE_BITS
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.keys import key_row, make_key
from vsearch_core.kernels.simd import SUMS_AT_ONCE, first_above, insert_sorted
from vsearch_core.kernels.tuples import PostingArrays, SaturationScale, TermTable, Window

WINDOW = 8192  # rows, whose sums stay in the processor's nearest caches
_SAMPLE = 1024  # rows of a window from which the number of candidates is estimated
_LOOKUP = 100  # about how many postings are added in the time that one row is looked up in a list


@kernel(inline="always", error_model="numpy")
def contribution(count: Any, saturation: Any, weight: Any) -> Any:
    """Return the amount that a posting adds to a score, with the same operations as `bm25.contributions`.

    Scores are counted in the units of `lexical.bm25`. `weight` is the term's idf in these units.
    """
    frequency = np.float32(count)
    return np.int32(frequency / (frequency + saturation) * weight) + np.int32(1)


@kernel(error_model="numpy")
def block_bound(postings: PostingArrays, scale: SaturationScale, weight: Any, first: int, last: int) -> Any:
    """Return an upper bound of the amount that any posting at positions `first` to `last` (inclusive) adds to a score.

    The bound is computed from the blocks that contain these postings. It is in the units of `lexical.bm25`, as is
    `weight`, the term's idf.
    """
    counts, ratios = postings.block_counts, postings.block_ratios
    constant, factor = scale  # a posting's saturation / count is constant / count + factor * length / count
    least = np.float32(1e30)
    for block in range(first // BLOCK_POSTINGS, last // BLOCK_POSTINGS + 1):
        ratio = constant / np.float32(counts[block]) + factor * np.float32(ratios[block])
        least = min(least, ratio)
    # The factor is for rounding errors, which are far below 1e-5.
    return np.int64(np.float32(1.00001) * weight / (np.float32(1.0) + least)) + 2


@kernel
def first_at_least(rows: Any, start: int, end: int, row: int) -> Any:
    """Return the first place in rows[start:end], ascending, with a value of at least `row`; `end` if there is none."""
    low, high = np.uint64(start), np.uint64(end)
    while low < high:
        middle = (low + high) >> np.uint64(1)
        if np.int64(rows[middle]) < row:
            low = middle + np.uint64(1)
        else:
            high = middle
    return np.int64(low)


@kernel(error_model="numpy")
def add_postings(
    rows: Any, counts: Any, saturations: Any, start: int, end: int, weight: Any, lo: int, sums: Any
) -> None:
    """Add the contributions of the postings start … end - 1 of a term to `sums`; sums[0] belongs to row `lo`."""
    base = np.uint64(lo)
    for place in range(np.uint64(start), np.uint64(end)):
        row = np.uint64(rows[place])
        sums[row - base] += contribution(counts[place], saturations[row], weight)


@kernel
def count_above(sums: Any, count: int, least: Any) -> Any:
    """Return how many of sums[:count] are above `least`."""
    found = np.int32(0)
    some = sums[:count]
    for i in range(len(some)):
        found += np.int32(some[i] > least)
    return np.int64(found)


@kernel(error_model="numpy")
def look_up(
    rows: Any, counts: Any, saturations: Any, weights: Any, starts: Any, ends: Any, rest: Any, first: int, row: int,
    score: Any, threshold: Any,
) -> Any:  # fmt: skip
    """Return a row's `score` plus what the terms number `first`, `first` + 1 … add to it.

    Returns 0 as soon as the score can't exceed the threshold any more. The other arrays are those of `Window` and of
    the segment's postings.
    """
    for i in range(first, len(weights)):
        if score + rest[i] <= threshold:
            return np.int64(0)
        place = first_at_least(rows, starts[i], ends[i], row)
        if place < ends[i] and np.int64(rows[place]) == row:
            score += contribution(counts[place], saturations[row], weights[i])
    return score


@kernel
def collect(
    postings: PostingArrays, weights: Any, window: Window, first: int, lo: int, width: int, sums: Any, allowed: Any,
    base: int, threshold: Any, k: int, pool: Any,
) -> None:  # fmt: skip
    """Insert the rows of a window whose scores exceed the threshold into the pool.

    `sums` has the scores of the `width` rows from `lo` on, without the terms from number `first` on: these are looked
    up. The threshold rises to the score of the k-th best row.
    """
    rows, counts, _, _, saturations = postings
    starts, ends, rest = window
    beyond = np.int32(max(0, threshold - rest[first]))
    at = first_above(sums, 0, width, beyond)
    while at < width:
        row = lo + at
        if len(allowed) == 0 or allowed[row]:
            score = np.int64(sums[at])
            if first < len(weights):
                score = look_up(
                    rows, counts, saturations, weights, starts, ends, rest, first, row, score, threshold
                )  # fmt: skip
            if score > threshold:
                insert_sorted(pool, POOL_BLOCK, len(pool) - POOL_BLOCK, make_key(score, base + row))
                if pool[POOL_BLOCK + k - 1] != LAST_KEY:
                    threshold = max(threshold, -(pool[POOL_BLOCK + k - 1] >> 32))
                    beyond = np.int32(max(0, threshold - rest[first]))
        at = first_above(sums, at + 1, width, beyond)


@kernel
def enter_window(
    postings: PostingArrays, scale: SaturationScale, lists: Any, weights: Any, window: Window, last: int, bounded: bool
) -> None:
    """Move the window forward: its `starts` become the former `ends`, and its new `ends` are at row `last` (exclusive).

    Also computes `Window.rest`. The bounds of blocks are only used if `bounded` (once the pool is full), because
    they take time.
    """
    starts, ends, rest = window
    rest[len(weights)] = 0
    for i in range(len(weights) - 1, -1, -1):
        starts[i] = ends[i]
        ends[i] = lists[i]
        if last < len(postings.saturations):
            ends[i] = first_at_least(postings.rows, starts[i], ends[i], last)
        rest[i] = rest[i + 1] + 1
        if bounded and starts[i] < ends[i]:
            rest[i] += block_bound(postings, scale, weights[i], starts[i], ends[i] - 1)


@kernel
def search_window(
    postings: PostingArrays, weights: Any, window: Window, lo: int, width: int, sums: Any, allowed: Any, base: int,
    k: int, pool: Any,
) -> None:  # fmt: skip
    """Insert the best of the rows lo … lo + width - 1 into the pool.

    Terms are summed for all rows, one after the other, until the remaining ones alone can't lift a row into the best k,
    and looking them up for single rows is cheaper.
    """
    starts, ends, rest = window
    threshold = np.int64(0) if pool[POOL_BLOCK + k - 1] == LAST_KEY else -(pool[POOL_BLOCK + k - 1] >> 32)
    if rest[0] <= threshold:
        return
    rows, counts, _, _, saturations = postings
    sums[:width] = 0
    left = np.int64(0)
    for i in range(len(weights)):
        left += ends[i] - starts[i]
    first = 0
    while first < len(weights):
        if rest[first] <= threshold and left >= _LOOKUP:
            sample = min(width, _SAMPLE)
            candidates = count_above(sums, sample, np.int32(threshold - rest[first])) * width // sample
            if candidates * _LOOKUP * (len(weights) - first) <= left:
                break
        add_postings(rows, counts, saturations, starts[first], ends[first], weights[first], lo, sums)
        left -= ends[first] - starts[first]
        first += 1
    collect(postings, weights, window, first, lo, width, sums, allowed, base, threshold, k, pool)


@kernel(error_model="numpy")
def sort_terms(
    ids: Any, table: TermTable, part: int, unit: float, lists: Any, weights: Any, ends: Any, bounds: Any
) -> None:  # fmt: skip
    """Sort a query's terms (`ids`, places in the table) by descending bound.

    Writes, in this order, the ends of their lists of postings to `lists`, their idf in units to `weights`, and the
    starts of their lists to `ends` (so that the first window begins there). `bounds` is scratch memory.
    """
    idf, spans, gains = table
    for i in range(len(ids)):
        term = ids[i]
        weight = np.float32(idf[term] / unit)
        bound = gains[term, part] * weight
        place = i
        while place > 0 and bounds[place - 1] < bound:
            bounds[place] = bounds[place - 1]
            lists[place] = lists[place - 1]
            weights[place] = weights[place - 1]
            ends[place] = ends[place - 1]
            place -= 1
        bounds[place] = bound
        weights[place] = weight
        ends[place] = spans[term, part, 0]
        lists[place] = spans[term, part, 1]


@kernel
def unit_of(idf: Any, ids: Any) -> float:
    """Return the unit of a query's scores (see `bm25.unit_of`), given its terms' places in `idf`."""
    highest = 0.0
    for term in ids:
        highest += idf[term]
    return math.ldexp(1.0, math.frexp(highest)[1] - SCORE_BITS)


@kernel
def best_rows(
    postings: PostingArrays, scale: SaturationScale, starts: Any, ids: Any, table: TermTable, part: int, allowed: Any,
    base: int, k: int, pools: Any,
) -> None:  # fmt: skip
    """Insert the best rows of segment number `part` into the pool of each query, as sorted keys.

    The terms of query i are ids[starts[i] : starts[i + 1]], which are places in `table`. `allowed` (n,) bool restricts
    the segment's rows; if it is empty, all are allowed. `base` is added to row numbers. `pools` has the shape
    (q, POOL_BLOCK + k rounded up to a multiple of POOL_BLOCK).
    """
    total = len(postings.saturations)
    sums = np.empty(WINDOW + SUMS_AT_ONCE, np.int32)
    most = 0
    for query in range(len(starts) - 1):
        most = max(most, starts[query + 1] - starts[query])
    places = np.empty((4, most + 1), np.int64)
    floats = np.empty((2, most), np.float32)
    for query in range(len(starts) - 1):
        own = ids[starts[query] : starts[query + 1]]
        count = len(own)
        lists, weights = places[0, :count], floats[0, :count]
        window = Window(places[1, :count], places[2, :count], places[3, : count + 1])
        sort_terms(own, table, part, unit_of(table.idf, own), lists, weights, window.ends, floats[1])
        pool = pools[query]
        for lo in range(0, total, WINDOW):
            last = min(total, lo + WINDOW)
            enter_window(postings, scale, lists, weights, window, last, pool[POOL_BLOCK + k - 1] != LAST_KEY)
            search_window(postings, weights, window, lo, last - lo, sums, allowed, base, k, pool)


@kernel
def read_pools(pools: Any, starts: Any, ids: Any, idf: Any, rows: Any, scores: Any, counts: Any) -> None:
    """Write the rows and scores in the pools to `rows` and `scores` (q, k), and their number to `counts` (q,).

    `starts`, `ids` and `idf` are those of `best_rows`.
    """
    for query in range(len(pools)):
        unit = np.float32(unit_of(idf, ids[starts[query] : starts[query + 1]]))
        found = 0
        while found < rows.shape[1] and pools[query, POOL_BLOCK + found] != LAST_KEY:
            key = pools[query, POOL_BLOCK + found]
            rows[query, found] = key_row(key)
            scores[query, found] = np.float32(-(key >> 32)) * unit
            found += 1
        counts[query] = found
