"""Measure the nDCG@10 of an index that is still being embedded, by its coverage: the share of chunks with a vector.

Each document of the collection is a file of a random age, so that an update embeds them in random order. The update is
stopped at each coverage and continued after the queries, and this is repeated with other ages. `--plot` draws the means
and the lowest and highest of these orders, beside keywords alone.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe
from benchmarks.plot import ranges
from vsearch_core import Observer, Progress, config
from vsearch_core.embed.base import Batch, Embedder
from vsearch_core.embed.open import open_embedder
from vsearch_core.evaluate.corpus import Corpus, prepare_corpus
from vsearch_core.evaluate.dataset import Dataset, load_dataset
from vsearch_core.evaluate.run import embed_dataset, measure_run, run_queries
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.sources import Source
from vsearch_core.index.writer import update_index
from vsearch_core.model import EmbedderSpec, Fingerprint
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbedQuery
from vsearch_core.text.discover import DiscoverOptions

COVERAGES = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)
LIMITS = IndexLimits(chunks_per_block=50)  # an update is stopped between blocks
OLDEST_DAYS = 4**6  # seven groups of ages, each of which is embedded before the next (`index.unembedded`)


class RememberingEmbedder:
    """Embeds each text once, however often it is asked for. `given` is the number of texts, repetitions included."""

    def __init__(self, embedder: Embedder) -> None:
        """Wrap the embedder."""
        self.given = 0
        self._embedder = embedder
        self._known: dict[str, tuple[NDArray[np.float32], bytes]] = {}

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the embedder's fingerprint."""
        return self._embedder.fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the vectors of all texts in one batch."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for batch in self._embedder.embed_documents(new):
            windows = batch.windows or [b""] * len(batch.indices)
            for at, vector, window in zip(batch.indices.tolist(), batch.vectors, windows, strict=True):
                self._known[new[at]] = vector, window
        self.given += len(texts)
        vectors, late = zip(*(self._known[text] for text in texts), strict=True)
        yield Batch(np.arange(len(texts)), np.stack(vectors), late)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' vectors."""
        return self._embedder.embed_queries(texts)

    def legible_share(self, query: str) -> float:
        """Return the share of the query's letters that are in words the model knows."""
        return self._embedder.legible_share(query)


def set_ages(folder: Path, seed: int) -> None:
    """Give each file in the folder a random age; the logarithms are spread evenly."""
    rng, now = np.random.default_rng(seed), time.time()
    for path in sorted(folder.iterdir()):
        days = np.exp(rng.uniform(0, np.log(OLDEST_DAYS)))
        os.utime(path, (now, now - 86_400 * days))


def embed_until(corpus: Corpus, embedder: RememberingEmbedder, count: int) -> None:
    """Index the corpus, or continue to, until the embedder was given that many texts."""
    stages = [""]

    def progress(now: Progress) -> None:
        stages[0] = now.stage

    observer = Observer(progress=progress, should_stop=lambda: stages[0] == "embedding" and embedder.given >= count)
    sources = [Source(corpus.folder, DiscoverOptions())]
    update_index(corpus.work / config.INDEX_DIR, sources, IndexOptions(), lambda _: embedder, observer, limits=LIMITS)


def measured(corpus: Corpus, dataset: Dataset, embed: EmbedQuery | None, mode: str) -> float:
    """Return the mean nDCG@10 of the queries."""
    with open_snapshot(corpus.work / config.INDEX_DIR) as snapshot:
        run, _ = run_queries(LocalSearcher(snapshot), embed, dataset, mode, Fusion(), corpus.document_id, config.K)
    return float(measure_run(run, dataset.judgements)[:, 0].mean())


def one_order(folder: Path, dataset: Dataset, embedder: RememberingEmbedder, seed: int) -> tuple[float, list[float]]:
    """Return nDCG@10 of keywords alone and, for each coverage, of hybrid search, when files have these random ages."""
    with TemporaryDirectory() as work:
        corpus = prepare_corpus(folder, dataset, Path(work))
        set_ages(corpus.folder, seed)
        embedder.given = 0
        embed = embed_dataset(dataset, embedder)
        total, found = len(dataset.documents or ()), []
        for coverage in COVERAGES:
            embed_until(corpus, embedder, round(coverage * total))
            found.append(measured(corpus, dataset, embed, "hybrid"))
        return measured(corpus, dataset, None, "keyword"), found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder in BEIR layout, whose documents are a chunk each")
    parser.add_argument("--orders", type=int, default=5, help="how often the files get other ages")
    parser.add_argument("--plot", type=Path, help="write an SVG there")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    dataset, embedder = load_dataset(options.folder), RememberingEmbedder(open_embedder(EmbedderSpec("local")))
    print(describe())
    runs = [one_order(options.folder, dataset, embedder, seed) for seed in range(options.orders)]
    keyword = runs[0][0]
    by_coverage = {at: [found[number] for _, found in runs] for number, at in enumerate(COVERAGES)}
    print(f"{options.folder.name}: nDCG@10, keywords alone {keyword:.4f}")
    for coverage, values in by_coverage.items():
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"coverage {coverage:.0%}: {statistics.fmean(values):.4f} ± {deviation:.4f}, lowest {min(values):.4f}")
    if options.plot:
        ranges(options.plot, f"{options.folder.name} while it is embedded", by_coverage, keyword)


if __name__ == "__main__":
    main()
