"""The vector route gives the answers of a scan over everything, whether it scans or searches graphs."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch_core.ann import flat, hnsw, ivf, pq
from vsearch_core.ann.build import build
from vsearch_core.ann.searcher import ScanLimits
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.parts import GRAPH_PREFIX, IVF_PREFIX, PQ_PREFIX
from vsearch_core.index.snapshot import SegmentView
from vsearch_core.lexical import postings
from vsearch_core.lexical.row_terms import RowTerms
from vsearch_core.search.limits import EngineBudget, SearchLimits
from vsearch_core.search.vectors import VectorRoute, VectorSearchOptions
from vsearch_core.store.segment import Arrays, Manifest, write_segment

DIMENSION = 48


def unit(drawn: NDArray[np.floating]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return result


def draw(count: int, seed: int) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).standard_normal((12, DIMENSION))
    return unit(random.standard_normal((count, 12)) @ mixing)


def segment(rows: int, seed: int, *, with_graph: bool = False, lists_by: Any = None) -> SegmentView:
    fixed = flat.to_fixed(draw(rows, seed))
    ids = np.arange(rows)
    empty = postings.build(RowTerms.of(()) for _ in range(rows))
    graph = build(fixed) if with_graph else None
    lists = lists_by(fixed) if lists_by else None
    arrays: dict[str, NDArray[Any]] = {"vectors": fixed, "chunk_ids": ids, "file_ids": ids, **graph_arrays(graph)}
    arrays |= list_arrays(lists)
    return SegmentView(f"number {seed}", arrays, np.ones(rows, np.bool_), empty, graph, manifest_of(arrays), lists)


def graph_arrays(graph: hnsw.Graph | None) -> dict[str, NDArray[Any]]:
    return {} if graph is None else {GRAPH_PREFIX + name: array for name, array in graph.arrays().items()}


def list_arrays(lists: ivf.InvertedLists | pq.PqLists | None) -> dict[str, NDArray[Any]]:
    prefix = PQ_PREFIX if isinstance(lists, pq.PqLists) else IVF_PREFIX
    return {} if lists is None else {prefix + name: array for name, array in lists.arrays().items()}


def manifest_of(arrays: Arrays) -> Manifest:
    with TemporaryDirectory() as folder:
        return write_segment(Path(folder), arrays, {})[1]


@pytest.fixture(scope="module")
def segments() -> list[SegmentView]:
    shapes = [(900, True), (0, False), (200, False), (700, True)]
    return [segment(rows, number, with_graph=with_graph) for number, (rows, with_graph) in enumerate(shapes)]


GRAPHS_ONLY = SearchLimits(scans=ScanLimits(0, 0))  # by default, segments this small would be scanned
QUERIES = draw(20, 100)
ALL = np.ones(1800, np.bool_)
NARROW = VectorSearchOptions(ef_search=100)


def expected(segments: list[SegmentView], query: NDArray[np.float32], mask: NDArray[np.bool_], count: int) -> Any:
    cosines = flat.scan(np.concatenate([each.vectors for each in segments]), query)
    rows = flat.top_k(cosines, mask, count)
    return rows, cosines


@pytest.mark.parametrize("options", [VectorSearchOptions(), VectorSearchOptions(exact=True)])
@pytest.mark.parametrize("count", [1, 10, 100, 2000])
def test_a_scan_is_exact(segments: list[SegmentView], options: VectorSearchOptions, count: int) -> None:
    mask = np.random.default_rng(0).random(1800) < 0.7
    route = VectorRoute(segments, GRAPHS_ONLY)
    for query in QUERIES:
        rows, ef_search, *_ = route.best(query, mask, count, options)
        assert ef_search is None
        assert rows.tolist() == expected(segments, query, mask, count)[0].tolist()


@pytest.mark.parametrize("share", [1.0, 0.6, 0.05])
def test_a_graph_search_finds_what_a_scan_finds(segments: list[SegmentView], share: float) -> None:
    mask = ALL if share == 1 else np.random.default_rng(0).random(1800) < share
    route = VectorRoute(segments, GRAPHS_ONLY)
    shared = 0
    for query in QUERIES:
        rows, ef_search, *_ = route.best(query, mask, 10, VectorSearchOptions(ef_search=256))
        assert ef_search == 256
        assert mask[rows].all() and len(set(rows.tolist())) == 10
        shared += len(np.intersect1d(rows, expected(segments, query, mask, 10)[0]))
    assert shared >= 0.99 * 10 * len(QUERIES)


def test_cosines_don_t_depend_on_how_rows_were_found(segments: list[SegmentView]) -> None:
    rows = np.sort(np.random.default_rng(0).choice(1800, 150, replace=False))
    found = VectorRoute(segments, GRAPHS_ONLY).cosines(QUERIES[0], rows)
    np.testing.assert_allclose(found, expected(segments, QUERIES[0], ALL, 1)[1][rows], atol=1e-6)
    assert VectorRoute([]).cosines(QUERIES[0], rows[:0]).shape == (0,)


def test_all_of_few_allowed_rows_are_compared(segments: list[SegmentView]) -> None:
    rows, ef_search, *_ = VectorRoute(segments).best(QUERIES[0], ALL, 10, NARROW)
    assert ef_search is None
    assert rows.tolist() == expected(segments, QUERIES[0], ALL, 10)[0].tolist()


@pytest.mark.parametrize(
    ("count", "ef_search", "used"), [(100, 1, 100), (100, 200, 200), (101, 200, None), (101, 202, 202)]
)
def test_a_count_that_is_high_for_ef_search_is_scanned(
    segments: list[SegmentView], count: int, ef_search: int, used: int | None
) -> None:
    options = VectorSearchOptions(ef_search=ef_search)
    assert VectorRoute(segments, GRAPHS_ONLY).best(QUERIES[0], ALL, count, options)[1] == used


def test_it_scans_until_that_has_cost_the_start_of_the_engine(segments: list[SegmentView]) -> None:
    rows_with_a_graph = 1600
    route = VectorRoute(segments, replace(GRAPHS_ONLY, graph_start_rows=3 * rows_with_a_graph))
    searched_graphs = [route.best(query, ALL, 10)[1] is not None for query in QUERIES[:6]]
    assert searched_graphs == [False, False, False, True, True, True]


def test_routes_that_share_a_budget_start_the_engine_together(segments: list[SegmentView]) -> None:
    budget = EngineBudget(3 * 1600)
    first, second = (VectorRoute(segments, GRAPHS_ONLY, budget=budget) for _ in range(2))
    searched_graphs = [route.best(QUERIES[0], ALL, 10)[1] is not None for route in (first, second, first, second)]
    assert searched_graphs == [False, False, False, True]
    assert first.best(QUERIES[0], ALL, 10)[1] is not None


def test_segments_without_a_graph_are_scanned(segments: list[SegmentView]) -> None:
    assert VectorRoute(segments[1:3]).best(QUERIES[0], ALL[:200], 10, NARROW)[1] is None
    assert len(VectorRoute([]).best(QUERIES[0], ALL[:0], 10, NARROW)[0]) == 0


def test_a_damaged_graph_is_named_and_a_scan_still_answers(segments: list[SegmentView]) -> None:
    graph = segments[3].graph
    assert graph is not None
    foreign = replace(graph, entries=graph.entries + 700)  # with its checksums right, as a hostile index has them
    arrays = {**segments[3].arrays, **graph_arrays(foreign)}
    broken = [*segments[:3], replace(segments[3], arrays=arrays, graph=foreign, manifest=manifest_of(arrays))]
    with pytest.raises(IndexCorruptError, match=r"segment number 3: .*entries: ") as caught:
        VectorRoute(broken).best(QUERIES[0], ALL, 10, NARROW)
    assert caught.value.code == "graph-corrupt"
    assert len(VectorRoute(broken).best(QUERIES[0], ALL, 10, VectorSearchOptions(exact=True))[0]) == 10


@pytest.fixture(scope="module")
def mixed() -> list[SegmentView]:
    """Segments with a graph, with neither graph nor lists, with inverted lists of sketches, and of PQ codes."""
    listed = [segment(700, 2, lists_by=ivf.build), segment(600, 3, lists_by=pq.build)]
    return [segment(900, 0, with_graph=True), segment(200, 1), *listed]


@pytest.mark.parametrize("share", [1.0, 0.6, 0.05])
def test_graphs_and_inverted_lists_together_find_what_a_scan_finds(mixed: list[SegmentView], share: float) -> None:
    mask = np.random.default_rng(0).random(2400) < share
    route = VectorRoute(mixed, GRAPHS_ONLY)
    shared = 0
    for query in QUERIES:
        rows, *effort = route.best(query, mask, 10, VectorSearchOptions(ef_search=256, nprobe=20))
        assert effort == [256, 20, ("ivf", "pq")]
        assert mask[rows].all() and len(set(rows.tolist())) == 10
        shared += len(np.intersect1d(rows, expected(mixed, query, mask, 10)[0]))
    assert shared >= 0.99 * 10 * len(QUERIES)


def test_nprobe_alone_starts_the_engine(mixed: list[SegmentView]) -> None:
    options = VectorSearchOptions(nprobe=5)
    for segments, kind in ((mixed[1:3], "ivf"), (mixed[3:], "pq")):
        mask = np.ones(sum(len(each.vectors) for each in segments), np.bool_)
        found = VectorRoute(segments, GRAPHS_ONLY).best(QUERIES[0], mask, 10, options)
        assert (found.ef_search, found.nprobe, found.list_kinds) == (None, 5, (kind,))


def test_damaged_lists_are_named_and_a_scan_still_answers(mixed: list[SegmentView]) -> None:
    lists = mixed[2].lists
    assert isinstance(lists, ivf.InvertedLists)
    foreign = replace(lists, order=lists.order + 1)  # with its checksums right, as a hostile index has them
    arrays = {**mixed[2].arrays, **list_arrays(foreign)}
    broken = [*mixed[:2], replace(mixed[2], arrays=arrays, lists=foreign, manifest=manifest_of(arrays))]
    with pytest.raises(IndexCorruptError, match=r"segment number 2: .*order: ") as caught:
        VectorRoute(broken).best(QUERIES[0], ALL, 10, NARROW)
    assert caught.value.code == "lists-corrupt"
    assert len(VectorRoute(broken).best(QUERIES[0], ALL, 10, VectorSearchOptions(exact=True)).rows) == 10


@given(price=st.integers(0, 1000), costs=st.lists(st.integers(1, 300), max_size=50))
def test_the_engine_starts_once_work_without_it_would_cost_more_than_its_start(price: int, costs: list[int]) -> None:
    budget = EngineBudget(price)
    started = [budget.should_start(cost) for cost in costs]
    without = started.index(True) if True in started else len(costs)
    assert sum(costs[:without]) <= price
    assert without == len(costs) or sum(costs[: without + 1]) > price
    assert all(started[without:])
