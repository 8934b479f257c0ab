"""Measure the quality of search on judged queries, for each mode (hybrid, vector, keyword)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vsearch_core.evaluate.answers import AnswerScores, measure_answers
from vsearch_core.evaluate.calibration import ConfidenceScores, measure_confidence
from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.evaluate.run import Comparison, ModeScores, Values, compare, measure_run, mode_scores, run_queries
from vsearch_core.evaluate.trec import Run
from vsearch_core.search.engine import Searcher
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.pipeline import EmbedQuery


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The mean measures of each mode, the comparisons between modes, and the ranked documents of each (its run).

    `queries` is the number of judged queries. `confidence` is the quality of the hits' confidences in mode hybrid, or
    None if that mode wasn't measured or the hits have no confidence. `answers` is how often the text shown in the first
    mode holds the answer, or None if the dataset marks no answers.
    """

    queries: int
    modes: Sequence[ModeScores]
    comparisons: Sequence[Comparison]
    runs: Mapping[str, Run]
    confidence: ConfidenceScores | None = None
    answers: AnswerScores | None = None


def evaluate(
    searcher: Searcher,
    embed: EmbedQuery | None,
    dataset: Dataset,
    modes: Sequence[str],
    fusion: Fusion,
    document_id: Callable[[str], str],
    former: tuple[str, Run] | None = None,
) -> EvaluationReport:
    """Search for all judged queries in each mode, and measure the results.

    The first mode is compared with each of the others. `former`, the name and the rankings of a saved run, is compared
    with every mode. `document_id` maps a path, as the index stores it, to the document's id in the judgements.
    """
    scores, comparisons = [], []
    runs: dict[str, Run] = {}
    values: dict[str, Values] = {}
    for mode in modes:
        runs[mode], seconds = run_queries(searcher, embed, dataset, mode, fusion, document_id)
        values[mode] = measure_run(runs[mode], dataset.judgements)
        scores.append(mode_scores(mode, values[mode], seconds))
    for other in modes[1:]:
        comparisons.append(compare(modes[0], values[modes[0]], other, values[other]))
    if former is not None:
        before = measure_run(former[1], dataset.judgements)
        comparisons += [compare(mode, values[mode], former[0], before) for mode in modes]
    confidence = None
    if embed is not None and "hybrid" in modes:
        confidence = measure_confidence(searcher, embed, dataset, document_id)
    answers = measure_answers(searcher, embed, dataset, modes[0], fusion, document_id)
    return EvaluationReport(len(dataset.judgements), scores, comparisons, runs, confidence, answers)
