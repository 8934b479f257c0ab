"""An index of every released format stays readable."""

import json
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from vsearch_core.ann.searcher import ScanLimits
from vsearch_core.index.check import check_index
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.limits import SearchLimits
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
        kinds = {segment.lists is not None for segment in snapshot.segments}
        assert any(kinds) == (expected.parent.name not in {"v1", "v1-codes"})
        coded = {segment.coded is not None for segment in snapshot.segments}
        assert any(coded) == (expected.parent.name == "v1-codes")
        searcher = LocalSearcher(snapshot, limits=SearchLimits(scans=ScanLimits(0, 0)))
        for mode, nprobe in product(stored["hits"], (None, 8)):
            hits, request = stored["hits"][mode], SearchRequest(stored["question"], mode=mode, nprobe=nprobe)
            found = search(searcher, request, lambda _: EmbeddedQuery(vector)).hits
            assert [[hit.path, hit.chunk] for hit in found] == [[path, chunk] for path, chunk, _ in hits]
            if mode == "vector":  # keyword scores may change with the ranking function
                assert [hit.score for hit in found] == pytest.approx([score for _, _, score in hits], abs=1e-3)
    assert check_index(index, full=True, recall=recall_faults).faults == ()


def test_there_are_golden_indexes() -> None:
    assert {"v1", "v1-codes", "v1-ivf", "v1-pq", "v1-pq16"} <= {path.parent.name for path in GOLDEN}
