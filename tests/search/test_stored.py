"""Stored vectors by row, and none that is not what was written."""

from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.passages import chunk_ids
from vsearch_core.search.pipeline import Query, answer


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two segments of one file each."""
    for name in ("pump", "bread"):
        (tmp_path / f"{name}.txt").write_text(f"The {name} stands here. " * 40)
        make_index(tmp_path, WordEmbedder(), Path(f"{name}.txt"))
    return tmp_path


def test_rows_of_all_segments_in_any_order(project: Path) -> None:
    embedder = WordEmbedder()
    with open_snapshot(project / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        rows = np.flatnonzero(searcher.allow(Filters()).mask)[::-1]
        texts = [passage.chunk.text for passage in searcher.passages(rows)]
        np.testing.assert_allclose(searcher.vectors(rows), embedder.embed_queries(texts), atol=1e-4)
        assert searcher.vectors(rows[:0]).shape == (0, 48)


def test_rows_of_chunks_are_the_live_ones(project: Path) -> None:
    (project / "pump.txt").write_text("Another pump.")
    make_index(project, WordEmbedder(), Path("pump.txt"))
    with open_snapshot(project / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        for path in ("pump.txt", "bread.txt"):
            rows = searcher.rows(chunk_ids(snapshot.catalog, path))
            assert {passage.path for passage in searcher.passages(rows)} == {path}
        assert chunk_ids(snapshot.catalog, "gone.txt") == []


def test_a_damaged_vector_is_refused_when_it_is_read(project: Path) -> None:
    for path in (project / ".vsearch" / "segments").glob("*/vectors.npy"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    with open_snapshot(project / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        with pytest.raises(IndexCorruptError, match="its vectors are damaged"):
            searcher.vectors(np.array([0]))
        plain = Query("stands", mode="keyword")
        assert len(answer(searcher, None, plain).hits) == 2
