"""How good a ranking is, given what people judged relevant. A ranking is document ids, best first, without repeats.

`judgements` maps document ids to grades: above 0 is relevant, what is not in it counts as 0. A query that has no
relevant document has no meaningful measure; every function gives 0.0 for it, and `load_dataset` leaves it out.
"""

from collections.abc import Mapping, Sequence
from math import log2

Judgements = Mapping[str, int]


def ndcg(ranking: Sequence[str], judgements: Judgements, k: int = 10) -> float:
    """Normalised discounted cumulative gain of the first k, 0 to 1 (Järvelin and Kekäläinen, TOIS 2002).

    The gain is the grade itself, as in trec_eval and BEIR, and not 2**grade - 1.
    """
    gained = _discounted([max(judgements.get(document, 0), 0) for document in ranking[:k]])
    ideal = _discounted(sorted((grade for grade in judgements.values() if grade > 0), reverse=True)[:k])
    return gained / ideal if ideal else 0.0


def recall(ranking: Sequence[str], judgements: Judgements, k: int = 10) -> float:
    """The share of the relevant documents that is among the first k, 0 to 1."""
    relevant = {document for document, grade in judgements.items() if grade > 0}
    return len(relevant.intersection(ranking[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], judgements: Judgements, k: int = 10) -> float:
    """1 / rank of the first relevant document, 0.0 where none is among the first k. Its mean over queries is MRR@k."""
    for rank, document in enumerate(ranking[:k], 1):
        if judgements.get(document, 0) > 0:
            return 1 / rank
    return 0.0


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, 1))
