"""Segments get a graph, inverted lists or neither, as the index's choice or the policy says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from large_segments import DOCS, LIMITS, SMALL, status, write, write_documents
from numpy.typing import DTypeLike, NDArray
from support import WordEmbedder, make_index

from vsearch_core.errors import ArgumentError
from vsearch_core.index.ann_policy import AnnPolicy
from vsearch_core.index.check import check_index
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.recall import recall_faults
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.scratch import ScratchArrays

LISTS = replace(SMALL, ann="ivf")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_documents(tmp_path)


def indexed_rows(root: Path) -> tuple[int, int]:
    """Return the number of rows in segments with a graph, and in segments with inverted lists."""
    found = status(root)
    return found.graph_rows, found.ivf_rows


@pytest.mark.parametrize(
    ("choice", "rows", "kind"),
    [
        ("auto", 10, "graph"),
        ("auto", 3_300_000, "graph"),
        ("auto", 19_000_000, "graph"),
        ("auto", 20_000_000, "ivf"),
        ("graph", 3_000_000, "graph"),
        ("ivf", 10, "ivf"),
        ("flat", 3_000_000, "flat"),
        ("pq", 10, "pq64"),
        ("pq8", 3_000_000, "pq8"),
    ],
)
def test_policy(choice: str, rows: int, kind: str) -> None:
    assert AnnPolicy(choice, 384).kind(rows, IndexLimits()) == kind


def test_a_large_segment_gets_the_chosen_lists(root: Path, embedder: WordEmbedder) -> None:
    seen: list[Progress] = []
    make_index(root, embedder, DOCS, options=LISTS, observer=Observer(progress=seen.append), limits=LIMITS)
    found = status(root)
    assert (found.ann, found.ivf_segments, found.ivf_rows, found.graph_segments) == ("ivf", 1, 170, 0)
    assert found.size["ivf"] > 170 * 64 and found.size["graph"] == 0
    grouping = [progress for progress in seen if progress.stage == "grouping"]
    assert (grouping[0].done, grouping[-1].done, grouping[-1].total) == (0, 170, 170)
    with open_snapshot(root / ".vsearch") as snapshot:
        lists = snapshot.segments[0].lists
        assert lists is not None and sorted(lists.grouping.order) == list(range(170))


def test_codes_of_a_vector_are_no_longer_than_its_dimension() -> None:
    assert AnnPolicy("pq256", 100).kind(3_000_000, IndexLimits()) == "pq100"


def test_another_size_of_codes_holds_from_the_next_run_on(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=SMALL, limits=LIMITS)
    for choice, size in (("pq8", 8), ("pq", 48), ("ivf", 0)):
        summary = make_index(root, embedder, options=IndexOptions(ann=choice), limits=LIMITS)
        found = status(root)
        assert (summary.embedded, found.ann, found.pq_rows, found.ivf_rows) == (
            0,
            choice,
            *((170, 0) if size else (0, 170)),
        )
        with open_snapshot(root / ".vsearch") as snapshot:
            lists = snapshot.segments[0].lists
            assert getattr(lists, "bytes", 0) == size
        before = found.generation
        make_index(root, embedder, limits=LIMITS)
        assert status(root).generation == before


@pytest.mark.parametrize("choice", ["pq7", "pq257", "pq08", "pq8 ", "PQ", "pq-8", "pq1000"])
def test_impossible_sizes_of_codes_are_refused(root: Path, embedder: WordEmbedder, choice: str) -> None:
    with pytest.raises(ArgumentError, match="or pqN with N from 8 to 256 bytes"):
        make_index(root, embedder, DOCS, options=IndexOptions(ann=choice))


def test_without_a_choice_memory_decides(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=SMALL, limits=replace(LIMITS, graph_build_bytes=1000))
    assert status(root).ann == "auto"
    assert indexed_rows(root) == (0, 170)


def test_a_graph_that_does_not_fit_in_memory_is_built_in_files(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    make = ScratchArrays.__call__

    def counted(self: ScratchArrays, shape: tuple[int, int], dtype: DTypeLike) -> NDArray[Any]:
        made.append(shape[0])
        return make(self, shape, dtype)

    monkeypatch.setattr(ScratchArrays, "__call__", counted)
    limits = replace(LIMITS, graph_rows=50, graph_build_bytes=170 * 300)
    make_index(root, embedder, DOCS, options=replace(SMALL, ann="graph"), limits=limits)
    assert indexed_rows(root) == (170, 0) and set(made) == {170}
    assert not list(root.rglob("building-*"))
    assert not check_index(root / ".vsearch", full=True, recall=recall_faults).faults


def test_another_choice_holds_from_the_next_run_on(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=SMALL, limits=LIMITS)
    for choice, rows in (("ivf", (0, 170)), ("flat", (0, 0)), ("graph", (170, 0)), ("ivf", (0, 170))):
        summary = make_index(root, embedder, options=IndexOptions(ann=choice), limits=LIMITS)
        assert (summary.embedded, indexed_rows(root), status(root).ann) == (0, rows, choice)
        before = status(root).generation
        make_index(root, embedder, limits=LIMITS)
        assert (indexed_rows(root), status(root).generation) == (rows, before)
    with pytest.raises(ArgumentError, match="'tree' is not one of auto, graph, ivf, flat, pq, or"):
        make_index(root, embedder, options=IndexOptions(ann="tree"))


def test_an_index_made_before_there_was_a_choice_has_a_graph(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=SMALL, limits=LIMITS)
    catalog = Catalog.open_to_write(root / ".vsearch")
    with catalog.transaction():
        catalog.connection.execute("DELETE FROM settings WHERE key = 'ann'")
    catalog.close()
    assert status(root).ann == "auto"
    make_index(root, embedder, limits=LIMITS)
    assert indexed_rows(root) == (170, 0)


def test_new_rows_join_the_lists_and_deleted_ones_leave(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=LISTS, limits=LIMITS)
    with open_snapshot(root / ".vsearch") as snapshot:
        lists = snapshot.segments[0].lists
        assert lists is not None
        before = lists.grouping.centroids.tobytes()
    write(root, "more", 110)
    make_index(root, embedder, limits=LIMITS)
    (root / "docs/small.txt").unlink()
    make_index(root, embedder, limits=LIMITS)
    assert indexed_rows(root) == (0, 260)
    with open_snapshot(root / ".vsearch") as snapshot:
        (segment,) = snapshot.segments
        assert segment.lists is not None
        assert segment.lists.grouping.centroids.tobytes() == before
    assert not check_index(root / ".vsearch", full=True, recall=recall_faults).faults
