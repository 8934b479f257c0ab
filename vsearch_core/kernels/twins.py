"""The kernels of `simd` in plain numpy: what they mean, and what tests hold them equal to."""

import numpy as np
from numpy.typing import NDArray


def dot_integers(a: NDArray[np.integer], b: NDArray[np.integer]) -> int:
    """Twin of `dot_u8i8` and `dot_i16`: arrays (d,) of small integers."""
    return int(a.astype(np.int64) @ b.astype(np.int64))


def dot_f32(a: NDArray[np.float32], b: NDArray[np.float32] | NDArray[np.int16]) -> float:
    """Twin of `dot_f32`: arrays (d,)."""
    return float(a.astype(np.float64) @ b.astype(np.float64))


def dot_sketch(codes: NDArray[np.uint8], weights: NDArray[np.int8]) -> int:
    """Twin of `dot_sketch`: codes (b,), weights (4 * b,)."""
    digits = np.concatenate([codes >> shift & 3 for shift in (0, 2, 4, 6)])
    return int(digits.astype(np.int64) @ weights.astype(np.int64))


def insert_sorted(pool: NDArray[np.int64], key: int) -> NDArray[np.int64]:
    """Twin of `insert_sorted`: the sorted pool with the key in and the last out."""
    return np.sort(np.append(pool, key))[: len(pool)]


def first_even(pool: NDArray[np.int64]) -> int:
    """Twin of `first_even`: the first place of an even number, the pool's length if there is none."""
    return int(np.argmax(np.append(pool % 2 == 0, True)))
