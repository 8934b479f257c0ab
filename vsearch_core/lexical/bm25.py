"""BM25 over the postings of any number of segments, scored as if they were one.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with Lucene's idf, which stays
above zero for a term that most rows hold, and without the constant factor k1 + 1.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from vsearch_core.config import BM25_B, BM25_K1
from vsearch_core.lexical.postings import Postings


def idf(parts: Sequence[Postings], terms: Sequence[str]) -> list[float]:
    """How telling each term is: log(1 + (N - n + 0.5) / (n + 0.5)), where n of all N rows hold it."""
    total = sum(len(part.lengths) for part in parts)
    holding = (sum(len(part.lookup(term)[0]) for part in parts) for term in terms)
    return [log(1 + (total - n + 0.5) / (n + 0.5)) for n in holding]


def scores(
    parts: Sequence[Postings], terms: Sequence[str], *, k1: float = BM25_K1, b: float = BM25_B
) -> list[NDArray[np.float32]]:
    """Each row's score, one array a part, 0 where a row holds none of the terms; a term counts as often as it is given.

    score(row) = sum over terms of idf * f / (f + k1 * (1 - b + b * length / mean length)), f being the term's count in
    the row. Rows, frequencies and lengths are taken over all parts, deleted rows too until a merge drops them.
    """
    weights = Counter(terms)
    rarity = idf(parts, list(weights))
    rows = sum(len(part.lengths) for part in parts)
    mean = sum(int(part.lengths.sum(dtype=np.int64)) for part in parts) / max(rows, 1)
    return [_part_scores(part, weights, rarity, k1=k1, b=b, mean=mean) for part in parts]


def _part_scores(
    part: Postings, weights: Mapping[str, int], rarity: Sequence[float], *, k1: float, b: float, mean: float
) -> NDArray[np.float32]:
    result = np.zeros(len(part.lengths), np.float32)
    saturation = part.lengths * np.float32(k1 * b / (mean or 1)) + np.float32(k1 * (1 - b))
    for (term, weight), value in zip(weights.items(), rarity, strict=True):
        rows, counts = part.lookup(term)
        rows = rows.astype(np.intp)  # once, and not in each of the three uses
        frequency = counts.astype(np.float32)
        gain = frequency / (frequency + saturation.take(rows))
        result[rows] = result.take(rows) + np.float32(weight * value) * gain
    return result
