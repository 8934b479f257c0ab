"""Our graph and its peers on the same vectors, in one run: recall@k, queries a second, time to build.

`--vectors FILE` names an .npy file (n, d), of which the last `--queries` rows are asked and the rest searched; rows are
normalised first. Without it, `--rows` vectors of 384 dimensions are made up by a random tree, as texts have topics
within topics: 64 vectors are doubled by drawing parents at random and moving the copies, each time by less, until there
are enough. The moves are Gaussian with variances that fall as 1 / (8 + i) along 384 directions, and shrink so that as
many neighbours lie within a distance as in 14 dimensions. That resembles vectors of all-MiniLM-L6-v2: local intrinsic
dimension (maximum likelihood over 10, 30 and 100 neighbours, median) 20, 17, 15 against 15, 17, 19; cosine with the
1st, 10th and 100th neighbour 0.69, 0.60, 0.45 against 0.74, 0.59, 0.47; variance in the first 64 directions 0.61
against 0.60.

Engines are built with all threads, in turn where more than once. Then they answer in turn: every round asks each of
them at each setting, and the median of the rounds counts, so that a noisy machine is equally noisy to all. An engine
that is not installed is left out.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann_engines import ENGINES, Answer, Engine
from benchmarks.machine import describe, seconds

Floats = NDArray[np.float32]
Point = tuple[float, float]  # recall, queries a second
DIMENSION = 384
LOCAL_DIMENSION = 14  # of the made-up vectors


@dataclass
class Run:
    """One engine's figures; `seconds[threads][setting]` of each round."""

    engine: Engine
    ask: Answer
    builds: list[float]
    recall: dict[float, float] = field(default_factory=dict)
    seconds: dict[int, dict[float, list[float]]] = field(default_factory=dict)

    @property
    def build(self) -> float:
        """Seconds, the median."""
        return statistics.median(self.builds)

    def curve(self, threads: int, queries: int) -> list[Point]:
        """Recall and queries a second, where no other setting is better in both."""
        times = self.seconds[threads]
        points = sorted((self.recall[setting], queries / statistics.median(times[setting])) for setting in times)
        return [point for i, point in enumerate(points) if all(point[1] > later[1] for later in points[i + 1 :])]


def unit(vectors: NDArray[np.floating]) -> Floats:
    """Rows of length 1."""
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors.astype(np.float32, copy=False)


def generate(rows: int, seed: int = 0) -> Floats:
    """The made-up vectors that the module's text describes."""
    random = np.random.default_rng(seed)
    spread = np.sqrt(1 / (8 + np.arange(DIMENSION))).astype(np.float32)

    def moved(vectors: Floats, scale: float) -> Floats:
        for start in range(0, len(vectors), 100_000):
            some = vectors[start : start + 100_000]
            some += random.standard_normal(some.shape, np.float32) * (spread * np.float32(scale))
        return vectors

    shrink = 2 ** (-1 / LOCAL_DIMENSION)
    vectors, scale = moved(np.zeros((64, DIMENSION), np.float32), 1.0), shrink
    while len(vectors) < rows:
        children = random.integers(0, len(vectors), min(rows, 2 * len(vectors)))
        vectors, scale = moved(vectors[children], scale), scale * shrink
    return unit(moved(vectors, scale / np.sqrt(1 - shrink**2)))  # all the moves that would follow, at once


def truth(vectors: Floats, queries: Floats, k: int) -> NDArray[np.int64]:
    """The rows (q, k) of the highest dot products."""
    best = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), 64):
        scores = queries[start : start + 64] @ vectors.T
        best[start : start + 64] = np.argpartition(-scores, k, axis=1)[:, :k]
    return best


def recall(found: NDArray[np.int64], best: NDArray[np.int64]) -> float:
    """The share of the best rows that were found."""
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, best, strict=True)]) / best.shape[1])


def built(engine: Engine, vectors: Floats, threads: int) -> Run | None:
    """The engine with an index, or None, saying so, where it can't be had."""
    try:
        engine.build(vectors[:2000], threads)  # what is compiled or loaded once is no part of building
    except ImportError as error:
        print(f"  {engine.name}: left out, {error}")
        return None
    started = time.perf_counter()
    ask = engine.build(vectors, threads)
    return Run(engine, ask, [time.perf_counter() - started])


def measure(runs: Sequence[Run], queries: Floats, best: NDArray[np.int64], threads: Sequence[int], rounds: int) -> None:
    """Ask all engines at all settings, in turn."""
    k = best.shape[1]
    for number in range(rounds + 1):  # the first is not counted
        for run in runs:
            for setting in run.engine.settings:
                for count in threads:
                    started = time.perf_counter()
                    found = run.ask(queries, k, setting, count)
                    taken = time.perf_counter() - started
                    if number:
                        run.seconds.setdefault(count, {}).setdefault(setting, []).append(taken)
                    else:
                        run.recall[setting] = recall(np.asarray(found).astype(np.int64), best)


def at_recall(curve: Sequence[Point], wanted: float) -> float | None:
    """Queries a second at a recall: between two settings, the logarithm is taken to run straight."""
    better = [point for point in curve if point[0] >= wanted]
    if not better:
        return None
    worse = [point for point in curve if point[0] < wanted]
    if not worse:
        return max(point[1] for point in better)
    (x0, y0), (x1, y1) = max(worse), min(better)
    return float(np.exp(np.interp(wanted, [x0, x1], np.log([y0, y1]))))


def cell(curve: Sequence[Point], wanted: float) -> str:
    """Queries a second at a recall, in a table; with ≥ where even the smallest setting finds more."""
    rate = at_recall(curve, wanted)
    return "—" if rate is None else f"{'≥ ' * (curve[0][0] > wanted)}{rate:,.0f}"


def table(runs: Sequence[Run], queries: int, threads: int, targets: Sequence[float]) -> str:
    """Markdown: an engine a line, queries a second at each recall."""
    head = f"| {threads} thread{'s' * (threads > 1)} | build s | " + " | ".join(f"{x:g}" for x in targets) + " |"
    lines = [head, "|---" * (len(targets) + 2) + "|"]
    rates = {run.engine.name: [at_recall(run.curve(threads, queries), x) for x in targets] for run in runs}
    for run in runs:
        cells = [cell(run.curve(threads, queries), wanted) for wanted in targets]
        lines.append(f"| {run.engine.name} | {run.build:.1f} | " + " | ".join(cells) + " |")
    ratios = []
    for i in range(len(targets)):
        ours = [rate[i] or 0 for name, rate in rates.items() if name.startswith("vsearch")]
        peers = [rate[i] or 0 for name, rate in rates.items() if not name.startswith("vsearch")]
        ratios.append(f"{max(ours) / max(peers):.2f}" if any(peers) and ours else "—")
    return "\n".join([*lines, "| best of ours / best peer | | " + " | ".join(ratios) + " |"])


def plot(runs: Sequence[Run], queries: int, threads: int, title: str, path: Path) -> None:
    """Recall against queries a second, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    for run in runs:
        points = [point for point in run.curve(threads, queries) if point[0] >= 0.85]
        wide = 2.5 if run.engine.name.startswith("vsearch") else 1.2
        axes.plot([1 - x for x, _ in points], [y for _, y in points], "o-", label=run.engine.name, lw=wide, ms=3)
    axes.set(xscale="log", yscale="log", xlabel="recall@10", ylabel="queries a second", title=title)
    ticks = [0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999]
    axes.set_xticks([1 - x for x in ticks], [f"{x:g}" for x in ticks])
    axes.invert_xaxis()
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    """Print the tables, write the plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, help="an .npy file; made-up vectors without it")
    parser.add_argument("--rows", type=int, default=200_000, help="how many to make up (the full set: 1000000)")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5, help="how often each setting is timed")
    parser.add_argument("--builds", type=int, default=1, help="how often each is built, in turn")
    parser.add_argument("--engines", nargs="+", help="only those whose names begin so")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--plots", type=Path, default=Path("docs"), help="the folder for the plots")
    options = parser.parse_args()
    if options.vectors:
        vectors = unit(np.load(options.vectors).astype(np.float32))
    else:
        vectors = generate(options.rows + options.queries)
    base, queries = vectors[: -options.queries], np.ascontiguousarray(vectors[-options.queries :])
    name = f"{len(base) // 1000}k x {base.shape[1]}, {'given' if options.vectors else 'made up'}"
    print(f"{describe()}\n{name}, recall@{options.k}, {len(queries)} queries")
    wanted = [e for e in ENGINES if not options.engines or e.name.startswith(tuple(options.engines))]
    runs: list[Run] = []
    for engine in wanted:
        if run := built(engine, base, options.threads):
            runs.append(run)
            print(f"  {engine.name:<16} built in {run.build:7.1f} s", flush=True)
    for _ in range(options.builds - 1):
        for run in runs:
            run.builds.append(seconds(partial(run.engine.build, base, options.threads)))
    threads = sorted({1, options.threads})
    measure(runs, queries, truth(base, queries, options.k), threads, options.rounds)
    for count in threads:
        print("\n" + table(runs, len(queries), count, (0.9, 0.95, 0.98, 0.99, 0.995)))
        kind = "given" if options.vectors else "generated"
        path = options.plots / f"ann-{kind}-{len(base) // 1000}k-{count}-threads.svg"
        try:
            plot(runs, len(queries), count, f"{name}, {count} thread{'s' * (count > 1)}", path)
        except ImportError:
            print("no plot: matplotlib is not installed")


if __name__ == "__main__":
    main()
