"""Paths through vectors, and their regions."""

import numpy as np
import pytest
from vector_search import clustered

from vsearch_core.ann.flat import to_fixed
from vsearch_core.ann.regions import cut, path


@pytest.mark.parametrize("regions", [1, 2, 3, 7, 16])
def test_near_vectors_are_in_the_same_region(regions: int) -> None:
    vectors = to_fixed(clustered(2000, 48))
    order = path(vectors)
    assert sorted(order.tolist()) == list(range(2000))
    region = np.empty(2000, np.int64)
    region[order] = cut(np.ones(2000, np.int64), regions)
    cosines = vectors[:200].astype(np.float64) @ vectors.T.astype(np.float64)
    nearest = np.argsort(-cosines, axis=1)[:, 1]
    assert (region[:200] == region[nearest]).mean() >= 0.55


@pytest.mark.parametrize("regions", [1, 2, 3, 7, 16])
def test_regions_have_similar_weights(regions: int) -> None:
    weights = np.random.default_rng(0).integers(0, 100, 2000)
    found = cut(weights, regions)
    assert (np.diff(found) >= 0).all()
    sums = np.bincount(found, weights, minlength=regions)
    assert len(sums) == regions
    assert sums.max() - sums.min() <= 200


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_few_or_equal_vectors(rows: int) -> None:
    assert sorted(path(np.ones((rows, 4), np.int16)).tolist()) == list(range(rows))


def test_fewer_places_than_regions_and_no_weight() -> None:
    assert set(cut(np.ones(2, np.int64), 5).tolist()) <= set(range(5))
    assert cut(np.zeros(3, np.int64), 2).tolist() == [0, 0, 0]
    assert cut(np.zeros(0, np.int64), 2).tolist() == []
