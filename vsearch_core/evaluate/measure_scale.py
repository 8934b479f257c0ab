"""Measure the scale of an index's scores by vectors, for models whose confidence isn't calibrated. No judgements."""

from contextlib import closing
from pathlib import Path

import numpy as np

from vsearch_core import config
from vsearch_core.embed.base import Embedder
from vsearch_core.errors import IndexLockedError
from vsearch_core.evaluate.known_items import partial_sentences
from vsearch_core.index.settings import VECTOR_SCALE
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.model import TEXT
from vsearch_core.search.confidence import is_calibrated
from vsearch_core.search.fusion import VECTOR
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.request import SearchRequest, clean_query
from vsearch_core.search.vector_scale import MeasuredScale, load_measured_scale
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock

SENTENCES = 100
LEAST_SENTENCES = 20


def refresh_scale(index: Path, embedder: Embedder) -> None:
    """Measure the scale of the index and store it, unless that was done and the index has hardly changed since.

    `embedder` is the one that made the index's vectors; it embeds sentences of the index as queries. The default model
    needs no scale. If another process is writing the index, nothing is stored. Raises ModelError, IndexCorruptError and
    StorageError.
    """
    if is_calibrated(embedder.fingerprint):
        return
    with storage_errors(index), open_snapshot(index) as snapshot:
        chunks = sum(record.chunks for record in snapshot.catalog.files(live=True).values())
        known = load_measured_scale(snapshot.catalog)
        if known is not None and not known.is_outdated(chunks):
            return
        measured = _measured(snapshot, chunks, embedder)
    value = "" if measured is None else measured.to_setting()
    if known is None and measured is None:
        return
    try:
        with (
            storage_errors(index),
            writer_lock(index),
            closing(Catalog.open_to_write(index)) as catalog,
            catalog.transaction(),
        ):
            catalog.put_setting(VECTOR_SCALE, value)
    except IndexLockedError:
        return  # its writer measures the scale itself, or the next one does


def _measured(snapshot: Snapshot, chunks: int, embedder: Embedder) -> MeasuredScale | None:
    """Return the marks of the index, or None if it has too few sentences."""
    sentences = [(path, clean_query(text)) for path, text in partial_sentences(snapshot, SENTENCES)]
    if len(sentences) < LEAST_SENTENCES:
        return None
    vectors = embedder.embed_queries([text for _, text in sentences])
    searcher, files = LocalSearcher(snapshot), snapshot.catalog.files(live=True)
    own, other = [], []
    for (path, text), vector in zip(sentences, vectors, strict=True):
        request = SearchRequest(text, mode="vector", plain=True)
        found = searcher.search(request, {TEXT: vector}, config.CANDIDATES)
        is_other = found.file_keys != files[path].id
        own.append(found.scores[VECTOR].max(initial=0))
        if is_other.any():
            other.append(found.scores[VECTOR][is_other].max())
    if len(other) < LEAST_SENTENCES:
        return None
    known_items = float(np.median(own) + np.median(other)) / 2
    return MeasuredScale(round(known_items, 4), round(float(searcher.sampled_cosines().mean()), 4), chunks)
