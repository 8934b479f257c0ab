"""Helpers for tests of many folders."""

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Batch, Embedder, normalize_rows
from vsearch_core.embed.model_files import DISTILLED
from vsearch_core.index.commit import advance_generation, sweep
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.parts import FILE_IDS, NewSegment, open_former, write_parts
from vsearch_core.index.progress import Observer
from vsearch_core.index.re_embedding import re_embed_index
from vsearch_core.index.settings import COMING, ComingModel, IndexOptions
from vsearch_core.index.sources import Source
from vsearch_core.index.writer import UpdateSummary, update_index
from vsearch_core.model import Fingerprint
from vsearch_core.store.catalog import Catalog
from vsearch_core.text.discover import DiscoverOptions

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"


class WordEmbedder:
    """Embeds a text as the sum of its words' fixed random vectors; each model has its own.

    `embedded` lists every document that it has embedded.
    """

    def __init__(self, model: str = "words", dimension: int = 48, batch: int = 8) -> None:
        provider = "static" if model.startswith(DISTILLED) else "local"
        self.fingerprint = Fingerprint(provider, model, f"weights of {model}", dimension, "sum+l2")
        self.batch = batch
        self.embedded: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        for start in range(0, len(texts), self.batch):
            batch = list(texts[start : start + self.batch])
            self.embedded += batch
            yield Batch(np.arange(start, start + len(batch)), self.embed_queries(batch))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.array([self._vector(text) for text in texts], np.float32)
        return vectors.reshape(len(texts), self.fingerprint.dimension)

    def legible_share(self, query: str) -> float:
        return 1.0

    def _vector(self, text: str) -> NDArray[np.float32]:
        total = np.full(self.fingerprint.dimension, 1e-3)
        model = "" if self.fingerprint.model == "words" else self.fingerprint.model
        for word in re.findall(r"\w+", text.lower()):
            seed = int.from_bytes(hashlib.blake2b((model + word).encode(), digest_size=4).digest(), "big")
            total += np.random.default_rng(seed).standard_normal(self.fingerprint.dimension)
        unit: NDArray[np.float32] = (total / np.linalg.norm(total)).astype(np.float32)
        return unit


class NarrowEmbedder(WordEmbedder):
    """A model whose cosines are all near 0.9: every vector shares a large part."""

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        shared = np.float32(3 / np.sqrt(self.fingerprint.dimension))
        return normalize_rows(super().embed_queries(texts) + shared)


def use_interim_vectors(index: Path) -> None:
    """Replace the vectors by interim ones, as if a quick run had been stopped before it replaced these."""
    static = WordEmbedder(DISTILLED + "words")
    re_embed_index(index, IndexOptions("static", static.fingerprint.model), lambda _: static)
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.put_setting(COMING, ComingModel(WordEmbedder().fingerprint, "words").to_setting())


def hide_vectors(index: Path, is_hidden: Callable[[str], bool]) -> None:
    """Take the vectors from the files whose paths are hidden, as if they were not embedded yet."""
    with closing(Catalog.open_to_write(index)) as catalog:
        records = catalog.segments()
        former = [open_former(index, record) for record in records]
        files = {record.id: is_hidden(path) for path, record in catalog.files(live=True).items()}
        hidden = np.array([file_id for file_id, hides in files.items() if hides], np.int64)
        chunk_ids, file_ids = catalog.live_chunks()
        bare = np.isin(file_ids, hidden)
        kept = [replace(each, kept=each.kept & ~np.isin(each.arrays[FILE_IDS], hidden)) for each in former]
        parts = [
            NewSegment.merge(catalog, kept, Observer(), DEFAULT_LIMITS),
            NewSegment(catalog, chunk_ids[bare], file_ids[bare], {}),
        ]
        written = [
            (len(part.chunk_ids), *write_parts(part, catalog.settings())) for part in parts if len(part.chunk_ids)
        ]
        with catalog.transaction():
            catalog.drop_segments(record.id for record in records)
            for rows, name, manifest in written:
                catalog.add_segment(name, rows, manifest)
            advance_generation(catalog)
        sweep(catalog)


def metadata_of_files(catalog: Path) -> list[tuple[bytes, str]]:
    """Return the hash and the metadata of each live file of an index, by path."""
    with closing(sqlite3.connect(f"file:{quote(str(catalog))}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT hash, meta FROM files WHERE live ORDER BY path").fetchall()


def make_index(
    root: Path,
    embedder: Embedder,
    *paths: Path,
    observer: Observer | None = None,
    options: IndexOptions | None = None,
    discover: DiscoverOptions | None = None,
    limits: IndexLimits = DEFAULT_LIMITS,
) -> UpdateSummary:
    """Index the paths, relative to `root`, into root/.vsearch; without paths, all that were indexed before."""
    return update_index(
        root / ".vsearch",
        [Source(root / path, discover or DiscoverOptions()) for path in paths],
        options or IndexOptions(),
        lambda _spec: embedder,
        observer or Observer(),
        limits=limits,
    )
