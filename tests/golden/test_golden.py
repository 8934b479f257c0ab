"""An index of every released format stays readable."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vsearch_core.index.check import check_index
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbeddedQuery, search
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest

GOLDEN = sorted(Path(__file__).parent.glob("v*/expected.json"))


@pytest.mark.parametrize("expected", GOLDEN, ids=lambda path: path.parent.name)
def test_a_golden_index_is_intact_and_gives_the_expected_hits(expected: Path, tmp_path: Path) -> None:
    stored = json.loads(expected.read_text(encoding="utf-8"))
    index = Path(shutil.copytree(expected.with_name("index"), tmp_path / ".vsearch"))
    vector = np.array(stored["vector"], np.float32)
    with open_snapshot(index) as snapshot:
        searcher = LocalSearcher(snapshot)
        for mode, hits in stored["hits"].items():
            found = search(searcher, SearchRequest(stored["question"], mode=mode), lambda _: EmbeddedQuery(vector)).hits
            assert [[hit.path, hit.chunk] for hit in found] == [[path, chunk] for path, chunk, _ in hits]
            if mode == "vector":  # keyword scores may change with the ranking function
                assert [hit.score for hit in found] == pytest.approx([score for _, _, score in hits], abs=1e-3)
    assert check_index(index, full=True, recall=recall_faults).faults == ()


def test_there_is_a_golden_index() -> None:
    assert GOLDEN
