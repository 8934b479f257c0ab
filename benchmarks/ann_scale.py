"""How building and asking our graph grow with the number of rows, and the memory that both take.

The vectors are those that `benchmarks.ann` makes up: the first 62,500 of a million, twice as many, and so on. Building
uses all threads, asking one. Each is a process of its own, over mapped files; its own memory (RssAnon) is what it holds
beyond what it has mapped (RssFile), which the system takes back when it needs to.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann import Floats, Point, at_recall, cell, generate, recall, truth
from benchmarks.machine import describe

QUERIES = 1000
BEAMS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)


def resident() -> dict[str, int]:
    """MB of this process's own memory, and of files that it has mapped and touched."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(fields[name].split()[0]) // 1024 for name in ("RssAnon", "RssFile")}


class Watch(threading.Thread):
    """Looks every 20 ms how much memory of its own this process has; `most` is what it saw."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self.start()

    def run(self) -> None:
        while True:
            self.most = max(self.most, resident()["RssAnon"])
            time.sleep(0.02)


def build(folder: Path) -> dict[str, Any]:
    """Build and store the graph of vectors.npy; seconds and MB."""
    from vsearch_core.ann import build

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    build.build(vectors[:3000], threads=2)  # loads what is compiled
    before, watch = resident()["RssAnon"], Watch()
    started = time.perf_counter()
    graph = build.build(vectors, threads=len(os.sched_getaffinity(0)))
    seconds = time.perf_counter() - started
    for name, array in graph.arrays().items():
        np.save(folder / f"graph_{name}.npy", array)
    return {
        "seconds": seconds,
        "memory": watch.most - before,
        "stored": sum(array.nbytes for array in graph.arrays().values()) / len(vectors),
    }


def ask(folder: Path) -> dict[str, Any]:
    """Ask the stored graph: milliseconds to open, recall and queries a second at each beam, and MB."""
    from vsearch_core.ann import hnsw

    queries, best = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    started = time.perf_counter()
    names = [path.stem for path in folder.glob("graph_*.npy")]
    arrays = {name.removeprefix("graph_"): np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    searcher = hnsw.GraphSearcher(hnsw.Graph.from_arrays(arrays), np.load(folder / "vectors.npy", mmap_mode="r"))
    opened = (time.perf_counter() - started) * 1000
    return {"opened": opened, "curve": curve(searcher, queries, best), **resident()}


def curve(searcher: Any, queries: Floats, best: NDArray[np.int64]) -> list[Point]:
    """Recall and queries a second at each beam."""
    searcher.search(queries[:10])
    points: list[Point] = []
    for beam in BEAMS:
        times = []
        for _ in range(4):
            started = time.perf_counter()
            found = searcher.search(queries, best.shape[1], ef_search=beam)
            times.append(time.perf_counter() - started)
        points.append((recall(found.rows, best), len(queries) / sorted(times)[1]))
    return points


def child(action: str, folder: Path) -> dict[str, Any]:
    """What one of the functions above returns, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ann_scale", "--action", action, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def line(folder: Path, rows: int) -> str:
    """A line of the table."""
    built, asked = child("build", folder), child("ask", folder)
    cells = [f"{rows:,}", f"{built['seconds']:.1f}", f"{built['seconds'] / (rows * math.log2(rows)) * 1e6:.2f}"]
    for wanted in (0.95, 0.99):
        rate = at_recall(asked["curve"], wanted)
        cells += [cell(asked["curve"], wanted), "—" if rate is None else f"{1e6 / rate / math.log2(rows):.2f}"]
    cells += [f"{built['memory']:,}", f"{asked['RssAnon']:,}", f"{asked['RssFile']:,}"]
    cells += [f"{built['stored']:.0f}", f"{asked['opened']:.1f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="the largest set; each before it is half as large")
    parser.add_argument("--sizes", type=int, default=5)
    parser.add_argument("--action", choices=("build", "ask"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.action:
        print(json.dumps({"build": build, "ask": ask}[options.action](options.folder)))
        return
    from vsearch_core.ann import flat

    vectors = generate(options.rows + QUERIES)
    queries, base = vectors[-QUERIES:], vectors[:-QUERIES]
    print(f"{describe()}\nmade up, 384 dimensions, recall@10, {QUERIES} queries in a call\n")
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
            np.save(folder / "truth.npy", truth(base[:size], queries, 10))
            print(line(folder, size), flush=True)


if __name__ == "__main__":
    main()
