"""Encode vectors as sketches, and estimate dot products of queries with sketches. `ann.sketch` describes sketches."""

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
    """Write the sketches of vectors[rows[start:stop]] to codes[start:stop], which must be zeros.

    `basis` (m, d) int16 has the directions of the m components, of lengths `norms` (m,). `digits` (m,) and `steps` (m,)
    are the number of digits and the step of each component, in the unit of the vectors. `centre` (d,) int16 is the mean
    vector. The scale of a row, |x|²/<x, decoded x>, makes estimated dot products unbiased (Gao and Long, RaBitQ, SIGMOD
    2024). Scales are written to `scales` before they are rounded; `least` is the least scale that can be stored.
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
    """Write the int8 weights of a query, (d,) in fixed point, to out[offset : offset + 4 * width].

    There is one weight for each digit of a sketch: the query's component, times the codec's gain, times the value of
    the digit's place. Weights are scaled so that the largest is 127. `query_codes` (d padded,) int8 must be zeros and
    is scratch memory, like `components` (m,) float32.

    Returns (excess, unit): the constant by which the dot product of a sketch with the weights is too high, and the
    cosine that a score of 1 stands for.
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
    """Return the score of a row's sketch: its estimated dot product with the query, in the unit of `query_weights`.

    `codes` (n, width) are the sketches. The query's weights start at weights[offset]. The score is below 2**31.
    """
    at = np.int64(row) * width
    dot = np.int64(dot_sketch(codes, at, weights, offset, width)) - excess
    return dot * (SCALE_ONE + np.int64(codes[row, width - 1]))


@kernel
def estimate(queries: Any, codes: Any, codec: CodecArrays, out: Any) -> None:
    """Write to `out` (q, r) the estimated dot products of queries, (q, d) in fixed point, with sketches, (r, width).

    They are dot products with the rows after the mean vector was subtracted.
    """
    width = codes.shape[1]
    weights = np.zeros(4 * width, np.int8)
    query_codes, components = np.zeros(codec.basis.shape[1], np.int8), np.empty(len(codec.basis), np.float32)
    for i in range(len(queries)):
        excess, unit = query_weights(queries[i], codec, width, weights, 0, query_codes, components)
        for j in range(len(codes)):
            out[i, j] = sketch_score(codes, j, width, weights, 0, excess) * unit
