"""Run the queries of a dataset through the search pipeline, and measure the results."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Embedder
from vsearch_core.evaluate.dataset import TARGET, Dataset
from vsearch_core.evaluate.metrics import ndcg, recall, reciprocal_rank
from vsearch_core.evaluate.significance import confidence_interval, p_value
from vsearch_core.evaluate.trec import Ranking, Run
from vsearch_core.search.engine import Searcher
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.pipeline import EmbeddedQuery, EmbedQuery, search
from vsearch_core.search.request import SearchRequest, clean_query
from vsearch_core.search.rescoring import DocumentVectors
from vsearch_core.search.results import Hit

DEPTH = 100  # documents a query, as recall@100 needs
MEASURES = ("ndcg_10", "recall_10", "recall_100", "mrr_10")

Values = NDArray[np.float64]  # (queries, measures), in the order of the judgements and of MEASURES


@dataclass(frozen=True, slots=True)
class ModeScores:
    """The means of one mode's measures over all judged queries.

    `seconds` is the time of all searches together, without embedding. `intervals` has the 95 % confidence interval of
    each mean, as (lower, upper), by the name of the measure.
    """

    mode: str
    ndcg_10: float
    recall_10: float
    recall_100: float
    mrr_10: float
    seconds: float
    intervals: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference in mean nDCG@10 between a mode and another setting (`against`) on the same queries.

    `interval` is the 95 % confidence interval of the difference, and `p` the p-value of the paired test.
    """

    mode: str
    against: str
    ndcg_10: float
    interval: tuple[float, float]
    p: float


def embed_dataset(dataset: Dataset, embedder: Embedder) -> EmbedQuery:
    """Embed all queries in one call of the embedder. Return a function that looks up a query's vector by its text."""
    texts = sorted({clean_query(text) for text in dataset.queries.values()})
    vectors = embedder.embed_queries(texts)
    pairs = zip(texts, vectors, strict=True)
    documents = DocumentVectors(embedder)
    embedded = {text: EmbeddedQuery(vector, embedder.legible_share(text), documents) for text, vector in pairs}
    return embedded.__getitem__


def run_queries(
    searcher: Searcher,
    embed: EmbedQuery | None,
    dataset: Dataset,
    mode: str,
    fusion: Fusion,
    document_id: Callable[[str], str],
    depth: int = DEPTH,
) -> tuple[Run, float]:
    """Search for all judged queries in one mode.

    Returns the run (the `depth` best documents of each query, with scores) and the time of all searches in seconds.
    `document_id` maps a hit's path, as the index stores it, to the document's id in the judgements.
    """
    run: dict[str, Ranking] = {}
    started = time.perf_counter()
    for key, text in dataset.queries.items():
        passage = dataset.passages.get(key)
        request = SearchRequest(
            text, depth, mode, fusion.method, fusion.alpha, group_by_file=passage is None, plain=True
        )
        hits = search(searcher, request, embed).hits
        if passage is None:
            run[key] = [(document_id(hit.path), hit.score) for hit in hits]
        else:
            run[key] = _rank_by_passage(hits, passage, document_id)
    return run, time.perf_counter() - started


def measure_run(run: Run, judgements: Mapping[str, Mapping[str, int]]) -> Values:
    """Return all measures for each judged query. A query that the run lacks counts as 0, as in `trec_eval -c`."""
    return np.array(
        [_measures([document for document, _ in run.get(query, ())], grades) for query, grades in judgements.items()]
    )


def mode_scores(mode: str, values: Values, seconds: float) -> ModeScores:
    """Return the means over all queries of a mode's measures (`values`), with their confidence intervals."""
    lower, upper = confidence_interval(values)
    intervals = dict(zip(MEASURES, zip(lower.tolist(), upper.tolist(), strict=True), strict=True))
    ndcg_10, recall_10, recall_100, mrr_10 = values.mean(axis=0).tolist()
    return ModeScores(mode, ndcg_10, recall_10, recall_100, mrr_10, seconds, intervals)


def compare(mode: str, values: Values, against: str, others: Values) -> Comparison:
    """Compare nDCG@10 of a mode and of another setting (`against`), given their measures for the same queries."""
    differences = values[:, 0] - others[:, 0]
    lower, upper = confidence_interval(differences[:, None])
    ends = float(lower[0]), float(upper[0])
    return Comparison(mode, against, float(differences.mean()), ends, p_value(differences))


def _measures(ranking: Sequence[str], grades: Mapping[str, int]) -> tuple[float, float, float, float]:
    return (
        ndcg(ranking, grades, 10),
        recall(ranking, grades, 10),
        recall(ranking, grades, 100),
        reciprocal_rank(ranking, grades, 10),
    )


def has_passage(hit: Hit, passage: str) -> bool:
    """Return True if the hit's text contains the passage, whitespace aside."""
    return " ".join(passage.split()) in " ".join(hit.text.split())


def _rank_by_passage(hits: Sequence[Hit], passage: str, document_id: Callable[[str], str]) -> Ranking:
    """Rank chunks as documents; the first chunk that contains the passage, whitespace aside, is TARGET.

    Later chunks with the passage are left out, as repetitions.
    """
    ranking: dict[str, float] = {}
    for hit in hits:
        ranking.setdefault(TARGET if has_passage(hit, passage) else f"{document_id(hit.path)}#{hit.chunk}", hit.score)
    return list(ranking.items())
