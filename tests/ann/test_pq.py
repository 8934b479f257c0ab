"""Lists of PQ codes compared with exact search, `ann.flat`: their recall, and that every answer is correct."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from contracts.sketch_search import SketchSearchContract
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from vector_search import NEVER_SCAN, Data, allowed_rows, check_valid, clustered, oracle, recall, searching, unit

from vsearch_core.ann import flat, ivf, pq
from vsearch_core.ann.check import check_pq
from vsearch_core.ann.searcher import ScanLimits
from vsearch_core.errors import InputError
from vsearch_core.kernels.constants import FIXED_ONE

search = searching(pq.PqSearcher)


def decoded(lists: pq.PqLists) -> NDArray[np.float64]:
    """Return the vectors that the codes stand for, of length about FIXED_ONE, in the order of the rows."""
    order, quantiser = lists.grouping.order, lists.quantiser
    numbers = np.arange(64)
    places = 2 * (numbers % 32) + numbers // 32
    codes = (
        lists.blocks.reshape(-1, lists.bytes, 64)[:, :, places]
        .transpose(0, 2, 1)
        .reshape(-1, lists.bytes)[: len(order)]
    )
    count = quantiser.books.shape[1]
    if count == 16:
        codes = np.stack([codes & 15, codes >> 4], axis=2).reshape(len(codes), -1)
    books = quantiser.books.reshape(codes.shape[1], -1, count)
    components = np.concatenate([book[:, codes[:, part]] for part, book in enumerate(books)]).T
    residuals = np.empty((len(order), quantiser.rotation.shape[1]))
    residuals[order] = components @ quantiser.rotation / FIXED_ONE
    vectors: NDArray[np.float64] = residuals + lists.grouping.centroids[lists.grouping.list_of_row]
    return vectors


class TestPqSearcher(SketchSearchContract):
    width = "nprobe"
    searcher = pq.PqSearcher

    def build(self, vectors: NDArray[np.int16]) -> pq.PqLists:
        return pq.build(vectors, 16, centroids=16)


class TestPqSearcherOfBytes(TestPqSearcher):
    def build(self, vectors: NDArray[np.int16]) -> pq.PqLists:
        return pq.build(vectors, 16, centroids=256)


@pytest.fixture(scope="module", params=[16, 256])
def built(request: pytest.FixtureRequest, data: Data) -> pq.PqLists:
    return pq.build(data[0], 16, centroids=request.param)


def centroids_of(lists: pq.PqLists) -> int:
    return int(lists.quantiser.books.shape[1])


@pytest.mark.parametrize(("size", "dimension", "centroids"), [(8, 16, 16), (8, 15, 256), (64, 384, 16), (64, 64, 256)])
def test_half_bytes_are_used_if_each_has_a_component_of_its_own(size: int, dimension: int, centroids: int) -> None:
    assert centroids_of(pq.build(flat.to_fixed(clustered(100, dimension)), size)) == centroids


@pytest.mark.parametrize(("nprobe", "least"), [(4, 0.6), (40, 0.97), (179, 0.99)])
def test_recall(data: Data, built: pq.PqLists, nprobe: int, least: float) -> None:
    vectors, queries = data
    found = search(built, vectors, queries, 10, nprobe=nprobe)
    check_valid(found, vectors, queries, 10)
    assert not found.exact
    assert recall(found, oracle(vectors, queries, 10)) >= least


def test_rows_whose_codes_say_too_little_of_them_are_compared_too() -> None:
    """Estimates of the rows nearest to a query are too low by several standard errors of other rows."""
    random = np.random.default_rng(0)
    base, queries = unit(random.standard_normal((6000, 64))), unit(random.standard_normal((200, 64)))
    vectors = flat.to_fixed(base)
    found = search(pq.build(vectors, 32), vectors, queries, 10, nprobe=500)
    assert recall(found, oracle(vectors, queries, 10)) >= 0.999


def test_more_bytes_leave_less_error(data: Data, built: pq.PqLists) -> None:
    vectors = data[0].astype(np.float64)
    lengths = np.square(vectors - vectors.mean(axis=0)).sum()
    larger = pq.build(data[0], 48, centroids=centroids_of(built))
    left = [np.square(decoded(lists) - vectors).sum() / lengths for lists in (built, larger)]
    assert left[1] < 0.6 * left[0] < 0.2
    queries = data[1].astype(np.float64) * FIXED_ONE
    errors = queries @ (decoded(built) - vectors).T / FIXED_ONE**2
    assert 0.3 < errors.std() / built.quantiser.error[0] < 1.5


def test_codes_do_not_depend_on_the_number_of_threads(data: Data, built: pq.PqLists) -> None:
    for name, array in pq.build(data[0], 16, centroids=centroids_of(built), threads=3).arrays().items():
        assert array.tobytes() == built.arrays()[name].tobytes(), name


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.001, 0.0])
@pytest.mark.parametrize("where", ["random", "near", "far"])
def test_filters(data: Data, built: pq.PqLists, share: float, where: str) -> None:
    vectors, queries = data
    allowed = allowed_rows(vectors, queries[0], share, where)
    count = allowed.sum()
    some = queries if where == "random" else queries[:1]
    found = search(built, vectors, some, 10, nprobe=60, allowed=allowed)
    check_valid(found, vectors, some, 10, allowed)
    assert recall(found, oracle(vectors, some, 10, allowed)) >= 0.98 or not count


@settings(deadline=None, max_examples=15)
@given(
    rows=st.integers(0, 400),
    dimension=st.sampled_from([1, 2, 17, 64, 65]),
    size=st.sampled_from([1, 8, 10, 64, 256]),
    k=st.sampled_from([1, 10, 60, 500]),
    nprobe=st.sampled_from([1, 8, 1000]),
    kinds=st.integers(1, 4),
    share=st.sampled_from([None, 0.0, 0.05, 0.7, 1.0]),
    exact_rows=st.sampled_from([0, 30, 1500]),
    seed=st.integers(0, 1000),
)
def test_results_are_correct_for_any_segment(
    rows: int,
    dimension: int,
    size: int,
    k: int,
    nprobe: int,
    kinds: int,
    share: float | None,
    exact_rows: int,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    drawn = random.standard_normal((rows, dimension))
    drawn[random.random(rows) < 0.1] = 0  # as an empty text's vector
    if kinds > 1 and rows:  # duplicates
        drawn = drawn[random.integers(0, max(1, rows // kinds), rows)]
    vectors, queries = flat.to_fixed(unit(drawn)), unit(random.standard_normal((3, dimension)))
    allowed = None if share is None else random.random(rows) < share
    lists = pq.build(vectors, size, seed=seed)
    check_pq(lists, vectors)
    assert lists.bytes == min(size, dimension)
    found = search(
        lists, vectors, queries, k, nprobe=nprobe, allowed=allowed, limits=ScanLimits(exact_rows, exact_rows)
    )
    check_valid(found, vectors, queries, k, allowed)


def test_new_rows_are_encoded_without_training_again(data: Data, built: pq.PqLists) -> None:
    vectors = data[0]
    former = pq.build(vectors[:5000], 16, centroids=centroids_of(built))
    kept = np.random.default_rng(0).random(5000) < 0.7
    merged = np.concatenate([vectors[:5000][kept], vectors[5000:6000]])
    known = np.concatenate([former.grouping.list_of_row[kept], np.full(1000, -1)])
    extended = pq.extend(former, merged, known)
    for name in ("rotation", "books", "error", "centroids"):
        assert extended.arrays()[name].tobytes() == former.arrays()[name].tobytes()
    check_pq(extended, merged)
    np.testing.assert_array_equal(decoded(extended)[: kept.sum()], decoded(former)[kept])
    found = search(extended, merged, data[1], 10, nprobe=100)
    assert recall(found, oracle(merged, data[1], 10)) >= 0.96
    grown = pq.extend(former, np.concatenate([vectors, vectors[:4000]]), np.full(12_000, -1))
    assert len(grown.grouping.centroids) == ivf.list_count(12_000) and grown.bytes == 16


def test_other_arrays_and_sizes_are_refused(data: Data) -> None:
    with pytest.raises(InputError, match="vectors: float32"):
        pq.build(data[0].astype(np.float32))
    for size in (0, 257):
        with pytest.raises(InputError, match=f"code_size: {size} is not between 1 and 256"):
            pq.build(data[0], size)


def changed(array: NDArray[Any], place: int, value: float) -> NDArray[Any]:
    copy = array.copy()
    copy.reshape(-1)[place] = value
    return copy


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("centroids", lambda a: a[:-1]),
        ("stops", lambda a: changed(a, 5, 2**32 - 1)),
        ("order", lambda a: changed(a, 3, 8000)),
        ("training", lambda a: changed(a, 0, np.nan)),
        ("rotation", lambda a: a[:-1]),
        ("rotation", lambda a: np.full_like(a, FIXED_ONE)),
        ("books", lambda a: a[:, :-1]),
        ("books", lambda a: changed(a, 7, np.nan)),
        ("books", lambda a: changed(a, 7, np.inf)),
        ("books", lambda a: a.astype(np.float64)),
        ("error", lambda a: changed(a, 0, np.nan)),
        ("error", lambda a: a[:0]),
        ("codes_16", lambda a: a[:-1]),
        ("codes_16", lambda a: a[:, :-1]),
        ("codes_16", lambda a: a[:, :-64]),
        ("codes_16", lambda a: a[0]),
        ("codes_16", lambda a: a.astype(np.int16)),
    ],
)
def test_damage_is_named_by_array(
    data: Data, built: pq.PqLists, name: str, damage: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    check_pq(built, data[0])
    arrays = built.arrays()
    with pytest.raises(ValueError, match=r"^\w+: "):
        check_pq(pq.PqLists.from_arrays({**arrays, name: damage(arrays[name])}), data[0])


def test_the_codes_of_another_segment_are_refused(data: Data, built: pq.PqLists) -> None:
    for vectors in (data[0][:-1], data[0][:, :-1], data[0].astype(np.float32)):
        with pytest.raises(ValueError, match=r"^\w+: "):
            check_pq(built, vectors)


@pytest.mark.parametrize("dimension", [8, 16])
@pytest.mark.parametrize("name", [*pq.build(flat.to_fixed(clustered(1, 8)), 8).arrays()])
def test_flipped_bits_are_refused_or_harmless(name: str, dimension: int) -> None:
    vectors = flat.to_fixed(clustered(700, dimension))
    arrays = pq.build(vectors, 8).arrays()
    random = np.random.default_rng(1)
    queries, allowed = clustered(5, dimension, seed=2), random.random(700) < 0.3
    for _ in range(15):
        data = bytearray(arrays[name].tobytes())
        for place in random.integers(0, len(data), 3):
            data[place] ^= 1 << int(random.integers(8))
        flipped = np.frombuffer(data, arrays[name].dtype).reshape(arrays[name].shape)
        lists = pq.PqLists.from_arrays({**arrays, name: flipped})
        try:
            check_pq(lists, vectors)
        except ValueError:
            continue
        for mask in (None, allowed):
            found = search(lists, vectors, queries, 10, nprobe=3, allowed=mask, limits=NEVER_SCAN)
            assert ((found.rows >= -1) & (found.rows < 700)).all()
