"""Inverted lists compared with exact search, `ann.flat`: their recall, and that every answer is correct."""

import numpy as np
import pytest
from contracts.sketch_search import SketchSearchContract
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import SHARED
from vector_search import NEVER_SCAN, SMALL, Data, allowed_rows, check_valid, oracle, recall, searching, unit

from vsearch_core.ann import flat, ivf
from vsearch_core.ann.searcher import ScanLimits
from vsearch_core.errors import InputError

search = searching(ivf.ListSearcher)


def check_nearest_lists(lists: ivf.InvertedLists, vectors: NDArray[np.int16]) -> None:
    """Assert that each row is in the list of the centroid with the highest dot product, the first of equal ones."""
    if len(vectors):
        dots = vectors.astype(np.int64) @ lists.centroids.astype(np.int64).T
        assert (lists.grouping.list_of_row == dots.argmax(axis=1)).all()


class TestListSearcher(SketchSearchContract):
    width = "nprobe"
    searcher = ivf.ListSearcher

    def build(self, vectors: NDArray[np.int16]) -> ivf.InvertedLists:
        return ivf.build(vectors)


@pytest.fixture(scope="module")
def lists(data: Data) -> ivf.InvertedLists:
    return ivf.build(data[0])


@pytest.fixture(scope="module")
def built(lists: ivf.InvertedLists) -> ivf.InvertedLists:
    return lists


@pytest.mark.parametrize(("nprobe", "least"), [(4, 0.6), (40, 0.98), (179, 0.999)])
def test_recall(data: Data, lists: ivf.InvertedLists, nprobe: int, least: float) -> None:
    vectors, queries = data
    found = search(lists, vectors, queries, 10, nprobe=nprobe)
    check_valid(found, vectors, queries, 10)
    assert not found.exact
    assert recall(found, oracle(vectors, queries, 10)) >= least


def test_each_row_is_in_the_list_of_its_nearest_centroid(data: Data, lists: ivf.InvertedLists) -> None:
    assert len(lists.centroids) == ivf.list_count(8000) == 179
    assert sorted(lists.order) == list(range(8000))
    check_nearest_lists(lists, data[0])


def test_lists_have_similar_lengths() -> None:
    """Four fifths of the rows are in one dense cluster: without balance, its few lists would be very long."""
    random = np.random.default_rng(0)
    dense = np.eye(64)[0] + 0.05 * random.standard_normal((8000, 64))
    vectors = flat.to_fixed(unit(np.concatenate([dense, random.standard_normal((2000, 64))])))
    lengths = np.diff(ivf.build(vectors).stops)
    assert ivf.imbalance(lengths) < 2
    assert ivf.imbalance(np.array([50, 50])) == 1.0
    assert ivf.imbalance(np.array([100, 0])) == 2.0
    assert ivf.imbalance(np.array([], np.int64)) == 1.0


def test_lists_do_not_depend_on_the_number_of_threads(data: Data, lists: ivf.InvertedLists) -> None:
    for threads in (1, 3):
        for name, array in ivf.build(data[0], threads=threads).arrays().items():
            assert array.tobytes() == lists.arrays()[name].tobytes(), name


@pytest.mark.parametrize("share", [0.9, 0.5, 0.25, 0.1, 0.01, 0.001, 0.0])
@pytest.mark.parametrize("where", ["random", "near", "far"])
def test_filters(data: Data, lists: ivf.InvertedLists, share: float, where: str) -> None:
    vectors, queries = data
    allowed = allowed_rows(vectors, queries[0], share, where)
    count = allowed.sum()
    some = queries if where == "random" else queries[:1]
    found = search(lists, vectors, some, 10, nprobe=60, allowed=allowed)
    check_valid(found, vectors, some, 10, allowed)
    assert recall(found, oracle(vectors, some, 10, allowed)) >= 0.99 or not count
    assert found.exact or count > SMALL.filtered_rows


def test_a_filter_that_allows_only_distant_lists_still_finds_its_rows(data: Data, lists: ivf.InvertedLists) -> None:
    """With one list to search, and none of its rows allowed, lists are searched until there are enough rows."""
    vectors, queries = data
    own = lists.grouping.list_of_row[np.argmax(flat.scan(vectors, queries[0]))]
    allowed = lists.grouping.list_of_row != own
    found = search(lists, vectors, queries[:1], 10, nprobe=1, allowed=allowed, limits=NEVER_SCAN)
    check_valid(found, vectors, queries[:1], 10, allowed)
    assert not found.exact


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(0, 400),
    dimension=st.sampled_from([1, 2, 3, 17, 63, 64, 65, 384, 1024]),
    k=st.sampled_from([1, 3, 10, 60, 500]),
    nprobe=st.sampled_from([1, 2, 8, 33, 1000]),
    kinds=st.integers(1, 4),
    share=st.sampled_from([None, 0.0, 0.05, 0.7, 1.0]),
    exact_rows=st.sampled_from([0, 30, 1500]),
    seed=st.integers(0, 1000),
)
def test_results_are_correct_for_any_segment(
    rows: int, dimension: int, k: int, nprobe: int, kinds: int, share: float | None, exact_rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    drawn = random.standard_normal((rows, dimension))
    drawn[random.random(rows) < 0.1] = 0  # as an empty text's vector
    if kinds > 1 and rows:  # duplicates
        drawn = drawn[random.integers(0, max(1, rows // kinds), rows)]
    vectors, queries = flat.to_fixed(unit(drawn)), unit(random.standard_normal((3, dimension)))
    allowed = None if share is None else random.random(rows) < share
    lists = ivf.build(vectors, seed=seed)
    check_nearest_lists(lists, vectors)
    limits = ScanLimits(exact_rows, exact_rows)
    found = search(lists, vectors, queries, k, nprobe=nprobe, allowed=allowed, limits=limits)
    check_valid(found, vectors, queries, k, allowed)
    if nprobe >= len(lists.centroids):
        best = -np.sort(-np.where(allowed is None or allowed, flat.scan(vectors, queries), -np.inf), axis=1)[:, :k]
        for number, count in enumerate(found.counts):
            np.testing.assert_allclose(found.scores[number, :count], best[number, :count], atol=2e-3)


def test_new_rows_join_the_lists_of_former_ones(data: Data) -> None:
    vectors, queries = data
    former = ivf.build(vectors[:5000])
    kept = np.arange(5000) % 10 != 0
    merged = np.concatenate([vectors[5000:7000], vectors[:5000][kept]])
    known = np.concatenate([np.full(2000, -1), former.grouping.list_of_row[kept]])
    extended = ivf.extend(former, merged, known)
    assert extended.centroids.tobytes() == former.centroids.tobytes()
    assert extended.training.tolist() == former.training.tolist()
    check_nearest_lists(extended, merged)
    found = search(extended, merged, queries, 10, nprobe=50)
    check_valid(found, merged, queries, 10)
    assert recall(found, oracle(merged, queries, 10)) >= 0.98


def test_centroids_are_trained_again_when_rows_have_doubled(data: Data) -> None:
    vectors, _ = data
    former = ivf.build(vectors[:3000])
    known = np.concatenate([former.grouping.list_of_row, np.full(5000, -1)])
    extended = ivf.extend(former, vectors, known)
    assert extended.training[0] == 8000
    assert len(extended.centroids) == ivf.list_count(8000)


def test_centroids_are_trained_again_when_new_rows_crowd_few_lists(data: Data) -> None:
    vectors, _ = data
    former = ivf.build(vectors[:5000])
    random = np.random.default_rng(0)
    crowd = flat.to_fixed(unit(flat.from_fixed(vectors[:1]) + 0.02 * random.standard_normal((3000, 96))))
    merged = np.concatenate([vectors[:5000], crowd])
    extended = ivf.extend(former, merged, np.concatenate([former.grouping.list_of_row, np.full(3000, -1)]))
    assert extended.training[0] == 8000


def test_progress_is_reported_and_can_stop_a_build(data: Data) -> None:
    seen: list[tuple[int, int]] = []
    ivf.build(data[0][:500], progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert all(done < total for done, total in seen)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ivf.build(data[0], progress=stop)


@pytest.mark.shared
def test_real_vectors() -> None:
    path = SHARED / "vectors" / "minilm-121k-384-int8.npy"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    stored = np.load(path, mmap_mode="r")
    vectors, queries = flat.to_fixed(unit(stored[:20_000].astype(float))), unit(stored[-300:].astype(float))
    lists = ivf.build(vectors, threads=2)
    assert recall(search(lists, vectors, queries, nprobe=100), oracle(vectors, queries, 10)) >= 0.97


def test_vectors_of_another_type_are_refused(data: Data) -> None:
    with pytest.raises(InputError, match="vectors"):
        ivf.build(data[0].astype(np.float32))
