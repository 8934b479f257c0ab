"""The keyword route gives the same rows whichever way it takes, and takes the engine only where that pays."""

from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search import keywords
from vsearch_core.search.keywords import KeywordRoute

TERMS = ["pump", "pump", "valv"]


def test_the_engine_is_for_few_rows_of_much_asked_indexes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 9):
        (tmp_path / f"{number}.txt").write_text(f"pump {'valve ' * (number % 3)}{'oil ' * number}")
    make_index(tmp_path, WordEmbedder(), Path())
    monkeypatch.setattr(keywords, "DEEPEST", 4)
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        scoring = KeywordRoute(snapshot.segments, lambda: None)
        monkeypatch.setattr(keywords, "SCORED", 0)
        bought = KeywordRoute(snapshot.segments, lambda: None)
        started: list[int] = []
        engine = bought._started
        monkeypatch.setattr(bought, "_started", lambda: started.append(count) or engine())
        mask = np.ones(scoring.collection.rows, np.bool_)
        mask[0] = False
        for count in (1, 4, 5, 100):
            assert bought.best(TERMS, mask, count).tolist() == scoring.best(TERMS, mask, count).tolist()
        assert len(scoring.best(TERMS, mask, 100)) > 5
    assert started == [1, 4]
