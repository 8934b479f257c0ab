"""Compare product quantisation with faiss at equal bytes a vector: recall without re-scoring, and time of a scan.

`--vectors FILE` is an .npy file (n, d), as for `benchmarks.ann`; without it, `--rows` vectors are generated. Recall@10
is that of the best 10 by codes alone, from all rows. Both libraries are trained on the same number of rows. faiss' OPQ
takes minutes to train; `--opq` includes it. RaBitQ has a bit a component and 8 bytes more, so vectors are first reduced
to as many principal components as there are bits for, or all; below 9 bytes there is no such code.

Times are of scans of all codes on one thread, alternating between the libraries; the median of the rounds counts.
faiss' fast scan has 16 centroids for each half byte, as ours. Ours with 256 centroids for each byte is a line of its
own. `--single` searches one query a call.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann import Floats, generate, nearest, normalise, recall
from benchmarks.machine import describe

_FOUND = 10
_RABITQ = "faiss RaBitQ"
_RABITQ_FACTORS = 8  # bytes of a RaBitQ code beside its bits
Search = Callable[[Floats], NDArray[np.int64]]


def ours(centroids: int) -> Callable[[Floats, int], Search]:
    """Return a builder of codes with so many centroids. Their search ranks all rows without the stored vectors."""

    def build(vectors: Floats, size: int) -> Search:
        from vsearch_core.ann import flat, pq
        from vsearch_core.kernels.arrays import read_only

        lists = pq.build(flat.to_fixed(vectors), size, centroids=centroids)
        arrays, order, rank = pq.kernel_arrays(lists), read_only(lists.grouping.order), _compiled_ranking()

        def search(queries: Floats) -> NDArray[np.int64]:
            found = np.empty((len(queries), _FOUND), np.int64)
            rank(read_only(queries), read_only(flat.to_fixed(queries)), arrays, order, found)
            return found

        return search

    return build


@cache
def _compiled_ranking() -> Callable[..., None]:
    """Return a compiled function that writes the rows with the best codes to its last argument, (q, k) int64."""
    from vsearch_core.kernels.constants import FIXED_ONE, LAST_KEY, POOL_BLOCK, PQ_BLOCK
    from vsearch_core.kernels.jit import numba
    from vsearch_core.kernels.keys import key_row
    from vsearch_core.kernels.lists import rank_lists
    from vsearch_core.kernels.pq import fill_tables, make_tables, scan_codes

    def rank(queries: Any, fixed: Any, arrays: Any, order: Any, found: Any) -> None:
        codes, size = arrays.blocks.reshape(-1), arrays.blocks.shape[1]
        lists, stops = len(arrays.centroids), arrays.stops
        ranking = np.full(POOL_BLOCK + (lists + POOL_BLOCK - 1) // POOL_BLOCK * POOL_BLOCK, -LAST_KEY, np.int64)
        pool = np.full(POOL_BLOCK + 2 * POOL_BLOCK, -LAST_KEY, np.int64)
        components, exact, tables = make_tables(arrays)
        sums = np.empty(PQ_BLOCK, np.uint16)
        everything = np.zeros(0, np.bool_)
        for query in range(len(queries)):
            rank_lists(fixed[query], arrays.centroids, ranking)
            step, _ = fill_tables(queries[query : query + 1], arrays, components, exact, tables)
            pool[POOL_BLOCK:] = LAST_KEY
            for place in range(POOL_BLOCK, POOL_BLOCK + lists):
                number = key_row(ranking[place])
                start, stop = np.int64(stops[number]), np.int64(stops[number + 1])
                offset = np.int64(np.rint(-(ranking[place] >> 32) / (step * FIXED_ONE * FIXED_ONE)))
                scan_codes(codes, size, tables, start, stop, offset, order, everything, pool, sums)
            for place in range(found.shape[1]):
                found[query, place] = order[key_row(pool[POOL_BLOCK + place])]

    compiled: Callable[..., None] = numba.njit(rank)
    return compiled


def peer(description: str) -> Callable[[Floats, int], Search]:
    """Return a builder of an index of faiss' factory.

    `{n}` becomes the bytes of a code, `{m}` twice as many, and `{bits}` the components of RaBitQ.
    """

    def build(vectors: Floats, size: int) -> Search:
        import faiss

        faiss.omp_set_num_threads(1)
        bits = min(vectors.shape[1], 8 * (size - _RABITQ_FACTORS))
        expanded = description.format(n=size, m=2 * size, bits=bits)
        index: Any = faiss.index_factory(vectors.shape[1], expanded, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors[: 1 << 15])
        index.add(vectors)
        return lambda queries: index.search(queries, _FOUND)[1]

    return build


def timed(searches: Sequence[Search], queries: Floats, rounds: int, *, single: bool) -> list[float]:
    """Return the median microseconds of CPU time a query of each search, run in turn."""
    seconds: list[list[float]] = [[] for _ in searches]
    for number in range(rounds + 1):
        for search, measured in zip(searches, seconds, strict=True):
            started = time.process_time()
            for each in queries[:, None] if single else [queries]:
                search(each)
            if number:
                measured.append(time.process_time() - started)
    return [statistics.median(each) / len(queries) * 1e6 for each in seconds]


def main() -> None:
    """Print a Markdown table, one line for each kind of codes and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, help="an .npy file; generated vectors without it")
    parser.add_argument("--rows", type=int, default=100_000, help="number of generated vectors")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--bytes", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--opq", action="store_true", help="include faiss' OPQ")
    parser.add_argument("--single", action="store_true", help="search one query a call")
    options = parser.parse_args()
    if options.vectors:
        vectors = normalise(np.load(options.vectors).astype(np.float32))
    else:
        vectors = generate(options.rows + options.queries)
    base, queries = vectors[: -options.queries], np.ascontiguousarray(vectors[-options.queries :])
    best = nearest(base, queries, _FOUND)
    builders = {"vsearch, 16 centroids": ours(16), "vsearch, 256 centroids": ours(256)}
    builders |= {"faiss PQ": peer("PQ{n}"), "faiss PQ fast scan": peer("PQ{m}x4fs")}
    builders |= {_RABITQ: peer("PCAR{bits},RaBitQ")}
    if options.opq:
        builders |= {"faiss OPQ": peer("OPQ{n},PQ{n}"), "faiss OPQ fast scan": peer("OPQ{m},PQ{m}x4fs")}
    print(f"{describe()}\n{len(base):,} x {base.shape[1]}, recall@{_FOUND} by codes alone\n")
    print("| bytes | codes | recall | µs of CPU a query | time / ours |\n|---|---|---|---|---|")
    for size in options.bytes:
        possible = {name: build for name, build in builders.items() if name != _RABITQ or size > _RABITQ_FACTORS}
        searches = [build(base, size) for build in possible.values()]
        times = timed(searches, queries, options.rounds, single=options.single)
        for name, search, micros in zip(possible, searches, times, strict=True):
            found = recall(search(queries).astype(np.int64), best)
            print(f"| {size} | {name} | {found:.4f} | {micros:,.0f} | {micros / times[0]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
