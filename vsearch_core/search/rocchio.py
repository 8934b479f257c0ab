"""A question moved towards passages like those that are sought, and away from others.

Rocchio, "Relevance feedback in information retrieval" (in Salton, The SMART Retrieval System, 1971), on both routes:
question + TOWARDS · mean of the liked - AWAY · mean of the others, with the weights that are customary (Manning,
Raghavan and Schütze, Introduction to Information Retrieval, 2008, section 9.1.1).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

TOWARDS = 0.75
AWAY = 0.15
EXPANSION = 25  # terms that examples may bring to a question
REPEATS = 4  # a weight of 1: terms are weighted by being repeated, in steps of a quarter

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """A passage, or a file, that answers should be like or unlike: its unit vector (d,), its texts, its rows if any."""

    vector: Vector
    texts: tuple[str, ...]
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Examples for both sides. With `alone`, the question's own words only name what is asked and don't count."""

    more: tuple[Example, ...] = ()
    less: tuple[Example, ...] = ()
    alone: bool = False

    def hidden(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The mask of rows without the examples themselves."""
        mask = mask.copy()
        for example in (*self.more, *self.less):
            mask[example.rows] = False
        return mask

    def vector(self, question: Vector | None) -> Vector:
        """The unit vector to look for; a question of None does not count."""
        sides = ((TOWARDS, self.more), (-AWAY, self.less))
        parts = [np.float32(weight / len(side)) * example.vector for weight, side in sides for example in side]
        total: Vector = np.sum(parts if question is None else [question, *parts], axis=0, dtype=np.float32)
        length = np.linalg.norm(total)
        return (total / (length if length > 0 else 1)).astype(np.float32)

    def terms(
        self,
        question: Sequence[str],
        analyze: Callable[[str], list[str]],
        holding: Callable[[Sequence[str]], list[int]],
        rows: int,
    ) -> list[str]:
        """The terms to look for, each repeated REPEATS times its weight, rounded; negative weights count as none.

        An example weighs a term by how often it has it and how rare it is, the highest of its weights being 1.
        `holding` says how many of all `rows` hold each of some terms.
        """
        weights: defaultdict[str, float] = defaultdict(float)
        for share, side in ((TOWARDS, self.more), (-AWAY, self.less)):
            for example in side:
                for term, weight in _profile(example, analyze, holding, rows).items():
                    weights[term] += share * weight / len(side)
        asked = Counter(question)
        best = sorted(weights, key=lambda term: (-weights[term], term))[:EXPANSION]
        total = {term: asked[term] + weights[term] for term in [*asked, *(term for term in best if term not in asked)]}
        return [term for term, weight in total.items() for _ in range(round(REPEATS * weight))]


def _profile(
    example: Example, analyze: Callable[[str], list[str]], holding: Callable[[Sequence[str]], list[int]], rows: int
) -> dict[str, float]:
    """tf · idf of the example's terms that others can share, over the highest."""
    counts = Counter(term for text in example.texts for term in analyze(text))
    held = holding(list(counts))
    own = 1 if len(example.rows) else 0
    found = {
        term: count * log(1 + rows / number)
        for (term, count), number in zip(counts.items(), held, strict=True)
        if number > own
    }
    highest = max(found.values(), default=1.0)
    return {term: weight / highest for term, weight in found.items()}
