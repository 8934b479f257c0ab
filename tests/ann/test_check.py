"""A graph or inverted lists that pass the check can be searched without leaving any array."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch_core.ann import hnsw, ivf
from vsearch_core.ann.build import build
from vsearch_core.ann.check import check_graph, check_lists
from vsearch_core.ann.flat import from_fixed, to_fixed
from vsearch_core.ann.searcher import ScanLimits

Arrays = dict[str, NDArray[Any]]
ROWS, DIMENSION = 300, 70


def make_vectors() -> NDArray[np.int16]:
    drawn = np.random.default_rng(0).standard_normal((ROWS, DIMENSION)).astype(np.float32)
    drawn[200:220] = drawn[100:120]  # nodes of two rows
    return to_fixed(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


VECTORS = make_vectors()


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return build(VECTORS).arrays()


def changed(array: NDArray[Any], place: int, value: float) -> NDArray[Any]:
    copy = array.copy()
    copy.reshape(-1)[place] = value
    return copy


def test_intact_graphs_pass(arrays: Arrays) -> None:
    check_graph(hnsw.Graph.from_arrays(arrays), VECTORS)
    for rows in (0, 1, 5):
        check_graph(build(VECTORS[:rows]), VECTORS[:rows])
    check_graph(build(np.repeat(VECTORS[:1], 50, axis=0)), np.repeat(VECTORS[:1], 50, axis=0))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("neighbors", lambda a: changed(a, 7, ROWS)),
        ("neighbors", lambda a: changed(a, 7, 2**32 - 2)),
        ("neighbors", lambda a: a[:-1]),
        ("neighbors", lambda a: a.astype(np.int64)),
        ("neighbors", lambda a: a.reshape(-1)),
        ("sketches", lambda a: a[:, :-1]),
        ("sketches", lambda a: a[:, :0]),
        ("entries", lambda a: changed(a, 0, ROWS)),
        ("entries", lambda a: changed(a, 0, a[1])),
        ("entries", lambda a: a[:0]),
        ("order", lambda a: changed(a, 3, ROWS)),
        ("order", lambda a: changed(a, 3, a[4])),
        ("order", lambda a: a[:-1]),
        ("starts", lambda a: changed(a, 0, 1)),
        ("starts", lambda a: changed(a, -1, ROWS + 1)),
        ("starts", lambda a: changed(a, 5, a[6])),
        ("starts", lambda a: changed(a, 5, 2**32 - 1)),
        ("starts", lambda a: a[:0]),
        ("basis", lambda a: a[:, :64]),
        ("basis", lambda a: a[:-1]),
        ("digits", lambda a: changed(a, 0, 0)),
        ("digits", lambda a: changed(a, 0, 5)),
        ("digits", lambda a: np.full_like(a, 4)),
        ("digits", lambda a: a[:-1]),
        ("gains", lambda a: changed(a, 0, np.nan)),
        ("gains", lambda a: changed(a, 0, -1)),
        ("gains", lambda a: a[:-1]),
        ("centre", lambda a: a[:-1]),
        ("centre", lambda a: a.astype(np.float32)),
        ("measures", lambda a: changed(a, 0, np.inf)),
        ("measures", lambda a: changed(a, 1, np.nan)),
        ("measures", lambda a: a[:1]),
    ],
)
def test_damage_is_named_by_array(arrays: Arrays, name: str, damage: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    with pytest.raises(ValueError, match=r"^\w+: "):
        check_graph(hnsw.Graph.from_arrays({**arrays, name: damage(arrays[name])}), VECTORS)


def test_the_graph_of_another_segment_is_refused(arrays: Arrays) -> None:
    for vectors in (VECTORS[:-1], VECTORS[:, :-1], VECTORS.astype(np.float32)):
        with pytest.raises(ValueError, match=r"^\w+: "):
            check_graph(hnsw.Graph.from_arrays(arrays), vectors)


@pytest.mark.parametrize("name", [*build(VECTORS[:1]).arrays()])
def test_flipped_bits_are_refused_or_harmless(arrays: Arrays, name: str) -> None:
    """A damaged graph that passes the check may give wrong answers, but never rows that do not exist."""
    random = np.random.default_rng(1)
    queries = from_fixed(VECTORS[:5])
    allowed = random.random(ROWS) < 0.3
    for _ in range(30):
        data = bytearray(arrays[name].tobytes())
        for place in random.integers(0, len(data), 3):
            data[place] ^= 1 << int(random.integers(8))
        flipped = np.frombuffer(data, arrays[name].dtype).reshape(arrays[name].shape)
        graph = hnsw.Graph.from_arrays({**arrays, name: flipped})
        try:
            check_graph(graph, VECTORS)
        except ValueError:
            continue
        searcher = hnsw.GraphSearcher(graph, VECTORS, ScanLimits(0, 0))
        for mask in (None, allowed):
            found = searcher.search(queries, 10, allowed=mask)
            assert ((found.rows >= -1) & (found.rows < ROWS)).all()


@pytest.fixture(scope="module")
def list_arrays() -> Arrays:
    return ivf.build(VECTORS).arrays()


def test_intact_lists_pass(list_arrays: Arrays) -> None:
    check_lists(ivf.InvertedLists.from_arrays(list_arrays), VECTORS)
    for rows in (0, 1, 5):
        check_lists(ivf.build(VECTORS[:rows]), VECTORS[:rows])
    check_lists(ivf.build(np.repeat(VECTORS[:1], 50, axis=0)), np.repeat(VECTORS[:1], 50, axis=0))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("centroids", lambda a: a[:-1]),
        ("centroids", lambda a: a[:, :-1]),
        ("centroids", lambda a: a.astype(np.int32)),
        ("centroids", lambda a: a[:0]),
        ("stops", lambda a: changed(a, 0, 1)),
        ("stops", lambda a: changed(a, -1, ROWS + 1)),
        ("stops", lambda a: changed(a, 5, 2**32 - 1)),
        ("stops", lambda a: a[:-1]),
        ("stops", lambda a: a[:0]),
        ("sketches", lambda a: a[:-1]),
        ("sketches", lambda a: a[:, :-1]),
        ("order", lambda a: changed(a, 3, ROWS)),
        ("order", lambda a: changed(a, 3, a[4])),
        ("order", lambda a: a[:-1]),
        ("training", lambda a: a[:1]),
        ("training", lambda a: changed(a, 0, np.nan)),
        ("training", lambda a: changed(a, 1, -1)),
        ("basis", lambda a: a[:, :64]),
        ("digits", lambda a: np.full_like(a, 4)),
        ("gains", lambda a: changed(a, 0, np.nan)),
        ("centre", lambda a: a[:-1]),
        ("measures", lambda a: changed(a, 0, np.inf)),
    ],
)
def test_damage_of_lists_is_named_by_array(
    list_arrays: Arrays, name: str, damage: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    with pytest.raises(ValueError, match=r"^\w+: "):
        check_lists(ivf.InvertedLists.from_arrays({**list_arrays, name: damage(list_arrays[name])}), VECTORS)


def test_the_lists_of_another_segment_are_refused(list_arrays: Arrays) -> None:
    for vectors in (VECTORS[:-1], VECTORS[:, :-1], VECTORS.astype(np.float32)):
        with pytest.raises(ValueError, match=r"^\w+: "):
            check_lists(ivf.InvertedLists.from_arrays(list_arrays), vectors)


@pytest.mark.parametrize("name", [*ivf.build(VECTORS[:1]).arrays()])
def test_flipped_bits_of_lists_are_refused_or_harmless(list_arrays: Arrays, name: str) -> None:
    random = np.random.default_rng(1)
    queries = from_fixed(VECTORS[:5])
    allowed = random.random(ROWS) < 0.3
    for _ in range(30):
        data = bytearray(list_arrays[name].tobytes())
        for place in random.integers(0, len(data), 3):
            data[place] ^= 1 << int(random.integers(8))
        flipped = np.frombuffer(data, list_arrays[name].dtype).reshape(list_arrays[name].shape)
        lists = ivf.InvertedLists.from_arrays({**list_arrays, name: flipped})
        try:
            check_lists(lists, VECTORS)
        except ValueError:
            continue
        searcher = ivf.ListSearcher(lists, VECTORS, ScanLimits(0, 0))
        for mask in (None, allowed):
            found = searcher.search(queries, 10, nprobe=3, allowed=mask)
            assert ((found.rows >= -1) & (found.rows < ROWS)).all()
