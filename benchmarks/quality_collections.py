"""Open judged collections: their index, its searcher, and the queries' vectors, which are kept in files."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.lexical_peers import language_of
from vsearch_core import config
from vsearch_core.embed.base import Embedder
from vsearch_core.evaluate.corpus import indexed_corpus
from vsearch_core.evaluate.dataset import Dataset, load_dataset
from vsearch_core.evaluate.measure_scale import refresh_scale
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbeddedQuery, EmbedQuery
from vsearch_core.search.request import clean_query

_SEED = 15
_DEFAULT = IndexOptions()


@dataclass(frozen=True, slots=True)
class Collection:
    """A judged collection and its index, which is in the folder `work`.

    `dataset` may have a part of its queries only. `embed` returns the vector of each of its queries. `document_id` maps
    a stored path to the judgements' id. `language` is that of the queries. `indexing_seconds` is None if the index was
    there before.
    """

    folder: Path
    work: Path
    dataset: Dataset
    snapshot: Snapshot
    searcher: LocalSearcher
    embed: EmbedQuery
    document_id: Callable[[str], str]
    language: str
    indexing_seconds: int | None

    @property
    def name(self) -> str:
        """Return the name of the collection's folder."""
        return self.folder.name


@contextmanager
def open_collection(
    folder: Path, work: Path, embedder: Embedder, count: int, requested: IndexOptions = _DEFAULT
) -> Iterator[Collection]:
    """Index the collection's documents in `work`, unless an index is there, and open it with `count` of its queries.

    `requested` are the options of a new index, for which `embedder` was opened.
    """
    dataset = load_dataset(folder)
    is_new = not (work / config.INDEX_DIR).exists()
    started = time.perf_counter()
    with indexed_corpus(folder, dataset, work, requested, lambda _: embedder):
        refresh_scale(work.absolute() / config.INDEX_DIR, embedder)
        seconds = round(time.perf_counter() - started) if is_new else None
    with indexed_corpus(folder, dataset, work, requested, lambda _: embedder) as (snapshot, document_id):
        embed = _kept_vectors(dataset, embedder, work / "queries.npz")
        language = language_of(list(dataset.queries.values()))
        searcher = LocalSearcher(snapshot)
        some = _sampled(dataset, count)
        yield Collection(folder, work, some, snapshot, searcher, embed, document_id, language, seconds)


def _sampled(dataset: Dataset, count: int) -> Dataset:
    """Return the dataset with at most `count` of its queries, the same ones in each run."""
    keys = sorted(dataset.queries)
    drawn = [keys[at] for at in np.random.default_rng(_SEED).permutation(len(keys))[:count].tolist()]
    judgements = {key: dataset.judgements[key] for key in drawn}
    return replace(dataset, queries={key: dataset.queries[key] for key in drawn}, judgements=judgements)


def _kept_vectors(dataset: Dataset, embedder: Embedder, kept: Path) -> EmbedQuery:
    """Return a function that looks up the vector of a query, read from a file or embedded and stored there."""
    texts = sorted({clean_query(text) for text in dataset.queries.values()})
    if not kept.exists():
        legible = [embedder.legible_share(text) for text in texts]
        np.savez(kept, allow_pickle=False, vectors=embedder.embed_queries(texts), legible=np.array(legible))
    with np.load(kept, allow_pickle=False) as arrays:
        pairs = zip(texts, arrays["vectors"], arrays["legible"].tolist(), strict=True)
        embedded = {text: EmbeddedQuery(vector, legible) for text, vector, legible in pairs}
    return embedded.__getitem__
