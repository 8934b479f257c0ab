"""Measure the scale of an index's scores by vectors, for models whose confidence isn't calibrated. No judgements."""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import numpy as np

from vsearch_core import config
from vsearch_core.embed.base import Embedder
from vsearch_core.embed.providers import is_local, is_symmetric
from vsearch_core.errors import IndexLockedError, ModelError
from vsearch_core.evaluate.known_items import partial_sentences
from vsearch_core.index.settings import VECTOR_SCALE
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.model import TEXT
from vsearch_core.search.confidence import is_calibrated
from vsearch_core.search.engine import Candidates, Vectors
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import VECTOR
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.request import SearchRequest, clean_query
from vsearch_core.search.vector_scale import NEIGHBOURS, SENTENCES, MeasuredScale, load_measured_scale
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock

DRAWN = 100  # sentences or chunks
LEAST_DRAWN = 20
_ANY_TEXT = "-"  # of a request by a vector alone


def refresh_scale(index: Path, embedder: Embedder) -> None:
    """Measure the scale of the index and store it, unless that was done and the index has hardly changed since.

    `embedder` is the one that made the index's vectors. A local one embeds sentences of the index as queries. A remote
    one embeds nothing, since that would cost money: the vectors of chunks stand for those of queries, unless it embeds
    queries in another way. The default model needs no scale. If another process is writing the index, nothing is
    stored. Raises ModelError, IndexCorruptError and StorageError.
    """
    value = _new_value(index, embedder)
    if value is None:
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


def refresh_scale_of(catalog: Catalog, embedder: Embedder) -> None:
    """Do the same as `refresh_scale` for an index whose catalog this process has open for writing.

    If the model fails, no scale is stored, so that keywords alone decide the confidence.
    """
    with suppress(ModelError):
        value = _new_value(catalog.index, embedder)
        if value is not None:
            with catalog.transaction():
                catalog.put_setting(VECTOR_SCALE, value)


def _new_value(index: Path, embedder: Embedder) -> str | None:
    """Return the value of the setting VECTOR_SCALE, or None if it needn't be changed."""
    if is_calibrated(embedder.fingerprint):
        return None
    with storage_errors(index), open_snapshot(index) as snapshot:
        if snapshot.vector_segments < len(snapshot.segments):  # some chunks are not embedded yet
            return None
        chunks = sum(record.chunks for record in snapshot.catalog.files(live=True).values())
        known = load_measured_scale(snapshot.catalog)
        if known is not None and not known.is_outdated(chunks):
            return None
        if is_local(embedder.fingerprint.provider):
            measured = _of_sentences(snapshot, chunks, embedder)
        else:
            measured = _of_neighbours(snapshot, chunks) if is_symmetric(embedder.fingerprint) else None
    if known is None and measured is None:
        return None
    return "" if measured is None else measured.to_setting()


def _of_sentences(snapshot: Snapshot, chunks: int, embedder: Embedder) -> MeasuredScale | None:
    """Return the marks by the index's sentences as queries, or None if it has too few of them."""
    sentences = [(path, clean_query(text)) for path, text in partial_sentences(snapshot, DRAWN)]
    if len(sentences) < LEAST_DRAWN:
        return None
    vectors = embedder.embed_queries([text for _, text in sentences])
    searcher, files = LocalSearcher(snapshot), snapshot.catalog.files(live=True)
    own, elsewhere = [], []
    for (path, _), vector in zip(sentences, vectors, strict=True):
        found = _nearest(searcher, vector)
        own.append(float(found.scores[VECTOR].max(initial=0)))
        elsewhere.append(_best_elsewhere(found, files[path].id))
    low = float((vectors @ searcher.sampled_vectors().T).mean())
    usual = _median(elsewhere)
    return None if usual is None else _rounded((float(np.median(own)) + usual) / 2, low, chunks, SENTENCES)


def _of_neighbours(snapshot: Snapshot, chunks: int) -> MeasuredScale | None:
    """Return the marks by the cosines of chunks, or None if the index has too few of them."""
    searcher = LocalSearcher(snapshot)
    ids = searcher.select(Filters()).ids
    if len(ids) < LEAST_DRAWN:
        return None
    drawn = ids[:: max(1, len(ids) // DRAWN)][:DRAWN]
    best = []
    for chunk_id, vector in zip(drawn, searcher.vectors(drawn), strict=True):
        found = _nearest(searcher, vector)
        own = found.file_keys[found.ids == chunk_id]
        if len(own):
            best.append(_best_elsewhere(found, own[0]))
    usual = _median(best)
    if usual is None:
        return None
    cosines = searcher.sampled_cosines()
    low = float(cosines.mean())
    # The nearest chunk says too little where each file has a topic of its own, and the deviation where many share one
    return _rounded((usual + low + 3 * float(cosines.std())) / 2, low, chunks, NEIGHBOURS)


def _nearest(searcher: LocalSearcher, vector: Vectors) -> Candidates:
    return searcher.search(SearchRequest(_ANY_TEXT, mode="vector", plain=True), {TEXT: vector}, config.CANDIDATES)


def _best_elsewhere(found: Candidates, file_key: int) -> float:
    """Return the best score of the candidates in other files than the given one; NaN if there are none."""
    scores = found.scores[VECTOR][found.file_keys != file_key]
    return float(scores.max()) if len(scores) else np.nan


def _median(scores: Sequence[float]) -> float | None:
    """Return the median of the scores that are not NaN, or None if they are too few."""
    known = np.array(scores)[~np.isnan(scores)]
    return float(np.median(known)) if len(known) >= LEAST_DRAWN else None


def _rounded(high: float, low: float, chunks: int, method: str) -> MeasuredScale:
    return MeasuredScale(round(high, 4), round(low, 4), chunks, method)
