"""Lists of postings, as engines on a server return them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TermPostings(NamedTuple):
    """The postings of one term: chunk ids (n,), ascending; the term's counts in them, and their lengths in terms."""

    ids: NDArray[np.int64]
    counts: NDArray[np.uint8]
    lengths: NDArray[np.uint32]


def without(postings: TermPostings, removed: NDArray[np.int64]) -> TermPostings:
    """Return the postings without those of removed chunks, whose ids are ascending."""
    if not len(removed) or not len(postings.ids):
        return postings
    places = np.minimum(np.searchsorted(removed, postings.ids), len(removed) - 1)
    kept = removed[places] != postings.ids
    return TermPostings(*(array[kept] for array in postings))


def chunk_ids_of(lists: Iterable[TermPostings]) -> NDArray[np.int64]:
    """Return the ids of all chunks in some lists, ascending, each once."""
    ids: NDArray[np.int64] = np.sort(np.concatenate([np.empty(0, np.int64), *(each.ids for each in lists)]))
    distinct: NDArray[np.int64] = ids[np.concatenate([np.ones(min(1, len(ids)), np.bool_), ids[1:] != ids[:-1]])]
    return distinct
