"""The steps of an encoder as vector functions: products of 8-bit matrices, quantisation, softmax, Gelu and layer norms.

A code is a number as 8 bits: code = round(number / scale), from -127 to 127. Codes that are the left factor of a
product are stored with 128 added, as uint8, because the instructions multiply uint8 by int8; 128 times the sums of the
right factor's codes are subtracted later. All lengths are multiples of 16.
"""

import ctypes
import platform
import sys
from collections.abc import Callable

import numpy as np
from llvmlite import ir

from vsearch_core.kernels.emit import (
    BYTES,
    F32,
    FLOATS,
    I8,
    I32,
    INTEGERS,
    WHOLE,
    Bytes,
    Emitter,
    Floats,
    Halves,
    Integers,
    Value,
    vector_function,
)
from vsearch_core.kernels.reference import GELU_LIMIT
from vsearch_core.kernels.simd import host_features

BLOCK = 32  # rows and columns of a product that are computed at once
LARGEST_CODE = 127
WHOLE_BITS = 0x4B400000  # WHOLE as an integer
OFFSET = 128  # added to codes that are stored as uint8
SMALLEST = 1e-12  # the largest magnitude assumed for numbers that are all 0
EXP2 = [255 * term for term in (0.05583828, 0.24263948, 0.69313673, 0.99992456)]  # 255 * 2**x for |x| <= 0.5, to 1e-4
ABSENT_SCALE, ABSENT_SUM = 1e20, 1 << 30  # of a key that isn't there: its logit is very low, its exponential 0
LOWEST_POWER = -30.0  # powers below 2**-30 become 2**-30, whose 8-bit code is 0
SIGN_BITS = -0x7F7F7F80  # the highest bit of four bytes: flipping it subtracts OFFSET from each

_FEATURES = host_features()
HAS_VNNI = bool(_FEATURES.get("avx512vnni") and _FEATURES.get("avx512bw"))
HAS_TILES = bool(HAS_VNNI and _FEATURES.get("amx-int8") and _FEATURES.get("amx-tile"))  # AMX


def tiles_allowed() -> bool:
    """Return True if the CPU has AMX and the system lets this process use it, which Linux wants to be asked for."""
    if not HAS_TILES or not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return bool(ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0)


def tile_shapes(depth: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return the AMX configuration (64,) uint8 for products over `depth` (at most 64) codes at once.

    Tiles 0 to 3 have sums, 4 and 5 the left factor, 6 and 7 the right one.
    """
    shapes = np.zeros(64, np.uint8)
    shapes[0] = 1  # the palette
    row_bytes, rows = shapes[16:32].view(np.uint16), shapes[48:56]
    row_bytes[:], rows[:] = 64, 16
    row_bytes[4:6], rows[6:] = depth, depth // 4
    return shapes


@vector_function()
def configure_tiles(e: Emitter, shapes: Bytes) -> None:
    """Set the shapes of this thread's tiles; `release_tiles` must follow."""
    e.call("llvm.x86.ldtilecfg", shapes)


@vector_function()
def release_tiles(e: Emitter) -> None:
    """End the use of tiles in this thread."""
    e.call("llvm.x86.tilerelease")


@vector_function()
def multiply_tiles(e: Emitter, a: Bytes, stride: Value, b: Bytes, depth: Value, c: Integers, c_stride: Value) -> None:
    """Multiply 32 rows of uint8 by 32 columns of int8 with AMX. `multiply_vnni` explains the arguments."""
    tile = [ir.Constant(I8, number) for number in range(8)]
    for each in tile[:4]:
        e.call("llvm.x86.tilezero", each)
    low_a, low_b = e.address(a, e.builder.shl(stride, e.number(4))), e.address(b, e.builder.shl(depth, e.number(4)))
    with e.loop(e.builder.lshr(e.builder.add(depth, e.number(63)), e.number(6))) as index:
        at, b_at = e.builder.shl(index, e.number(6)), e.builder.shl(index, e.number(10))
        for left, source in ((tile[4], a), (tile[5], low_a)):
            e.call("llvm.x86.tileloadd64", left, e.address(source, at), stride)
        for right, source in ((tile[6], b), (tile[7], low_b)):
            e.call("llvm.x86.tileloadd64", right, e.address(source, b_at), e.number(64))
        for number, each in enumerate(tile[:4]):
            e.call("llvm.x86.tdpbusd", each, tile[4 + number // 2], tile[6 + number % 2])
    row_bytes = e.builder.shl(c_stride, e.number(2))
    for number, each in enumerate(tile[:4]):
        corner = e.address(c, e.builder.mul(c_stride, e.number(number // 2 * 16)), e.number(number % 2 * 16))
        e.call("llvm.x86.tilestored64", each, e.builder.bitcast(corner, I8.as_pointer()), row_bytes)


@vector_function()
def multiply_vnni(
    e: Emitter, a: Bytes, stride: Value, rows: Value, b: Bytes, depth: Value, c: Integers, c_stride: Value
) -> None:
    """Multiply up to 32 rows of uint8 by 32 columns of int8, and store the int32 sums.

    Args:
        e: The emitter.
        a: The rows, `stride` bytes apart, each of `depth` uint8.
        stride: The distance of two rows.
        rows: The number of rows; up to the next multiple of 8, others are read and their sums written.
        b: Two strips of 16 columns, in the order that `pack_columns` gives.
        depth: The number of products in a sum, a multiple of 32.
        c: The sums, rows of 32, `c_stride` elements apart.
        c_stride: The distance of two rows of sums.
    """
    at_once = 8  # rows: 16 sums, which fill half of the registers
    strips = b, e.address(b, e.builder.shl(depth, e.number(4)))
    with e.loop(e.builder.lshr(e.builder.add(rows, e.number(at_once - 1)), e.number(3))) as group:
        first = e.builder.shl(group, e.number(3))
        numbers = [e.builder.add(first, e.number(row)) for row in range(at_once)]
        places = [e.address(a, e.builder.mul(number, stride)) for number in numbers]
        sums = [[e.variable(e.integers(0)) for _ in strips] for _ in places]
        with e.loop(e.builder.lshr(depth, e.number(2))) as index:
            at, b_at = e.builder.shl(index, e.number(2)), e.builder.shl(index, e.number(6))
            columns = [e.load(strip, b_at, INTEGERS) for strip in strips]
            for place, total in zip(places, sums, strict=True):
                four = e.builder.load(e.builder.bitcast(e.address(place, at), I32.as_pointer()), align=1)
                left = e.spread(four)
                for column, each in zip(columns, total, strict=True):
                    each.set(e.call("llvm.x86.avx512.vpdpbusd.512", each.get(), left, column, result=INTEGERS))
        for number, total in zip(numbers, sums, strict=True):
            for strip, each in enumerate(total):
                e.store(each.get(), e.address(c, e.builder.mul(number, c_stride), e.number(16 * strip)))


def _quantise(
    e: Emitter, value: Callable[[Value], Value], length: Value, codes: Value, scale: Value, sums: Value | None = None
) -> None:
    """Emit the quantisation of `length` numbers."""
    top = e.variable(e.floats(SMALLEST))
    with e.vectors(length) as at:
        top.set(e.larger(e.magnitude(value(at)), top.get()))
    largest, total = e.largest(top.get()), e.variable(e.integers(0))
    per_code = e.spread(e.builder.fdiv(ir.Constant(F32, LARGEST_CODE), largest))
    with e.vectors(length) as at:
        code = e.builder.bitcast(e.multiply_add(value(at), per_code, e.floats(WHOLE + OFFSET)), INTEGERS)
        e.store(e.low_bytes(code), codes, at)
        if sums is not None:
            total.set(e.builder.add(total.get(), e.builder.sub(code, e.integers(WHOLE_BITS + OFFSET))))
    if sums is not None:
        e.builder.store(e.builder.mul(e.sum(total.get()), ir.Constant(I32, OFFSET)), sums)
    e.builder.store(e.builder.fdiv(largest, ir.Constant(F32, LARGEST_CODE)), scale)


@vector_function()
def quantise(e: Emitter, numbers: Halves, length: Value, codes: Bytes, scale: Floats, sums: Integers) -> None:
    """Quantise numbers to uint8 codes. Store their scale, and 128 times the sum of the codes."""
    _quantise(e, lambda at: e.load_floats(numbers, at), length, codes, scale, sums)


def _quantise_products(e: Emitter, numbers: Value, factors: Value, length: Value, codes: Value, scale: Value) -> None:
    _quantise(e, lambda at: e.builder.fmul(e.load_floats(numbers, at), e.load(factors, at)), length, codes, scale)


@vector_function()
def quantise_floats(e: Emitter, numbers: Floats, factors: Floats, length: Value, codes: Bytes, scale: Floats) -> None:
    """Quantise the products of float32 numbers and factors to uint8 codes. Store their scale."""
    _quantise_products(e, numbers, factors, length, codes, scale)


@vector_function()
def quantise_halves(e: Emitter, numbers: Halves, factors: Floats, length: Value, codes: Bytes, scale: Floats) -> None:
    """Quantise the products of float16 numbers and factors to uint8 codes. Store their scale."""
    _quantise_products(e, numbers, factors, length, codes, scale)


@vector_function()
def place_key(e: Emitter, codes: Bytes, length: Value, column: Bytes) -> None:
    """Copy a row of uint8 codes as int8 to its column in a strip of 16 columns, in the order of `pack_columns`."""
    source, target = (e.builder.bitcast(each, I32.as_pointer()) for each in (codes, column))
    with e.loop(e.builder.lshr(length, e.number(2))) as index:
        word = e.builder.load(e.address(source, index), align=1)
        place = e.address(target, e.builder.shl(index, e.number(4)))
        e.builder.store(e.builder.xor(word, ir.Constant(I32, SIGN_BITS)), place)


@vector_function()
def quantise_columns(e: Emitter, numbers: Halves, stride: Value, rows: Value, strip: Bytes, scales: Floats) -> None:
    """Quantise 16 columns to int8, each with a scale of its own, in the order that `pack_columns` gives.

    Three rows after the last one may be read; their codes mean nothing.
    """
    top = e.variable(e.floats(SMALLEST))
    with e.loop(rows) as row:
        top.set(e.larger(e.magnitude(e.load_floats(numbers, e.builder.mul(row, stride))), top.get()))
    e.store(e.builder.fmul(top.get(), e.floats(1 / LARGEST_CODE)), scales)
    per_code = e.builder.fdiv(e.floats(LARGEST_CODE), top.get())
    with e.loop(e.builder.lshr(e.builder.add(rows, e.number(3)), e.number(2))) as four:
        word = e.integers(0)
        for number in range(4):
            row = e.builder.add(e.builder.shl(four, e.number(2)), e.number(number))
            value = e.load_floats(numbers, e.builder.mul(row, stride))
            code = e.builder.bitcast(e.multiply_add(value, per_code, e.floats(WHOLE)), INTEGERS)
            byte = e.builder.and_(code, e.integers(255))
            word = e.builder.or_(word, e.builder.shl(byte, e.integers(8 * number)))
        e.store(word, strip, e.builder.shl(four, e.number(6)))


@vector_function()
def restore(
    e: Emitter, sums: Integers, scales: Floats, rows: Value, columns: Floats, biases: Floats, excess: Integers,
    out: Halves, stride: Value, gelu: Floats, activate: Value,
) -> None:  # fmt: skip
    """Turn the int32 sums of a block, 32 a row, into float16 numbers, add biases, and apply Gelu if `activate` is 1.

    Args:
        e: The emitter.
        sums: The sums that `multiply_vnni` gives.
        scales: The scale of each row's codes.
        rows: The number of rows that are wanted.
        columns: The scale of each column's codes.
        biases: The number to add to each column.
        excess: The number to subtract from each column's sums: 128 times the sum of the column's codes.
        out: The results.
        stride: The distance of two rows of results.
        gelu: The coefficients that `gelu_coefficients` gives.
        activate: 1 or 0.
    """
    halves = [e.number(0), e.number(16)]
    scale, bias, more = ([e.load(each, half) for half in halves] for each in (columns, biases, excess))

    def results(index: Value) -> list[Value]:
        row = e.spread(e.builder.load(e.address(scales, index)))
        found = []
        for half, at in enumerate(halves):
            total = e.builder.sub(e.load(sums, e.builder.add(e.builder.shl(index, e.number(5)), at)), more[half])
            number = e.builder.sitofp(total, FLOATS)
            found.append(e.multiply_add(number, e.builder.fmul(row, scale[half]), bias[half]))
        return found

    def store(index: Value, found: list[Value]) -> None:
        for value, at in zip(found, halves, strict=True):
            e.store_halves(value, out, e.builder.add(e.builder.mul(index, stride), at))

    with e.builder.if_else(e.builder.icmp_signed("!=", activate, e.number(0))) as (then, otherwise):
        with then:
            powers = [e.spread(e.builder.load(e.address(gelu, e.number(power)))) for power in range(GELU_TERMS)]
            with e.loop(rows) as index:
                store(index, [_gelu(e, value, powers) for value in results(index)])
        with otherwise, e.loop(rows) as index:
            store(index, results(index))


GELU_TERMS = 10


def gelu_coefficients(share: Callable[[float], float]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return the coefficients of a polynomial for Gelu(x) = x * share(x).

    share(x) = 0.5 + x * p(x * x) for |x| <= GELU_LIMIT, with an error of Gelu below 1e-4.
    """
    x = np.linspace(1e-3, GELU_LIMIT, 4000)
    values = np.array([(share(each) - 0.5) / each for each in x])
    return np.polynomial.polynomial.polyfit(x * x, values, GELU_TERMS - 1).astype(np.float32)


def _gelu(e: Emitter, x: Value, powers: list[Value]) -> Value:
    near = e.smaller(e.larger(x, e.floats(-GELU_LIMIT)), e.floats(GELU_LIMIT))
    square, value = e.builder.fmul(near, near), powers[-1]
    for power in powers[-2::-1]:
        value = e.multiply_add(value, square, power)
    return e.builder.fmul(x, e.multiply_add(near, value, e.floats(0.5)))


def _normalise(e: Emitter, row: Value, gain: Value, shift: Value, length: Value, epsilon: Value) -> None:
    count = e.builder.sitofp(length, F32)
    total, squares = e.variable(e.floats(0.0)), e.variable(e.floats(0.0))
    with e.vectors(length) as at:
        total.set(e.builder.fadd(e.load(row, at), total.get()))
    mean = e.spread(e.builder.fdiv(e.sum(total.get()), count))
    with e.vectors(length) as at:
        distance = e.builder.fsub(e.load(row, at), mean)
        squares.set(e.multiply_add(distance, distance, squares.get()))
    variance = e.builder.fadd(e.builder.fdiv(e.sum(squares.get()), count), epsilon)
    deviation = e.call("llvm.sqrt.f32", variance, result=F32)
    factor = e.spread(e.builder.fdiv(ir.Constant(F32, 1.0), deviation))
    with e.vectors(length) as at:
        value = e.builder.fmul(e.builder.fsub(e.load(row, at), mean), factor)
        e.store(e.multiply_add(value, e.load(gain, at), e.load(shift, at)), row, at)


@vector_function()
def add_and_normalise(
    e: Emitter, row: Floats, more: Halves, gain: Floats, shift: Floats, length: Value, epsilon: Value
) -> None:
    """Add the row `more` to a row, and normalise it: mean 0, variance 1, then times `gain` plus `shift`."""
    with e.vectors(length) as at:
        e.store(e.builder.fadd(e.load(row, at), e.load_floats(more, at)), row, at)
    _normalise(e, row, gain, shift, length, epsilon)


@vector_function()
def embed(
    e: Emitter, codes: Bytes, scale: Floats, position: Floats, gain: Floats, shift: Floats, length: Value,
    epsilon: Value, row: Floats,
) -> None:  # fmt: skip
    """Write a token's embedding, int8 codes times their scale, plus its position's, normalised, to a row."""
    factor = e.spread(e.builder.load(scale))
    with e.vectors(length) as at:
        number = e.builder.sitofp(e.builder.sext(e.load(codes, at), INTEGERS), FLOATS)
        e.store(e.multiply_add(number, factor, e.load(position, at)), row, at)
    _normalise(e, row, gain, shift, length, epsilon)


@vector_function()
def clear_after(e: Emitter, scales: Floats, excess: Integers, shares: Bytes, count: Value, padded: Value) -> None:
    """Make the keys after the first `count` of `padded` ones count for nothing in `softmax` and after it."""
    with e.loop(e.builder.sub(padded, count)) as index:
        at = e.builder.add(count, index)
        e.builder.store(ir.Constant(F32, ABSENT_SCALE), e.address(scales, at))
        e.builder.store(ir.Constant(I32, ABSENT_SUM), e.address(excess, at))
    with e.vectors(e.builder.mul(padded, e.number(BLOCK))) as at:
        e.store(ir.Constant(BYTES, [0] * 16), shares, at)


@vector_function()
def softmax(
    e: Emitter, sums: Integers, excess: Integers, scales: Floats, scale: Floats, unit: Value, length: Value,
    logits: Floats, codes: Bytes,
) -> None:  # fmt: skip
    """Write the uint8 codes of a row's exponentials, the largest being 255, and overwrite `scale` with their scale.

    The logits, of base 2, are (sums - excess) * scales * scale * unit. They are stored to `logits` in between. A code
    times the new scale is the share of its exponential in the sum of all.
    """
    factor = e.spread(e.builder.fmul(e.builder.load(scale), unit))
    top, total = e.variable(e.floats(-3e38)), e.variable(e.floats(0.0))
    with e.vectors(length) as at:
        number = e.builder.sitofp(e.builder.sub(e.load(sums, at), e.load(excess, at)), FLOATS)
        logit = e.builder.fmul(number, e.builder.fmul(factor, e.load(scales, at)))
        e.store(logit, logits, at)
        top.set(e.larger(logit, top.get()))
    highest = e.spread(e.largest(top.get()))
    with e.vectors(length) as at:
        power = e.larger(e.builder.fsub(e.load(logits, at), highest), e.floats(LOWEST_POWER))
        rounded = e.builder.fadd(power, e.floats(WHOLE))  # its lowest bits are the nearest integer
        rest, value = e.builder.fsub(power, e.builder.fsub(rounded, e.floats(WHOLE))), e.floats(EXP2[0])
        for coefficient in EXP2[1:]:
            value = e.multiply_add(value, rest, e.floats(coefficient))
        exponent = e.builder.shl(e.builder.bitcast(rounded, INTEGERS), e.integers(23))  # of a float32
        value = e.builder.bitcast(e.builder.add(e.builder.bitcast(value, INTEGERS), exponent), FLOATS)
        total.set(e.builder.fadd(value, total.get()))
        e.store(e.low_bytes(e.builder.fadd(value, e.floats(WHOLE))), codes, at)
    e.builder.store(e.builder.fdiv(ir.Constant(F32, 1.0), e.sum(total.get())), scale)


@vector_function()
def scale_sums(e: Emitter, sums: Integers, scales: Floats, scale: Floats, length: Value, out: Halves) -> None:
    """Write sums * scales * scale as float16."""
    factor = e.spread(e.builder.load(scale))
    with e.vectors(length) as at:
        number = e.builder.sitofp(e.load(sums, at), FLOATS)
        e.store_halves(e.builder.fmul(number, e.builder.fmul(factor, e.load(scales, at))), out, at)
