"""Measures of the quality of a ranking, such as nDCG and recall.

A ranking is a list of document ids, best first, without repetitions. `judgements` has the grades of documents by id; a
grade above 0 means relevant, and a missing document has grade 0. If no document is relevant, every function returns 0.0
(`load_dataset` leaves such queries out).
"""

from collections.abc import Mapping, Sequence
from math import log2

Judgements = Mapping[str, int]


def ndcg(ranking: Sequence[str], judgements: Judgements, k: int = 10) -> float:
    """Return nDCG@k, the normalised discounted cumulative gain of the first k documents, from 0 to 1.

    The measure is that of Järvelin and Kekäläinen (TOIS 2002). The gain of a document is its grade, as in trec_eval and
    BEIR, and not 2**grade - 1.
    """
    gained = _discounted([max(judgements.get(document, 0), 0) for document in ranking[:k]])
    ideal = _discounted(sorted((grade for grade in judgements.values() if grade > 0), reverse=True)[:k])
    return gained / ideal if ideal else 0.0


def recall(ranking: Sequence[str], judgements: Judgements, k: int = 10) -> float:
    """Return recall@k: the share of all relevant documents that are among the first k, from 0 to 1."""
    relevant = {document for document, grade in judgements.items() if grade > 0}
    return len(relevant.intersection(ranking[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], judgements: Judgements, k: int = 10) -> float:
    """Return 1 / (rank of the first relevant document), or 0.0 if none is among the first k.

    The mean over all queries is called MRR@k.
    """
    for rank, document in enumerate(ranking[:k], 1):
        if judgements.get(document, 0) > 0:
            return 1 / rank
    return 0.0


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, 1))
