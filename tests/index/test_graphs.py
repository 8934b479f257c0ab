"""Segments with enough rows get a graph, at once or at a later run."""

from pathlib import Path

import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.check import check_index
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.repair import repair_index
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.status import Status, read_status
from vsearch_core.model import TEXT
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import Catalog

LIMITS = IndexLimits(graph_rows=100)
SMALL = IndexOptions(chunk_words=20, overlap_words=0)
DOCS = Path("docs")


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


def test_a_small_segment_gets_none(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, Path("docs/small.txt"), options=SMALL, limits=LIMITS)
    found = status(root)
    assert (found.graph_segments, found.graph_rows, found.size["graph"]) == (0, 0, 0)


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
    before = names(root)
    make_index(root, embedder, limits=LIMITS)
    assert names(root) == before


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_a_run_stopped_while_building_a_graph_changes_nothing(root: Path, embedder: WordEmbedder, steps: int) -> None:
    linked: list[Progress] = []
    observer = Observer(
        progress=lambda progress: linked.append(progress) if progress.stage == "linking" else None,
        should_stop=lambda: len(linked) > steps,
    )
    summary = make_index(root, embedder, DOCS, options=SMALL, observer=observer, limits=LIMITS)
    assert (summary.interrupted, summary.uncompacted, summary.pending, summary.chunks) == (True, True, 0, 170)
    assert len(linked) == steps + 1
    before = names(root)
    assert [path.name for path in (root / ".vsearch/segments").iterdir()] == before
    assert status(root).graph_segments == 0
    again = make_index(root, embedder, limits=LIMITS)
    assert (again.interrupted, again.embedded, status(root).graph_segments) == (False, 0, 1)
    assert names(root) != before


def test_a_graph_that_lacks_an_array_is_refused(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=SMALL, limits=LIMITS)
    catalog = Catalog.open_to_write(root / ".vsearch")
    with catalog.transaction():
        catalog.connection.execute("UPDATE segments SET manifest = json_remove(manifest, '$.graph_order')")
    catalog.close()
    with pytest.raises(IndexCorruptError, match=r"segment \w{32}: the catalog lists no file of its array 'order'"):
        status(root)


@pytest.mark.parametrize("name", ["graph_neighbors", "graph_sketches", "graph_entries"])
def test_a_damaged_graph_is_found_and_rebuilt(root: Path, embedder: WordEmbedder, name: str) -> None:
    make_index(root, embedder, DOCS, options=SMALL, limits=LIMITS)
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
    assert repair_index(index, limits=LIMITS).rebuilt == 1
    assert status(root).graph_segments == 1
    assert not check_index(index, full=True, recall=recall_faults).faults
