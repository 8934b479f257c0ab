"""Sketches: what the estimates are worth, and that codes say what their layout promises."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch_core.ann import flat, sketch, sq8


def vectors_of(rows: int, dimension: int, decay: float, seed: int = 0) -> NDArray[np.int16]:
    """Unit vectors whose variances fall by `decay` from one hidden direction to the next."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((dimension, dimension)))[0]
    drawn = random.standard_normal((rows, dimension)) * decay ** np.arange(dimension) @ turn + 0.02
    return flat.to_fixed((drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32))


def sketched(vectors: NDArray[np.int16]) -> tuple[sketch.Codec, NDArray[np.uint8]]:
    codec, width = sketch.train(vectors)
    codes = np.zeros((len(vectors), width), np.uint8)
    sketch.Encoder(codec, vectors, np.arange(len(vectors), dtype=np.uint32), codes)(0, len(vectors))
    return codec, codes


@pytest.mark.parametrize(
    ("dimension", "decay", "width"), [(64, 1.0, 64), (384, 0.985, 64), (384, 1.0, 128), (5, 1.0, 64)]
)
def test_estimates(dimension: int, decay: float, width: int) -> None:
    from vsearch_core.kernels.sketch import estimate

    vectors, queries = vectors_of(2000, dimension, decay), vectors_of(50, dimension, decay, seed=5)
    codec, codes = sketched(vectors)
    assert codes.shape == (2000, width)
    found = np.empty((50, 2000), np.float32)
    estimate(queries, codes, codec.kernel_arrays(), found)
    error = found - (queries.astype(np.float64) / 32767) @ ((vectors.astype(np.float64) - codec.centre) / 32767).T
    assert error.std() == pytest.approx(codec.measures[1], rel=0.3)
    assert error.std() < 0.03
    assert abs(error.mean()) < 0.005


def test_digits_are_given_where_they_save_most() -> None:
    given = sketch.allocate(np.array([16.0, 1.0, 1.0, 0.01, 0.0]), 4)
    assert given.tolist() == [2, 1, 1, 0, 0]
    assert sketch.allocate(np.array([1.0, 1.0]), 100).tolist() == [4, 4]
    assert sketch.allocate(np.zeros(3), 10).tolist() == [0, 0, 0]


@pytest.mark.parametrize("rows", [0, 1, 2, 50])
def test_few_or_equal_rows(rows: int) -> None:
    for vectors in (vectors_of(rows, 100, 1.0), np.repeat(vectors_of(1, 100, 1.0), rows, axis=0)):
        assert sketched(vectors)[1].shape == (rows, 64)


@pytest.mark.parametrize("dimension", [1, 63, 64, 65, 384])
def test_sq8(dimension: int) -> None:
    vectors = vectors_of(500, dimension, 1.0)
    codes = sq8.encode(vectors, np.arange(500, dtype=np.uint32))
    assert codes.codes.shape[1] % 64 == 0 and (codes.codes[:, dimension:] == 128).all()
    values = codes.codes.astype(np.int64) - 128
    assert (codes.norms == (values**2).sum(axis=1)).all()
    assert 0 <= codes.clipped <= 2 * (1 - sq8.QUANTILE)
    error = np.abs(sq8.decode(codes, dimension) - vectors.astype(np.float32) / 32767)
    step = codes.limit / 127 / 32767
    assert np.quantile(error, 0.999) <= step / 2 + 1e-6
