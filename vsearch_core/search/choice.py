"""The choice of the ranked chunks that are shown: near-duplicates collapse, and diversity may count.

Two chunks are near-duplicates if the resemblance of their shingles and the cosine of their vectors both reach
SIMILARITY.
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
    """The chunks to show, best first, as places in the ranking, and for each the places that were collapsed into it."""

    shown: Places
    alike: tuple[tuple[int, ...], ...]

    def first(self, count: int) -> "Choice":
        """Return the first `count` of them."""
        return Choice(self.shown[:count], self.alike[:count])


def all_of(count: int) -> Choice:
    """Return the choice of everything, in order."""
    return Choice(np.arange(count), ((),) * count)


def collapsed(vectors: Vectors, texts: Callable[[Places], list[str]], block_size: int = BLOCK) -> Choice:
    """Return the choice of the best of each set of near-duplicates, in the ranking's order, with the others.

    `vectors` (n, dimension) are unit vectors in the ranking's order. `texts` returns the texts at some places; it is
    called once for a block of chunks, and only for those with vectors that are similar enough to another's.
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
    """Return `count` of the chosen chunks that are relevant and unlike one another, in the order of their selection.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the next chunk is the one with the highest
    (1 - diversity) · score / highest score - diversity · (highest cosine to those before it).
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
