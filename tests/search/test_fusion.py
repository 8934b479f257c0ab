import numpy as np
import pytest

from vsearch_core.search.fusion import Fusion, fuse


def f(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_convex_is_the_weighted_mean_of_relative_scores() -> None:
    fused = fuse(f(0.6, 0.2, -0.2), f(0, 5, 10), Fusion("convex", alpha=0.25), 100)
    np.testing.assert_allclose(fused, [0.25, 0.1875 + 0.375, 0.125 + 0.75], rtol=1e-6)


def test_convex_with_one_silent_route_keeps_the_others_order() -> None:
    fused = fuse(f(0.1, 0.9, 0.5), f(0, 0, 0), Fusion(), 100)
    assert np.argsort(-fused).tolist() == [1, 2, 0]


def test_convex_takes_negative_cosines() -> None:
    assert fuse(f(-1, -0.5), f(2, 1), Fusion(alpha=0.5), 100).tolist() == [0.5, 0.75]


def test_rrf_sums_reciprocal_ranks() -> None:
    fused = fuse(f(0.9, 0.8, 0.1), f(1, 0, 3), Fusion("rrf", rrf_k=60), 100)
    np.testing.assert_allclose(fused, [1 / 61 + 1 / 62, 1 / 62, 1 / 63 + 1 / 61], rtol=1e-6)


def test_rrf_counts_only_what_a_route_put_forward() -> None:
    fused = fuse(f(0.9, 0.8), f(1, 2), Fusion("rrf"), depth=1)
    np.testing.assert_allclose(fused, [1 / 61, 1 / 61], rtol=1e-6)


def test_vectors_count_as_far_as_the_question_is_legible() -> None:
    assert Fusion(alpha=0.5).for_question(0.25) == Fusion(alpha=0.2)  # 1 to 1 becomes 1/4 to 1
    assert Fusion(alpha=0.75, tuned=True).for_question(1) == Fusion(alpha=0.75, tuned=True)
    assert [Fusion(alpha=alpha).for_question(0.3).alpha for alpha in (0, 1)] == [0, 1]
    assert Fusion("rrf").for_question(0) == Fusion("rrf")


def test_vectors_order_what_no_keyword_finds_however_illegible() -> None:
    fused = fuse(f(0.1, 0.9, 0.5), f(0, 0, 0), Fusion().for_question(0), 100)
    assert np.argsort(-fused).tolist() == [1, 2, 0]


@pytest.mark.parametrize("method", ["convex", "rrf"])
def test_no_candidates(method: str) -> None:
    assert fuse(f(), f(), Fusion(method), 10).shape == (0,)
