"""The cosine that counts as nothing follows the model: it is measured on the index's own vectors."""

from dataclasses import replace
from pathlib import Path

import pytest
from support import NarrowEmbedder, WordEmbedder, make_index

from vsearch_core.embed.model_files import DEFAULT_WEIGHTS
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.model import TEXT
from vsearch_core.search.fusion import LOWEST_COSINE
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.request import SearchRequest


class DefaultModel(NarrowEmbedder):
    """It passes for the default model, whose floor is part of its calibration."""

    def __init__(self) -> None:
        super().__init__()
        self.fingerprint = replace(self.fingerprint, weights=DEFAULT_WEIGHTS)


@pytest.mark.parametrize(
    ("embedder", "files", "narrow"),
    [
        (NarrowEmbedder(), 60, True),
        (WordEmbedder(), 60, False),
        (NarrowEmbedder(), 3, False),
        (DefaultModel(), 60, False),
    ],
    ids=["narrow", "wide", "few chunks", "default model"],
)
def test_the_floor_follows_the_model(tmp_path: Path, embedder: WordEmbedder, files: int, narrow: bool) -> None:
    for number in range(files):
        (tmp_path / f"{number}.txt").write_text(f"thing{number} has part{number % 7} and maker{number % 11}")
    make_index(tmp_path, embedder, *(Path(f"{number}.txt") for number in range(files)))
    vector = embedder.embed_queries(["thing1"])[0]
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        floor = searcher.search(SearchRequest("thing1"), {TEXT: vector}, 10).cosine_floor
        assert floor == LOWEST_COSINE if not narrow else 0 < floor < 0.9
        assert searcher.search(SearchRequest("thing1", mode="vector"), {TEXT: vector}, 10).cosine_floor == LOWEST_COSINE
