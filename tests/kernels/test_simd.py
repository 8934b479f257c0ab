"""Every variant that this host runs equals the definition in numpy, for any length, offset and values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from vsearch_core.kernels import reference, simd
from vsearch_core.kernels.constants import LAST_KEY, NO_NODE

MAKERS = {"dot_u8i8": simd.make_dot_u8i8, "dot_i16": simd.make_dot_i16, "dot_sketch": simd.make_dot_sketch}
CASES = [(name, variant) for name in MAKERS for variant in simd.VARIANTS]


Function = Callable[..., Any]
compiled: Callable[[Function], Function] = njit


def callable_from_python(intrinsic: Any) -> Function:
    @compiled
    def call(a: Any, i: int, b: Any, j: int, length: int) -> Any:
        return intrinsic(a, i, b, j, length)

    return call


COMPILED = {(name, variant): callable_from_python(MAKERS[name](variant)) for name, variant in CASES}
DOT_F32 = callable_from_python(simd.dot_f32)


def test_the_generic_variant_is_always_available() -> None:
    assert simd.VARIANTS[-1] == "generic"


@pytest.mark.parametrize("variant", simd.VARIANTS)
@settings(deadline=None, max_examples=60)
@given(length=st.integers(0, 400), start=st.integers(0, 70), seed=st.integers(0, 2**32), extreme=st.booleans())
def test_dot_u8i8(variant: str, length: int, start: int, seed: int, extreme: bool) -> None:
    random = np.random.default_rng(seed)
    a = random.integers(0, 256, start + length).astype(np.uint8)
    b = random.integers(-128, 128, start + length).astype(np.int8)
    if extreme:  # sums that a saturating instruction gets wrong
        a[:], b[:] = 255, random.choice(np.array([-128, 127], np.int8))
    found = COMPILED["dot_u8i8", variant](a, start, b, start, length)
    assert found == reference.dot_integers(a[start:], b[start:])


@pytest.mark.parametrize("variant", simd.VARIANTS)
@settings(deadline=None, max_examples=60)
@given(length=st.integers(1, 400), start=st.integers(0, 70), seed=st.integers(0, 2**32))
def test_dot_i16(variant: str, length: int, start: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((2, length))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    a, b = (np.concatenate([np.zeros(start), row * 32767]).astype(np.int16) for row in vectors)
    assert COMPILED["dot_i16", variant](a, start, b, start, length) == reference.dot_integers(a, b)
    assert COMPILED["dot_i16", variant](a, start, a, start, length) == reference.dot_integers(a, a)


@pytest.mark.parametrize("variant", simd.VARIANTS)
@settings(deadline=None, max_examples=60)
@given(lines=st.integers(0, 4), start=st.integers(0, 70), seed=st.integers(0, 2**32), extreme=st.booleans())
def test_dot_sketch(variant: str, lines: int, start: int, seed: int, extreme: bool) -> None:
    random = np.random.default_rng(seed)
    length = 64 * lines
    codes = random.integers(0, 256, start + length).astype(np.uint8)
    weights = random.integers(-127, 128, start + 4 * length).astype(np.int8)
    if extreme:
        codes[:], weights[:] = 255, 127
    found = COMPILED["dot_sketch", variant](codes, start, weights, start, length)
    assert found == reference.dot_sketch(codes[start:], weights[start:])


@pytest.mark.parametrize("kind", [np.float32, np.int16])
@settings(deadline=None, max_examples=60)
@given(length=st.integers(0, 1024), start=st.integers(0, 20), seed=st.integers(0, 2**32))
def test_dot_f32(kind: type, length: int, start: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a = random.standard_normal(start + length).astype(np.float32)
    b: NDArray[Any] = (random.standard_normal(start + length) * (1000 if kind is np.int16 else 1)).astype(kind)
    found = DOT_F32(a, start, b, start, length)
    size = float(np.abs(a[start:].astype(np.float64)) @ np.abs(b[start:].astype(np.float64)))
    assert found == pytest.approx(reference.dot_f32(a[start:], b[start:]), abs=1e-6 * size + 1e-30)
    assert DOT_F32(a, start, b, start, 0) == 0


@compiled
def insert(pool: Any, key: int) -> None:
    simd.insert_sorted(pool, 8, len(pool) - 8, key)


@compiled
def find_even(pool: Any) -> Any:
    return simd.first_even(pool, 8, len(pool) - 8)


@settings(deadline=None, max_examples=60)
@given(blocks=st.integers(1, 6), seed=st.integers(0, 2**32), filled=st.floats(0, 1))
def test_inserting_into_and_searching_pools(blocks: int, seed: int, filled: float) -> None:
    random = np.random.default_rng(seed)
    pool = np.full(8 + 8 * blocks, -LAST_KEY, np.int64)
    pool[8:] = LAST_KEY
    for key in random.integers(-(2**50), 2**50, int(filled * 16 * blocks)):
        expected = reference.insert_sorted(pool[8:], int(key))
        insert(pool, int(key))
        assert pool[8:].tolist() == expected.tolist()
        assert min(find_even(pool), 8 * blocks) == reference.first_even(pool[8:])
    assert (pool[:8] == -LAST_KEY).all()


def scorer(variant: str) -> Function:
    intrinsic = simd.make_score_nodes(variant)

    @compiled
    def call(
        sketches: Any, weights: Any, excess: int, scale: int, nodes: Any, at: int, count: int, worst: int, keys: Any
    ) -> Any:
        return intrinsic(sketches, sketches.shape[1], weights, excess, scale, nodes, at, count, worst, keys)

    return call


SCORERS = {variant: scorer(variant) for variant in simd.VARIANTS}


@pytest.mark.parametrize("variant", simd.VARIANTS)
@settings(deadline=None, max_examples=40)
@given(lines=st.integers(1, 3), count=st.integers(0, 60), at=st.integers(0, 9), seed=st.integers(0, 2**32))
def test_scoring_nodes(variant: str, lines: int, count: int, at: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    sketches = random.integers(0, 256, (70, 64 * lines)).astype(np.uint8)
    weights = random.integers(-127, 128, 256 * lines).astype(np.int8)
    nodes = random.integers(0, len(sketches), at + count).astype(np.uint32)
    excess, keys = int(random.integers(-5000, 5000)), np.empty(count + 1, np.int64)
    worst = int(random.choice([LAST_KEY, 0, -(500 << 40)]))
    kept = SCORERS[variant](sketches, weights, excess, 255, nodes, at, count, worst, keys)
    assert keys[:kept].tolist() == reference.score_nodes(sketches, weights, excess, 255, nodes[at:], worst)


@compiled
def gather(neighbors: Any, node: int, sketches: Any, visited: Any, unseen: Any, at: int) -> Any:
    degree, width = neighbors.shape[1], sketches.shape[1]
    return simd.gather_unvisited(neighbors, node * degree, degree, sketches, width, visited, unseen, at)


@settings(deadline=None, max_examples=60)
@given(degree=st.integers(1, 20), at=st.integers(0, 5), seed=st.integers(0, 2**32))
def test_gathering_unvisited_neighbors(degree: int, at: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    neighbors = random.integers(0, 80, (80, degree)).astype(np.uint32)
    for node in range(40):  # lists that are not full
        neighbors[node, random.integers(0, degree + 1) :] = NO_NODE
    visited, marks, unseen = np.zeros(3, np.uint32), set[int](), np.empty(at + degree + 1, np.uint32)
    for node in random.integers(0, 80, 12):
        count = gather(neighbors, node, np.zeros((80, 64), np.uint8), visited, unseen, at)
        assert unseen[at : at + count].tolist() == reference.gather_unvisited(neighbors[node], marks)
    assert {node for node in range(80) if visited[node >> 5] >> (node & 31) & 1} == marks


@compiled
def above(sums: Any, start: int, end: int, least: Any) -> Any:
    return simd.first_above(sums, start, end, np.int32(least))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), size=st.integers(0, 100), start=st.integers(0, 100), least=st.integers(-1, 9))
def test_first_above(seed: int, size: int, start: int, least: int) -> None:
    sums = np.random.default_rng(seed).integers(0, 10, size + simd.SUMS_AT_ONCE).astype(np.int32)
    expected = next((place for place in range(start, size) if sums[place] > least), size)
    assert min(above(sums, start, size, least), size) == min(expected, size)


def test_read_only_arrays_and_prefetching_beyond_the_end() -> None:
    @compiled
    def touch(array: Any, offset: int) -> int:
        simd.prefetch(array, offset)
        return len(array)

    array = np.zeros(8, np.float32)
    array.flags.writeable = False
    assert touch(array, 10**9) == 8
    assert DOT_F32(array, 0, array, 0, 8) == 0


@compiled
def ones(words: Any, out: Any) -> None:
    for number in range(len(words)):
        out[number] = simd.count_bits(words[number])


@settings(deadline=None, max_examples=60)
@given(words=st.lists(st.integers(0, 2**64 - 1), max_size=9))
def test_counting_bits(words: list[int]) -> None:
    found = np.zeros(len(words), np.int64)
    ones(np.array(words, np.uint64), found)
    assert found.tolist() == [word.bit_count() for word in words]
