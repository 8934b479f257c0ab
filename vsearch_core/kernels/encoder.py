"""Runs a BERT-like encoder on the tokens of one window, with 8-bit matrix products, also in attention.

Each row of a product's left factor is quantised with a scale of its own, so a token's codes don't depend on other
tokens. With AMX and with VNNI, the results are equal to the last bit: products of integers are exact, and all else is
the same code.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsearch_core.kernels.encoder_steps import (
    BLOCK,
    HAS_TILES,
    add_and_normalise,
    clear_after,
    configure_tiles,
    embed,
    multiply_tiles,
    multiply_vnni,
    place_key,
    quantise,
    quantise_columns,
    quantise_floats,
    quantise_halves,
    release_tiles,
    restore,
    scale_sums,
    softmax,
)
from vsearch_core.kernels.jit import kernel

HALF, WORD = 2, 4  # bytes of a float16; of a float32 or an int32
ROWS = 128  # tokens that pass through a layer's matrices together: their numbers stay in the cache beside the matrices
LOG2_E = 1.4426950408889634


class EncoderWeights(NamedTuple):
    """The weights of an encoder of l layers, h dimensions and i inner dimensions.

    Attributes:
        words: The codes of the tokens' embeddings, int8 (tokens, h).
        word_scales: Their scales, float32 (tokens,).
        positions: The embeddings of the positions, float32 (positions, h).
        norm: Gain and shift of the first layer norm, float32 (2 * h,).
        codes: The matrices of all layers, int8, each in the order that `pack_columns` gives: query, key and value; the
            output of attention; inner; outer.
        excess: 128 times the sums of each column's codes, int32.
        numbers: For each matrix, the factors of its inputs, then its columns' scales and biases; after the second and
            the fourth of a layer, the gain and the shift of a layer norm. float32.
        gelu: The coefficients that `gelu_coefficients` gives.
    """

    words: NDArray[np.int8]
    word_scales: NDArray[np.float32]
    positions: NDArray[np.float32]
    norm: NDArray[np.float32]
    codes: NDArray[np.int8]
    excess: NDArray[np.int32]
    numbers: NDArray[np.float32]
    gelu: NDArray[np.float32]


class EncoderMemory(NamedTuple):
    """The arrays that a thread needs to run an encoder. Nothing in them outlasts a run."""

    mixed: NDArray[np.float16]
    projected: NDArray[np.float16]
    inner: NDArray[np.float16]
    codes: NDArray[np.uint8]
    scales: NDArray[np.float32]
    block: NDArray[np.int32]
    queries: NDArray[np.uint8]
    query_scales: NDArray[np.float32]
    key: NDArray[np.uint8]
    keys: NDArray[np.int8]
    key_scales: NDArray[np.float32]
    key_excess: NDArray[np.int32]
    values: NDArray[np.int8]
    value_scales: NDArray[np.float32]
    sums: NDArray[np.int32]
    logits: NDArray[np.float32]
    shares: NDArray[np.uint8]


def new_memory(tokens: int, hidden: int, inner: int, heads: int) -> EncoderMemory:
    """Return arrays for windows of at most `tokens` tokens."""
    rows, size = -(-tokens // ROWS) * ROWS, hidden // heads
    return EncoderMemory(
        mixed=np.zeros(rows * hidden, np.float16),
        projected=np.zeros(rows * 3 * hidden, np.float16),
        inner=np.zeros(ROWS * inner, np.float16),
        codes=np.zeros(ROWS * max(hidden, inner), np.uint8),
        scales=np.zeros(ROWS, np.float32),
        block=np.zeros(BLOCK * BLOCK, np.int32),
        queries=np.zeros(rows * size, np.uint8),
        query_scales=np.zeros(rows, np.float32),
        key=np.zeros(size, np.uint8),
        keys=np.zeros(rows * size, np.int8),
        key_scales=np.zeros(rows, np.float32),
        key_excess=np.zeros(rows, np.int32),
        values=np.zeros(rows * size, np.int8),
        value_scales=np.zeros(size, np.float32),
        sums=np.zeros(BLOCK * (rows + 16), np.int32),
        logits=np.zeros(rows, np.float32),
        shares=np.zeros(BLOCK * rows, np.uint8),
    )


def addresses(arrays: Any) -> Any:
    """Return a named tuple with the addresses of the arrays of another one, which must outlive it."""
    return type(arrays)(*(array.ctypes.data for array in arrays))


def pack_columns(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return a matrix (depth, columns) as (columns / 16, depth / 4, 16, 4), flat: 16 columns by four rows at a time."""
    depth, columns = codes.shape
    return np.ascontiguousarray(codes.reshape(depth // 4, 4, columns // 16, 16).transpose(2, 0, 3, 1)).reshape(-1)


@kernel
def multiply(tiles: bool, a: int, stride: int, rows: int, b: int, depth: int, c: int, c_stride: int) -> None:
    """Multiply a block of rows by 32 columns with AMX, always 32 rows, or VNNI; see `multiply_vnni`."""
    if HAS_TILES and tiles:
        multiply_tiles(a, stride, b, depth, c, c_stride)
    else:
        multiply_vnni(a, stride, min(BLOCK, rows), b, depth, c, c_stride)


@kernel
def _linear(
    tiles: bool, weights: Any, memory: Any, place: Any, source: int, is_half: bool, rows: int, depth: int,
    columns: int, out: int, activate: int,
) -> Any:  # fmt: skip
    """Apply a linear layer to `rows` rows, at most ROWS. Return the places of the next matrix's weights.

    `place` has the addresses of this matrix in `codes`, `excess` and `numbers`.
    """
    codes, excess, factors = place
    for row in range(rows):
        at = row * depth
        if is_half:
            quantise_halves(source + HALF * at, factors, depth, memory.codes + at, memory.scales + WORD * row)
        else:
            quantise_floats(source + WORD * at, factors, depth, memory.codes + at, memory.scales + WORD * row)
    scales = factors + WORD * depth
    biases = scales + WORD * columns
    for column in range(0, columns, BLOCK):
        at = WORD * column
        for row in range(0, rows, BLOCK):
            left = memory.codes + row * depth
            multiply(tiles, left, depth, rows - row, codes + column * depth, depth, memory.block, BLOCK)
            restore(
                memory.block, memory.scales + WORD * row, min(BLOCK, rows - row), scales + at, biases + at, excess + at,
                out + HALF * (row * columns + column), columns, weights.gelu, activate,
            )  # fmt: skip
    return codes + depth * columns, excess + WORD * columns, biases + WORD * columns


@kernel
def _norm(place: Any, memory: Any, rows: int, hidden: int, epsilon: Any, out: int) -> Any:
    """Add the rows in `memory.projected` to rows of `out`, and normalise them. Return the place after the norm."""
    codes, excess, gain = place
    shift = gain + WORD * hidden
    for row in range(rows):
        at = row * hidden
        add_and_normalise(out + WORD * at, memory.projected + HALF * at, gain, shift, hidden, epsilon)
    return codes, excess, shift + WORD * hidden


@kernel
def _attend(tiles: bool, memory: Any, shapes: int, count: int, padded: int, hidden: int, heads: int) -> None:
    """Write the attention's results for `count` tokens to `memory.mixed`; `memory.projected` has queries, keys, values.

    `padded` is the number of rows of the arrays for keys; those after the last token have no share in any result.
    """
    size, wide = hidden // heads, 3 * hidden
    unit = np.float32(LOG2_E / np.sqrt(size))
    for head in range(heads):
        first = memory.projected + HALF * head * size
        for token in range(count):
            at, number = first + HALF * token * wide, WORD * token
            quantise(at, size, memory.queries + token * size, memory.query_scales + number, memory.block)
            keys = at + HALF * hidden
            quantise(keys, size, memory.key, memory.key_scales + number, memory.key_excess + number)
            place_key(memory.key, size, memory.keys + token // 16 * 16 * size + token % 16 * WORD)
        for column in range(0, size, 16):
            values, scales = first + HALF * (2 * hidden + column), memory.value_scales + WORD * column
            quantise_columns(values, wide, count, memory.values + column * padded, scales)
        for row in range(0, count, BLOCK):
            if HAS_TILES and tiles:
                configure_tiles(shapes)
            for column in range(0, count, BLOCK):
                multiply(
                    tiles, memory.queries + row * size, size, count - row, memory.keys + column * size, size,
                    memory.sums + WORD * column, padded + 16,
                )  # fmt: skip
            if HAS_TILES and tiles:
                configure_tiles(shapes + 64)
            for number in range(min(BLOCK, count - row)):
                softmax(
                    memory.sums + WORD * number * (padded + 16), memory.key_excess, memory.key_scales,
                    memory.query_scales + WORD * (row + number), unit, (count + 15) // 16 * 16, memory.logits,
                    memory.shares + number * padded,
                )  # fmt: skip
            for column in range(0, size, BLOCK):
                values = memory.values + column * padded
                multiply(tiles, memory.shares, padded, count - row, values, padded, memory.block, BLOCK)
                for number in range(min(BLOCK, count - row)):
                    scale_sums(
                        memory.block + WORD * number * BLOCK, memory.value_scales + WORD * column,
                        memory.query_scales + WORD * (row + number), BLOCK,
                        memory.mixed + HALF * ((row + number) * hidden + head * size + column),
                    )  # fmt: skip


@kernel
def encode(
    tokens: Any, weights: Any, memory: Any, shapes: int, sizes: Any, epsilon: float, tiles: bool, out: int
) -> None:
    """Write the vectors of a window's tokens to `out`, float32 (len(tokens), h).

    Args:
        tokens: The ids of the tokens, int64.
        weights: The `addresses` of the `EncoderWeights`.
        memory: The `addresses` of an `EncoderMemory` that no other thread uses.
        shapes: For AMX, the address of `tile_shapes` of h / heads, then of those of 64.
        sizes: The numbers of layers, heads, dimensions (h) and inner dimensions.
        epsilon: The number that layer norms add to the variance.
        tiles: True to use AMX.
        out: The address of the result.
    """
    layers, heads, hidden, inner = sizes
    count = len(tokens)
    padded = (count + ROWS - 1) // ROWS * ROWS
    small = np.float32(epsilon)
    for token in range(count):
        at, word = WORD * token * hidden, tokens[token]
        embed(
            weights.words + word * hidden, weights.word_scales + WORD * word, weights.positions + at, weights.norm,
            weights.norm + WORD * hidden, hidden, small, out + at,
        )  # fmt: skip
    clear_after(memory.key_scales, memory.key_excess, memory.shares, count, padded)
    if HAS_TILES and tiles:
        configure_tiles(shapes + 64)
    start = (weights.codes, weights.excess, weights.numbers)
    for _ in range(layers):
        place = start
        for row in range(0, count, ROWS):
            place = _linear(
                tiles, weights, memory, start, out + WORD * row * hidden, False, min(ROWS, count - row), hidden,
                3 * hidden, memory.projected + HALF * row * 3 * hidden, 0,
            )  # fmt: skip
        start = place
        _attend(tiles, memory, shapes, count, padded, hidden, heads)
        for row in range(0, count, ROWS):
            rows, at = min(ROWS, count - row), row * hidden
            place = _linear(
                tiles, weights, memory, start, memory.mixed + HALF * at, True, rows, hidden, hidden, memory.projected, 0
            )
            place = _norm(place, memory, rows, hidden, small, out + WORD * at)
            place = _linear(tiles, weights, memory, place, out + WORD * at, False, rows, hidden, inner, memory.inner, 1)
            place = _linear(tiles, weights, memory, place, memory.inner, True, rows, inner, hidden, memory.projected, 0)
            place = _norm(place, memory, rows, hidden, small, out + WORD * at)
        start = place
    if HAS_TILES and tiles:
        release_tiles()
