"""The functions of `simd` in plain numpy. They define the correct results, and tests compare the two."""

import numpy as np
from numpy.typing import NDArray


def dot_integers(a: NDArray[np.integer], b: NDArray[np.integer]) -> int:
    """Return the dot product of two arrays (d,) of small integers, as `simd.dot_u8i8` and `simd.dot_i16` do."""
    return int(a.astype(np.int64) @ b.astype(np.int64))


def dot_f32(a: NDArray[np.float32], b: NDArray[np.float32] | NDArray[np.int16]) -> float:
    """Return the dot product of two arrays (d,), which `simd.dot_f32` approximates in float32."""
    return float(a.astype(np.float64) @ b.astype(np.float64))


def dot_sketch(codes: NDArray[np.uint8], weights: NDArray[np.int8]) -> int:
    """Return the dot product of a sketch's two-bit digits with weights, as `simd.dot_sketch` does.

    `codes` (b,) has four digits in each byte; `weights` (4 * b,) has the weights of all first digits, then of all
    second ones, and so on.
    """
    digits = np.concatenate([codes >> shift & 3 for shift in (0, 2, 4, 6)])
    return int(digits.astype(np.int64) @ weights.astype(np.int64))


def insert_sorted(pool: NDArray[np.int64], key: int) -> NDArray[np.int64]:
    """Return the sorted pool (p,) with `key` inserted and the highest key dropped."""
    return np.sort(np.append(pool, key))[: len(pool)]


def first_even(pool: NDArray[np.int64]) -> int:
    """Return the index of the first even number in the pool (p,), or p if there is none."""
    return int(np.argmax(np.append(pool % 2 == 0, True)))
