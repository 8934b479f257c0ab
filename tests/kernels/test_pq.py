"""The kernels of product quantisation compared with numpy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from vsearch_core.kernels import simd
from vsearch_core.kernels.pq import fill_tables, make_tables, place_in_block, quantise
from vsearch_core.kernels.tuples import PqArrays

Function = Callable[..., Any]
compiled: Callable[[Function], Function] = njit


@pytest.mark.parametrize("variant", simd.TABLE_VARIANTS)
@pytest.mark.parametrize("parts", [1, 8, 64, 256])
def test_sums_of_table_elements(variant: str, parts: int) -> None:
    intrinsic: Any = simd.make_sum_tables(variant)

    @compiled
    def call(codes: Any, at: int, tables: Any, parts: int, sums: Any, least: int) -> Any:
        return intrinsic(codes, at, tables, parts, sums, np.uint16(least))

    random = np.random.default_rng(parts)
    codes = random.integers(0, 256, (2, parts, 64), np.uint8)
    tables = random.integers(0, 256, (parts, 256), np.uint8)
    tables[:, 255] = 255
    codes[1, :, 9] = 255  # the largest sum
    by_place = tables[np.arange(parts)[:, None], codes[1]].sum(axis=0, dtype=np.int64)
    expected = by_place[[place_in_block(row) for row in range(64)]]
    sums = np.empty(64, np.uint16)
    for least in (0, int(np.median(expected)), 255 * parts, 65_535):
        mask = call(codes.reshape(-1), parts * 64, tables.reshape(-1), parts, sums, least)
        assert sums.tolist() == expected.tolist()
        assert [mask >> row & 1 for row in range(64)] == (expected >= least).astype(int).tolist()


@pytest.mark.parametrize("variant", simd.SMALL_TABLE_VARIANTS)
@pytest.mark.parametrize("size", [1, 2, 8, 63, 256])
def test_sums_of_elements_of_small_tables(variant: str, size: int) -> None:
    intrinsic: Any = simd.make_sum_small_tables(variant)

    @compiled
    def call(codes: Any, at: int, tables: Any, size: int, sums: Any, least: int) -> Any:
        return intrinsic(codes, at, tables, size, sums, np.uint16(least))

    random = np.random.default_rng(size)
    codes = random.integers(0, 256, (2, size, 64), np.uint8)
    tables = random.integers(0, simd.LARGEST_SMALL_ELEMENT + 1, (2 * size, 16)).astype(np.uint8)
    tables[:, 15] = simd.LARGEST_SMALL_ELEMENT
    codes[1, :, 9] = 255  # the largest sum
    numbers = np.arange(size)[:, None]
    by_place = tables[2 * numbers, codes[1] & 15].astype(np.int64) + tables[2 * numbers + 1, codes[1] >> 4]
    expected = by_place.sum(axis=0)[[place_in_block(row) for row in range(64)]]
    sums = np.empty(64, np.uint16)
    for least in (0, int(np.median(expected)), 2 * simd.LARGEST_SMALL_ELEMENT * size, 65_535):
        mask = call(codes.reshape(-1), size * 64, tables.reshape(-1), size, sums, least)
        assert sums.tolist() == expected.tolist()
        assert [mask >> row & 1 for row in range(64)] == (expected >= least).astype(int).tolist()


def test_lowest_bit() -> None:
    @compiled
    def call(mask: int) -> Any:
        return simd.lowest_bit(np.uint64(mask))

    assert [call(np.uint64(mask)) for mask in (1, 12, 1 << 63, 0)] == [0, 2, 63, 64]


@pytest.mark.parametrize("size", [1, 2, 6, 17])
@pytest.mark.parametrize(("count", "first", "second"), [(256, 30, 200), (16, 3, 14)])
def test_the_nearest_centroid_is_found(size: int, count: int, first: int, second: int) -> None:
    random = np.random.default_rng(size)
    books = random.integers(-3000, 3000, (5, size, count)).astype(np.float32)
    books[:, :, second] = books[:, :, first]  # of equal ones, the first counts
    components = random.integers(-3000, 3000, (40, 5 * size)).astype(np.float32)
    components[0] = books[:, :, second].reshape(-1)
    codes = np.empty((40, 5), np.uint8)
    quantise(components, books, (np.square(books).sum(axis=1) / 2).astype(np.float32), 0, 40, codes)
    assert codes[0].tolist() == [first] * 5
    distances = np.square(components.reshape(40, 5, size, 1).astype(np.float64) - books).sum(axis=2)
    chosen = np.take_along_axis(distances, codes[:, :, None].astype(np.int64), 2)[:, :, 0]
    np.testing.assert_allclose(chosen, distances.min(axis=2), rtol=1e-5, atol=8)


@pytest.mark.parametrize(("count", "largest"), [(256, 255), (16, simd.LARGEST_SMALL_ELEMENT)])
def test_tables_hold_the_dot_products_with_centroids(count: int, largest: int) -> None:
    random = np.random.default_rng(0)
    rotation = np.rint(np.linalg.qr(random.standard_normal((12, 12)))[0] * 32_767).astype(np.int16)
    books = random.integers(-9000, 9000, (4, 3, count)).astype(np.float32)
    query = random.standard_normal((1, 12)).astype(np.float32)
    nothing = np.zeros(0, np.int16)
    arrays = PqArrays(nothing, nothing, nothing, rotation, books, np.float32(0))
    components, exact, tables = make_tables(arrays)
    step, least = fill_tables(query, arrays, components, exact, tables)
    rotated = (rotation.astype(np.float64) @ query[0] / 32_767).reshape(4, 3)
    products = np.einsum("ps,psc->pc", rotated, books.astype(np.float64)) / 32_767
    assert tables.max() == largest
    assert least == pytest.approx(products.min(axis=1).sum(), rel=1e-4)
    restored = tables.reshape(4, count) * step + products.min(axis=1)[:, None]
    np.testing.assert_allclose(restored, products, atol=0.51 * step + 1e-5)
