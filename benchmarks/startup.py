"""Measure whole processes as the shell sees them: `vsearch --help` and a cold `vsearch query`.

The index holds made-up text (500 words a chunk, Zipf-distributed) and random vectors under the real model's
fingerprint. Neither changes the time of a query, and real embeddings of 121,000 chunks would take many minutes. The
real model embeds the query. The page cache is warm.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe, process_seconds, spread
from benchmarks.plot import bars
from vsearch_core.embed.base import Batch
from vsearch_core.embed.open import open_embedder
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.sources import Source
from vsearch_core.index.status import read_status
from vsearch_core.index.writer import update_index
from vsearch_core.model import EmbedderSpec, Fingerprint
from vsearch_core.text.discover import DiscoverOptions

VOCABULARY = 60_000
WORDS_A_CHUNK = 500
CHUNKS_A_FILE = 200


class RandomEmbedder:
    """Random unit vectors under another embedder's fingerprint."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        """Seed the random numbers, so that every run has the same vectors."""
        self.fingerprint = fingerprint
        self._random = np.random.default_rng(0)

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the vectors of all texts in one batch."""
        yield Batch(np.arange(len(texts)), self.embed_queries(texts))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (len(texts), dimension)."""
        vectors = self._random.standard_normal((len(texts), self.fingerprint.dimension), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def legible_share(self, query: str) -> float:
        """Return 1: the model can read every query."""
        return 1.0


def write_documents(folder: Path, chunks: int) -> None:
    """Write text files of CHUNKS_A_FILE paragraphs, each of which becomes a chunk."""
    random = np.random.default_rng(1)
    syllables = np.array([consonant + vowel for consonant in "bdklmn" for vowel in "aeiou"])
    words = np.array(
        ["".join(random.choice(syllables, 2 + i % 4)) + str(i % 7) * (i % 50 == 0) for i in range(VOCABULARY)]
    )
    for number in range(0, chunks, CHUNKS_A_FILE):
        drawn = words[np.minimum(random.zipf(1.3, (CHUNKS_A_FILE, WORDS_A_CHUNK)), VOCABULARY) - 1]
        text = "\n\n".join(" ".join(row) + "." for row in drawn)
        (folder / f"{number:07d}.txt").write_text(text, encoding="utf-8")


def main() -> None:
    """Print the table and write the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=[20_000, 121_000])
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--plot", type=Path, help="write an SVG there")
    options = parser.parse_args()
    vsearch = str(Path(sys.executable).with_name("vsearch"))
    print(describe())
    print("seconds a whole process, median (range)")
    print(f"  vsearch --help                     {spread(process_seconds([vsearch, '--help'], options.runs))}")
    real = open_embedder(EmbedderSpec("local"))
    medians: dict[str, dict[str, float]] = {}
    for chunks in options.chunks:
        with TemporaryDirectory() as name:
            root = Path(name)
            (root / "docs").mkdir()
            write_documents(root / "docs", chunks)
            index = root / ".vsearch"
            source = Source(root / "docs", DiscoverOptions())
            update_index(index, [source], IndexOptions(), lambda *_: RandomEmbedder(real.fingerprint))
            with open_snapshot(index) as snapshot:
                status = read_status(snapshot)
            beyond = sum(status.size.values()) - status.size["text"]
            rate = f"{beyond / status.chunks / 1000:.2f} kB a chunk beyond the compressed text"
            print(f"{status.chunks:,} chunks in {status.segments} segments, {rate}")
            for mode in ("hybrid", "vector", "keyword"):
                command = [vsearch, "query", "--mode", mode, "badebi kobu lamo nenino"]
                times = process_seconds(command, options.runs, cwd=root)
                print(f"  vsearch query --mode {mode:<8}      {spread(times)}")
                medians.setdefault(f"{status.chunks:,} chunks", {})[mode] = statistics.median(times)
    if options.plot:
        bars(options.plot, "A cold `vsearch query`, whole process", "seconds (median)", medians)


if __name__ == "__main__":
    main()
