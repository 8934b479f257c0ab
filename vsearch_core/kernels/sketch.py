"""Encode sketches, and queries to compare with them; `ann.sketch` says what a sketch is."""

from typing import Any

import numpy as np

from vsearch_core.kernels.constants import SQ8_ZERO
from vsearch_core.kernels.jit import kernel
from vsearch_core.kernels.simd import dot_i16, dot_sketch, dot_u8i8
from vsearch_core.kernels.tuples import CodecArrays

SCALE_ONE = 255  # a row's scale is this plus its last byte: 1 to 2 times the segment's least scale


@kernel
def encode_sketches(
    vectors: Any, rows: Any, basis: Any, norms: Any, digits: Any, steps: Any, centre: Any, least: float, codes: Any,
    scales: Any, start: int, stop: int,
) -> None:  # fmt: skip
    """Write the sketches of vectors[rows[start:stop]] to codes[start:stop], zeros before, and their unrounded scales.

    `basis` is int16 (m, d), its rows of length `norms`; `steps` are the digits' steps in the vectors' unit; `least` is
    the least scale. A row's scale, |x|²/<x, decoded x>, makes the estimate of a dot product unbiased (Gao and Long,
    RaBitQ, SIGMOD 2024).
    """
    dimension, width = vectors.shape[1], codes.shape[1]
    shift = np.array([np.int64(dot_i16(centre, 0, basis, i * dimension, dimension)) for i in range(len(basis))])
    middle = np.int64(dot_i16(centre, 0, centre, 0, dimension))
    for node in range(start, stop):
        at = np.int64(rows[node]) * dimension
        square = np.int64(dot_i16(vectors, at, vectors, at, dimension))
        square += middle - 2 * np.int64(dot_i16(vectors, at, centre, 0, dimension))
        position, shared = 0, 0.0
        for i in range(len(basis)):
            dot = np.int64(dot_i16(vectors, at, basis, i * dimension, dimension)) - shift[i]
            component = dot / norms[i]
            top = (1 << (2 * np.int64(digits[i]))) - 1
            code: Any = min(max(int(np.floor(component / steps[i] + 0.5 * (top + 1))), 0), top)
            shared += component * steps[i] * (code - 0.5 * top)
            for digit in range(digits[i]):
                plane, byte = position // (width - 1), position % (width - 1)
                codes[node, byte] |= np.uint8(((code >> (2 * digit)) & 3) << (2 * plane))
                position += 1
        scales[node] = square / shared if shared > 0.0 else least
        excess = min(max(scales[node] / least - 1.0, 0.0), 1.0)
        codes[node, width - 1] = np.uint8(np.rint(excess * 255.0))


@kernel
def query_weights(
    query: Any, codec: CodecArrays, width: int, out: Any, offset: int, query_codes: Any, components: Any
) -> Any:
    """Write the int8 weights of a fixed-point query (d,) to out[offset : offset + 4 * width].

    The weight of a digit is its component times the codec's gain times the digit's value, scaled so that the largest is
    127. `query_codes` (d padded,) int8 zeros and `components` (m,) float32 are scratch memory.

    Returns (excess, unit): how much each row's dot product with the weights is too high, and what a score of 1 is worth
    as a cosine.
    """
    basis, digits = codec.basis, codec.digits
    dimension, stride = len(query), basis.shape[1]
    highest = np.int64(1)
    for i in range(dimension):
        highest = max(highest, abs(np.int64(query[i])))
    ratio = np.float32(127.0) / np.float32(highest)
    total = np.int64(0)
    for i in range(dimension):
        value = np.int64(np.rint(np.float32(query[i]) * ratio))
        query_codes[i] = value
        total += value
    largest = np.float32(0.0)
    for i in range(len(basis)):
        dot = np.int64(dot_u8i8(basis, i * stride, query_codes, 0, stride)) - SQ8_ZERO * total
        components[i] = np.float32(dot) * codec.gains[i]
        largest = max(largest, abs(components[i]) * np.float32(1 << (2 * np.int64(digits[i]) - 2)))
    factor = np.float32(127.0) / largest if largest > 0.0 else np.float32(0.0)
    at, byte, total = offset, 0, np.int64(0)
    for i in range(len(basis)):
        weight = components[i] * factor
        for _ in range(digits[i]):
            whole = np.int64(np.rint(weight))
            out[at] = whole
            total += whole
            weight *= np.float32(4.0)
            at, byte = at + 1, byte + 1
            if byte == width - 1:
                at, byte = at + 1, 0
    unit = codec.least_scale / (np.float32(SCALE_ONE) * factor * ratio) if largest > 0.0 else np.float32(0.0)
    return (3 * total + 1) >> 1, unit


@kernel(inline="always")
def sketch_score(codes: Any, row: int, width: int, weights: Any, offset: int, excess: int) -> Any:
    """Return the estimate of a row's dot product with the query, in the query's unit, below 2**31."""
    at = np.int64(row) * width
    dot = np.int64(dot_sketch(codes, at, weights, offset, width)) - excess
    return dot * (SCALE_ONE + np.int64(codes[row, width - 1]))


@kernel
def estimate(queries: Any, codes: Any, codec: CodecArrays, out: Any) -> None:
    """Write to `out` (q, r) the estimated dot products of queries (q, d) in fixed point with sketches (r, width).

    These are dot products with the centred rows.
    """
    width = codes.shape[1]
    weights = np.zeros(4 * width, np.int8)
    query_codes, components = np.zeros(codec.basis.shape[1], np.int8), np.empty(len(codec.basis), np.float32)
    for i in range(len(queries)):
        excess, unit = query_weights(queries[i], codec, width, weights, 0, query_codes, components)
        for j in range(len(codes)):
            out[i, j] = sketch_score(codes, j, width, weights, 0, excess) * unit
