"""Splits of vectors into regions."""

import numpy as np
import pytest
from vector_search import clustered

from vsearch_core.ann.flat import to_fixed
from vsearch_core.ann.regions import split


@pytest.mark.parametrize("regions", [1, 2, 3, 7, 16])
def test_regions_have_similar_weights_and_near_vectors(regions: int) -> None:
    vectors = to_fixed(clustered(2000, 48))
    weights = np.random.default_rng(0).integers(0, 100, len(vectors))
    found = split(vectors, weights, regions)
    sums = np.bincount(found, weights, minlength=regions)
    assert len(sums) == regions
    assert sums.max() - sums.min() <= 0.03 * weights.sum() / regions + 300
    cosines = vectors[:200].astype(np.float64) @ vectors.T.astype(np.float64)
    nearest = np.argsort(-cosines, axis=1)[:, 1]
    assert (found[:200] == found[nearest]).mean() >= 0.55


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_fewer_vectors_than_regions(rows: int) -> None:
    found = split(np.ones((rows, 4), np.int16), np.ones(rows, np.int64), 3)
    assert len(found) == rows and set(found.tolist()) <= {0, 1, 2}
