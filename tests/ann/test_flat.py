from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import SHARED

from vsearch_core.ann import flat


def unit(rows: int, dimension: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(rows).standard_normal((rows, dimension)).astype(np.float32)
    lengths: NDArray[np.float32] = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return vectors / lengths


def stored(vectors: NDArray[np.float32], dtype: str) -> flat.Vectors:
    return flat.to_fixed(vectors) if dtype == "int16" else vectors.astype(dtype)


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-6), ("float16", 1e-3), ("int16", 1e-4)])
@pytest.mark.parametrize("rows", [0, 1, 7, 100])
def test_scan(dtype: str, error: float, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = unit(rows, 24), unit(3, 24)
    for name in ("BLOCK_BYTES", "_SMALL_BLOCK_BYTES"):
        monkeypatch.setattr(flat, name, 7 * 4 * 24)  # 7 rows: several blocks, the last one short
    found = flat.scan(stored(vectors, dtype), queries)
    assert found.dtype == np.float32
    expected = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    np.testing.assert_allclose(found, expected, atol=error)
    one = flat.scan(stored(vectors, dtype), queries[0])
    assert one.shape == (rows,)
    np.testing.assert_allclose(one, found[0], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16"])
def test_scan_of_a_read_only_map(tmp_path: Path, dtype: str) -> None:
    vectors = stored(unit(50, 8), dtype)
    np.save(tmp_path / "vectors", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    np.testing.assert_array_equal(flat.scan(mapped, unit(1, 8)[0]), flat.scan(vectors, unit(1, 8)[0]))


def test_from_fixed_inverts_to_fixed() -> None:
    vectors = unit(20, 8)
    floats = flat.from_fixed(flat.to_fixed(vectors))
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats, vectors, atol=0.5 / 32767)


def test_fixed_point_covers_the_whole_range() -> None:
    assert flat.to_fixed(np.array([[-1.0000001, 0, 1.0000001]], np.float32)).tolist() == [[-32767, 0, 32767]]


SCORES = st.lists(st.one_of(st.sampled_from([0.0, -0.0, 0.5, 1.0]), st.floats(width=32, allow_nan=False)), max_size=40)


@given(SCORES, st.integers(-1, 50), st.data())
def test_top_k_is_a_stable_sort(values: list[float], k: int, data: st.DataObject) -> None:
    allowed = data.draw(st.none() | st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    rows = [row for row in range(len(values)) if allowed is None or allowed[row]]
    expected = sorted(rows, key=lambda row: (-values[row], row))[: max(k, 0)]
    mask = None if allowed is None else np.array(allowed, bool)
    assert flat.top_k(np.array(values, np.float32), mask, k).tolist() == expected


@pytest.mark.shared
def test_fixed_point_finds_the_same_neighbours() -> None:
    path = SHARED / "vectors" / "minilm-121k-384-int8.npy"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    vectors = np.load(path, mmap_mode="r")[:20_100].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    exact = flat.scan(vectors[:20_000], vectors[20_000:])
    fixed = flat.scan(flat.to_fixed(vectors[:20_000]), vectors[20_000:])
    assert np.abs(fixed - exact).max() < 3e-4
    same = [set(flat.top_k(a, None, 10)) == set(flat.top_k(b, None, 10)) for a, b in zip(exact, fixed, strict=True)]
    assert np.mean(same) >= 0.99


def test_vectors_whose_length_is_not_one_are_reported() -> None:
    vectors = np.random.default_rng(1).standard_normal((3000, 384)).astype(np.float32)
    fixed = flat.to_fixed(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    assert not len(flat.non_unit_rows(fixed))
    fixed[7] = 0
    fixed[2999, 5] ^= 1 << 14
    assert flat.non_unit_rows(fixed).tolist() == [7, 2999]
    assert flat.non_unit_rows(fixed[:0]).tolist() == []
