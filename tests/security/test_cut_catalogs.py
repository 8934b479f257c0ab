"""`repair` gives up no catalog that was cut short, and deletes no vectors."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from process import write_files
from support import WordEmbedder, make_index

import vsearch_core
from vsearch_core.index.check import check_index
from vsearch_core.index.repair import repair_index
from vsearch_core.store.segment import SEGMENTS_DIR
from vsearch_core.store.tables import CATALOG_FILE, PAGE_BYTES


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of an index whose tables have several pages."""
    rng, root = random.Random(5), tmp_path_factory.mktemp("made")
    for number in range(60):
        parts = [" ".join(f"w{rng.randrange(4000)}" for _ in range(200)) for _ in range(4)]
        write_files(root, {f"{number}.md": "\n\n".join(parts)})
    make_index(root, WordEmbedder(), Path())
    return root


def vectors(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("vectors.npy")}


@pytest.mark.parametrize("kept", [0, 1, 5000, *(PAGE_BYTES * n + more for n in range(1, 12) for more in (0, 7000))])
def test_vectors_of_a_catalog_that_was_cut_short_are_kept(made: Path, tmp_path: Path, kept: int) -> None:
    root = Path(shutil.copytree(made, tmp_path / "root"))
    index = root / ".vsearch"
    before = vectors(index / SEGMENTS_DIR)
    os.truncate(index / CATALOG_FILE, min(kept, (index / CATALOG_FILE).stat().st_size))
    repaired = repair_index(index)
    assert repaired.catalog
    assert repaired.lost
    assert before <= vectors(index)
    assert not check_index(index, full=True).faults
    make_index(root, WordEmbedder(), Path())
    assert check_index(index, full=True).files == 60
    if any(SEGMENTS_DIR in path for path in repaired.set_aside):  # no text was left
        assert before <= vectors(index)


def opener(embedder: WordEmbedder) -> Callable[[object], WordEmbedder]:
    return lambda _spec: embedder


def test_shared_vectors_survive_the_loss_of_all_texts(tmp_path: Path) -> None:
    root = write_files(tmp_path / "root", {f"{number}.md": f"word{number}" for number in range(9)})
    for run in range(2):
        embedder = WordEmbedder()
        with vsearch_core.open_index(
            root, create=True, share_vectors=True, cache_dir=tmp_path / "cache", open_embedder=opener(embedder)
        ) as index:
            index.update([root])
        assert len(embedder.embedded) == (0 if run else 9)
        os.truncate(root / ".vsearch" / CATALOG_FILE, PAGE_BYTES)
        repair_index(root / ".vsearch")
