"""Encode vectors as SQ8 codes (see `ann.sq8`), and find rows with equal vectors."""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import SQ8_ZERO
from vsearch_core.kernels.jit import kernel


@kernel
def encode_sq8(vectors: Any, rows: Any, limit: int, codes: Any, norms: Any, start: int, stop: int) -> Any:
    """Write the codes of vectors[rows[start:stop]] to codes[start:stop], and their squared lengths to `norms`.

    `vectors` (n, d) are int16. The values ±`limit` become the codes ±127 around SQ8_ZERO; larger values are clipped,
    and their number is returned. `codes` (r, d padded) must be filled with SQ8_ZERO before.
    """
    factor = np.float32(127.0) / np.float32(limit)
    clipped: Any = 0
    for i in range(start, stop):
        row = vectors[rows[i]]
        total: Any = np.int64(0)
        for j in range(len(row)):
            element: Any = np.int64(row[j])
            clipped += abs(element) > limit
            value = np.int64(np.rint(np.float32(min(max(element, -limit), limit)) * factor))
            total += value * value
            codes[i, j] = value + SQ8_ZERO
        norms[i] = total
    return clipped


@kernel
def hash_rows(vectors: Any, out: Any) -> None:
    """Write a 64-bit hash of each row of vectors (n, d) int16 to `out` (n,): FNV-1a over its elements."""
    for i in range(len(vectors)):
        value = np.uint64(0xCBF29CE484222325)
        for element in vectors[i]:
            value = (value ^ np.uint64(np.uint16(element))) * np.uint64(0x100000001B3)
        out[i] = value


@kernel
def mark_first(vectors: Any, order: Any, hashes: Any, first: Any) -> None:
    """Set first[i] to True if the row order[i] differs from the one before it, order[i - 1], else to False.

    `order` (n,) are the rows of `vectors` sorted by their `hashes`.
    """
    for i in range(len(order)):
        same = i > 0 and hashes[order[i]] == hashes[order[i - 1]]
        if same:
            a, b = vectors[order[i]], vectors[order[i - 1]]
            for j in range(len(a)):
                if a[j] != b[j]:
                    same = False
                    break
        first[i] = not same
