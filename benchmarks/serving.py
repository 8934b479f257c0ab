"""Measure one query by each way to ask: a cold process, the warm helper, `vsearch query -`, and HTTP with many clients.

The index and the queries are made up as in `benchmarks.startup`; the real model embeds the queries, each of which is
different. Clients of HTTP are threads of this process on the same machine, each with one connection, so they take part
of the processor themselves.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np

from benchmarks.machine import describe, process_seconds
from benchmarks.startup import RandomEmbedder, write_documents
from vsearch_core.embed.open import open_embedder
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.sources import Source
from vsearch_core.index.writer import update_index
from vsearch_core.model import EmbedderSpec
from vsearch_core.text.discover import DiscoverOptions

VSEARCH = str(Path(sys.executable).with_name("vsearch"))
CLIENTS = (1, 4, 8, 16)
WARM_UP = 50  # queries before a measurement: they start the compiled engines


@dataclass
class Load:
    """The seconds of each answer, the number of failed requests, and the seconds that all took together."""

    times: list[float] = field(default_factory=list)
    errors: int = 0
    seconds: float = 0.0

    def row(self) -> str:
        """Return p50 and p99 in ms, queries a second, and errors, as columns."""
        if not self.times:
            return f"no answer, {self.errors:,} errors"
        p50, p99 = np.percentile(self.times, (50, 99)) * 1000
        errors = f"  {self.errors:,} errors" if self.errors else ""
        return f"{p50:8.1f} {p99:8.1f} {len(self.times) / self.seconds:9.1f}{errors}"


def make_queries(folder: Path, count: int) -> list[str]:
    """Return queries of two to six words of a document, each another."""
    random = np.random.default_rng(2)
    words = sorted(set(next(folder.iterdir()).read_text(encoding="utf-8").replace(".", " ").split()))
    return [" ".join(random.choice(words, int(random.integers(2, 7)))) for _ in range(count)]


def make_index(root: Path, chunks: int) -> None:
    """Write documents into `root/docs`, and their index into `root/.vsearch`, with random vectors."""
    (root / "docs").mkdir(parents=True)
    write_documents(root / "docs", chunks)
    fingerprint = open_embedder(EmbedderSpec("local")).fingerprint
    source = Source(root / "docs", DiscoverOptions())
    update_index(root / ".vsearch", [source], IndexOptions(), lambda *_: RandomEmbedder(fingerprint))


@contextmanager
def running(root: Path, words: Sequence[str], ready: str) -> Iterator[tuple[str, int]]:
    """Run a command of vsearch that answers until it is ended.

    Yield the line on stderr with the text `ready`, which says that it answers, and its process id.
    """
    with subprocess.Popen([VSEARCH, *words], cwd=root, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = ""
        while ready not in line:
            line = process.stderr.readline()
            if not line:
                raise RuntimeError(f"vsearch {words[0]} has ended")
        try:
            yield line, process.pid
        finally:
            process.send_signal(signal.SIGTERM)


def ask(port: int, mode: str, queries: Sequence[str], load: Load) -> None:
    """Send the queries one after another on one connection, and add their times and errors to `load`."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"}
    for query in queries:
        body = json.dumps({"query": query, "mode": mode}).encode()
        started = time.perf_counter()
        try:
            connection.request("POST", "/v1/search", body, headers)
            response = connection.getresponse()
            answer = response.read()
        except OSError:
            connection.close()
            load.errors += 1
            continue
        took = time.perf_counter() - started
        if response.status == 200 and json.loads(answer)["query"] == query:
            load.times.append(took)
        else:
            load.errors += 1
    connection.close()


def http_load(port: int, mode: str, clients: int, queries: Sequence[str]) -> Load:
    """Share the queries out among `clients` threads that ask at the same time."""
    loads = [Load() for _ in range(clients)]
    threads = [Thread(target=ask, args=(port, mode, queries[n::clients], loads[n])) for n in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    return Load([each for load in loads for each in load.times], sum(load.errors for load in loads), took)


def batch_load(root: Path, mode: str, queries: Sequence[str]) -> tuple[Load, float]:
    """Ask `vsearch query -`, one query after the answer to the last. Return also its resident MB at the end."""
    command = [VSEARCH, "query", "--mode", mode, "-"]
    load = Load()
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        begun = time.perf_counter()
        for number, query in enumerate(queries):
            if number == WARM_UP:
                begun = time.perf_counter()
            started = time.perf_counter()
            process.stdin.write(query.encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if number >= WARM_UP:
                load.times.append(time.perf_counter() - started)
                load.errors += b'"error"' in line[:200] or not line
        load.seconds = time.perf_counter() - begun
        megabytes = resident(process.pid)
        process.stdin.close()
    return load, megabytes


def resident(process: int) -> float:
    """Return the resident memory of a process in MB (Linux)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS"))


def _process_row(command: Sequence[str], runs: int, root: Path) -> str:
    """Return the median and the slowest of some runs of a process in ms, as columns."""
    times = process_seconds(command, runs, cwd=root)
    return f"{statistics.median(times) * 1000:8.1f} {max(times) * 1000:8.1f}"


def busy() -> str:
    """Return the load of the machine, which other programs may cause."""
    return f"load average {os.getloadavg()[0]:.1f}"


def measure(root: Path, mode: str, requests: int, runs: int) -> None:
    """Print the table of one search mode."""
    queries = make_queries(root / "docs", requests + WARM_UP)
    print(f"\n{mode}: {requests:,} queries a row  p50 ms   p99 ms queries/s")
    command = [VSEARCH, "query", "--json", "--mode", mode, queries[0]]
    print(f"  `python -c pass`         {_process_row([sys.executable, '-c', 'pass'], runs, root)}")
    print(f"  cold `vsearch query`     {_process_row(command, runs, root)}")
    with running(root, ["warm"], "warm helper") as (_, process):
        print(f"  warm `vsearch query`     {_process_row(command, runs, root)}", end="")
        print(f"            {resident(process):.0f} MB resident, of the helper")
    load, megabytes = batch_load(root, mode, queries)
    print(f"  `vsearch query -`        {load.row()}  {megabytes:.0f} MB resident")
    with running(root, ["serve", "--port", "0", "--quiet"], "answering at") as (line, process):
        port = int(line.split(";")[0].rpartition(":")[2])
        before = resident(process)
        http_load(port, mode, 4, queries[:WARM_UP])
        for clients in CLIENTS:
            found = http_load(port, mode, clients, queries[WARM_UP:])
            print(f"  HTTP, {clients:>2} clients         {found.row()}  {resident(process):.0f} MB resident")
        print(f"  HTTP, before the first query {before:.0f} MB resident; {busy()}", flush=True)


def main() -> None:
    """Print a table for each search mode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=121_000)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=11, help="of the cold process")
    parser.add_argument("--mode", action="append", choices=("hybrid", "vector", "keyword"))
    parser.add_argument("--folder", type=Path, help="make the index here, or use the one that is there")
    options = parser.parse_args()
    print(f"{describe()}; {busy()}; {options.chunks:,} chunks")
    with TemporaryDirectory() as name:
        root = options.folder or Path(name)
        if not (root / ".vsearch").exists():
            make_index(root, options.chunks)
        for mode in options.mode or ("hybrid",):
            measure(root, mode, options.requests, options.runs)


if __name__ == "__main__":
    main()
