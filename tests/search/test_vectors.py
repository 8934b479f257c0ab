"""The vector route: whether it scans or walks, its answers are those of a scan over everything."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch_core.ann import flat, hnsw
from vsearch_core.ann.build import build
from vsearch_core.errors import IndexCorruptError, InputError
from vsearch_core.index.graphs import PREFIX
from vsearch_core.index.snapshot import SegmentView
from vsearch_core.lexical import postings
from vsearch_core.search import vectors
from vsearch_core.search.rental import Rental
from vsearch_core.search.vectors import Effort, VectorRoute
from vsearch_core.store.segment import Manifest, write_segment

DIMENSION = 48


def unit(drawn: NDArray[np.floating]) -> NDArray[np.float32]:
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def draw(count: int, seed: int) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).standard_normal((12, DIMENSION))
    return unit(random.standard_normal((count, 12)) @ mixing)


def segment(rows: int, seed: int, *, linked: bool) -> SegmentView:
    fixed = flat.to_fixed(draw(rows, seed))
    ids = np.arange(rows)
    empty = postings.build([[] for _ in range(rows)])
    graph = build(fixed) if linked else None
    return SegmentView(f"number {seed}", fixed, ids, ids, empty, np.ones(rows, np.bool_), graph, manifest_of(graph))


def manifest_of(graph: hnsw.Graph | None) -> Manifest:
    files = {} if graph is None else {PREFIX + name: array for name, array in graph.arrays().items()}
    with TemporaryDirectory() as folder:
        return write_segment(Path(folder), files, {})[1]


@pytest.fixture(scope="module")
def segments() -> list[SegmentView]:
    shapes = [(900, True), (0, False), (200, False), (700, True)]
    return [segment(rows, number, linked=linked) for number, (rows, linked) in enumerate(shapes)]


@pytest.fixture(autouse=True)
def walk_few_rows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hnsw, "EXACT_ROWS", 0)
    monkeypatch.setattr(hnsw, "FILTERED_ROWS", 0)


QUERIES = draw(20, 100)
ALL = np.ones(1800, np.bool_)


def expected(segments: list[SegmentView], query: NDArray[np.float32], mask: NDArray[np.bool_], count: int) -> Any:
    cosines = flat.scan(np.concatenate([each.vectors for each in segments]), query)
    rows = flat.top_k(cosines, mask, count)
    return rows, cosines


@pytest.mark.parametrize("effort", [Effort(), Effort(exact=True)])
@pytest.mark.parametrize("count", [1, 10, 100, 2000])
def test_a_scan_is_exact(segments: list[SegmentView], effort: Effort, count: int) -> None:
    mask = np.random.default_rng(0).random(1800) < 0.7
    route = VectorRoute(segments, effort)
    for query in QUERIES:
        rows, ef = route.best(query, mask, count)
        assert ef is None
        assert rows.tolist() == expected(segments, query, mask, count)[0].tolist()


@pytest.mark.parametrize("share", [1.0, 0.6, 0.05])
def test_a_walk_finds_what_a_scan_finds(segments: list[SegmentView], share: float) -> None:
    mask = ALL if share == 1 else np.random.default_rng(0).random(1800) < share
    route = VectorRoute(segments, Effort(ef=256))
    shared = 0
    for query in QUERIES:
        rows, ef = route.best(query, mask, 10)
        assert ef == 256
        assert mask[rows].all() and len(set(rows.tolist())) == 10
        shared += len(np.intersect1d(rows, expected(segments, query, mask, 10)[0]))
    assert shared >= 0.99 * 10 * len(QUERIES)


def test_cosines_are_the_same_however_rows_were_found(segments: list[SegmentView]) -> None:
    rows = np.sort(np.random.default_rng(0).choice(1800, 150, replace=False))
    found = VectorRoute(segments, Effort(ef=100)).cosines(QUERIES[0], rows)
    np.testing.assert_allclose(found, expected(segments, QUERIES[0], ALL, 1)[1][rows], atol=1e-6)
    assert VectorRoute([], Effort()).cosines(QUERIES[0], rows[:0]).shape == (0,)


def test_few_allowed_rows_are_all_compared(segments: list[SegmentView], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hnsw, "EXACT_ROWS", 2000)
    monkeypatch.setattr(hnsw, "FILTERED_ROWS", 2000)
    rows, ef = VectorRoute(segments, Effort(ef=100)).best(QUERIES[0], ALL, 10)
    assert ef is None
    assert rows.tolist() == expected(segments, QUERIES[0], ALL, 10)[0].tolist()


@pytest.mark.parametrize(("count", "ef", "walked"), [(100, 1, 100), (100, 200, 200), (101, 200, None), (101, 202, 202)])
def test_a_list_that_is_deep_for_the_beam_is_scanned(
    segments: list[SegmentView], count: int, ef: int, walked: int | None
) -> None:
    assert VectorRoute(segments, Effort(ef=ef)).best(QUERIES[0], ALL, count)[1] == walked


def test_it_scans_until_that_has_cost_the_engine_s_start(
    segments: list[SegmentView], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "SCANNED_ROWS", 1600 * 3)  # of the rows with a graph
    route = VectorRoute(segments, Effort())
    ways = [route.best(query, ALL, 10)[1] is not None for query in QUERIES[:6]]
    assert ways == [False, False, False, True, True, True]


def test_without_a_graph_there_is_nothing_to_walk(segments: list[SegmentView]) -> None:
    assert VectorRoute(segments[1:3], Effort(ef=100)).best(QUERIES[0], ALL[:200], 10)[1] is None
    assert len(VectorRoute([], Effort(ef=100)).best(QUERIES[0], ALL[:0], 10)[0]) == 0


def test_a_damaged_graph_is_named_and_a_scan_still_answers(segments: list[SegmentView]) -> None:
    graph = segments[3].graph
    assert graph is not None
    foreign = replace(graph, entries=graph.entries + 700)  # with its checksums right, as a hostile index has them
    broken = [*segments[:3], replace(segments[3], graph=foreign, manifest=manifest_of(foreign))]
    with pytest.raises(IndexCorruptError, match=r"segment number 3: .*entries: one is no node.*--exact"):
        VectorRoute(broken, Effort(ef=100)).best(QUERIES[0], ALL, 10)
    assert len(VectorRoute(broken, Effort(exact=True)).best(QUERIES[0], ALL, 10)[0]) == 10


@given(price=st.integers(0, 1000), asked=st.lists(st.integers(1, 300), max_size=50))
def test_rent_or_buy(price: int, asked: list[int]) -> None:
    """It never rents for more than the price, buys when the next rent would exceed it, and keeps what it bought."""
    rental = Rental(price)
    bought = [rental.buys(rows) for rows in asked]
    rented = bought.index(True) if True in bought else len(asked)
    assert sum(asked[:rented]) <= price
    assert rented == len(asked) or sum(asked[: rented + 1]) > price
    assert all(bought[rented:])


def test_what_is_refused() -> None:
    for values in ({"ef": 0}, {"ef": 65_537}, {"ef": 10, "exact": True}):
        with pytest.raises(InputError, match="--ef"):
            Effort(**values)  # type: ignore[arg-type]
