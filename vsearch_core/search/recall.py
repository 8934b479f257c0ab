"""Does the search still find what is there? Rows are looked for by their own vectors, as a query would."""

from collections.abc import Sequence

import numpy as np

from vsearch_core import config
from vsearch_core.ann.flat import from_fixed
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.vectors import Effort
from vsearch_core.store.check import Fault

SAMPLE = 200  # rows
ENOUGH = 0.95  # of them: a walk of a graph is approximate, and misses one in a hundred
NEAR = 1e-3  # of a cosine: other rows with the same vector are as good an answer


def recall_faults(snapshot: Snapshot) -> Sequence[Fault]:
    """A fault when too few of a sample of live rows find themselves."""
    linked = any(segment.graph is not None for segment in snapshot.segments)
    searcher = LocalSearcher(snapshot, Effort(ef=config.EF) if linked else Effort())
    allowed = searcher.allow(Filters())
    live = np.flatnonzero(allowed.mask)
    if not len(live):
        return []
    sample = live[np.linspace(0, len(live) - 1, min(SAMPLE, len(live))).astype(np.int64)]
    starts = np.cumsum([0, *(len(segment.vectors) for segment in snapshot.segments)])
    found = 0
    try:
        for row in sample.tolist():
            number = int(np.searchsorted(starts, row, "right")) - 1
            vector = from_fixed(snapshot.segments[number].vectors[row - starts[number]])
            scores = searcher.candidates(vector, None, allowed, 10).vector
            found += scores is not None and bool((scores >= vector @ vector - NEAR).any())
    except IndexCorruptError as error:
        return [Fault(error.thing, error.reason)]
    if found >= ENOUGH * len(sample):
        return []
    return [Fault("search", f"only {found} of {len(sample)} rows are found by their own vectors")]
