"""Postings made anew from the catalog's texts, for an index of an earlier analyzer. Vectors and graphs stay."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.index.commit import mark_commit, sweep
from vsearch_core.index.keywords import passage_postings
from vsearch_core.index.progress import Observer, Progress, StoppedError
from vsearch_core.index.settings import ANALYZER, IndexSettings
from vsearch_core.lexical.postings import PREFIX
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.segment import ABOUT, Manifest, SegmentWriter, open_segment

_ROWS = 4096  # copied at a time


def renew_keywords(catalog: Catalog, settings: IndexSettings, observer: Observer) -> bool:
    """Make the postings anew unless they are this analyzer's already; whether they were. All change, or none does.

    Takes room for a second copy of the segments while it works. Raises StoppedError, IndexCorruptError, OSError.
    """
    signature = settings.analysis.signature
    if catalog.settings()[ANALYZER] == signature:
        return False
    sweep(catalog)  # there may not be room for what a renewal that was stopped has left, too
    records = catalog.segments()
    written = []
    for number, record in enumerate(records):
        observer.progress(Progress("making keywords anew", number, len(records)))
        if observer.should_stop():
            raise StoppedError
        written.append(_rewritten(catalog, record, settings))
    with catalog.transaction():
        catalog.drop_segments(record.id for record in records)
        for record, (name, manifest) in zip(records, written, strict=True):
            added = catalog.add_segment(name, record.rows, manifest)
            if record.tombstones is not None:
                catalog.set_tombstones(added, record.tombstones)
        catalog.put_setting(ANALYZER, signature)
        mark_commit(catalog)
    return True


def _rewritten(catalog: Catalog, record: SegmentRecord, settings: IndexSettings) -> tuple[str, Manifest]:
    """The segment under a new name: the same rows, dead ones too, with other postings."""
    arrays = open_segment(catalog.index, record.name, record.manifest)
    postings = passage_postings(catalog, settings.analysis, np.asarray(arrays["chunk_ids"]).tolist())
    kept = {key: array for key, array in arrays.items() if key != ABOUT and not key.startswith(PREFIX)}
    writer = SegmentWriter(catalog.index)
    for key, array in {**kept, **postings.arrays()}.items():
        writer.add(key, array.dtype, array.shape, _blocks(array))
    return writer.finish({**catalog.settings(), ANALYZER: settings.analysis.signature})


def _blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(array), _ROWS):
        yield array[start : start + _ROWS]
