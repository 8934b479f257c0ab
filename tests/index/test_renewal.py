"""The postings of an earlier analyzer are rebuilt from the stored texts; nothing is embedded."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import IndexMismatchError
from vsearch_core.index import renewal
from vsearch_core.index.check import check_index
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.parts import chunk_postings, write_parts
from vsearch_core.index.progress import Observer, StoppedError
from vsearch_core.index.repair import repair_index
from vsearch_core.index.settings import IndexSettings
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.analyzer import VERSION
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import search
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import Catalog

GOLDEN = Path(__file__).parent.parent / "golden" / "v1" / "index"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with an index of the first version: two segments, one with deleted rows. It has no documents."""
    shutil.copytree(GOLDEN, tmp_path / ".vsearch")
    return tmp_path


def signature(root: Path) -> str:
    with open_snapshot(root / ".vsearch") as snapshot:
        return snapshot.catalog.settings()["analyzer"]


def hit_paths(root: Path, query: str) -> list[str]:
    with open_snapshot(root / ".vsearch") as snapshot:
        return [hit.path for hit in search(LocalSearcher(snapshot), SearchRequest(query, mode="keyword")).hits]


def put_analyzer(root: Path, value: str) -> None:
    catalog = Catalog.open_to_write(root / ".vsearch")
    with catalog.transaction():
        catalog.put_setting("analyzer", value)
    catalog.close()


@pytest.mark.parametrize("former", ["1:en", "0:en"])
@pytest.mark.parametrize("way", ["index", "repair"])
def test_postings_are_rebuilt_from_the_texts(root: Path, former: str, way: str) -> None:
    with open_snapshot(root / ".vsearch") as snapshot:
        before = [(each.vectors.tolist(), each.chunk_ids.tolist(), each.alive.tolist()) for each in snapshot.segments]
        generation = snapshot.generation
        assert not any(len(each.postings.block_counts) for each in snapshot.segments)
        assert not all(each.alive.all() for each in snapshot.segments)
    put_analyzer(root, former)
    embedder = WordEmbedder(dimension=16)
    if way == "repair":
        assert repair_index(root / ".vsearch").renewed
        assert not repair_index(root / ".vsearch").renewed
    else:
        make_index(root, embedder)  # its sources are missing, so their files stay
    assert embedder.embedded == []
    assert signature(root) == f"{VERSION}:en"
    with open_snapshot(root / ".vsearch") as snapshot:
        after = [(each.vectors.tolist(), each.chunk_ids.tolist(), each.alive.tolist()) for each in snapshot.segments]
        assert snapshot.generation > generation
        if way == "repair":
            assert after == before
        assert all(len(each.postings.block_counts) for each in snapshot.segments)
    assert hit_paths(root, "client") == [
        "documents/code/client.py"
    ]  # found by the file's name, which the first analyzer did not index
    assert check_index(root / ".vsearch", full=True).faults == ()


@pytest.mark.parametrize(("rows", "terms"), [(1, 10**9), (3, 10**9), (7, 10**9), (7, 1), (99, 20)])
def test_postings_built_in_blocks_equal_those_built_at_once(root: Path, rows: int, terms: int) -> None:
    with open_snapshot(root / ".vsearch") as snapshot:
        ids = [number for each in snapshot.segments for number in each.chunk_ids.tolist()]
        whole = chunk_postings(snapshot.catalog, Analysis(), ids)
        parts = chunk_postings(
            snapshot.catalog, Analysis(), ids, IndexLimits(rows_per_postings_block=rows, terms_per_postings_block=terms)
        )
        nothing = chunk_postings(snapshot.catalog, Analysis(), [])
    assert len(whole.lengths) == len(ids) > 14
    assert not whole.lengths.all()  # a row whose chunk the catalog has no longer
    for name, array in whole.arrays().items():
        assert parts.arrays()[name].tolist() == array.tolist()
    assert not len(nothing.lengths)


def test_the_first_analyzers_keywords_are_still_found(root: Path) -> None:
    assert signature(root) == "1:en"
    assert hit_paths(root, "drain the pump")[0] == "documents/notes/pump.md"
    assert hit_paths(root, '+pump -"rye bread" grea*')[0] == "documents/notes/pump.md"
    assert hit_paths(root, "client") == []


def test_the_second_analyzers_keywords_are_found_by_its_own_stems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "z/note.md").write_text("Так лечат дефицит железа, и это не то же, что гастритом.", encoding="utf-8")
    monkeypatch.setattr(IndexSettings, "analysis", property(lambda settings: Analysis(settings.language, 2)))
    make_index(tmp_path, WordEmbedder(dimension=16), Path("z"))
    monkeypatch.undo()
    assert signature(tmp_path).startswith("2:")
    assert hit_paths(tmp_path, "дефицит") == hit_paths(tmp_path, "+дефицит") == ["z/note.md"]
    assert hit_paths(tmp_path, "+дефицитом") == hit_paths(tmp_path, "+гастрит") == []
    assert repair_index(tmp_path / ".vsearch").renewed
    for word in ("дефицит", "дефицитом", "гастрит", "гастритом"):
        assert hit_paths(tmp_path, word) == hit_paths(tmp_path, f"+{word}") == ["z/note.md"]


def test_an_interrupted_renewal_changes_nothing(root: Path) -> None:
    before = sorted((root / ".vsearch/segments").rglob("*.npy"))
    with pytest.raises(StoppedError):
        make_index(root, WordEmbedder(dimension=16), observer=Observer(should_stop=lambda: True))
    assert signature(root) == "1:en"
    assert sorted((root / ".vsearch/segments").rglob("*.npy")) == before


def test_segments_of_an_interrupted_renewal_are_deleted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def folders() -> int:
        return len(list((root / ".vsearch/segments").iterdir()))

    stops = iter([False, True])
    with pytest.raises(StoppedError):
        make_index(root, WordEmbedder(dimension=16), observer=Observer(should_stop=lambda: next(stops)))
    assert folders() == 3
    seen: list[int] = []

    def count_folders(*arguments: Any, **options: Any) -> Any:
        seen.append(folders())
        return write_parts(*arguments, **options)

    monkeypatch.setattr(renewal, "write_parts", count_folders)
    make_index(root, WordEmbedder(dimension=16))
    assert seen == [2, 3]
    assert signature(root) == f"{VERSION}:en"


def test_an_index_with_outdated_postings_is_refused_with_its_own_code(root: Path) -> None:
    put_analyzer(root, "0:en")
    with pytest.raises(IndexMismatchError, match="analyzer 0:en") as outdated:
        hit_paths(root, "pump")
    assert outdated.value.code == "keywords-outdated"


def test_a_newer_analyzer_is_refused_and_left_unchanged(root: Path) -> None:
    put_analyzer(root, f"{VERSION + 1}:en")
    for act in (lambda: hit_paths(root, "pump"), lambda: make_index(root, WordEmbedder(dimension=16))):
        with pytest.raises(IndexMismatchError) as caught:
            act()
        assert caught.value.code == "index-version"
