"""Measure how often the text that is shown of a hit holds the answer, where a dataset marks answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vsearch_core import config
from vsearch_core.evaluate.dataset import Dataset, Span
from vsearch_core.search.engine import Searcher
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.pipeline import EmbedQuery, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Hit
from vsearch_core.search.snippets import WIDTH, Snippet


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Shares of queries whose first relevant hit is shown with the answer in its text.

    `queries` is the number of queries with a marked answer. A hit is relevant here if its chunk holds all of a marked
    answer. `found` is the number of queries with such a hit among the ten best, `shown` the share of these whose first
    one shows the answer. `found_first` and `shown_first` count only queries whose best hit is relevant. A share of
    nothing is None.
    """

    queries: int
    found: int
    shown: float | None
    found_first: int
    shown_first: float | None


def measure_answers(
    searcher: Searcher,
    embed: EmbedQuery | None,
    dataset: Dataset,
    mode: str,
    fusion: Fusion,
    document_id: Callable[[str], str],
) -> AnswerScores | None:
    """Search for the queries with marked answers, and measure the text shown; None if no answer is marked.

    `document_id` maps a hit's path, as the index stores it, to the document's id.
    """
    marked = [(text, dataset.answers[key]) for key, text in dataset.queries.items() if key in dataset.answers]
    if not marked:
        return None
    shown, ranks = [], []
    for text, answers in marked:
        request = SearchRequest(text, config.K, mode, fusion.method, fusion.alpha, plain=True)
        for hit in search(searcher, request, embed).hits:
            inside = [
                (start, end)
                for start, end in answers.get(document_id(hit.path), ())
                if hit.start_char <= start and end <= hit.end_char
            ]
            if inside:
                snippet = searcher.excerpts(request, [hit.text], WIDTH)[0]
                shown.append(any(shows(snippet, hit, answer) for answer in inside))
                ranks.append(hit.rank)
                break
    first = [each for each, rank in zip(shown, ranks, strict=True) if rank == 1]
    return AnswerScores(len(marked), len(shown), _share(shown), len(first), _share(first))


def shows(snippet: Snippet, hit: Hit, answer: Span) -> bool:
    """Return True if a hit's snippet has half of the answer, or is half full of an answer longer than its width."""
    start, end = (document_char(hit, at) for at in (snippet.start, snippet.start + len(snippet.text)))
    return min(end, answer[1]) - max(start, answer[0]) >= min(answer[1] - answer[0], WIDTH) / 2


def document_char(hit: Hit, at: int) -> int:
    """Return the character of the document at a character of the hit's text, which may begin with a repeated header."""
    header = len(hit.text) - (hit.end_char - hit.start_char)
    return hit.start_char + max(0, at - header)


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None
