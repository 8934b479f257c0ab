"""Exact search, which compares a query with every vector, and conversion between float32 and fixed-point vectors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.kernels.constants import FIXED_ONE

BLOCK_BYTES = 4 << 20  # of vectors converted at a time, which stay in the processor's cache
_SMALL_BLOCK_BYTES = 512 << 10  # the same for a single query, in a core's own cache: a scan takes half the time

Vectors = NDArray[np.float16] | NDArray[np.float32] | NDArray[np.int16]


def to_fixed(vectors: NDArray[np.float32]) -> NDArray[np.int16]:
    """Convert unit vectors (n, d) to fixed point: int16, in units of 1 / FIXED_ONE.

    This takes half the memory of float32, and changes dot products by about 1e-5. float16 is as small and as exact, but
    numpy may convert it back in software, which takes ten times as long.
    """
    fixed = np.empty(vectors.shape, np.int16)
    step = max(1, BLOCK_BYTES // (4 * max(1, vectors.shape[-1])))
    for start in range(0, len(vectors), step):
        block = np.maximum(vectors[start : start + step], np.float32(-1))  # `np.clip` takes a microsecond more
        np.minimum(block, np.float32(1), out=block)
        block *= np.float32(FIXED_ONE)
        np.rint(block, out=fixed[start : start + step], casting="unsafe")
    return fixed


def from_fixed(vectors: NDArray[np.int16]) -> NDArray[np.float32]:
    """Convert fixed-point vectors of any shape to float32."""
    floats: NDArray[np.float32] = np.divide(vectors, np.float32(FIXED_ONE), dtype=np.float32)
    return floats


def with_zeros(present: NDArray[np.bool_], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n, d): the vectors (m, d), in order, where `present` (n,) is True, and zeros elsewhere."""
    if present.all():
        return vectors
    whole = np.zeros((len(present), vectors.shape[1]), np.float32)
    whole[present] = vectors
    return whole


def scan(vectors: Vectors, queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the dot products of every query with every vector: (n,) for one query, (q, n) for q queries, float32.

    `vectors` (n, d) is float32, float16 or int16 in fixed point, and may be a read-only memory map. `queries` (d,) or
    (q, d) is float32. Takes at most BLOCK_BYTES of memory in addition to the result. The number of threads is that of
    numpy's BLAS.
    """
    if vectors.dtype == np.float32:
        return queries @ vectors.T
    one = np.float32(FIXED_ONE if vectors.dtype == np.int16 else 1)
    result = np.empty((*queries.shape[:-1], len(vectors)), np.float32)
    block_bytes = BLOCK_BYTES if queries.ndim > 1 else _SMALL_BLOCK_BYTES
    step = max(1, block_bytes // (4 * max(1, vectors.shape[1])))
    plain: NDArray[Any] = np.asarray(vectors)  # slices of a memory map cost more
    buffer = np.empty((min(step, len(vectors)), vectors.shape[1]), np.float32)  # reused: new memory costs page faults
    for start in range(0, len(vectors), step):
        block = buffer[: len(vectors) - start]
        block[:] = plain[start : start + step]
        result[..., start : start + step] = (queries / one) @ block.T
    return result


def scores_of_rows(vectors: NDArray[np.int16], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the dot products of a query (d,) with few fixed-point vectors (n, d), float32 (n,).

    Unlike those of `scan`, the last bits of a product don't depend on the other vectors, as BLAS is not used.
    """
    products: NDArray[np.float32] = np.einsum("nd,d->n", vectors.astype(np.float32), query / np.float32(FIXED_ONE))
    return products


def non_unit_rows(vectors: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the rows of fixed-point vectors (n, d) that are not of length 1, apart from rounding."""
    tolerance = 1e-3 + np.sqrt(vectors.shape[1]) / FIXED_ONE
    step = max(1, BLOCK_BYTES // (8 * max(1, vectors.shape[1])))
    blocks = (vectors[start : start + step].astype(np.float64) for start in range(0, len(vectors), step))
    lengths = [np.sqrt(np.einsum("nd,nd->n", block, block)) / FIXED_ONE for block in blocks]
    return np.flatnonzero(np.abs(np.concatenate([np.empty(0), *lengths]) - 1) > tolerance)


def top_k(scores: NDArray[np.float32], allowed: NDArray[np.bool_] | None, k: int) -> NDArray[np.int64]:
    """Return the rows of the k highest `scores` (n,), best first. Equal scores are ordered by row.

    `allowed` (n,) bool restricts the rows; None allows all. Returns fewer rows if fewer are allowed. Takes
    O(n + k log k) time.
    """
    rows = np.arange(len(scores)) if allowed is None else np.flatnonzero(allowed)
    values = scores if allowed is None else scores[rows]
    k = min(k, len(rows))
    if k <= 0:
        return rows[:0]
    worst = np.partition(values, len(values) - k)[len(values) - k]
    better = np.flatnonzero(values > worst)
    ties = np.flatnonzero(values == worst)[: k - len(better)]
    chosen = np.concatenate([better, ties])
    best: NDArray[np.int64] = rows[chosen[np.lexsort((chosen, -values[chosen]))]]
    return best
