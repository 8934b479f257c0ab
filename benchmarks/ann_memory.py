"""Measure building and searching a graph or lists within a memory limit, for `benchmarks.ann_scale --memory`.

The limit is that of a control group (version 1, Linux, as root). It counts all memory of the process, the pages of
mapped files included. Building has the given memory and searching half of it, both plus PROCESS_BYTES for Python, numpy
and numba. Queries are searched one a call: first with no page of the files in memory, then the same again, then others.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann import DIMENSION, Floats, generate_blocks, recall
from benchmarks.machine import PeakMemory, describe

PROCESS_BYTES = 170_000_000
BLOCKS = 100  # in which vectors are generated
QUERIES_PER_BLOCK = 10
PQ_BYTES = 64
ANN = ("graph", "ivf", f"pq{PQ_BYTES}")
WIDTHS = (16, 32, 64, 128)  # values of `ef_search`
PROBES = (32, 64, 128, 256)  # values of `nprobe`
_GROUPS = Path("/sys/fs/cgroup/memory")
_ROWS = 50_000  # compared with all queries at a time


def write_vectors(folder: Path, rows: int) -> None:
    """Write vectors.npy (rows, 384) in fixed point, queries.npy, and truth.npy with the 10 best rows of each query."""
    from vsearch_core.ann.flat import to_fixed

    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.int16, (rows, DIMENSION))
    queries, at = [], 0
    for block in generate_blocks(rows + BLOCKS * QUERIES_PER_BLOCK, rows // BLOCKS + QUERIES_PER_BLOCK):
        queries.append(block[-QUERIES_PER_BLOCK:].copy())
        own = to_fixed(block[:-QUERIES_PER_BLOCK])
        vectors[at : at + len(own)] = own
        at += len(own)
    vectors.flush()
    asked = np.concatenate(queries)
    np.save(folder / "queries.npy", asked)
    np.save(folder / "truth.npy", best_rows(vectors, asked))


def best_rows(vectors: NDArray[np.int16], queries: Floats, k: int = 10) -> NDArray[np.int64]:
    """Return the rows (q, k) of mapped vectors (n, d) with the highest dot products."""
    scores, rows = np.full((len(queries), k), -np.inf, np.float32), np.zeros((len(queries), k), np.int64)
    for start in range(0, len(vectors), _ROWS):
        products = queries @ vectors[start : start + _ROWS].astype(np.float32).T
        own = np.argpartition(-products, k, axis=1)[:, :k]
        scores = np.concatenate([scores, np.take_along_axis(products, own, 1)], axis=1)
        rows = np.concatenate([rows, own + start], axis=1)
        kept = np.argpartition(-scores, k, axis=1)[:, :k]
        scores, rows = np.take_along_axis(scores, kept, 1), np.take_along_axis(rows, kept, 1)
    return rows


@contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """Make a control group with this memory limit in bytes. Raises OSError where that isn't possible."""
    group = _GROUPS / f"vsearch-benchmark-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(limit))
        yield group
    finally:
        group.rmdir()


def drop_pages(folder: Path) -> None:
    """Make the system forget the pages of all files in the folder, which another process may have brought in."""
    for path in folder.glob("*.npy"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Effort:
    """Counts seconds, CPU seconds, page faults that read, and megabytes read and written, since it was made."""

    def __init__(self) -> None:
        """Start counting."""
        self._before = self._now()

    def spent(self) -> dict[str, float]:
        """Return what was counted."""
        now = self._now()
        return {name: now[name] - self._before[name] for name in now}

    @staticmethod
    def _now() -> dict[str, float]:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
        fields = {name: int(value) / 1e6 for name, value in (line.split(": ") for line in lines)}
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        clocks = {"seconds": time.perf_counter(), "cpu": time.process_time()}
        return {**clocks, "faults": faults, "read": fields["read_bytes"], "written": fields["write_bytes"]}


def build(folder: Path, memory: int, ann: str) -> dict[str, Any]:
    """Build and store the graph or lists of vectors.npy within `memory` bytes."""
    from vsearch_core.ann import ivf, pq

    if ann == "graph":
        return build_graph(folder, memory)
    make: Callable[..., Any] = ivf.build if ann == "ivf" else partial(pq.build, code_size=PQ_BYTES)
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    make(vectors[:3000])  # loads the compiled kernels
    effort = Effort()
    with PeakMemory() as peak:
        lists = make(vectors, threads=len(os.sched_getaffinity(0)))
    spent = effort.spent()
    store(folder, lists.arrays())
    return {**spent, "MB of memory": peak.added / 1e6, "bytes a row": _size(lists.arrays()) / len(vectors)}


def store(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays of a graph or lists to files."""
    for name, array in arrays.items():
        np.save(folder / f"ann_{name}.npy", array)


def _size(arrays: Mapping[str, NDArray[Any]]) -> int:
    return sum(array.nbytes for array in arrays.values())


def build_graph(folder: Path, memory: int) -> dict[str, Any]:
    """Build and store the graph of vectors.npy within `memory` bytes."""
    from vsearch_core.ann import build
    from vsearch_core.ann.base import aligned
    from vsearch_core.store.scratch import ScratchArrays

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    build.build(vectors[:3000], threads=2)  # loads the compiled kernels
    effort = Effort()
    together = build.nodes_together(len(vectors), vectors.shape[1], memory)
    if together == 0:
        raise SystemExit(f"{memory} bytes: too little to build a graph of {len(vectors)} rows")
    allocate = aligned if together is None else ScratchArrays(folder)
    threads = len(os.sched_getaffinity(0))
    graph = build.build(vectors, threads=threads, allocate=allocate, together=together)
    spent = effort.spent()
    store(folder, graph.arrays())
    return {"together": together, **spent}


def stored(folder: Path, ann: str) -> tuple[Any, str, tuple[int, ...]]:
    """Return the searcher of the stored graph or lists, the name of its search option, and values for it."""
    from vsearch_core.ann import build, hnsw, ivf, pq

    tiny = np.random.default_rng(0).integers(-9000, 9000, (3000, DIMENSION)).astype(np.int16)
    names = [path.stem.removeprefix("ann_") for path in folder.glob("ann_*.npy")]
    arrays = {name: np.load(folder / f"ann_{name}.npy", mmap_mode="r") for name in names}
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    if ann == "graph":
        hnsw.GraphSearcher(build.build(tiny), tiny).load()  # the compiled kernels
        return hnsw.GraphSearcher(hnsw.Graph.from_arrays(arrays), vectors), "ef_search", WIDTHS
    if ann == "ivf":
        ivf.ListSearcher(ivf.build(tiny), tiny).load()
        return ivf.ListSearcher(ivf.InvertedLists.from_arrays(arrays), vectors), "nprobe", PROBES
    pq.PqSearcher(pq.build(tiny), tiny).load()
    return pq.PqSearcher(pq.PqLists.from_arrays(arrays), vectors), "nprobe", PROBES


def search(folder: Path, ann: str) -> dict[str, Any]:
    """Search the stored graph or lists, one query a call; return the figures of each pass by name."""
    searcher, option, values = stored(folder, ann)
    queries, best = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    half = len(queries) // 2
    passes = {"cold": (0, half), "warm": (0, half), "other queries": (half, len(queries))}
    return {
        f"{name}, `{option}` {value}": _pass(searcher, queries[a:b], best[a:b], {option: value})
        for name, (a, b) in passes.items()
        for value in (values if name == "warm" else values[:1])
    }


def _pass(searcher: Any, queries: Floats, best: NDArray[np.int64], options: dict[str, int]) -> dict[str, float]:
    effort, times, found = Effort(), [], []
    for query in queries:
        started = time.perf_counter()
        found.append(searcher.search(query[None], best.shape[1], **options).rows[0])
        times.append((time.perf_counter() - started) * 1000)
    spent = effort.spent()
    return {
        "recall": recall(np.array(found), best),
        "ms": statistics.median(times),
        "ms, mean": statistics.mean(times),
        "CPU ms": 1000 * spent["cpu"] / len(queries),
        "faults": spent["faults"] / len(queries),
        "kB read": 1000 * spent["read"] / len(queries),
    }


def act(action: str, folder: Path, memory: int, ann: str, group: Path | None) -> None:
    """Run `build` or `search` in this process, within a control group, and print the result as JSON."""
    if group is not None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
    print(json.dumps(build(folder, memory, ann) if action == "build" else search(folder, ann)))


def main(rows: int, memory: int, ann: str, parent: Path) -> None:
    """Print the figures of a graph or lists of `rows` generated vectors.

    The files are in a temporary folder of `parent`.
    """
    print(f"{describe()}\n{rows:,} generated vectors, 384 dimensions, {ann}, one query a call, recall@10\n")
    with TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        write_vectors(folder, rows)
        for action, own in (("build", memory), ("search", memory // 2)):
            drop_pages(folder)
            command = [sys.executable, "-m", "benchmarks.ann_scale", "--action", action, "--folder", name]
            with memory_group(own + PROCESS_BYTES) as group:
                command += ["--memory", str(memory), "--ann", ann, "--group", str(group)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            result: dict[str, Any] = json.loads(done.stdout)
            for title, figures in result.items() if action == "search" else [("build", result)]:
                shown = ", ".join(f"{key} {value:,.4g}" for key, value in figures.items() if value is not None)
                print(f"{title}: {shown}", flush=True)
