"""Measure an index on a server beside its copy in a folder: copying, searches in turn, and an update with a real model.

Give the address of an index that doesn't exist yet, on PostgreSQL or Milvus. Documents and queries are made up as in
`benchmarks.startup`. Their vectors are random, which no graph finds well, unless `--vectors` gives a .npy file with a
row for each chunk, and more rows for queries. The model's time for queries is left out.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import vsearch_core as vsearch
from benchmarks.machine import describe, seconds, spread
from benchmarks.serving import make_queries
from benchmarks.startup import CHUNKS_A_FILE, RandomEmbedder, write_documents
from vsearch_core.embed.base import Batch
from vsearch_core.embed.open import open_embedder
from vsearch_core.model import EmbedderSpec, Fingerprint

WARM_UP = 20  # searches of each kind before it is measured
FILTER = "path >= 'docs/{:07d}'"  # which a tenth of the files pass
Engine = vsearch.Index | vsearch.ServerIndex


class GivenVectors:
    """Gives chunks and queries the next rows of a matrix, under another embedder's fingerprint."""

    def __init__(self, fingerprint: Fingerprint, vectors: NDArray[np.float32], chunks: int) -> None:
        """Take vectors (n, dimension), those of `chunks` chunks first; those of queries follow."""
        self.fingerprint = fingerprint
        self._vectors = vectors
        self._next_chunk, self._chunks = 0, chunks
        self._queries: dict[str, int] = {}

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the vectors of all texts in one batch."""
        start = self._next_chunk
        self._next_chunk += len(texts)
        yield Batch(np.arange(len(texts)), self._rows(np.arange(start, start + len(texts)) % self._chunks))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (len(texts), dimension); a text always gets the same."""
        numbers = [self._queries.setdefault(text, len(self._queries)) for text in texts]
        return self._rows(self._chunks + np.array(numbers) % (len(self._vectors) - self._chunks))

    def legible_share(self, query: str) -> float:
        """Return 1: the model can read every query."""
        return 1.0

    def _rows(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        vectors = self._vectors[numbers].astype(np.float32)
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


class SearchKind(NamedTuple):
    """A mode of searches, and their filter."""

    mode: str
    where: str | None = None


def search(index: Engine, text: str, kind: SearchKind, *, exact: bool = False) -> list[tuple[str, int]]:
    """Return the chunks of a search's ten hits."""
    found = index.search(text, k=10, collapse=False, exact=exact, mode=kind.mode, where=kind.where)
    return [(hit.path, hit.chunk) for hit in found.hits]


def measure(engines: Mapping[str, Engine], queries: Sequence[str], kind: SearchKind) -> None:
    """Print the times of both engines, which answer each query in turn, and the recall of the server's hits."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    for number, text in enumerate(queries):
        for name, index in engines.items():
            started = time.perf_counter()
            search(index, text, kind)
            if number >= WARM_UP:
                times[name].append(1000 * (time.perf_counter() - started))
    server = engines["server"]
    pairs = [(search(server, text, kind), search(server, text, kind, exact=True)) for text in queries[WARM_UP:]]
    recall = statistics.mean(len({*found} & {*true}) / max(len(true), 1) for found, true in pairs)
    shown = "  ".join(f"{name} {spread(found)}" for name, found in times.items())
    print(f"{' '.join(filter(None, kind)):<32} {shown}  recall@10 {recall:.4f}", flush=True)


class TimedEmbedder:
    """Embeds with another embedder, and adds up the seconds that its caller waits for vectors."""

    def __init__(self, spec: EmbedderSpec) -> None:
        """Open the embedder."""
        self._embedder = open_embedder(spec)
        self.fingerprint = self._embedder.fingerprint
        self.seconds = 0.0

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the other embedder's batches."""
        batches = self._embedder.embed_documents(texts)
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - started
            if batch is None:
                return
            yield batch

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the other embedder's vectors."""
        return self._embedder.embed_queries(texts)

    def legible_share(self, query: str) -> float:
        """Return the other embedder's share."""
        return self._embedder.legible_share(query)


def time_updates(address: str, root: Path, folder: Path) -> None:
    """Print the seconds of an update with the default model, and the share of embedding, of both engines."""
    opened: list[TimedEmbedder] = []

    def open_timed(spec: EmbedderSpec) -> TimedEmbedder:
        opened.append(TimedEmbedder(spec))
        return opened[-1]

    engines: dict[str, Engine] = {
        "folder": vsearch.open_index(root / ".vsearch", create=True, open_embedder=open_timed),
        "server": vsearch.open_server_index(address, root=root, open_embedder=open_timed),
    }
    for name, index in engines.items():
        with index:
            opened.clear()
            done = index.update([folder])
        share = sum(embedder.seconds for embedder in opened) / done.seconds
        print(
            f"update, {name}: {done.chunks:,} chunks in {done.seconds:.1f} s, of which embedding {share:.0%}",
            flush=True,
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="with the schema or collection to create")
    parser.add_argument("--chunks", type=int, default=121_000)
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--vectors", type=Path, help="a .npy file of the default model's dimension")
    parser.add_argument("--update", type=Path, help="a folder to index with the default model instead, in both ways")
    options = parser.parse_args()
    print(describe())
    with TemporaryDirectory() as name, ExitStack() as stack:
        root = Path(name)
        if options.update is not None:
            folder = Path(shutil.copytree(options.update, root / "docs"))
            time_updates(options.address, root, folder)
            return
        fingerprint = open_embedder(EmbedderSpec("local")).fingerprint
        if options.vectors is None:
            vectors = RandomEmbedder(fingerprint).embed_queries([""] * (options.chunks + options.queries + WARM_UP))
        else:
            vectors = np.load(options.vectors, mmap_mode="r")
        chunks = min(options.chunks, len(vectors) - options.queries - WARM_UP) // CHUNKS_A_FILE * CHUNKS_A_FILE
        embedder = GivenVectors(fingerprint, vectors, chunks)
        (root / "docs").mkdir()
        write_documents(root / "docs", chunks)
        queries = make_queries(root / "docs", options.queries + WARM_UP)
        local = stack.enter_context(
            vsearch.open_index(root / ".vsearch", create=True, open_embedder=lambda _: embedder)
        )
        local.update([root / "docs"])
        copied = seconds(lambda: vsearch.copy_index(root, options.address, root=root))
        print(f"{local.status().chunks:,} chunks copied and compared in {copied:.0f} s", flush=True)
        server = stack.enter_context(
            vsearch.open_server_index(options.address, root=root, open_embedder=lambda _: embedder)
        )
        tenth = FILTER.format(chunks // 10 * 9 // CHUNKS_A_FILE * CHUNKS_A_FILE)
        print(f"{'':<32} ms a search, median (range)")
        for kind in (SearchKind("hybrid"), SearchKind("vector"), SearchKind("vector", tenth), SearchKind("keyword")):
            measure({"folder": local, "server": server}, queries, kind)


if __name__ == "__main__":
    main()
