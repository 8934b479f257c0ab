"""Re-embed an index: compute new vectors of all chunks with another model, and replace the old ones.

One transaction replaces all vectors; until then, queries use the old ones. New vectors are collected in a file whose
name depends on the new embedder, so that a run that was stopped can be continued.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Embedder, OpenEmbedder
from vsearch_core.index.commit import advance_generation, require_free_space, sweep
from vsearch_core.index.compaction import compact_until_stopped
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits, most_bytes_of_texts
from vsearch_core.index.parts import (
    CHUNK_IDS,
    VECTORS,
    WINDOWS,
    Input,
    NewSegment,
    VectorBlocks,
    WindowBlocks,
    open_former,
    read_ids,
    unchanged_arrays,
    window_blocks,
    write_parts,
)
from vsearch_core.index.progress import Observer, Progress, StoppedError
from vsearch_core.index.renewal import renew_keywords
from vsearch_core.index.settings import (
    FUSION,
    VECTOR_SCALE,
    IndexOptions,
    IndexSettings,
    check_vectors,
    new_settings,
    refuse_other_chunking,
)
from vsearch_core.index.staging import batch_records
from vsearch_core.model import TEXT, EmbedderSpec
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.connections import connect, refuse_lost_catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.records import Record
from vsearch_core.store.tables import CATALOG_FILE
from vsearch_core.store.vacuum import reclaim_space
from vsearch_core.store.vectors import (
    VectorFile,
    delete_vector_file,
    re_embedding_file,
    space_key,
    unfinished_re_embeddings,
)


@dataclass(frozen=True, slots=True)
class ReEmbedSummary:
    """The result of a re-embedding of `chunks` chunks, from the model `former` to the model `model`.

    `embedded` is the number of texts that this run embedded, and `kept` the number that earlier, stopped runs embedded.
    `untuned` is True if a fusion that was tuned for the old vectors was deleted. If `interrupted` is True, the index is
    unchanged.
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
    limits: IndexLimits = DEFAULT_LIMITS,
) -> ReEmbedSummary:
    """Replace all vectors by vectors of the embedder in the options. Options that are None don't change.

    If the run is stopped or killed, the index has either all old or all new vectors, and the next run continues from
    there. The run needs free disk space for two copies of the new vectors. It deletes the vectors of staged files and
    the tuned fusion, because both belong to the old embedder.

    Raises IndexMismatchError for options that need the documents to be read again, such as another chunk size; and
    IndexNotFoundError, IndexLockedError, IndexVersionError, IndexCorruptError, InputError, ModelError, StorageError.
    """
    started = time.perf_counter()
    with storage_errors(index):
        refuse_lost_catalog(index)
        if not (index / CATALOG_FILE).exists():
            connect(index, "ro")  # raises IndexNotFoundError
        with writer_lock(index), closing(Catalog.open_to_write(index)) as catalog:
            former = IndexSettings.from_catalog(catalog, renewing=True)
            renew_keywords(catalog, former, observer, limits)
            refuse_other_chunking(str(index), former, options)
            sweep(catalog)
            spec = new_spec(former, options)
            embedder = open_embedder(spec)
            same = {name: getattr(former, name) for name in ("chunk_words", "overlap_words", "language", "ann")}
            check_vectors(options.vectors)
            same["vectors"] = options.vectors or former.vectors
            complete = replace(options, embedder=spec.provider, model=spec.model, base_url=spec.base_url, **same)
            settings = new_settings(complete, embedder.fingerprint)
            run = ReEmbedding(catalog, settings, embedder, observer, limits)
            is_made_by = settings == former and not lacks_windows(catalog, embedder)
            done = is_made_by or run.embed_and_swap()
            if done and settings.keeps_none:
                compact_until_stopped(catalog, observer, limits)
                sweep(catalog)
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


def new_spec(settings: IndexSettings, options: IndexOptions) -> EmbedderSpec:
    """Return the description of the embedder that the options ask for.

    If the options name no model, the index keeps its model as long as the provider stays the same. If they name no
    dimension, it keeps its dimension as long as the model stays the same. Interim vectors don't count: the index's
    model is the one that is to come.
    """
    own = settings.target.spec
    provider = options.embedder or own.provider
    same_provider = provider == own.provider
    model = options.model or (own.model if same_provider else None)
    dimension = options.dimension or (own.dimension if same_provider and model == own.model else None)
    base_url = options.base_url or (own.base_url if same_provider else options.default_base_urls.get(provider))
    return EmbedderSpec(provider, model, dimension, base_url)


def lacks_windows(catalog: Catalog, embedder: Embedder) -> bool:
    """Return True if the index, by an earlier version, lacks the late windows that its own embedder makes."""
    with_vectors = (each.manifest for each in catalog.segments() if VECTORS.is_in(each.manifest))
    if embedder.fingerprint.provider != "local" or all(map(WINDOWS.is_in, with_vectors)):
        return False
    return any(batch.windows is not None for batch in embedder.embed_documents(["text"]))


class ReEmbedding:
    """One run of a re-embedding, with its counts: of all `chunks`, `done` have new vectors.

    `embedded` texts were embedded by this run, and `kept` ones by runs that were stopped. `untuned` is True if a tuned
    fusion was deleted. `stage` is the stage of its progress.
    """

    def __init__(
        self,
        catalog: Catalog,
        settings: IndexSettings,
        embedder: Embedder,
        observer: Observer,
        limits: IndexLimits,
        *,
        stage: str = "embedding",
    ) -> None:
        """Start with no vector embedded. The arguments are those of `re_embed_index`, with the new settings."""
        self.stage = stage
        self.catalog = catalog
        self.settings = settings
        self.embedder = embedder
        self.observer = observer
        self.limits = limits
        self.segments = catalog.segments()
        self.chunks = sum(segment.live_rows for segment in self.segments)
        self.embedded = self.kept = self.done = 0
        self.untuned = False

    def embed_and_swap(self) -> bool:
        """Embed all texts and replace the segments. Return False if the observer stopped it."""
        values = self.settings.to_catalog()
        path = re_embedding_file(self.catalog.index, values)
        row_bytes = 2 * self.settings.fingerprint.dimension
        self._require_space(path, row_bytes)
        with closing(VectorFile(path, space_key(values), row_bytes)) as vectors:
            self.kept = vectors.count()
            try:
                self._embed(vectors)
                self._swap(vectors)
            except StoppedError:
                return False
        for each in unfinished_re_embeddings(self.catalog.index):  # also those of models that were given up
            delete_vector_file(each)
        sweep(self.catalog)
        reclaim_space(self.catalog)
        return True

    def _require_space(self, path: Path, row_bytes: int) -> None:
        """Raise StorageError if the disk can't store the vectors twice: in their file and in a segment."""
        size, present = self.chunks * row_bytes, path.stat().st_size if path.exists() else 0
        arrays = (unchanged_arrays(record, {Input.VECTORS}) for record in self.segments)
        others = sum(entry.bytes for manifest in arrays for entry in manifest.values())
        require_free_space(self.catalog.index, max(0, size - present) + size + others, "the new vectors")

    def _embed(self, vectors: VectorFile) -> None:
        """Embed all texts that have no new vector yet. Raises StoppedError."""
        for texts in live_texts(self.catalog, self.limits.chunks_per_re_embedding_block):
            known = vectors.get(texts)
            new = [text for text in dict.fromkeys(texts) if text not in known]
            for batch in self.embedder.embed_documents(new) if new else ():
                records = batch_records(batch)
                vectors.put([new[number] for number in batch.indices.tolist()], map(Record.to_bytes, records))
                self.embedded += len(records)
                self.observer.progress(Progress(self.stage, self.done + len(known) + len(records), self.chunks))
                if self.observer.should_stop():
                    break
            if self.observer.should_stop():  # a provider's batches end early then
                raise StoppedError
            self.done += len(texts)
            self.observer.progress(Progress(self.stage, self.done, self.chunks))

    def _swap(self, vectors: VectorFile) -> None:
        """Write one segment of all live rows, and commit it in place of the others."""
        catalog, dimension = self.catalog, self.settings.fingerprint.dimension
        written = None
        if self.chunks:
            former = [open_former(catalog.index, record, changed={Input.VECTORS}) for record in self.segments]
            new_vectors = {TEXT: VectorBlocks((self.chunks, dimension), self._blocks(vectors))}
            segment = NewSegment.merge(
                catalog,
                former,
                self.observer,
                self.limits,
                vectors=new_vectors,
                windows=self._windows(vectors),
                changed={Input.VECTORS},
            )
            written = write_parts(
                segment, {**catalog.settings(), **self.settings.to_catalog(), FUSION: "", VECTOR_SCALE: ""}
            )
        with catalog.transaction():
            catalog.drop_segments(record.id for record in self.segments)
            if written is not None:
                catalog.add_segment(written[0], self.chunks, written[1])
            catalog.delete_staged_vectors()
            if catalog.settings().get(FUSION):
                catalog.put_setting(FUSION, "")
                self.untuned = True
            if catalog.settings().get(VECTOR_SCALE):
                catalog.put_setting(VECTOR_SCALE, "")
            for key, value in self.settings.to_catalog().items():
                catalog.put_setting(key, value)
            advance_generation(catalog)

    def _blocks(self, vectors: VectorFile) -> Iterator[NDArray[np.int16]]:
        for records in self._records(vectors):
            yield np.frombuffer(b"".join(record.vector for record in records), np.int16)

    def _windows(self, vectors: VectorFile) -> WindowBlocks | None:
        """Return all rows' late windows, or None if the embedder makes none."""
        windows = [record.windows for records in self._records(vectors) for record in records]
        return window_blocks(windows, self.settings.fingerprint.dimension)

    def _records(self, vectors: VectorFile) -> Iterator[list[Record]]:
        """Yield the records of all live rows in the segments' order, some at a time."""
        row_bytes = 2 * self.settings.fingerprint.dimension
        for texts in live_texts(self.catalog, self.limits.chunks_per_re_embedding_block):
            found = vectors.get(texts)
            yield [Record.from_bytes(found[text], row_bytes) for text in texts]


def live_texts(catalog: Catalog, count: int) -> Iterator[list[str]]:
    """Yield the texts of all live rows in lists of at most `count`, in the order of the segments.

    Raises IndexCorruptError if the texts of a list are longer than those of any document.
    """
    most_bytes = most_bytes_of_texts(count, int(catalog.settings()["chunk_words"]))
    for record in catalog.segments():
        ids = read_ids(catalog.index, record, CHUNK_IDS)[record.alive].tolist()
        for start in range(0, len(ids), count):
            yield [stored.chunk.text for stored in catalog.stored_chunks(ids[start : start + count], most_bytes)]
