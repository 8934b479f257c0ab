"""Check that vector search finds the chunks of an index: search for a sample of chunks by their own vectors."""

from collections.abc import Sequence

import numpy as np

from vsearch_core import config
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.model import TEXT
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.check import Fault

SAMPLE = 200  # chunks
LEAST_FOUND = 0.95  # of the sample: graph search is approximate, and misses one in a hundred
TOLERANCE = 1e-3  # of a cosine: other chunks with the same vector are as good an answer
DEPTH = 10


def recall_faults(snapshot: Snapshot) -> Sequence[Fault]:
    """Search for a sample of live chunks by their own vectors. Return a fault if too few are found, else nothing.

    Chunks that have no vector yet are left out.
    """
    searcher = LocalSearcher(snapshot)
    live = searcher.select(Filters()).ids
    if not len(live):
        return []
    sample = live[np.linspace(0, len(live) - 1, min(SAMPLE, len(live))).astype(np.int64)]
    request = SearchRequest("stored vector", DEPTH, "vector", plain=True, ef_search=config.EF)
    found = 0
    try:
        searcher.verify_vectors()
        vectors = searcher.vectors(sample)
        vectors = vectors[vectors.any(axis=1)]
        for vector in vectors:
            ids = searcher.search(request, {TEXT: vector}, DEPTH).ids
            found += bool((searcher.vectors(ids) @ vector >= vector @ vector - TOLERANCE).any())
    except IndexCorruptError as error:
        return [Fault(error.subject, error.reason)]
    if found >= LEAST_FOUND * len(vectors):
        return []
    return [Fault("search", f"only {found} of {len(vectors)} rows are found by their own vectors")]
