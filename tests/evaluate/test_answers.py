"""The measure of how often the text that is shown of a hit holds the marked answer."""

from pathlib import Path

import pytest

from vsearch_core import open_index
from vsearch_core.evaluate.answers import AnswerScores
from vsearch_core.evaluate.dataset import Dataset

FILLER = "The bench by the window is kept free for glue. " * 12
PUMP = "# Pump\n\nThe pump stops when the valve sticks.\n\n" + FILLER + "\n\nIt costs forty pounds.\n"
CROPS = "# Crops\n\nRye is sown in autumn. Beans follow in May.\n"


def span(text: str, answer: str) -> list[tuple[int, int]]:
    return [(text.index(answer), text.index(answer) + len(answer))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pump.md").write_text(PUMP)
    (tmp_path / "crops.md").write_text(CROPS)
    return tmp_path


def measured(folder: Path, answers: dict[str, list[tuple[int, int]]], queries: dict[str, str]) -> AnswerScores | None:
    judgements = {key: {"pump.md": 1} for key in queries}
    dataset = Dataset(None, queries, judgements, answers={key: {"pump.md": spans} for key, spans in answers.items()})
    with open_index(folder / ".vsearch", create=True) as index:
        index.update([folder])
        return index.evaluate(dataset, modes=["keyword"]).answers


def test_an_answer_counts_if_the_sentences_shown_hold_it(folder: Path) -> None:
    queries = {"1": "when does the pump stop", "2": "what is the price of the pump", "3": "who sows"}
    answers = {"1": span(PUMP, "the valve sticks"), "2": span(PUMP, "forty pounds"), "3": span(PUMP, "forty")}
    assert measured(folder, answers, queries) == AnswerScores(3, 2, 0.5, 2, 0.5)


def test_the_first_hit_with_the_answer_counts_even_if_it_is_not_the_best(folder: Path) -> None:
    (folder / "other.md").write_text("The pump stops, the pump stops, the pump stops.")
    assert measured(folder, {"1": span(PUMP, "the valve sticks")}, {"1": "pump stops"}) == AnswerScores(
        1, 1, 1.0, 0, None
    )


def test_without_marked_answers_there_is_no_measure(folder: Path) -> None:
    assert measured(folder, {}, {"1": "pump"}) is None


def test_of_an_answer_longer_than_the_text_shown_half_of_that_counts(folder: Path) -> None:
    long = [(PUMP.index("The pump stops"), PUMP.index("It costs"))]
    assert measured(folder, {"1": long}, {"1": "when does the pump stop"}) == AnswerScores(1, 1, 1.0, 1, 1.0)
