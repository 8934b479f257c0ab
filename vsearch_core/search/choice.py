"""Choose which of the ranked chunks to show: hide near-duplicates, and prefer chunks that differ.

Two chunks are near-duplicates if the resemblance of their texts (see `shingles`) and the cosine of their vectors are
both at least SIMILARITY. A place is a position in the ranking, from 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.search.shingles import Shingles, resemblance, shingles

SIMILARITY = 0.8  # of five-word runs, and of vectors
BLOCK = 512  # chunks whose cosines to those shown, and to one another, are in memory at a time

Vectors = NDArray[np.float32]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Choice:
    """The chunks to show.

    `shown` are their places in the ranking, best first. `alike` has, for each of them, the places of the
    near-duplicates that it stands for.
    """

    shown: Places
    alike: tuple[tuple[int, ...], ...]

    def first(self, count: int) -> "Choice":
        """Return this choice cut to its first `count` shown chunks and their near-duplicates."""
        return Choice(self.shown[:count], self.alike[:count])


def all_of(count: int) -> Choice:
    """Return the choice of all of `count` ranked chunks, in order."""
    return Choice(np.arange(count), ((),) * count)


def collapsed(vectors: Vectors, texts: Callable[[Places], list[str]], block_size: int = BLOCK) -> Choice:
    """Choose the best chunk of each set of near-duplicates; the others are its `alike`.

    `vectors` (n, dimension) are the unit vectors of the ranked chunks, in order. `texts` returns the texts at the given
    places. It is called at most once for each block of `block_size` chunks, and only for chunks with similar vectors.
    """
    alike: dict[int, list[int]] = {}
    known: dict[int, Shingles] = {}
    for start in range(0, len(vectors), block_size):
        block = vectors[start : start + block_size]
        # Only shown chunks are compared with the block: thousands of copies of one chunk cost one comparison each.
        shown = np.array([*alike], np.int64)
        similar = np.concatenate([block @ vectors[shown].T, np.tril(block @ block.T, -1)], axis=1) >= SIMILARITY
        others = np.concatenate([shown, np.arange(start, start + len(block))])
        involved = np.concatenate([others[similar.any(axis=0)], start + np.flatnonzero(similar.any(axis=1))])
        unknown = np.array(sorted({*involved.tolist()} - known.keys()), np.int64)
        if len(unknown):
            known.update(zip(unknown.tolist(), map(shingles, texts(unknown)), strict=True))
        for place, row in enumerate(similar, start):
            candidates = (other for other in others[row].tolist() if other in alike)
            original = next(
                (other for other in candidates if resemblance(known[other], known[place]) >= SIMILARITY), None
            )
            if original is None:
                alike[place] = []
            else:
                alike[original].append(place)
    return Choice(np.array(list(alike), np.int64), tuple(map(tuple, alike.values())))


def diversified(choice: Choice, vectors: Vectors, scores: NDArray[np.float32], diversity: float, count: int) -> Choice:
    """Select `count` of the chosen chunks that are relevant but differ, in the order of selection.

    This is maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): each step selects the chunk with the
    highest (1 - diversity) · score / highest score - diversity · (highest cosine to a selected chunk). `vectors`
    (n, dimension) and `scores` (n,) are those of all ranked chunks.
    """
    shown = vectors[choice.shown]
    highest = float(scores.max(initial=0))
    relevance = (1 - diversity) * scores[choice.shown] / (highest if highest > 0 else 1)
    closest = np.zeros(len(shown), np.float32)
    selected: list[int] = []
    while len(selected) < min(count, len(shown)):
        gain = relevance - diversity * closest
        gain[selected] = -np.inf
        best = int(np.argmax(gain))
        selected.append(best)
        closest = np.maximum(closest, shown @ shown[best])
    return Choice(choice.shown[selected], tuple(choice.alike[place] for place in selected))
