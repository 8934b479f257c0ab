"""Graphs, inverted lists and PQ codes keep the same promises: parts of large segments, built at the end of a run."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from large_segments import DOCS, LIMITS, SMALL, segment_names, status, write_documents
from support import WordEmbedder, make_index

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.check import check_index
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.repair import repair_index
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.model import TEXT
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import Catalog


@dataclass(frozen=True)
class LargePart:
    """A graph or lists: options that choose it, its stage, the option of a search that uses it, and the error."""

    prefix: str
    options: IndexOptions
    stage: str
    search: dict[str, Any]
    damage: str
    built: tuple[int, ...]  # as `built` returns it, if the documents' only segment has one


def built(root: Path) -> tuple[int, ...]:
    """Return the number of segments with a graph, and of their rows; those of segments with lists, and with codes."""
    found = status(root)
    segments = (found.graph_segments, found.ivf_segments, found.pq_segments)
    rows = (found.graph_rows, found.ivf_rows, found.pq_rows)
    return (*segments, *rows)


GRAPH = LargePart("graph_", SMALL, "linking", {"ef_search": 100}, "its graph is damaged", (1, 0, 0, 170, 0, 0))
LISTS = LargePart(
    "ivf_",
    replace(SMALL, ann="ivf"),
    "grouping",
    {"nprobe": 100},
    "its inverted lists are damaged",
    (0, 1, 0, 0, 170, 0),
)
CODES = LargePart(
    "pq_",
    replace(SMALL, ann="pq8"),
    "grouping",
    {"nprobe": 100},
    "its PQ codes are damaged",
    (0, 0, 1, 0, 0, 170),
)
NONE = (0, 0, 0, 0, 0, 0)
KINDS = pytest.mark.parametrize("kind", [GRAPH, LISTS, CODES], ids=["graph", "lists", "codes"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_documents(tmp_path)


@KINDS
def test_a_small_segment_gets_none(root: Path, embedder: WordEmbedder, kind: LargePart) -> None:
    make_index(root, embedder, Path("docs/small.txt"), options=kind.options, limits=LIMITS)
    assert built(root) == NONE
    assert [status(root).size[name] for name in ("graph", "ivf", "pq")] == [0, 0, 0]


@KINDS
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_a_run_stopped_while_building_changes_nothing(
    root: Path, embedder: WordEmbedder, kind: LargePart, steps: int
) -> None:
    reports: list[Progress] = []
    observer = Observer(
        progress=lambda progress: reports.append(progress) if progress.stage == kind.stage else None,
        should_stop=lambda: len(reports) > steps,
    )
    summary = make_index(root, embedder, DOCS, options=kind.options, observer=observer, limits=LIMITS)
    assert (summary.interrupted, summary.uncompacted, summary.pending, summary.chunks) == (True, True, 0, 170)
    assert len(reports) == steps + 1
    before = segment_names(root)
    assert [path.name for path in (root / ".vsearch/segments").iterdir()] == before
    assert built(root) == NONE
    again = make_index(root, embedder, limits=LIMITS)
    assert (again.interrupted, again.embedded, built(root)) == (False, 0, kind.built)
    assert segment_names(root) != before


@KINDS
def test_one_that_lacks_an_array_is_refused(root: Path, embedder: WordEmbedder, kind: LargePart) -> None:
    make_index(root, embedder, DOCS, options=kind.options, limits=LIMITS)
    catalog = Catalog.open_to_write(root / ".vsearch")
    with catalog.transaction():
        catalog.connection.execute(
            "UPDATE segments SET manifest = json_remove(manifest, ?)", (f"$.{kind.prefix}order",)
        )
    catalog.close()
    with pytest.raises(IndexCorruptError, match=r"segment \w{32}: the catalog lists no file of its array 'order'"):
        status(root)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((GRAPH, name) for name in ("neighbors", "sketches", "entries")),
        *((LISTS, name) for name in ("centroids", "sketches", "stops")),
        *((CODES, name) for name in ("codes_8", "books", "rotation")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.prefix,
)
def test_a_damaged_one_is_found_and_rebuilt(root: Path, embedder: WordEmbedder, kind: LargePart, name: str) -> None:
    make_index(root, embedder, DOCS, options=kind.options, limits=LIMITS)
    index = root / ".vsearch"
    assert not check_index(index, full=True, recall=recall_faults).faults
    (path,) = (index / "segments").glob(f"*/{kind.prefix}{name}.npy")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (fault,) = check_index(index, full=True, recall=recall_faults).faults
    assert fault.thing == str(path)
    with open_snapshot(index) as snapshot, pytest.raises(IndexCorruptError, match=kind.damage):
        request = SearchRequest("large1word1", mode="vector", **kind.search)
        LocalSearcher(snapshot).search(request, {TEXT: embedder.embed_queries(["large1word1"])[0]}, 10)
    assert repair_index(index, limits=LIMITS).rebuilt == 1
    assert built(root) == kind.built
    assert not check_index(index, full=True, recall=recall_faults).faults
