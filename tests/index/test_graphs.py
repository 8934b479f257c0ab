"""Segments that are large enough get a graph, whatever stands in between."""

from pathlib import Path

import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index import graphs
from vsearch_core.index.check import check_index
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.repair import repair_index
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.status import Status, read_status
from vsearch_core.search.engine import TEXT
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import Catalog

SMALL = IndexOptions(chunk_words=20, overlap_words=0)
DOCS = Path("docs")


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "GRAPH_ROWS", 100)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "large", 150)
    write(tmp_path, "small", 20)
    return tmp_path


def write(root: Path, name: str, paragraphs: int) -> None:
    (root / "docs").mkdir(exist_ok=True)
    texts = (" ".join(f"{name}{number}word{part}" for part in range(19)) + "." for number in range(paragraphs))
    (root / "docs" / f"{name}.txt").write_text("\n\n".join(texts), encoding="utf-8")


def status(root: Path) -> Status:
    with open_snapshot(root / ".vsearch") as snapshot:
        return read_status(snapshot)


def names(root: Path) -> list[str]:
    with open_snapshot(root / ".vsearch") as snapshot:
        return [segment.name for segment in snapshot.segments]


def test_a_large_segment_gets_one(root: Path, embedder: WordEmbedder) -> None:
    seen: list[Progress] = []
    summary = make_index(root, embedder, DOCS, options=SMALL, observer=Observer(progress=seen.append))
    assert not summary.uncompacted
    found = status(root)
    assert (found.segments, found.graph_segments, found.graph_rows) == (1, 1, 170)
    assert found.size["graph"] > 170 * 64
    linking = [progress for progress in seen if progress.stage == "linking"]
    assert (linking[0].done, linking[-1].done, linking[-1].total) == (0, 170, 170)
    with open_snapshot(root / ".vsearch") as snapshot:
        graph = snapshot.segments[0].graph
        assert graph is not None and sorted(graph.order) == list(range(170))


def test_a_small_one_does_not(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, Path("docs/small.txt"), options=SMALL)
    found = status(root)
    assert (found.graph_segments, found.graph_rows, found.size["graph"]) == (0, 0, 0)


def test_dead_rows_are_not_linked(root: Path, embedder: WordEmbedder) -> None:
    write(root, "more", 120)
    make_index(root, embedder, DOCS, options=SMALL)
    (root / "docs/large.txt").unlink()
    make_index(root, embedder)
    assert status(root).graph_rows == status(root).chunks == 140


def test_an_index_from_before_gets_its_graph_at_the_next_run(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(graphs, "GRAPH_ROWS", 1000)
        make_index(root, embedder, DOCS, options=SMALL)
    assert status(root).graph_segments == 0
    make_index(root, embedder)
    assert status(root).graph_segments == 1
    before = names(root)
    make_index(root, embedder)
    assert names(root) == before


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_a_stop_while_linking_leaves_all_as_it_was(root: Path, embedder: WordEmbedder, steps: int) -> None:
    linked: list[Progress] = []
    observer = Observer(
        progress=lambda progress: linked.append(progress) if progress.stage == "linking" else None,
        should_stop=lambda: len(linked) > steps,
    )
    summary = make_index(root, embedder, DOCS, options=SMALL, observer=observer)
    assert (summary.interrupted, summary.uncompacted, summary.pending, summary.chunks) == (True, True, 0, 170)
    assert len(linked) == steps + 1
    before = names(root)
    assert [path.name for path in (root / ".vsearch/segments").iterdir()] == before
    assert status(root).graph_segments == 0
    again = make_index(root, embedder)
    assert (again.interrupted, again.embedded, status(root).graph_segments) == (False, 0, 1)
    assert names(root) != before


def test_a_graph_that_lacks_a_part_is_refused(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=SMALL)
    catalog = Catalog.open_to_write(root / ".vsearch")
    with catalog.transaction():
        catalog.connection.execute("UPDATE segments SET manifest = json_remove(manifest, '$.graph_order')")
    catalog.close()
    with pytest.raises(IndexCorruptError, match=r"segment \w{32}: its catalog names no file for 'order'"):
        status(root)


@pytest.mark.parametrize("name", ["graph_neighbors", "graph_sketches", "graph_entries"])
def test_a_damaged_graph_is_found_and_made_again(root: Path, embedder: WordEmbedder, name: str) -> None:
    make_index(root, embedder, DOCS, options=SMALL)
    index = root / ".vsearch"
    assert not check_index(index, full=True, recall=recall_faults).faults
    (path,) = (index / "segments").glob(f"*/{name}.npy")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (fault,) = check_index(index, full=True, recall=recall_faults).faults
    assert fault.thing == str(path)
    with open_snapshot(index) as snapshot, pytest.raises(IndexCorruptError, match="its graph is damaged"):
        request = SearchRequest("large1word1", mode="vector", ef_search=100)
        LocalSearcher(snapshot).search(request, {TEXT: embedder.embed_queries(["large1word1"])[0]}, 10)
    assert repair_index(index).rebuilt == 1
    assert status(root).graph_segments == 1
    assert not check_index(index, full=True, recall=recall_faults).faults
