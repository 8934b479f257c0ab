"""Rebuild the keyword postings of an index after a change of the analyzer; its vectors are copied."""

import numpy as np

from vsearch_core.index.commit import advance_generation, sweep
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.parts import FormerSegment, Input, NewSegment, open_former, write_parts
from vsearch_core.index.progress import Observer, Progress, StoppedError
from vsearch_core.index.settings import ANALYZER, IndexSettings
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.segment import Manifest


def renew_keywords(
    catalog: Catalog, settings: IndexSettings, observer: Observer, limits: IndexLimits = DEFAULT_LIMITS
) -> bool:
    """Rebuild the postings of all segments in one commit if an earlier analyzer made them.

    Return True if they were rebuilt. This needs disk space for a second copy of the segments while it runs. Raises
    StoppedError, IndexCorruptError, OSError.
    """
    signature = settings.analysis.signature
    if catalog.settings()[ANALYZER] == signature:
        return False
    sweep(catalog)  # there may be no space beside the files of a renewal that was stopped
    records = catalog.segments()
    written = []
    for number, record in enumerate(records):
        observer.progress(Progress("rebuilding keywords", number, len(records)))
        if observer.should_stop():
            raise StoppedError
        written.append(_with_new_postings(catalog, record, settings, limits))
    with catalog.transaction():
        catalog.drop_segments(record.id for record in records)
        for record, (name, manifest) in zip(records, written, strict=True):
            added = catalog.add_segment(name, record.rows, manifest)
            if record.tombstones is not None:
                catalog.set_tombstones(added, record.tombstones)
        catalog.put_setting(ANALYZER, signature)
        advance_generation(catalog)
    return True


def _with_new_postings(
    catalog: Catalog, record: SegmentRecord, settings: IndexSettings, limits: IndexLimits
) -> tuple[str, Manifest]:
    """Write a copy of a segment with new postings. Deleted rows are copied, too. Return name and manifest."""
    arrays = open_former(catalog.index, record, changed={Input.TEXTS}).arrays
    every_row = FormerSegment(arrays, np.ones(record.rows, np.bool_))
    segment = NewSegment.merge(catalog, [every_row], Observer(), limits, changed={Input.TEXTS})
    return write_parts(segment, {**catalog.settings(), ANALYZER: settings.analysis.signature}, quickly=True)
