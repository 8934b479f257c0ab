"""Relevance feedback: move a query towards examples of good hits, and away from examples of bad ones.

The method is Rocchio's ("Relevance feedback in information retrieval", in Salton, The SMART Retrieval System, 1971),
for both vectors and terms: query + TOWARDS · mean of good examples - AWAY · mean of bad examples. The weights are the
usual ones (Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, section 9.1.1).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

TOWARDS = 0.75
AWAY = 0.15
EXPANSION = 25  # terms that examples may add to a query
REPEATS = 4  # a weight of 1: terms are weighted by being repeated, in steps of a quarter

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A chunk or a file that hits should be like or unlike.

    `vector` (dimension,) is the mean of its chunks' vectors. `texts` are the chunks' texts. `ids` are the engine's ids
    of these chunks, or empty if the file is not in the index. `picture` is the vector of what a picture shows, by the
    index's image model.
    """

    vector: Vector
    texts: tuple[str, ...]
    ids: NDArray[np.int64]
    picture: Vector | None = None


@dataclass(frozen=True, slots=True)
class RelevanceFeedback:
    """Examples that hits should be like (`more`) and unlike (`less`).

    With `examples_only`, only the examples are searched for, not the query's text.
    """

    more: tuple[Example, ...] = ()
    less: tuple[Example, ...] = ()
    examples_only: bool = False

    @property
    def ids(self) -> NDArray[np.int64]:
        """Return the ids of all examples' chunks. These must not be hits."""
        return np.concatenate([example.ids for example in (*self.more, *self.less)])

    def vector(self, query: Vector | None) -> Vector:
        """Return the unit vector to search for, (dimension,): the vector of the query's text, moved by the examples.

        `query` is None if the text doesn't count.
        """
        return _moved(query, [each.vector for each in self.more], [each.vector for each in self.less])

    def picture_vector(self, query: Vector | None) -> Vector | None:
        """Return the unit vector by which to search pictures, (dimension,), or None if nothing says what they show.

        `query` is the vector of the query's text by the image model, or None if the text doesn't count.
        """
        more, less = ([each.picture for each in side if each.picture is not None] for side in (self.more, self.less))
        return None if query is None and not more else _moved(query, more, less)

    def terms(
        self,
        query: Sequence[str],
        analyze: Callable[[str], list[str]],
        document_frequencies: Callable[[Sequence[str]], list[int]],
        rows: int,
    ) -> list[str]:
        """Return the terms to search for. A term with weight w is repeated round(REPEATS · w) times.

        `query` has the terms of the query's text. `analyze` turns an example's text into terms. `document_frequencies`
        and `rows`, the number of rows in the index, give the idf of terms. In an example, a term's weight is its tf ·
        idf divided by the example's highest tf · idf.
        """
        weights: defaultdict[str, float] = defaultdict(float)
        for share, side in ((TOWARDS, self.more), (-AWAY, self.less)):
            for example in side:
                for term, weight in _profile(example, analyze, document_frequencies, rows).items():
                    weights[term] += share * weight / len(side)
        given = Counter(query)
        best = sorted(weights, key=lambda term: (-weights[term], term))[:EXPANSION]
        total = {term: given[term] + weights[term] for term in [*given, *(term for term in best if term not in given)]}
        return [term for term, weight in total.items() for _ in range(round(REPEATS * weight))]


def _moved(query: Vector | None, more: Sequence[Vector], less: Sequence[Vector]) -> Vector:
    """Return the unit vector of a query that is moved towards some vectors, and away from others."""
    sides = ((TOWARDS, more), (-AWAY, less))
    parts = [np.float32(weight / len(side)) * vector for weight, side in sides for vector in side]
    total: Vector = np.sum(parts if query is None else [query, *parts], axis=0, dtype=np.float32)
    length = np.linalg.norm(total)
    return (total / (length if length > 0 else 1)).astype(np.float32)


def _profile(
    example: Example,
    analyze: Callable[[str], list[str]],
    document_frequencies: Callable[[Sequence[str]], list[int]],
    rows: int,
) -> dict[str, float]:
    """Return tf · idf, over the highest, of the example's terms that other chunks have, too."""
    counts = Counter(term for text in example.texts for term in analyze(text))
    frequencies = document_frequencies(list(counts))
    own = 1 if len(example.ids) else 0
    weights = {
        term: count * log(1 + rows / frequency)
        for (term, count), frequency in zip(counts.items(), frequencies, strict=True)
        if frequency > own
    }
    highest = max(weights.values(), default=1.0)
    return {term: weight / highest for term, weight in weights.items()}
