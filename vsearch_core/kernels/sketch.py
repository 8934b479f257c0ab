"""Encoding of sketches, and of queries against them; `ann.sketch` says what a sketch is. For numba only."""

from typing import Any

import numpy as np
from numba import njit

from vsearch_core.kernels.simd import dot_i16, dot_sketch

SCALE_ONE = 255  # a row's scale is this and its last byte, so between 1 and 2 in units of the segment's least


@njit(nogil=True, cache=True)
def encode_sketches(
    vectors: Any, rows: Any, basis: Any, digits: Any, steps: Any, centre: Any, least: float, codes: Any, scales: Any,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Write codes[start:stop], zeros so far, and the rows' scales before rounding.

    A component's code is a number of `digits[i]` base-4 digits. A row's scale, |x|²/<x, decoded x>, makes the estimate
    of a dot product unbiased (Gao and Long, RaBitQ, SIGMOD 2024).
    """
    dimension, width = vectors.shape[1], codes.shape[1]
    shift = np.array([dot_i16(centre, 0, basis, i * dimension, dimension) for i in range(len(basis))])
    middle = np.int64(dot_i16(centre, 0, centre, 0, dimension))
    for node in range(start, stop):
        at = np.int64(rows[node]) * dimension
        square = np.int64(dot_i16(vectors, at, vectors, at, dimension))
        square += middle - 2 * np.int64(dot_i16(vectors, at, centre, 0, dimension))
        position, shared = 0, 0.0
        for i in range(len(basis)):
            component = float(np.int64(dot_i16(vectors, at, basis, i * dimension, dimension)) - shift[i])
            top = (1 << (2 * np.int64(digits[i]))) - 1
            code = min(max(int(np.floor(component / steps[i] + 0.5 * (top + 1))), 0), top)
            shared += component * steps[i] * (code - 0.5 * top)
            for digit in range(digits[i]):
                plane, byte = position // (width - 1), position % (width - 1)
                codes[node, byte] |= np.uint8(((code >> (2 * digit)) & 3) << (2 * plane))
                position += 1
        scales[node] = square * 32767.0**2 / shared if shared > 0.0 else least
        part = min(max(scales[node] / least - 1.0, 0.0), 1.0)
        codes[node, width - 1] = np.uint8(np.rint(part * 255.0))


@njit(nogil=True, cache=True)
def query_weights(query: Any, start: int, basis: Any, digits: Any, steps: Any, width: int, out: Any, buffer: Any) -> Any:
    """Write the int8 weights (4 * width) of the fixed-point query at query[start:]; returns what each dot is too high.

    A digit's weight is its component times the step times the digit's value, scaled so that the largest is 127.
    `buffer` is float32 (len(basis),). Weights without a digit keep the zero they had.
    """
    dimension = basis.shape[1]
    largest = np.float32(0.0)
    for i in range(len(basis)):
        buffer[i] = np.float32(dot_i16(query, start, basis, i * dimension, dimension)) * steps[i]
        largest = max(largest, abs(buffer[i]) * np.float32(1 << (2 * np.int64(digits[i]) - 2)))
    factor = np.float32(127.0) / largest if largest > 0.0 else np.float32(0.0)
    plane, byte, total = 0, 0, 0
    for i in range(len(basis)):
        weight = buffer[i] * factor
        for _ in range(digits[i]):
            whole = np.int64(np.rint(weight))
            out[plane * width + byte] = whole
            total += whole
            weight *= np.float32(4.0)
            byte += 1
            if byte == width - 1:
                plane, byte = plane + 1, 0
    return (3 * total + 1) >> 1


@njit(nogil=True, cache=True, inline="always")
def sketch_score(codes: Any, row: int, width: int, weights: Any, excess: int) -> Any:
    """The estimate of a row's dot product with the query, in units of the query's own; below 2**31."""
    at = np.int64(row) * width
    dot = np.int64(dot_sketch(codes, at, weights, 0, width)) - excess
    return dot * (SCALE_ONE + np.int64(codes[row, width - 1]))
