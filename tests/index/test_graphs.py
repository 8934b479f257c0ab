"""Segments with enough rows get a graph, at once or at a later run."""

from pathlib import Path

import pytest
from large_segments import DOCS, LIMITS, SMALL, segment_names, status, write, write_documents
from support import WordEmbedder, make_index

from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.snapshot import open_snapshot


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_documents(tmp_path)


def test_a_large_segment_gets_a_graph(root: Path, embedder: WordEmbedder) -> None:
    seen: list[Progress] = []
    summary = make_index(root, embedder, DOCS, options=SMALL, observer=Observer(progress=seen.append), limits=LIMITS)
    assert not summary.uncompacted
    found = status(root)
    assert (found.segments, found.graph_segments, found.graph_rows) == (1, 1, 170)
    assert found.size["graph"] > 170 * 64
    linking = [progress for progress in seen if progress.stage == "linking"]
    assert (linking[0].done, linking[-1].done, linking[-1].total) == (0, 170, 170)
    with open_snapshot(root / ".vsearch") as snapshot:
        graph = snapshot.segments[0].graph
        assert graph is not None and sorted(graph.order) == list(range(170))


def test_deleted_rows_are_not_in_the_graph(root: Path, embedder: WordEmbedder) -> None:
    write(root, "more", 120)
    make_index(root, embedder, DOCS, options=SMALL, limits=LIMITS)
    (root / "docs/large.txt").unlink()
    make_index(root, embedder, limits=LIMITS)
    assert status(root).graph_rows == status(root).chunks == 140


def test_an_index_without_a_graph_gets_one_at_the_next_run(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=SMALL, limits=IndexLimits(graph_rows=1000))
    assert status(root).graph_segments == 0
    make_index(root, embedder, limits=LIMITS)
    assert status(root).graph_segments == 1
    before = segment_names(root)
    make_index(root, embedder, limits=LIMITS)
    assert segment_names(root) == before
