"""Choose which of the ranked chunks to show: hide near-duplicates, and prefer chunks that differ.

Two chunks are near-duplicates if the resemblance of their texts (see `shingles`) and the cosine of their vectors are
both at least SIMILARITY. If one of them has no vector, which is then all zeros, the texts alone decide. A place is a
position in the ranking, from 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.search.shingles import Shingles, resemblance, shingles

SIMILARITY = 0.8  # of five-word runs, and of vectors
EQUAL = 0.9995  # of vectors: the cosine of a vector and itself, both rounded
COMPARED_TEXTS = 1000  # of the best chunks; further ones are copies if their vectors are equal
BLOCK = 512  # chunks whose cosines to those shown, and to one another, are in memory at a time

Ids = NDArray[np.int64]
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

    def between(self, start: int, stop: int) -> "Choice":
        """Return this choice cut to its shown chunks from `start` up to `stop`, and their near-duplicates."""
        return Choice(self.shown[start:stop], self.alike[start:stop])


def all_of(count: int) -> Choice:
    """Return the choice of all of `count` ranked chunks, in order."""
    return Choice(np.arange(count), ((),) * count)


class ShinglesOfChunks:
    """Finds the shingles of chunks by their ids. Each chunk is read once, and equal texts are cut once."""

    def __init__(self, texts: Callable[[Ids], list[str]]) -> None:
        """Set the function that returns the texts of chunks."""
        self._texts = texts
        self._by_id: dict[int, Shingles] = {}
        self._by_text: dict[str, Shingles] = {}

    def __call__(self, ids: Ids) -> list[Shingles]:
        """Return the shingles of the chunks with these ids."""
        unknown = np.array([each for each in ids.tolist() if each not in self._by_id], np.int64)
        for each, text in zip(unknown.tolist(), self._texts(unknown) if len(unknown) else [], strict=True):
            if text not in self._by_text:
                self._by_text[text] = shingles(text)
            self._by_id[each] = self._by_text[text]
        return [self._by_id[each] for each in ids.tolist()]


def collapsed(vectors: Vectors, shingles_of: Callable[[Places], list[Shingles]], block_size: int = BLOCK) -> Choice:
    """Choose the best chunk of each set of near-duplicates; the others are its `alike`.

    `vectors` (n, dimension) are the unit vectors of the ranked chunks, in order. `shingles_of` returns the shingles at
    the given places. It is called at most once for each block of `block_size` chunks, only for chunks with similar
    vectors, and only for the first COMPARED_TEXTS places.
    """
    alike: dict[int, list[int]] = {}
    known: dict[int, Shingles] = {}
    has_vector: NDArray[np.bool_] = np.asarray(vectors.any(axis=1))
    for start in range(0, len(vectors), block_size):
        block = vectors[start : start + block_size]
        # Only shown chunks are compared with the block: thousands of copies of one chunk cost one comparison each.
        shown = np.array([*alike], np.int64)
        cosines = np.concatenate([block @ vectors[shown].T, np.tril(block @ block.T, -1)], axis=1)
        others = np.concatenate([shown, np.arange(start, start + len(block))])
        places = np.arange(start, start + len(block))[:, None]
        similar = cosines >= SIMILARITY
        similar |= ~(has_vector[places] & has_vector[others]) & (others < places)
        similar[max(0, COMPARED_TEXTS - start) :] &= cosines[max(0, COMPARED_TEXTS - start) :] >= EQUAL
        read = similar[: max(0, COMPARED_TEXTS - start)]
        involved = np.concatenate([others[read.any(axis=0)], start + np.flatnonzero(read.any(axis=1))])
        unknown = np.array(sorted({*involved.tolist()} - known.keys()), np.int64)
        if len(unknown):
            known.update(zip(unknown.tolist(), shingles_of(unknown), strict=True))
        has_any: list[bool] = np.any(similar, axis=1).tolist()
        for place, row in enumerate(similar, start):
            if not has_any[place - start]:
                alike[place] = []
                continue
            candidates = (other for other in map(int, others[row]) if other in alike)
            original = next((other for other in candidates if _is_copy(place, other, known)), None)
            if original is None:
                alike[place] = []
            else:
                alike[original].append(place)
    return Choice(np.array(list(alike), np.int64), tuple(map(tuple, alike.values())))


def _is_copy(place: int, other: int, known: Mapping[int, Shingles]) -> bool:
    """Return True if the texts at two places, whose vectors are similar, resemble each other."""
    if place >= COMPARED_TEXTS or known[place] is known[other]:
        return place >= COMPARED_TEXTS or len(known[place]) > 0
    return resemblance(known[other], known[place]) >= SIMILARITY


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
