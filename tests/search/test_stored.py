"""Stored vectors are those of the chunks, and a damaged one is refused."""

from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import search
from vsearch_core.search.request import SearchRequest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two segments of one file each."""
    for name in ("pump", "bread"):
        (tmp_path / f"{name}.txt").write_text(f"The {name} stands here. " * 40)
        make_index(tmp_path, WordEmbedder(), Path(f"{name}.txt"))
    return tmp_path


def test_vectors_of_all_segments_in_any_order(project: Path) -> None:
    embedder = WordEmbedder()
    with open_snapshot(project / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        ids = searcher.select(Filters()).ids[::-1]
        texts = [stored.chunk.text for stored in searcher.hydrate(ids)]
        np.testing.assert_allclose(searcher.vectors(ids), embedder.embed_queries(texts), atol=1e-4)
        assert searcher.vectors(ids[:0]).shape == (0, 48)


def test_a_path_has_the_chunks_of_its_newest_version(project: Path) -> None:
    (project / "pump.txt").write_text("Another pump.")
    make_index(project, WordEmbedder(), Path("pump.txt"))
    with open_snapshot(project / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        for path in ("pump.txt", "bread.txt"):
            ids = searcher.chunk_ids(path)
            assert {stored.path for stored in searcher.hydrate(ids)} == {path}
            assert len(searcher.vectors(ids)) == len(ids)
        assert len(searcher.chunk_ids("gone.txt")) == 0


def test_a_damaged_vector_is_refused_when_it_is_read(project: Path) -> None:
    for path in (project / ".vsearch" / "segments").glob("*/vectors.npy"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    with open_snapshot(project / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        with pytest.raises(IndexCorruptError, match="its vectors are damaged"):
            searcher.vectors(searcher.select(Filters()).ids[:1])
        assert len(search(searcher, SearchRequest("stands", mode="keyword")).hits) == 2
