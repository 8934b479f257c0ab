"""The encoder's kernels against plain numpy, with AMX and with VNNI."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch_core.kernels import encoder, encoder_steps, reference

SHAPES = {"heads of 32": (2, 4, 128, 192), "heads of 64": (1, 1, 64, 128)}  # layers, heads, dimensions, inner ones
TOKENS, LONGEST, EPSILON = 50, 150, 1e-12

pytestmark = pytest.mark.skipif(not encoder_steps.HAS_VNNI, reason="this CPU has no AVX-512 VNNI")


def random_weights(sizes: Sequence[int]) -> encoder.EncoderWeights:
    layers, _, hidden, inner = sizes
    random = np.random.default_rng(0)
    codes, excess = [], []
    numbers: list[NDArray[Any]] = []
    norm = np.concatenate([random.uniform(0.5, 2, hidden), random.normal(size=hidden)]).astype(np.float32)
    shapes = (hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden)
    for _ in range(layers):
        for number, (depth, columns) in enumerate(shapes):
            matrix = random.integers(-127, 128, (depth, columns)).astype(np.int8)
            codes.append(encoder.pack_columns(matrix))
            excess.append(matrix.sum(axis=0, dtype=np.int32) * encoder_steps.OFFSET)
            numbers.append(random.uniform(0.5, 2, depth))
            numbers.append(random.uniform(0.5, 1, columns) / 70 / np.sqrt(depth))
            numbers.append(random.normal(size=columns))
            if number % 2:
                numbers.append(norm)
    return encoder.EncoderWeights(
        words=random.integers(-127, 128, (TOKENS, hidden)).astype(np.int8),
        word_scales=random.uniform(0.005, 0.01, TOKENS).astype(np.float32),
        positions=random.normal(size=(LONGEST, hidden)).astype(np.float32),
        norm=norm,
        codes=np.concatenate(codes),
        excess=np.concatenate(excess).astype(np.int32),
        numbers=np.concatenate(numbers).astype(np.float32),
        gelu=encoder_steps.gelu_coefficients(lambda x: 1 / (1 + np.exp(-1.702 * x))),
    )


class RandomEncoder:
    """An encoder with random weights."""

    def __init__(self, sizes: tuple[int, int, int, int]) -> None:
        self.sizes, self.weights = sizes, random_weights(sizes)
        self.memory = encoder.new_memory(LONGEST, sizes[2], sizes[3], sizes[1])
        self.shapes = np.concatenate([encoder_steps.tile_shapes(sizes[2] // sizes[1]), encoder_steps.tile_shapes(64)])

    def run(self, tokens: NDArray[np.int64], *, tiles: bool) -> NDArray[np.float32]:
        out = np.full((len(tokens), self.sizes[2]), np.nan, np.float32)
        given: list[Any] = [encoder.addresses(each) for each in (self.weights, self.memory)]
        encoder.encode(tokens, *given, self.shapes.ctypes.data, self.sizes, EPSILON, tiles, out.ctypes.data)
        return out


@pytest.fixture(params=SHAPES)
def random_encoder(request: pytest.FixtureRequest) -> RandomEncoder:
    return RandomEncoder(SHAPES[request.param])


def window(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(count).integers(0, TOKENS, count)


@pytest.mark.parametrize("count", [1, 3, 16, 31, 32, 33, 64, 100, 129, LONGEST])
def test_windows_of_any_length_are_near_numpy(random_encoder: RandomEncoder, count: int) -> None:
    found = random_encoder.run(window(count), tiles=encoder_steps.tiles_allowed())
    expected = reference.encode_window(window(count), random_encoder.weights, random_encoder.sizes, EPSILON)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((found * expected).sum(axis=1) / lengths).min() >= 0.995


@pytest.mark.parametrize("count", [1, 33, LONGEST])
def test_amx_and_vnni_give_the_same_bytes(random_encoder: RandomEncoder, count: int) -> None:
    if not encoder_steps.tiles_allowed():
        pytest.skip("this CPU has no AMX")
    with_tiles, without = (random_encoder.run(window(count), tiles=tiles) for tiles in (True, False))
    assert with_tiles.tobytes() == without.tobytes()


def test_nothing_is_left_of_earlier_windows(random_encoder: RandomEncoder) -> None:
    alone = {count: RandomEncoder(random_encoder.sizes).run(window(count), tiles=False) for count in (5, 40, 130)}
    for count in (130, 5, 40, 5, 130):
        assert random_encoder.run(window(count), tiles=False).tobytes() == alone[count].tobytes()


def test_a_zero_row_has_finite_codes() -> None:
    blank = RandomEncoder(SHAPES["heads of 64"])
    for array in (blank.weights.numbers, blank.weights.norm):
        array[:] = 0
    assert np.isfinite(blank.run(window(7), tiles=False)).all()


def test_gelu_is_near_its_definition() -> None:
    from math import erf, sqrt

    def share(x: float) -> float:
        return 0.5 * (1 + erf(x / sqrt(2)))

    powers = encoder_steps.gelu_coefficients(share).astype(np.float64)
    x = np.linspace(-4, 4, 801)
    found = x * (0.5 + x * np.polynomial.polynomial.polyval(x * x, powers))
    assert np.abs(found - x * np.array([share(each) for each in x])).max() <= 1e-4
