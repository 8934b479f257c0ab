"""Vectors for tests of approximate search, and the comparison of its answers with exact ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann import flat
from vsearch_core.ann.searcher import NearestRows, ScanLimits

Data = tuple[NDArray[np.int16], NDArray[np.float32]]


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    normalized: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return normalized


def clustered(rows: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors in overlapping clusters of an intrinsic dimension of 16: like text, and unlike Gaussian noise."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((16, dimension))
    centres = np.random.default_rng(98).standard_normal((40, 16))
    inner = centres[random.integers(0, 40, rows)] + 0.7 * random.standard_normal((rows, 16))
    return unit(inner @ mixing + 0.5 * random.standard_normal((rows, dimension)))


def oracle(
    vectors: NDArray[np.int16], queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
) -> list[NDArray[np.int64]]:
    return [flat.top_k(scores, allowed, k) for scores in np.atleast_2d(flat.scan(vectors, queries))]


SMALL = ScanLimits(filtered_rows=500)  # by default, filters on test sets this small would be scanned
NEVER_SCAN = ScanLimits(0, 0)


def searching(searcher: Any) -> Callable[..., NearestRows]:
    """Return a function that searches what a class of searchers searches: (built, vectors, queries, ...)."""

    def search(
        built: Any,
        vectors: NDArray[np.int16],
        queries: NDArray[np.float32],
        *rest: int,
        limits: ScanLimits = SMALL,
        **options: Any,
    ) -> NearestRows:
        found: NearestRows = searcher(built, vectors, limits).search(queries, *rest, **options)
        return found

    return search


def allowed_rows(vectors: NDArray[np.int16], query: NDArray[np.float32], share: float, where: str) -> NDArray[np.bool_]:
    """Return a mask of a share of the rows: "random" ones, or those "near" the query or "far" from it."""
    cosines = flat.scan(vectors, query)
    drawn = np.random.default_rng(3).random(len(vectors), np.float32)
    by = {"random": drawn, "near": -cosines, "far": cosines}[where]
    allowed = np.zeros(len(vectors), np.bool_)
    allowed[np.argsort(by)[: round(share * len(vectors))]] = True
    return allowed


def recall(found: NearestRows, expected: list[NDArray[np.int64]]) -> float:
    shared = [len(np.intersect1d(rows, wanted)) for rows, wanted in zip(found.rows, expected, strict=True)]
    return sum(shared) / max(1, sum(len(wanted) for wanted in expected))


def check_valid(
    found: NearestRows,
    vectors: NDArray[np.int16],
    queries: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
) -> None:
    """Assert that results are sorted, scored correctly, distinct, allowed, and as many as possible."""
    exact = np.atleast_2d(flat.scan(vectors, queries))
    possible = len(vectors) if allowed is None else int(allowed.sum())
    for all_rows, all_scores, count, right in zip(found.rows, found.scores, found.counts, exact, strict=True):
        assert count == min(k, possible)
        assert (all_rows[count:] == -1).all() and np.isneginf(all_scores[count:]).all()
        rows, scores = all_rows[:count], all_scores[:count]
        assert len(np.unique(rows)) == count
        assert allowed is None or allowed[rows].all()
        np.testing.assert_allclose(scores, right[rows], atol=2e-6)
        pairs = list(zip(-scores, rows, strict=True))
        assert pairs == sorted(pairs)
