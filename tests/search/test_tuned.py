from contextlib import closing
from pathlib import Path

import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import IndexCorruptError, IndexLockedError
from vsearch_core.evaluate.tune import store_fusion
from vsearch_core.index.re_embedding import re_embed_index
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.tuned import TunedFusion, fusion_for, load_tuned_fusion
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.lock import writer_lock

LEARNED = TunedFusion("convex", 0.7, 60, 0.81, 0.79)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("one two three")
    make_index(tmp_path, WordEmbedder(), Path("a.txt"))
    return tmp_path / ".vsearch"


def test_a_tuned_fusion_is_the_default_of_requests(index: Path) -> None:
    with open_snapshot(index) as snapshot:
        assert load_tuned_fusion(snapshot.catalog) is None
        assert fusion_for(snapshot.catalog, None, None) == Fusion()
    store_fusion(index, LEARNED)
    with open_snapshot(index) as snapshot:
        assert load_tuned_fusion(snapshot.catalog) == LEARNED
        assert fusion_for(snapshot.catalog, None, None) == Fusion("convex", 0.7, tuned=True)
        assert fusion_for(snapshot.catalog, None, 0.2) == Fusion("convex", 0.2)
        assert fusion_for(snapshot.catalog, "rrf", None) == Fusion("rrf")
        assert fusion_for(snapshot.catalog, "convex", None) == Fusion()


def test_a_tuned_fusion_survives_updates_until_it_is_reset(index: Path) -> None:
    store_fusion(index, LEARNED)
    (index.parent / "b.txt").write_text("four five six")
    make_index(index.parent, WordEmbedder(), Path("b.txt"))
    with open_snapshot(index) as snapshot:
        assert load_tuned_fusion(snapshot.catalog) == LEARNED
    store_fusion(index, None)
    with open_snapshot(index) as snapshot:
        assert load_tuned_fusion(snapshot.catalog) is None


def test_re_embedding_drops_the_tuned_fusion(index: Path) -> None:
    store_fusion(index, LEARNED)
    re_embed_index(index, IndexOptions(model="other"), lambda _: WordEmbedder("other", 32))
    with open_snapshot(index) as snapshot:
        assert load_tuned_fusion(snapshot.catalog) is None


@pytest.mark.parametrize("value", ["{", "[]", '{"method": "magic"}', '{"alpha": 0.5}'])
def test_a_damaged_setting_is_refused(index: Path, value: str) -> None:
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.put_setting("fusion", value)
    with open_snapshot(index) as snapshot, pytest.raises(IndexCorruptError, match="fusion weights stored by tuning"):
        load_tuned_fusion(snapshot.catalog)


def test_one_writer_at_a_time(index: Path) -> None:
    with writer_lock(index), pytest.raises(IndexLockedError):
        store_fusion(index, LEARNED)
