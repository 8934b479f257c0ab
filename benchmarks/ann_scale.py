"""Measure how the time and memory of building and searching our graph grow with the number of rows.

The vectors are those that `benchmarks.ann` generates: the first 62,500 of a million, the first 125,000, and so on.
Building uses all threads, searching one. Each step is a process of its own over memory-mapped files. Its own memory
(RssAnon) is counted apart from mapped files (RssFile), which the system can take back.

`--memory 400MB` builds one graph, or lists (`--ann`), of `--rows` rows within that memory instead, and searches it
within half of it: see `benchmarks.ann_memory`.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import ann_memory
from benchmarks.ann import Floats, Point, at_recall, cell, generate, nearest, recall
from benchmarks.machine import PeakMemory, describe, memory

QUERIES = 1000
MEGABYTE = 1 << 20
WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)


def build(folder: Path) -> dict[str, Any]:
    """Build and store the graph of vectors.npy; return seconds, megabytes of memory and bytes stored a row."""
    from vsearch_core.ann import build

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    build.build(vectors[:3000], threads=2)  # loads the compiled kernels
    started = time.perf_counter()
    with PeakMemory() as peak:
        graph = build.build(vectors, threads=len(os.sched_getaffinity(0)))
    seconds = time.perf_counter() - started
    for name, array in graph.arrays().items():
        np.save(folder / f"graph_{name}.npy", array)
    return {
        "seconds": seconds,
        "memory": peak.added // MEGABYTE,
        "stored": sum(array.nbytes for array in graph.arrays().values()) / len(vectors),
    }


def search(folder: Path) -> dict[str, Any]:
    """Search the stored graph; return milliseconds to open it, its curve and megabytes of memory."""
    from vsearch_core.ann import hnsw

    queries, best = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    started = time.perf_counter()
    names = [path.stem for path in folder.glob("graph_*.npy")]
    arrays = {name.removeprefix("graph_"): np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    searcher = hnsw.GraphSearcher(hnsw.Graph.from_arrays(arrays), np.load(folder / "vectors.npy", mmap_mode="r"))
    opened = (time.perf_counter() - started) * 1000
    return {
        "opened": opened,
        "curve": curve(searcher, queries, best),
        **{name: size // MEGABYTE for name, size in memory().items()},
    }


def curve(searcher: Any, queries: Floats, best: NDArray[np.int64]) -> list[Point]:
    """Return recall and queries a second at each `ef_search`."""
    searcher.search(queries[:10])
    points: list[Point] = []
    for width in WIDTHS:
        times = []
        for _ in range(4):
            started = time.perf_counter()
            found = searcher.search(queries, best.shape[1], ef_search=width)
            times.append(time.perf_counter() - started)
        points.append((recall(found.rows, best), len(queries) / sorted(times)[1]))
    return points


def run_in_process(action: str, folder: Path) -> dict[str, Any]:
    """Return the result of `build` or `search` from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ann_scale", "--action", action, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def line(folder: Path, rows: int) -> str:
    """Measure one size and format its line of the table."""
    built, searched = run_in_process("build", folder), run_in_process("search", folder)
    cells = [f"{rows:,}", f"{built['seconds']:.1f}", f"{built['seconds'] / (rows * math.log2(rows)) * 1e6:.2f}"]
    for wanted in (0.95, 0.99):
        rate = at_recall(searched["curve"], wanted)
        cells += [cell(searched["curve"], wanted), "—" if rate is None else f"{1e6 / rate / math.log2(rows):.2f}"]
    cells += [f"{built['memory']:,}", f"{searched['RssAnon']:,}", f"{searched['RssFile']:,}"]
    cells += [f"{built['stored']:.0f}", f"{searched['opened']:.1f}"]
    return f"| {' | '.join(cells)} |"


def size_in_bytes(text: str) -> int:
    """Return the bytes of a size such as 400MB or 4GB. Raises ValueError."""
    units = {"GB": 10**9, "MB": 10**6, "B": 1}
    unit = next((unit for unit in units if text.endswith(unit)), "")
    return int(float(text.removesuffix(unit)) * units.get(unit, 1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="the largest set; each before it is half as large")
    parser.add_argument("--sizes", type=int, default=5)
    parser.add_argument("--memory", type=size_in_bytes, help="build one graph within this memory, such as 400MB or 4GB")
    parser.add_argument("--ann", choices=ann_memory.ANN, default="graph", help="what to build, with --memory")
    parser.add_argument("--temporary", type=Path, help="with --memory: where files are, 3 kB a row")
    parser.add_argument("--group", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--action", choices=("build", "search"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory and options.action:
        ann_memory.act(options.action, options.folder, options.memory, options.ann, options.group)
        return
    if options.memory:
        ann_memory.main(options.rows, options.memory, options.ann, options.temporary)
        return
    if options.action:
        print(json.dumps({"build": build, "search": search}[options.action](options.folder)))
        return
    from vsearch_core.ann import flat

    vectors = generate(options.rows + QUERIES)
    queries, base = vectors[-QUERIES:], vectors[:-QUERIES]
    print(f"{describe()}\ngenerated, 384 dimensions, recall@10, {QUERIES} queries in a call\n")
    head = ["rows", "build s", "µs / (n log₂ n)"]
    for name in ("q/s at 0.95", "q/s at 0.99"):
        head += [name, "µs / log₂ n"]
    print(f"| {' | '.join(head)} | build MB | query MB | mapped MB | bytes a row | open ms |")
    print("|---" * (len(head) + 5) + "|")
    for size in sorted(options.rows >> i for i in range(options.sizes)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "vectors.npy", flat.to_fixed(base[:size]))
            np.save(folder / "queries.npy", queries)
            np.save(folder / "truth.npy", nearest(base[:size], queries, 10))
            print(line(folder, size), flush=True)


if __name__ == "__main__":
    main()
