"""The kernels of product quantisation compared with numpy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from vsearch_core.kernels import simd
from vsearch_core.kernels.constants import FIXED_ONE
from vsearch_core.kernels.pq import align, fill_tables, make_tables, place_in_block, quantise
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


@pytest.mark.parametrize("count", [16, 256])
def test_aligned_codes_have_less_error_along_the_vector(count: int) -> None:
    random = np.random.default_rng(count)
    wholes = random.standard_normal((200, 24))
    wholes *= FIXED_ONE / np.linalg.norm(wholes, axis=1, keepdims=True)
    components = (0.5 * wholes + random.normal(0, 1500, wholes.shape)).astype(np.float32)
    books = components[random.integers(0, 200, count)].reshape(count, 8, 3).transpose(1, 2, 0).copy()
    books += random.normal(0, 500, books.shape).astype(np.float32)
    halves = (np.square(books).sum(axis=1) / 2).astype(np.float32)
    codes = np.empty((200, 8), np.uint8)
    quantise(components, books, halves, 0, 200, codes)

    def losses(codes: Any) -> tuple[Any, Any]:
        decoded = np.concatenate([books[part][:, codes[:, part]] for part in range(8)]).T
        errors = (components[:100] - decoded).astype(np.float64)
        return np.square(errors).sum(axis=1), np.square((errors * wholes[:100]).sum(axis=1) / FIXED_ONE)

    aligned = codes.copy()
    align(components, wholes.astype(np.float32), books, 0, 100, aligned)
    assert (aligned[100:] == codes[100:]).all()
    (all_before, along_before), (all_after, along_after) = losses(codes[:100]), losses(aligned[:100])
    assert (all_after + along_after <= (all_before + along_before) * 1.0001).all()
    assert along_after.sum() < 0.6 * along_before.sum()
    assert (all_after >= all_before * 0.9999).all()  # the nearest centroids have the least error
    for part in range(8):  # rows that no single change improves
        for row in range(100):
            others = np.repeat(aligned[row : row + 1], count, axis=0)
            others[:, part] = np.arange(count)
            loss = loss_of(components[row], wholes[row], books, others)
            assert loss[aligned[row, part]] <= 1.02 * loss.min()


def loss_of(components: Any, whole: Any, books: Any, codes: Any) -> Any:
    """Return the weighted squared error of one row with each of the codes (t, m)."""
    decoded = np.concatenate([books[part][:, codes[:, part]] for part in range(len(books))]).T
    errors = (components - decoded).astype(np.float64)
    return np.square(errors).sum(axis=1) + np.square(errors @ whole / FIXED_ONE)
