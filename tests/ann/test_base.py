"""Tests of reading rows of arrays in mapped files."""

from pathlib import Path

import numpy as np
import pytest

from vsearch_core.ann.base import read_ahead, read_rows


@pytest.mark.parametrize("step", [1, 7, 1000], ids=["all rows", "dense", "sparse"])
@pytest.mark.parametrize("is_mapped", [True, False])
def test_read_rows_returns_a_copy_of_the_rows(tmp_path: Path, step: int, is_mapped: bool) -> None:
    stored = np.arange(20_000 * 96, dtype=np.int32).astype(np.int16).reshape(20_000, 96)
    np.save(tmp_path / "vectors.npy", stored)
    vectors = np.load(tmp_path / "vectors.npy", mmap_mode="r" if is_mapped else None)
    rows = np.arange(3, len(stored), step)
    copy = read_rows(vectors, rows)
    assert type(copy) is np.ndarray and copy.base is None
    assert np.array_equal(copy, stored[rows])
    assert read_rows(vectors, rows[:0]).shape == (0, 96)


def test_rows_at_the_end_of_a_file_can_be_requested(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", np.ones((5000, 3), np.int16))
    vectors = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    for view in (vectors, vectors[10:], np.asarray(vectors)):
        read_ahead(view, 0, len(view))
        read_ahead(view, len(view) - 1, len(view))
        assert view[-1].sum() == 3
