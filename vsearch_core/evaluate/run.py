"""Judged questions put to an index by the same pipeline that answers users, and how good the answers are."""

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
from vsearch_core.search.results import Hit

DEPTH = 100  # documents a question: what recall@100 needs
MEASURES = ("ndcg_10", "recall_10", "recall_100", "mrr_10")

Values = NDArray[np.float64]  # (queries, measures), in the order of the judgements and of MEASURES


@dataclass(frozen=True, slots=True)
class ModeScores:
    """One mode's means over all judged questions; `seconds` is the time all its answers took, embedding left out.

    `intervals` has, by measure, the ends of the mean's 95 % confidence interval.
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
    """A mode beside another setting on the same questions.

    The difference of mean nDCG@10, its 95 % confidence interval, and the p-value of the paired test.
    """

    mode: str
    against: str
    ndcg_10: float
    interval: tuple[float, float]
    p: float


def embed_dataset(dataset: Dataset, embedder: Embedder) -> EmbedQuery:
    """All questions embedded at once, to be handed out one by one."""
    texts = sorted({clean_query(text) for text in dataset.queries.values()})
    vectors = embedder.embed_queries(texts)
    pairs = zip(texts, vectors, strict=True)
    found = {text: EmbeddedQuery(vector, embedder.legible_share(text)) for text, vector in pairs}
    return found.__getitem__


def run_queries(
    searcher: Searcher,
    embed: EmbedQuery | None,
    dataset: Dataset,
    mode: str,
    fusion: Fusion,
    name: Callable[[str], str],
    depth: int = DEPTH,
) -> tuple[Run, float]:
    """Ask all judged questions in one mode: the run, `depth` documents a question, and the seconds it took.

    `name` turns a hit's stored path into the judgements' id.
    """
    run: dict[str, Ranking] = {}
    started = time.perf_counter()
    for number, text in dataset.queries.items():
        passage = dataset.passages.get(number)
        request = SearchRequest(
            text, depth, mode, fusion.method, fusion.alpha, group_by_file=passage is None, plain=True
        )
        hits = search(searcher, request, embed).hits
        if passage is None:
            run[number] = [(name(hit.path), hit.score) for hit in hits]
        else:
            run[number] = _by_passage(hits, passage, name)
    return run, time.perf_counter() - started


def measure_run(run: Run, judgements: Mapping[str, Mapping[str, int]]) -> Values:
    """Every measure of every judged query; 0 for a query that the run lacks, as `trec_eval -c` counts it."""
    return np.array(
        [_measures([document for document, _ in run.get(query, ())], grades) for query, grades in judgements.items()]
    )


def mode_scores(mode: str, values: Values, seconds: float) -> ModeScores:
    """The means over the questions, with their intervals."""
    lower, upper = confidence_interval(values)
    intervals = dict(zip(MEASURES, zip(lower.tolist(), upper.tolist(), strict=True), strict=True))
    ndcg_10, recall_10, recall_100, mrr_10 = values.mean(axis=0).tolist()
    return ModeScores(mode, ndcg_10, recall_10, recall_100, mrr_10, seconds, intervals)


def compare(mode: str, values: Values, against: str, others: Values) -> Comparison:
    """Two settings on the same questions."""
    differences = values[:, 0] - others[:, 0]
    lower, upper = confidence_interval(differences[:, None])
    return Comparison(
        mode, against, float(differences.mean()), (float(lower[0]), float(upper[0])), p_value(differences)
    )


def _measures(ranking: Sequence[str], grades: Mapping[str, int]) -> tuple[float, float, float, float]:
    return (
        ndcg(ranking, grades, 10),
        recall(ranking, grades, 10),
        recall(ranking, grades, 100),
        reciprocal_rank(ranking, grades, 10),
    )


def _by_passage(hits: Sequence[Hit], passage: str, name: Callable[[str], str]) -> Ranking:
    """Chunks as documents; the first that holds the passage, blanks aside, is the target: others repeat it."""
    wanted = " ".join(passage.split())
    ranking: dict[str, float] = {}
    for hit in hits:
        holds = wanted in " ".join(hit.text.split())
        ranking.setdefault(TARGET if holds else f"{name(hit.path)}#{hit.chunk}", hit.score)
    return list(ranking.items())
