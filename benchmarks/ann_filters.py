"""Filters and deletes in our graph: recall@10, and the time of a query against its two yardsticks, in one run.

The yardsticks are an exact scan of the allowed rows by our own kernel, and the same search without a filter. A filter
is random, or far: it allows the rows that are least like the query. Deletes are 30 % of the rows at random, and the
10,000 rows most like one of them, asked by queries from among these. One thread, a query a call, medians over all
queries; the bar is the slower of the exact scan and twice the unfiltered search.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann import Floats, unit
from benchmarks.machine import describe
from vsearch_core.ann import flat
from vsearch_core.ann.build import build
from vsearch_core.ann.hnsw import GraphSearcher

SHARES = (1.0, 0.5, 0.1, 0.01, 0.001, 0.0001)
CLUSTER = 10_000
Mask = NDArray[np.bool_]
Case = tuple[Floats, Mask]  # a query (1, d) and the rows that it may find


def random_filters(base: Floats, queries: Floats, share: float) -> Iterator[Case]:
    """Each query with rows drawn for it."""
    random = np.random.default_rng(0)
    for query in queries:
        allowed = np.zeros(len(base), np.bool_)
        allowed[random.choice(len(base), round(share * len(base)), replace=False)] = True
        yield query[None], allowed


def far_filters(base: Floats, queries: Floats, share: float) -> Iterator[Case]:
    """Each query with the rows least like it."""
    for query in queries:
        allowed = np.zeros(len(base), np.bool_)
        allowed[np.argsort(base @ query)[: round(share * len(base))]] = True
        yield query[None], allowed


def cluster_deleted(base: Floats, count: int) -> Iterator[Case]:
    """Queries from a cluster that is not there any more."""
    nearest = np.argsort(-(base @ base[0]))[:CLUSTER]
    allowed = np.ones(len(base), np.bool_)
    allowed[nearest] = False
    for row in nearest[:: CLUSTER // count]:
        yield base[row : row + 1], allowed


def timed(searcher: GraphSearcher, query: Floats, **options: object) -> tuple[set[int], float, bool]:
    """The rows found, microseconds, and whether the answer is exact."""
    started = time.perf_counter()
    found = searcher.search(query, 10, **options)  # type: ignore[arg-type]
    return set(found.rows[0, : found.counts[0]].tolist()), (time.perf_counter() - started) * 1e6, found.exact


def line(name: str, searcher: GraphSearcher, cases: Sequence[Case]) -> str:
    """A line of the table."""
    recalls, walks, exact = [], [], 0
    times: dict[bool, list[float]] = {False: [], True: []}  # by whether the scan was asked for
    for number, (query, allowed) in enumerate(cases):
        found = {}
        for scan in (False, True) if number % 2 else (True, False):  # who comes later finds rows in the cache
            found[scan], taken, sure = timed(searcher, query, allowed=allowed, exact=scan)
            times[scan].append(taken)
            exact += sure and not scan
        recalls.append(len(found[False] & found[True]) / max(1, len(found[True])))
        walks.append(timed(searcher, query)[1])
    ours, scans = times[False], times[True]
    bound = max(statistics.median(scans), 2 * statistics.median(walks))
    cells = [f"{statistics.median(taken):,.0f}" for taken in (ours, scans, walks)]
    share = f"{statistics.median(ours) / bound:.2f}"
    return f"| {name} | {np.mean(recalls):.4f} | {' | '.join(cells)} | {share} | {exact / len(cases):.0%} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, required=True, help="an .npy file; its last rows are the queries")
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    vectors = unit(np.load(options.vectors).astype(np.float32))
    base, queries = vectors[:-1000], vectors[-options.queries :]
    fixed = flat.to_fixed(base)
    searcher = GraphSearcher(build(fixed, threads=2), fixed)
    for share in SHARES:  # load what is compiled
        for query, allowed in random_filters(base, queries[:2], share):
            timed(searcher, query, allowed=allowed)
    print(f"{describe()}\n{len(base):,} x {base.shape[1]}, {len(queries)} queries, microseconds a query\n")
    print("| allowed | recall@10 | ours | exact scan of the allowed | unfiltered | ours / the bar | exact |")
    print("|---|---|---|---|---|---|---|")
    for share in SHARES:
        print(line(f"{share:.2%}, random", searcher, list(random_filters(base, queries, share))), flush=True)
    for share in SHARES[1:]:
        print(line(f"{share:.2%}, far", searcher, list(far_filters(base, queries, share))), flush=True)
    print(line("70 %: 30 % deleted at random", searcher, list(random_filters(base, queries, 0.7))))
    print(line("all but a deleted cluster", searcher, list(cluster_deleted(base, len(queries)))))


if __name__ == "__main__":
    main()
