"""Measure filters and deletes: recall@10 and the time of a query, against two other searches in one run.

`--ann` chooses our graph, inverted lists of sketches, or those of PQ codes.

The other searches are an exact scan of the allowed rows by our own kernel, and the same search without a filter. The
limit is the slower of the exact scan and twice the unfiltered search. Filters are random, near or far: far filters
allow the rows least like the query, near filters those most like it. Deletes are 30 % of the rows at random, or the
10,000 rows most like one row, with some of them as queries. One thread, one query a call, medians over all queries.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann import Floats, normalise
from benchmarks.machine import describe
from vsearch_core.ann import flat, ivf, pq
from vsearch_core.ann.build import build
from vsearch_core.ann.hnsw import GraphSearcher

SHARES = (1.0, 0.95, 0.9, 0.5, 0.1, 0.01, 0.001, 0.0001)
CLUSTER = 10_000
Mask = NDArray[np.bool_]
Case = tuple[Floats, Mask]  # a query (1, d) and the allowed rows
Searcher = GraphSearcher | ivf.ListSearcher | pq.PqSearcher
KINDS: dict[str, Callable[[NDArray[np.int16]], Searcher]] = {
    "graph": lambda fixed: GraphSearcher(build(fixed, threads=2), fixed),
    "ivf": lambda fixed: ivf.ListSearcher(ivf.build(fixed, threads=2), fixed),
    "pq": lambda fixed: pq.PqSearcher(pq.build(fixed, threads=2), fixed),
}


def random_filters(base: Floats, queries: Floats, share: float) -> Iterator[Case]:
    """Yield each query with random allowed rows of its own."""
    random = np.random.default_rng(0)
    for query in queries:
        allowed = np.zeros(len(base), np.bool_)
        allowed[random.choice(len(base), round(share * len(base)), replace=False)] = True
        yield query[None], allowed


def sorted_filters(base: Floats, queries: Floats, share: float, *, near: bool) -> Iterator[Case]:
    """Yield each query with the rows most or least like it as allowed rows."""
    for query in queries:
        allowed = np.zeros(len(base), np.bool_)
        allowed[np.argsort(base @ (-query if near else query))[: round(share * len(base))]] = True
        yield query[None], allowed


def deleted_cluster(base: Floats, count: int) -> Iterator[Case]:
    """Yield queries from a cluster whose rows are all deleted."""
    nearest = np.argsort(-(base @ base[0]))[:CLUSTER]
    allowed = np.ones(len(base), np.bool_)
    allowed[nearest] = False
    for row in nearest[:: CLUSTER // count]:
        yield base[row : row + 1], allowed


def time_query(searcher: Searcher, query: Floats, **options: object) -> tuple[set[int], float, bool]:
    """Return the rows found, the microseconds, and whether the search was exact."""
    started = time.perf_counter()
    found = searcher.search(query, 10, **options)  # type: ignore[arg-type]
    return set(found.rows[0, : found.counts[0]].tolist()), (time.perf_counter() - started) * 1e6, found.exact


def line(name: str, searcher: Searcher, cases: Sequence[Case]) -> str:
    """Measure one kind of filter and format its line of the table."""
    recalls, unfiltered, exact = [], [], 0
    times: dict[bool, list[float]] = {False: [], True: []}  # by `exact`
    for number, (query, allowed) in enumerate(cases):
        found = {}
        for scan in (False, True) if number % 2 else (True, False):  # the second search finds rows in the cache
            found[scan], elapsed, was_exact = time_query(searcher, query, allowed=allowed, exact=scan)
            times[scan].append(elapsed)
            exact += was_exact and not scan
        recalls.append(len(found[False] & found[True]) / max(1, len(found[True])))
        unfiltered.append(time_query(searcher, query)[1])
    ours, scans = times[False], times[True]
    limit = max(statistics.median(scans), 2 * statistics.median(unfiltered))
    cells = [f"{statistics.median(values):,.0f}" for values in (ours, scans, unfiltered)]
    share = f"{statistics.median(ours) / limit:.2f}"
    return f"| {name} | {np.mean(recalls):.4f} | {' | '.join(cells)} | {share} | {exact / len(cases):.0%} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, required=True, help="an .npy file; its last rows are the queries")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--ann", choices=KINDS, default="graph")
    options = parser.parse_args()
    vectors = normalise(np.load(options.vectors).astype(np.float32))
    base, queries = vectors[:-1000], vectors[-options.queries :]
    fixed = flat.to_fixed(base)
    searcher = KINDS[options.ann](fixed)
    for share in SHARES:  # load the compiled kernels
        for query, allowed in random_filters(base, queries[:2], share):
            time_query(searcher, query, allowed=allowed)
    print(
        f"{describe()}\n{len(base):,} x {base.shape[1]}, {len(queries)} queries, {options.ann}, microseconds a query\n"
    )
    print("| allowed | recall@10 | ours | exact scan of the allowed | unfiltered | ours / the limit | exact |")
    print("|---|---|---|---|---|---|---|")
    kinds: dict[str, Callable[[Floats, Floats, float], Iterator[Case]]] = {
        "random": random_filters,
        "near": partial(sorted_filters, near=True),
        "far": partial(sorted_filters, near=False),
    }
    for kind, filters in kinds.items():
        for share in SHARES if kind == "random" else SHARES[1:]:
            print(line(f"{share:.2%}, {kind}", searcher, list(filters(base, queries, share))), flush=True)
    print(line("70 %: 30 % deleted at random", searcher, list(random_filters(base, queries, 0.7))))
    print(line("all but a deleted cluster", searcher, list(deleted_cluster(base, len(queries)))))


if __name__ == "__main__":
    main()
