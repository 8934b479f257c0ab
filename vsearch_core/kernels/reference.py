"""The functions of `simd` and `encoder` in plain numpy. They define the correct results, and tests compare the two."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core.kernels.constants import NO_NODE

if TYPE_CHECKING:
    from vsearch_core.kernels.encoder import EncoderWeights

GELU_LIMIT = 4.0  # beyond it, the polynomial for Gelu is not defined


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


def encode_window(
    tokens: NDArray[np.int64], weights: "EncoderWeights", sizes: tuple[int, int, int, int], epsilon: float
) -> NDArray[np.float32]:
    """Return the vectors of a window's tokens, (tokens, h), which `encoder.encode` approximates with 8-bit products.

    `sizes` has the numbers of layers, heads, dimensions (h) and inner dimensions.
    """
    layers, heads, hidden, inner = sizes
    matrices, numbers = weights.codes, weights.numbers

    def take(count: int) -> NDArray[np.float32]:
        nonlocal numbers
        taken, numbers = numbers[:count], numbers[count:]
        return taken

    def linear(rows: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
        nonlocal matrices
        depth = rows.shape[1]
        packed, matrices = matrices[: depth * columns], matrices[depth * columns :]
        unpacked = packed.reshape(columns // 16, depth // 4, 16, 4).transpose(1, 3, 0, 2).reshape(depth, columns)
        factors, scales, biases = take(depth), take(columns), take(columns)
        return np.asarray((rows * factors) @ (unpacked * scales) + biases, np.float32)

    def normalise(rows: NDArray[np.float32], both: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = rows - rows.mean(axis=1, keepdims=True)
        deviation = np.sqrt((centred * centred).mean(axis=1, keepdims=True) + epsilon)
        return np.asarray(centred / deviation * both[:hidden] + both[hidden:], np.float32)

    rows = weights.words[tokens] * weights.word_scales[tokens][:, None] + weights.positions[: len(tokens)]
    rows = normalise(rows, weights.norm)
    for _ in range(layers):
        parts = np.split(linear(rows, 3 * hidden), 3, axis=1)
        query, key, value = (part.reshape(len(rows), heads, -1).swapaxes(0, 1) for part in parts)
        shares = np.exp(query @ key.swapaxes(1, 2) / np.sqrt(hidden / heads))
        shares /= shares.sum(axis=2, keepdims=True)
        mixed = (shares @ value).swapaxes(0, 1).reshape(len(rows), hidden)
        rows = normalise(rows + linear(mixed, hidden), take(2 * hidden))
        middle = linear(rows, inner)
        near = np.clip(middle, -GELU_LIMIT, GELU_LIMIT)
        middle *= 0.5 + near * np.polynomial.polynomial.polyval(near * near, weights.gelu)
        rows = normalise(rows + linear(middle, hidden), take(2 * hidden))
    return rows


def score_nodes(
    sketches: NDArray[np.uint8],
    weights: NDArray[np.int8],
    excess: int,
    scale: int,
    nodes: NDArray[np.uint32],
    worst: int,
) -> list[int]:
    """Return the keys of the given nodes that are less than `worst`, in order, as `simd.score_nodes` does."""
    scores = [(dot_sketch(sketches[node], weights) - excess) * (scale + int(sketches[node, -1])) for node in nodes]
    keys = [(-score << 32) | (int(node) << 1) for node, score in zip(nodes, scores, strict=True)]
    return [key for key in keys if key < worst]


def gather_unvisited(neighbors: NDArray[np.uint32], visited: set[int]) -> list[int]:
    """Return the neighbours of a node, (degree,), up to NO_NODE, that are not in `visited`; add them to it.

    `simd.gather_unvisited` does the same with bits.
    """
    found = []
    for node in neighbors.tolist():
        if node == NO_NODE:
            break
        if node not in visited:
            visited.add(node)
            found.append(node)
    return found
