import numpy as np
import pytest

from vsearch_core.search.fusion import KEYWORD, LOWEST_COSINE, VECTOR, Fusion, cosine_floor, fuse


def f(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def both(vector: np.ndarray, keyword: np.ndarray) -> dict[str, np.ndarray]:
    return {VECTOR: vector, KEYWORD: keyword}


def test_convex_is_the_weighted_mean_of_relative_scores() -> None:
    fused = fuse(both(f(0.6, 0.2, -0.2), f(0, 5, 10)), Fusion("convex", alpha=0.25), 100)
    np.testing.assert_allclose(fused, [0.25, 0.1875 + 0.375, 0.125 + 0.75], rtol=1e-6)


def test_convex_keeps_the_order_of_the_only_route_that_matches() -> None:
    fused = fuse(both(f(0.1, 0.9, 0.5), f(0, 0, 0)), Fusion(), 100)
    assert np.argsort(-fused).tolist() == [1, 2, 0]


def test_convex_accepts_negative_cosines() -> None:
    assert fuse(both(f(-1, -0.5), f(2, 1)), Fusion(alpha=0.5), 100).tolist() == [0.5, 0.75]


def test_rrf_sums_reciprocal_ranks() -> None:
    fused = fuse(both(f(0.9, 0.8, 0.1), f(1, 0, 3)), Fusion("rrf", rrf_k=60), 100)
    np.testing.assert_allclose(fused, [1 / 61 + 1 / 62, 1 / 62, 1 / 63 + 1 / 61], rtol=1e-6)


def test_rrf_counts_only_what_a_route_proposed() -> None:
    fused = fuse(both(f(0.9, 0.8), f(1, 2)), Fusion("rrf"), depth=1)
    np.testing.assert_allclose(fused, [1 / 61, 1 / 61], rtol=1e-6)


def test_the_share_of_vectors_falls_with_legibility() -> None:
    assert Fusion(alpha=0.5).for_legibility(0.25) == Fusion(alpha=0.2)  # 1 to 1 becomes 1/4 to 1
    assert Fusion(alpha=0.75, tuned=True).for_legibility(1) == Fusion(alpha=0.75, tuned=True)
    assert [Fusion(alpha=alpha).for_legibility(0.3).alpha for alpha in (0, 1)] == [0, 1]
    assert Fusion("rrf").for_legibility(0) == Fusion("rrf")


def test_vectors_rank_chunks_without_a_keyword_even_if_the_query_is_illegible() -> None:
    fused = fuse(both(f(0.1, 0.9, 0.5), f(0, 0, 0)), Fusion().for_legibility(0), 100)
    assert np.argsort(-fused).tolist() == [1, 2, 0]


@pytest.mark.parametrize("method", ["convex", "rrf"])
def test_no_candidates(method: str) -> None:
    assert fuse(both(f(), f()), Fusion(method), 10).shape == (0,)


def test_routes_over_vectors_share_alpha() -> None:
    routes = both(f(0.6, 0.2), f(0, 10)) | {"pictures": f(-1, 1)}
    fused = fuse(routes, Fusion("convex", alpha=0.5), 100)
    np.testing.assert_allclose(fused, [0.25, 0.25 * 0.75 + 0.25 + 0.5], rtol=1e-6)


@pytest.mark.parametrize("method", ["convex", "rrf"])
def test_a_route_that_can_t_score_a_candidate_adds_nothing(method: str) -> None:
    routes = {VECTOR: f(0.9, 0.8), "pictures": f(np.nan, 0.5)}
    assert np.isfinite(fuse(routes, Fusion(method), 100)).all()
    assert fuse({"pictures": f(np.nan, 0.5)}, Fusion(method), 100)[0] == 0


def test_the_floor_lies_below_all_but_a_wide_spread_of_cosines() -> None:
    spread = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    assert cosine_floor(0.1 + 0.12 * spread) == LOWEST_COSINE
    assert cosine_floor(0.8 + 0.03 * spread) == pytest.approx(0.8 - 12 * 0.03, abs=0.02)
    assert cosine_floor(0.8 + 0.03 * spread[:100]) == LOWEST_COSINE  # too few to tell


def test_a_floor_lets_a_narrow_range_of_cosines_decide() -> None:
    scores = both(f(0.90, 0.78), f(9, 10))
    best = [int(np.argmax(fuse(scores, Fusion(alpha=0.5), 100, floor))) for floor in (LOWEST_COSINE, 0.5)]
    assert best == [1, 0]
    assert fuse(both(f(0.9, 0.3), f(1, 0)), Fusion(), 100, 0.5).tolist() == [1, 0]
