"""`vsearch index --re-embed`: another model's vectors are made beside the old ones and put in their place at once.

Until the one transaction that swaps them, the index is what it was, and so do queries see it. What is embedded is kept
in a file of its own, which is named after the new embedder: a run that was stopped goes on from there.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import disk_usage

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import to_fixed
from vsearch_core.embed.base import Embedder, OpenEmbedder
from vsearch_core.errors import StorageError
from vsearch_core.index.commit import mark_commit, sweep
from vsearch_core.index.compaction import ROWS_A_BLOCK, write_merged
from vsearch_core.index.graphs import PREFIX
from vsearch_core.index.progress import Observer, Progress, StoppedError
from vsearch_core.index.renewal import renew_keywords
from vsearch_core.index.settings import FUSION, IndexOptions, IndexSettings, new_settings, refuse_other_chunking
from vsearch_core.model import EmbedderSpec
from vsearch_core.store import connections
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.connections import refuse_lost_catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.segment import Manifest, open_segment
from vsearch_core.store.tables import CATALOG_FILE
from vsearch_core.store.vacuum import reclaim_space
from vsearch_core.store.vectors import (
    VectorFile,
    delete_vector_file,
    re_embedding_file,
    space_key,
    unfinished_re_embeddings,
)

CHUNKS_A_BLOCK = 512  # whose texts are in memory at a time


@dataclass(frozen=True, slots=True)
class ReEmbedSummary:
    """What a re-embedding did: `chunks` of the index have or will have `model`'s vectors, in place of `former`'s.

    `embedded` texts were so in this run, and `kept` ones in an earlier one, which was stopped. `untuned`: what
    `vsearch tune` had learned of the former vectors is forgotten.
    """

    index: Path
    generation: int
    former: str
    model: str
    chunks: int
    embedded: int
    kept: int
    untuned: bool
    interrupted: bool
    seconds: float


def re_embed_index(
    index: Path,
    options: IndexOptions,
    open_embedder: OpenEmbedder,
    observer: Observer = Observer(),  # noqa: B008 - frozen
) -> ReEmbedSummary:
    """Give every chunk a vector by the embedder that is requested; what is left open is as the index has it.

    Killed or stopped at any point, the index is the old one or the new one, and the next such run goes on. Takes free
    space for the new vectors twice. Staged files lose their vectors, and the index its tuned fusion: they are of the
    old embedder. Raises IndexNotFoundError, IndexMismatchError for what only reading the documents again could change,
    IndexLockedError, IndexVersionError, IndexCorruptError, InputError, ModelError, StorageError.
    """
    started = time.perf_counter()
    with storage_errors(index):
        refuse_lost_catalog(index)
        if not (index / CATALOG_FILE).exists():
            connections.connect(index, "ro")  # raises IndexNotFoundError
        with writer_lock(index), closing(Catalog.open_to_write(index)) as catalog:
            former = IndexSettings.from_catalog(catalog, renewing=True)
            renew_keywords(catalog, former, observer)
            refuse_other_chunking(str(index), former, options)
            sweep(catalog)
            spec = wanted(former, options)
            embedder = open_embedder(spec)
            cut = {name: getattr(former, name) for name in ("chunk_words", "overlap_words", "language")}
            asked = replace(options, embedder=spec.provider, model=spec.model, base_url=spec.base_url, **cut)
            settings = new_settings(asked, embedder.fingerprint)
            run = _Run(catalog, settings, embedder, observer)
            done = settings == former or run.done()
            return ReEmbedSummary(
                index=index,
                generation=catalog.generation,
                former=former.fingerprint.model,
                model=embedder.fingerprint.model,
                chunks=run.chunks,
                embedded=run.embedded,
                kept=run.kept,
                untuned=run.untuned,
                interrupted=not done,
                seconds=time.perf_counter() - started,
            )


def wanted(settings: IndexSettings, options: IndexOptions) -> EmbedderSpec:
    """The embedder that is asked for. A model is its provider's, a dimension its model's."""
    own = settings.spec
    provider = options.embedder or own.provider
    its = provider == own.provider
    model = options.model or (own.model if its else None)
    dimension = options.dimension or (own.dimension if its and model == own.model else None)
    base_url = options.base_url or (own.base_url if its else options.default_base_urls.get(provider))
    return EmbedderSpec(provider, model, dimension, base_url)


class _Run:
    """One re-embedding, from the chunks to the swap."""

    def __init__(self, catalog: Catalog, settings: IndexSettings, embedder: Embedder, observer: Observer) -> None:
        self.catalog = catalog
        self.settings = settings
        self.embedder = embedder
        self.observer = observer
        self.segments = catalog.segments()
        self.chunks = sum(segment.live_rows for segment in self.segments)
        self.embedded = self.kept = 0
        self.untuned = False

    def done(self) -> bool:
        """Embed and swap; False where the observer stopped it."""
        values = self.settings.to_catalog()
        path = re_embedding_file(self.catalog.index, values)
        row_bytes = 2 * self.settings.fingerprint.dimension
        self._refuse_little_space(path, row_bytes)
        with closing(VectorFile(path, space_key(values), row_bytes)) as vectors:
            self.kept = vectors.count()
            try:
                self._embed(vectors)
                self._swap(vectors)
            except StoppedError:
                return False
        for each in unfinished_re_embeddings(self.catalog.index):  # of models that were tried and given up, too
            delete_vector_file(each)
        sweep(self.catalog)
        reclaim_space(self.catalog)
        return True

    def _refuse_little_space(self, path: Path, row_bytes: int) -> None:
        have = path.stat().st_size if path.exists() else 0
        rest = sum(entry.bytes for record in self.segments for entry in _others(record).values())
        needed = max(0, self.chunks * row_bytes - have) + self.chunks * row_bytes + rest
        free = disk_usage(self.catalog.index).free
        if needed > free:
            raise StorageError(
                str(self.catalog.index),
                f"no space left for other vectors: they need {needed:,} bytes while they are made, {free:,} are free",
                "free some space and run it again",
            )

    def _embed(self, vectors: VectorFile) -> None:
        """Give all texts vectors. Raises StoppedError."""
        done = 0
        for texts in live_texts(self.catalog, CHUNKS_A_BLOCK):
            known = vectors.get(texts)
            new = [text for text in dict.fromkeys(texts) if text not in known]
            for batch in self.embedder.embed_documents(new) if new else ():
                fixed = to_fixed(batch.vectors)
                vectors.put([new[number] for number in batch.indices.tolist()], map(bytes, fixed))
                self.embedded += len(fixed)
                self.observer.progress(Progress("embedding", done + len(known) + len(fixed), self.chunks))
                if self.observer.should_stop():
                    break
            if self.observer.should_stop():  # a provider's batches end early then
                raise StoppedError
            done += len(texts)
            self.observer.progress(Progress("embedding", done, self.chunks))

    def _swap(self, vectors: VectorFile) -> None:
        """Write one segment of all live rows, and commit it in place of the others. Raises StoppedError."""
        catalog, dimension = self.catalog, self.settings.fingerprint.dimension
        written = None
        if self.chunks:
            opened = [open_segment(catalog.index, record.name, _others(record)) for record in self.segments]
            kept = [record.alive for record in self.segments]
            settings = {**catalog.settings(), **self.settings.to_catalog(), FUSION: ""}
            shaped = ((self.chunks, dimension), self._blocks(vectors))
            written = write_merged(catalog.index, settings, opened, kept, shaped, self.observer)
        with catalog.transaction():
            catalog.drop_segments(record.id for record in self.segments)
            if written is not None:
                catalog.add_segment(written[0], self.chunks, written[1])
            catalog.delete_staged_vectors()
            if catalog.settings().get(FUSION):
                catalog.put_setting(FUSION, "")
                self.untuned = True
            for key, value in self.settings.to_catalog().items():
                catalog.put_setting(key, value)
            mark_commit(catalog)

    def _blocks(self, vectors: VectorFile) -> Iterator[NDArray[np.int16]]:
        for texts in live_texts(self.catalog, ROWS_A_BLOCK):
            found = vectors.get(texts)
            yield np.frombuffer(b"".join(found[text] for text in texts), np.int16)


def live_texts(catalog: Catalog, count: int) -> Iterator[list[str]]:
    """The texts of all live rows, in the segments' order, so many at a time."""
    for record in catalog.segments():
        only = {"chunk_ids": record.manifest["chunk_ids"]}
        ids = open_segment(catalog.index, record.name, only)["chunk_ids"][record.alive].tolist()
        for start in range(0, len(ids), count):
            yield [passage.chunk.text for passage in catalog.stored_chunks(ids[start : start + count])]


def _others(record: SegmentRecord) -> Manifest:
    """The files of a segment that do not follow from its vectors."""
    return {key: entry for key, entry in record.manifest.items() if key != "vectors" and not key.startswith(PREFIX)}
