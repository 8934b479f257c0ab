"""Runs in TREC's format."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vsearch_core.errors import InputError
from vsearch_core.evaluate.trec import read_run, write_run

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
SCORES = st.floats(-1000, 1000, width=32).map(lambda value: value + 0.0)
RANKINGS = st.dictionaries(IDS, SCORES, max_size=6).map(
    lambda scores: sorted(scores.items(), key=lambda item: -item[1])
)


@given(st.dictionaries(IDS, RANKINGS.filter(bool), min_size=1, max_size=3))
@example({"\ufeff": [("0", 0.0)]})
def test_a_written_run_is_read_in_the_same_order(
    tmp_path_factory: pytest.TempPathFactory, run: dict[str, list[tuple[str, float]]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "run.trec"
    write_run(path, run, "tag")
    found = read_run(path)
    assert {query: [key for key, _ in ranking] for query, ranking in found.items()} == {
        query: [key for key, _ in ranking] for query, ranking in run.items()
    }
    for query, ranking in run.items():
        ours = [score for _, score in ranking]
        theirs = [score for _, score in found[query]]
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
        assert all(former > latter for former, latter in pairwise(theirs))


def test_the_format_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    write_run(path, {"q 1": [("a b/100%.md", 0.5), ("c", 0.25)]}, "mine")
    assert path.read_text() == "q%201 Q0 a%20b/100%25.md 1 0.5 mine\nq%201 Q0 c 2 0.25 mine\n"


def test_ranks_are_ignored_and_ties_are_in_descending_order_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("1 Q0 a 1 0.5 x\n1\tQ0\tb\t2\t0.5\tx\n1 Q0 c 3 7e-1 x\n\n2 0 a 1 -3 x\n")
    assert read_run(path) == {"1": [("c", 0.7), ("b", 0.5), ("a", 0.5)], "2": [("a", -3.0)]}


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        ("", "run.trec", "is an empty run file"),
        ("1 Q0 a 1 0.5\n", "run.trec:1", "is not query"),
        ("1 Q0 a 1 0.5 x\n1 Q0 b 2 high x\n", "run.trec:2", "is not query"),
        ("1 Q0 a 1 nan x\n", "run.trec:1", "nan"),
        ("1 Q0 a 1 2 x\n1 Q0 a 2 1 x\n", "run.trec:2", "repeats document"),
    ],
)
def test_a_malformed_run_is_refused_by_line(tmp_path: Path, content: str, place: str, reason: str) -> None:
    path = tmp_path / "run.trec"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_run(path)
    assert caught.value.subject.endswith(place)
    assert reason in caught.value.reason


def test_a_missing_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_run(tmp_path / "absent")
