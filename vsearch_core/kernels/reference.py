"""The functions of `simd` in plain numpy, which define what they compute; tests hold the two equal."""

import numpy as np
from numpy.typing import NDArray


def dot_integers(a: NDArray[np.integer], b: NDArray[np.integer]) -> int:
    """Return what `dot_u8i8` and `dot_i16` compute, for arrays (d,) of small integers."""
    return int(a.astype(np.int64) @ b.astype(np.int64))


def dot_f32(a: NDArray[np.float32], b: NDArray[np.float32] | NDArray[np.int16]) -> float:
    """Return what `dot_f32` approximates, for arrays (d,)."""
    return float(a.astype(np.float64) @ b.astype(np.float64))


def dot_sketch(codes: NDArray[np.uint8], weights: NDArray[np.int8]) -> int:
    """Return what `dot_sketch` computes, for codes (b,) and weights (4 * b,)."""
    digits = np.concatenate([codes >> shift & 3 for shift in (0, 2, 4, 6)])
    return int(digits.astype(np.int64) @ weights.astype(np.int64))


def insert_sorted(pool: NDArray[np.int64], key: int) -> NDArray[np.int64]:
    """Return the sorted pool (p,) with the key inserted and the last key dropped."""
    return np.sort(np.append(pool, key))[: len(pool)]


def first_even(pool: NDArray[np.int64]) -> int:
    """Return the first place of an even number in the pool (p,), or p if there is none."""
    return int(np.argmax(np.append(pool % 2 == 0, True)))
