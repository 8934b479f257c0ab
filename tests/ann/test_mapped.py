"""Tests of searches in large mapped files: they ask for what they will read, and find the same rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch_core.ann import base, ivf, pq
from vsearch_core.ann.flat import from_fixed
from vsearch_core.ann.searcher import ScanLimits

VECTORS = np.random.default_rng(3).normal(0, 1700, (3000, 96)).astype(np.int16)
KINDS = [(ivf.build, ivf.ListSearcher), (pq.build, pq.PqSearcher)]


def mapped(folder: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    np.save(folder / f"{name}.npy", array)
    return np.load(folder / f"{name}.npy", mmap_mode="r")  # type: ignore[no-any-return]


@pytest.mark.parametrize(("build", "searcher"), KINDS, ids=["ivf", "pq"])
def test_the_lists_of_a_large_mapped_file_are_requested_and_its_rows_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Any, searcher: Any
) -> None:
    lists, queries, limits = build(VECTORS), from_fixed(VECTORS[:3]), ScanLimits(0, 0)
    expected = searcher(lists, VECTORS, limits).search(queries, 5, nprobe=4)
    requests: list[int] = []
    monkeypatch.setattr(base, "_LARGE", 1)
    monkeypatch.setattr(ivf, "read_ahead", lambda array, start, stop: requests.append(stop - start))
    stored = {name: mapped(tmp_path, name, array) for name, array in lists.arrays().items()}
    large = searcher(type(lists).from_arrays(stored), mapped(tmp_path, "vectors", VECTORS), limits)
    found = large.search(queries, 5, nprobe=4)
    assert len(requests) == 12 and min(requests) > 0
    assert np.array_equal(found.rows, expected.rows) and np.array_equal(found.scores, expected.scores)
    exact = large.search(queries, 5, exact=True)
    assert np.array_equal(exact.rows[:, 0], [0, 1, 2])


@pytest.mark.parametrize(("build", "searcher"), KINDS, ids=["ivf", "pq"])
def test_lists_do_not_depend_on_the_file_being_mapped(tmp_path: Path, build: Any, searcher: Any) -> None:
    from_memory, from_file = build(VECTORS), build(mapped(tmp_path, "vectors", VECTORS), threads=2)
    for name, array in from_memory.arrays().items():
        assert np.array_equal(from_file.arrays()[name], array), name
