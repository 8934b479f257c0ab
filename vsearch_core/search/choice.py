"""Which of the ranked candidates are shown: near-duplicates collapse, and variety may count.

Two passages are near-duplicates when their shingles' resemblance and their vectors' cosine both reach ALIKE.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.search.shingles import Shingles, resemblance, shingles

ALIKE = 0.8  # the share of five-word runs that two passages must have in common
_BLOCK = 512  # rows whose cosines to those shown, and to one another, are held at a time

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is shown, best first, as places in the ranking, and for each those that were collapsed into it."""

    shown: NDArray[np.int64]
    alike: tuple[tuple[int, ...], ...]

    def first(self, count: int) -> "Choice":
        """The first of them."""
        return Choice(self.shown[:count], self.alike[:count])


def all_of(count: int) -> Choice:
    """Everything shown, in order."""
    return Choice(np.arange(count), ((),) * count)


def collapsed(vectors: Vectors, text: Callable[[int], str]) -> Choice:
    """Of near-duplicates the best one, and the others with it; `vectors` (n, d), unit rows, are in the ranking's order.

    `text` gives the text at a place; it is asked only where vectors are alike. The order of what is shown stays.
    """
    known: dict[int, Shingles] = {}

    def of(place: int) -> Shingles:
        if place not in known:
            known[place] = shingles(text(place))
        return known[place]

    alike: dict[int, list[int]] = {}
    for place, suspects in enumerate(_suspects(vectors, alike)):
        twin = next((other for other in suspects if resemblance(of(other), of(place)) >= ALIKE), None)
        if twin is None:
            alike[place] = []
        else:
            alike[twin].append(place)
    return Choice(np.array(list(alike), np.int64), tuple(map(tuple, alike.values())))


def _suspects(vectors: Vectors, shown: Collection[int]) -> Iterator[Iterator[int]]:
    """For each row those of the rows `shown` by then whose cosine reaches ALIKE, ascending.

    Only these are compared with a block of rows: thousands of copies of one passage are nothing to one another.
    """
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        former = np.array([*shown], np.int64)
        near, within = block @ vectors[former].T >= ALIKE, block @ block.T >= ALIKE
        for number in range(len(block)):
            own = start + np.flatnonzero(within[number, :number])
            yield (other for other in [*former[near[number]].tolist(), *own.tolist()] if other in shown)


def diversified(choice: Choice, vectors: Vectors, scores: NDArray[np.float32], diversity: float, count: int) -> Choice:
    """The `count` of what is shown that are relevant and unlike one another, in the order in which they were taken.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): each is the one with the highest
    (1 - diversity) · score / highest score - diversity · (highest cosine to those before it).
    """
    shown = vectors[choice.shown]
    highest = float(scores.max(initial=0))
    relevance = (1 - diversity) * scores[choice.shown] / (highest if highest > 0 else 1)
    closest = np.zeros(len(shown), np.float32)
    taken: list[int] = []
    while len(taken) < min(count, len(shown)):
        gain = relevance - diversity * closest
        gain[taken] = -np.inf
        best = int(np.argmax(gain))
        taken.append(best)
        closest = np.maximum(closest, shown @ shown[best])
    return Choice(choice.shown[taken], tuple(choice.alike[place] for place in taken))
