"""The keyword route gives the same rows with and without its engine, and uses the engine only where that pays."""

from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.lexical.maxscore import MaxScore
from vsearch_core.search.keywords import KeywordRoute
from vsearch_core.search.limits import SearchLimits

TERMS = ["pump", "pump", "valv"]


def test_the_engine_answers_queries_for_few_rows_once_it_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 9):
        (tmp_path / f"{number}.txt").write_text(f"pump {'valve ' * (number % 3)}{'oil ' * number}")
    make_index(tmp_path, WordEmbedder(), Path())
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        scoring = KeywordRoute(snapshot.segments, SearchLimits(keyword_depth=4))
        starting = KeywordRoute(snapshot.segments, SearchLimits(keyword_depth=4, keyword_start_rows=0))
        started: list[int] = []
        engine = starting._started_engine

        def start() -> MaxScore:
            started.append(count)
            return engine()

        monkeypatch.setattr(starting, "_started_engine", start)
        mask = np.ones(scoring.collection.rows, np.bool_)
        mask[0] = False
        count = 0
        for count in (1, 4, 5, 100):
            assert starting.best(TERMS, mask, count).tolist() == scoring.best(TERMS, mask, count).tolist()
        assert len(scoring.best(TERMS, mask, 100)) > 5
    assert started == [1, 4]
