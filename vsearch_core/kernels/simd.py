"""Dot products, prefetch and sorted pools as vector instructions, for use inside kernels.

Loops that numba compiles are several times slower than the processor allows. So these functions are intrinsics: they
emit LLVM vector instructions. The integer dot products exist in three variants: "vnni" (AVX-512 VNNI and BW), "avx2"
and "generic", which uses no instruction of one processor and also compiles well for ARM. `VARIANTS` lists the variants
that this machine can run, the fastest first. The names without a variant (such as `dot_u8i8`) are the fastest ones.

Offsets and lengths are in elements of a C-contiguous array. Bounds are not checked, and no alignment is required. What
each function computes is defined in plain numpy in `vsearch_core.kernels.reference`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from vsearch_core.kernels.constants import CACHE_LINE, NO_NODE
from vsearch_core.kernels.emit import Value, call_llvm, sum_lanes
from vsearch_core.kernels.jit import cgutils, config, intrinsic, types

_TABLE = 256  # dot products in a PQ table, one for each value of a byte
_SMALL_TABLE = 16  # of a PQ table for each value of half a byte
LARGEST_SMALL_ELEMENT = 63  # of such a table: the sum of four fits a byte
PLANES = 4  # two-bit digits in a byte of a sketch
SUMS_AT_ONCE = 32  # compared by `first_above` in one step

_I8, _I16, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()


def host_features() -> Any:
    """Return a dictionary of LLVM's names of CPU features: True for those that kernels are compiled for."""
    if config.CPU_FEATURES is not None:  # set by NUMBA_CPU_NAME or NUMBA_CPU_FEATURES
        return {name[1:]: name[0] == "+" for name in config.CPU_FEATURES.split(",") if name}
    return llvm.get_host_cpu_features()


def _host_variants() -> tuple[str, ...]:
    features = host_features()
    found = ["generic"]
    if features.get("avx2"):
        found.insert(0, "avx2")
    if features.get("avx512vnni") and features.get("avx512bw"):
        found.insert(0, "vnni")
    return tuple(found)


VARIANTS = _host_variants()


def _host_tables() -> tuple[str, ...]:
    features = host_features()
    needed = {"vbmi": "avx512vbmi", "avx512": "avx512bw", "avx2": "avx2"}
    return (*(variant for variant, feature in needed.items() if features.get(feature)), "generic")


SMALL_TABLE_VARIANTS = _host_tables()  # of `sum_small_tables`
TABLE_VARIANTS = tuple(each for each in SMALL_TABLE_VARIANTS if each in ("vbmi", "generic"))  # of `sum_tables`


def _at(context: Value, builder: Value, kind: Value, array: Value, offset: Value) -> Value:
    """Return the address of an element of a contiguous array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _load(builder: Value, pointer: Value, offset: Value, lanes: int) -> Value:
    """Load a vector of `lanes` elements, which need only be aligned like one of them."""
    element = pointer.type.pointee
    address = builder.bitcast(builder.gep(pointer, [offset]), ir.VectorType(element, lanes).as_pointer())
    return builder.load(address, align=4 if element == _F32 else element.width // 8)


def _splat(element: Value, lanes: int, value: float) -> Value:
    return ir.Constant(ir.VectorType(element, lanes), [value] * lanes)


def _while(builder: Value, condition: Callable[[], Value], body: Callable[[], None]) -> None:
    head, inside, after = (builder.append_basic_block(name) for name in ("head", "inside", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    builder.cbranch(condition(), inside, after)
    builder.position_at_end(inside)
    body()
    builder.branch(head)
    builder.position_at_end(after)


def _reduce(
    builder: Value,
    length: Value,
    step: int,
    zero: Value,
    body: Callable[[Value, Value], Value],
    single: Callable[[Value], Value] | None,
    accumulators: int = 4,
) -> Value:
    """Emit a sum over an array: `body(index, sum)` adds `step` elements, `single(index)` returns one element's share.

    There are several accumulators, since an addition takes several cycles and the next one need not wait for it.
    """
    cells = [cgutils.alloca_once_value(builder, zero) for _ in range(accumulators)]
    index = cgutils.alloca_once_value(builder, ir.Constant(_I64, 0))
    for count in sorted({accumulators, 1}, reverse=True):
        stride = ir.Constant(_I64, step * count)

        def fits(stride: Value = stride) -> Value:
            return builder.icmp_signed("<=", builder.add(builder.load(index), stride), length)

        def advance(stride: Value = stride, count: int = count) -> None:
            at = builder.load(index)
            for number in range(count):
                here = builder.add(at, ir.Constant(_I64, number * step))
                builder.store(body(here, builder.load(cells[number])), cells[number])
            builder.store(builder.add(at, stride), index)

        _while(builder, fits, advance)
    plus = builder.fadd if zero.type.element == _F32 else builder.add
    total = builder.load(cells[0])
    for cell in cells[1:]:
        total = plus(total, builder.load(cell))
    result = cgutils.alloca_once_value(builder, sum_lanes(builder, total))
    if single is not None:

        def one_more() -> None:
            at = builder.load(index)
            builder.store(plus(builder.load(result), single(at)), result)
            builder.store(builder.add(at, ir.Constant(_I64, 1)), index)

        _while(builder, lambda: builder.icmp_signed("<", builder.load(index), length), one_more)
    return builder.load(result)


def _as_words(builder: Value, vector: Value) -> Value:
    """Cast 64 bytes to the 16 words that the VNNI instruction is declared with."""
    return builder.bitcast(vector, ir.VectorType(_I32, 16))


def _pair_products(builder: Value, a: Value, b: Value) -> Value:
    """Return the sums of adjacent pairs of products of int16 vectors (pmaddwd)."""
    lanes = a.type.count
    name = "llvm.x86.avx512.pmaddw.d.512" if lanes == 32 else "llvm.x86.avx2.pmadd.wd"
    return call_llvm(builder, name, ir.VectorType(_I32, lanes // 2), a, b)


def _wide_products(builder: Value, a: Value, b: Value, *, unsigned: bool = False) -> Value:
    """Return the products of small integers as int32, without processor-specific instructions."""
    wide = ir.VectorType(_I32, a.type.count)
    return builder.mul(builder.zext(a, wide) if unsigned else builder.sext(a, wide), builder.sext(b, wide))


def _kernel(emit: Callable[..., Value], result: Value) -> Value:
    """Return an intrinsic `(a, a_offset, b, b_offset, length)`, given a function that emits its body."""

    @intrinsic
    def kernel(
        typing: Value, a: Value, a_offset: Value, b: Value, b_offset: Value, length: Value
    ) -> tuple[Value, Callable[..., Value]]:
        def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
            kinds = signature.args
            left = _at(context, builder, kinds[0], arguments[0], arguments[1])
            right = _at(context, builder, kinds[2], arguments[2], arguments[3])
            return emit(builder, left, right, arguments[4])

        return result(a, types.int64, b, types.int64, types.int64), generate

    return kernel


def make_dot_u8i8(variant: str) -> Value:
    """Return an intrinsic f(a, a_offset, b, b_offset, length) for the int32 dot product of uint8 `a` and int8 `b`."""

    def emit(builder: Value, left: Value, right: Value, length: Value) -> Value:
        lanes = {"vnni": 64, "avx2": 16, "generic": 16}[variant]

        def body(at: Value, total: Value) -> Value:
            a, b = _load(builder, left, at, lanes), _load(builder, right, at, lanes)
            if variant == "vnni":
                a, b = _as_words(builder, a), _as_words(builder, b)
                return call_llvm(builder, "llvm.x86.avx512.vpdpbusd.512", total.type, total, a, b)
            if variant == "avx2":  # vpmaddubsw would saturate: 2 * 255 * 127 takes 17 bits
                short = ir.VectorType(_I16, lanes)
                return builder.add(total, _pair_products(builder, builder.zext(a, short), builder.sext(b, short)))
            return builder.add(total, _wide_products(builder, a, b, unsigned=True))

        def single(at: Value) -> Value:
            a, b = builder.load(builder.gep(left, [at])), builder.load(builder.gep(right, [at]))
            return builder.mul(builder.zext(a, _I32), builder.sext(b, _I32))

        zero = _splat(_I32, 8 if variant == "avx2" else 16, 0)
        return _reduce(builder, length, lanes, zero, body, single, accumulators=2)

    return _kernel(emit, types.int32)


def make_dot_i16(variant: str) -> Value:
    """Return an intrinsic f(a, a_offset, b, b_offset, length) for the int32 dot product of two int16 vectors.

    It doesn't overflow if the norm of each vector is at most FIXED_ONE, as for unit vectors in fixed point.
    """

    def emit(builder: Value, left: Value, right: Value, length: Value) -> Value:
        lanes = {"vnni": 32, "avx2": 16, "generic": 16}[variant]

        def body(at: Value, total: Value) -> Value:
            a, b = _load(builder, left, at, lanes), _load(builder, right, at, lanes)
            product = _wide_products if variant == "generic" else _pair_products
            return builder.add(total, product(builder, a, b))

        def single(at: Value) -> Value:
            a, b = builder.load(builder.gep(left, [at])), builder.load(builder.gep(right, [at]))
            return builder.mul(builder.sext(a, _I32), builder.sext(b, _I32))

        zero = _splat(_I32, 8 if variant == "avx2" else 16, 0)
        return _reduce(builder, length, lanes, zero, body, single)

    return _kernel(emit, types.int32)


def _emit_dot_f32(builder: Value, left: Value, right: Value, length: Value) -> Value:
    lanes = 16

    def body(at: Value, total: Value) -> Value:
        a, b = _load(builder, left, at, lanes), _load(builder, right, at, lanes)
        if right.type.pointee == _I16:
            b = builder.sitofp(builder.sext(b, ir.VectorType(_I32, lanes)), ir.VectorType(_F32, lanes))
        return call_llvm(builder, f"llvm.fma.v{lanes}f32", total.type, a, b, total)

    def single(at: Value) -> Value:
        a, b = builder.load(builder.gep(left, [at])), builder.load(builder.gep(right, [at]))
        return builder.fmul(a, builder.sitofp(b, _F32) if right.type.pointee == _I16 else b)

    return _reduce(builder, length, lanes, _splat(_F32, lanes, 0.0), body, single)


def _sketch_emitter(variant: str) -> Callable[[Value, Value, Value, Value], Value]:
    """Return a function that emits the dot product of a sketch with weights, given both addresses and the length."""

    def emit(builder: Value, left: Value, right: Value, length: Value) -> Value:
        lanes = {"vnni": 64, "avx2": 32, "generic": 16}[variant]
        bytes_ = ir.VectorType(_I8, lanes)

        def body(at: Value, total: Value) -> Value:
            packed = _load(builder, left, at, lanes)
            short = None
            for plane in range(PLANES):
                shifted = builder.lshr(packed, _splat(_I8, lanes, 2 * plane)) if plane else packed
                digits = builder.and_(shifted, _splat(_I8, lanes, 3))
                start = builder.add(at, builder.mul(length, ir.Constant(_I64, plane)))
                weights = _load(builder, right, start, lanes)
                assert digits.type == bytes_
                if variant == "vnni":
                    a, b = _as_words(builder, digits), _as_words(builder, weights)
                    total = call_llvm(builder, "llvm.x86.avx512.vpdpbusd.512", total.type, total, a, b)
                elif variant == "avx2":  # 4 planes * 2 products * 3 * 127 fit int16
                    pairs = call_llvm(builder, "llvm.x86.avx2.pmadd.ub.sw", ir.VectorType(_I16, 16), digits, weights)
                    short = pairs if short is None else builder.add(short, pairs)
                else:
                    total = builder.add(total, _wide_products(builder, digits, weights, unsigned=True))
            if short is not None:
                total = builder.add(total, _pair_products(builder, short, _splat(_I16, 16, 1)))
            return total

        zero = _splat(_I32, 8 if variant == "avx2" else 16, 0)
        return _reduce(builder, length, lanes, zero, body, None, accumulators=1)

    return emit


def make_dot_sketch(variant: str) -> Value:
    """Return an intrinsic f(codes, offset, weights, offset, length) for the int32 dot product of a sketch with weights.

    `length` is the size of the sketch in bytes, a multiple of 64. A byte has four two-bit digits, lowest bits first.
    `weights` (4 * length,) int8 has the weights of all first digits, then those of all second digits, and so on.
    """
    return _kernel(_sketch_emitter(variant), types.int32)


def make_score_nodes(variant: str) -> Value:
    """Return an intrinsic f(sketches, width, weights, excess, scale, nodes, at, count, worst, keys).

    It computes the keys (see `keys`) of the nodes nodes[at : at + count], uint32, and writes those that are less than
    `worst` to `keys` (count + 1,) int64. Returns their number. The score in a key is that of `sketch.sketch_score`: the
    dot product of the node's sketch with `weights`, minus `excess`, times `scale` plus the last byte of the sketch.
    `sketches` (n, width) uint8 and `weights` (4 * width,) int8 are those of `make_dot_sketch`.
    """
    dot = _sketch_emitter(variant)

    @intrinsic
    def score_nodes(
        typing: Value, sketches: Value, width: Value, weights: Value, excess: Value, scale: Value, nodes: Value,
        at: Value, count: Value, worst: Value, keys: Value,
    ) -> tuple[Value, Callable[..., Value]]:  # fmt: skip
        def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
            kinds, zero, one = signature.args, ir.Constant(_I64, 0), ir.Constant(_I64, 1)
            _, length, _, excess, scale, _, start, count, worst, _ = arguments
            codes, own, out = (_at(context, builder, kinds[i], arguments[i], zero) for i in (0, 2, 9))
            first = _at(context, builder, kinds[5], arguments[5], start)
            kept = cgutils.alloca_once_value(builder, zero)

            def score_all(length: Value) -> None:  # a constant length needs no loop
                with cgutils.for_range(builder, count) as loop:
                    node = builder.zext(builder.load(builder.gep(first, [loop.index])), _I64)
                    sketch = builder.gep(codes, [builder.mul(node, length)])
                    product = builder.sub(builder.sext(dot(builder, sketch, own, length), _I64), excess)
                    last = builder.load(builder.gep(sketch, [builder.sub(length, one)]))
                    score = builder.mul(product, builder.add(builder.zext(last, _I64), scale))
                    high = builder.shl(builder.neg(score), ir.Constant(_I64, 32))
                    key = builder.or_(high, builder.shl(node, one))
                    builder.store(key, builder.gep(out, [builder.load(kept)]))
                    better = builder.zext(builder.icmp_signed("<", key, worst), _I64)
                    builder.store(builder.add(builder.load(kept), better), kept)

            line = ir.Constant(_I64, CACHE_LINE)
            with builder.if_else(builder.icmp_signed("==", length, line)) as (then, otherwise):
                with then:
                    score_all(line)
                with otherwise:
                    score_all(length)
            return builder.load(kept)

        whole = types.int64
        return whole(sketches, whole, weights, whole, whole, nodes, whole, whole, whole, keys), generate

    return score_nodes


@intrinsic
def gather_unvisited(
    typing: Value, neighbors: Value, start: Value, degree: Value, sketches: Value, width: Value, visited: Value,
    unseen: Value, at: Value,
) -> tuple[Value, Callable[..., Value]]:  # fmt: skip
    """Write those of a node's neighbours that are not visited yet to unseen[at:], uint32, and return their number.

    The neighbours are the `degree` elements from index `start` on of `neighbors` (n, degree) uint32, up to NO_NODE.
    They are marked as visited in `visited` (n / 32,) uint32, one bit for each node, and their sketches (n, width) are
    prefetched. unseen[at + degree] must exist.
    """

    def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        kinds, zero = signature.args, ir.Constant(_I64, 0)
        degree, width = arguments[2], arguments[4]
        listed = _at(context, builder, kinds[0], arguments[0], arguments[1])
        codes, marks = (_at(context, builder, kinds[i], arguments[i], zero) for i in (3, 5))
        out = _at(context, builder, kinds[6], arguments[6], arguments[7])
        count = cgutils.alloca_once_value(builder, zero)
        with cgutils.for_range(builder, degree) as loop:
            node = builder.load(builder.gep(listed, [loop.index]))
            with builder.if_then(builder.icmp_unsigned("==", node, ir.Constant(_I32, NO_NODE)), likely=False):
                loop.do_break()
            # visited or not: a branch would cost more
            _prefetch(builder, builder.gep(codes, [builder.mul(builder.zext(node, _I64), width)]))
            builder.store(node, builder.gep(out, [builder.load(count)]))
            word = builder.gep(marks, [builder.zext(builder.lshr(node, ir.Constant(_I32, 5)), _I64)])
            bit = builder.shl(ir.Constant(_I32, 1), builder.and_(node, ir.Constant(_I32, 31)))
            before = builder.load(word)
            builder.store(builder.or_(before, bit), word)
            is_new = builder.icmp_unsigned("==", builder.and_(before, bit), ir.Constant(_I32, 0))
            builder.store(builder.add(builder.load(count), builder.zext(is_new, _I64)), count)
        return builder.load(count)

    whole = types.int64
    return whole(neighbors, whole, whole, sketches, whole, visited, unseen, whole), generate


def _prefetch(builder: Value, address: Value) -> None:
    """Prefetch the cache line of an address, which need not be valid."""
    address = builder.bitcast(address, _I8.as_pointer())
    numbers = [ir.Constant(_I32, number) for number in (0, 3, 1)]  # to read; keep in every cache; data
    kind = ir.FunctionType(ir.VoidType(), [address.type, _I32, _I32, _I32])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0"), [address, *numbers])


@intrinsic
def prefetch(typing: Value, array: Value, offset: Value) -> tuple[Value, Callable[..., Value]]:
    """Prefetch the cache line of array[offset]. This can't fail, even if the array has no such element."""

    def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        _prefetch(builder, _at(context, builder, signature.args[0], arguments[0], arguments[1]))
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@intrinsic
def insert_sorted(
    typing: Value, pool: Value, offset: Value, limit: Value, key: Value
) -> tuple[Value, Callable[..., Value]]:
    """Insert a key into pool[offset : offset + limit], int64 and sorted, and drop the last key. It has no branches.

    `limit` must be a multiple of 8, and pool[offset - 1] must exist and be less than every key.
    """

    def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        base = _at(context, builder, signature.args[0], arguments[0], arguments[1])
        kind = ir.VectorType(_I64, 8)
        spread = builder.insert_element(ir.Constant(kind, ir.Undefined), arguments[3], ir.Constant(_I32, 0))
        spread = builder.shuffle_vector(spread, spread, _splat(_I32, 8, 0))
        index = cgutils.alloca_once_value(builder, arguments[2])

        def shift() -> None:  # new[i] = max(old[i - 1], min(key, old[i])), from the end
            at = builder.sub(builder.load(index), ir.Constant(_I64, 8))
            here = _load(builder, base, at, 8)
            left = _load(builder, base, builder.sub(at, ir.Constant(_I64, 1)), 8)
            least = call_llvm(builder, "llvm.smin.v8i64", kind, here, spread)
            result = call_llvm(builder, "llvm.smax.v8i64", kind, left, least)
            builder.store(result, builder.bitcast(builder.gep(base, [at]), kind.as_pointer()), align=8)
            builder.store(at, index)

        _while(builder, lambda: builder.icmp_signed(">", builder.load(index), ir.Constant(_I64, 0)), shift)
        return context.get_dummy_value()

    return types.void(pool, types.int64, types.int64, types.int64), generate


@intrinsic
def count_bits(typing: Value, word: Value) -> tuple[Value, Callable[..., Value]]:
    """Return the number of ones among the bits of a uint64."""

    def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        return call_llvm(builder, "llvm.ctpop.i64", _I64, arguments[0])

    return types.int64(types.uint64), generate


@intrinsic
def first_even(typing: Value, pool: Value, offset: Value, limit: Value) -> tuple[Value, Callable[..., Value]]:
    """Return the first i < limit for which pool[offset + i], int64, is even; `limit` or more if there is none.

    `limit` must be a multiple of 8.
    """

    def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        base = _at(context, builder, signature.args[0], arguments[0], arguments[1])
        index = cgutils.alloca_once_value(builder, ir.Constant(_I64, -8))
        mask = cgutils.alloca_once_value(builder, ir.Constant(_I8, 0))

        def more() -> Value:
            none = builder.icmp_unsigned("==", builder.load(mask), ir.Constant(_I8, 0))
            left = builder.icmp_signed("<", builder.add(builder.load(index), ir.Constant(_I64, 8)), arguments[2])
            return builder.and_(none, left)

        def block() -> None:
            at = builder.add(builder.load(index), ir.Constant(_I64, 8))
            flags = builder.and_(_load(builder, base, at, 8), _splat(_I64, 8, 1))
            even = builder.icmp_unsigned("==", flags, _splat(_I64, 8, 0))
            builder.store(builder.bitcast(even, _I8), mask)
            builder.store(at, index)

        _while(builder, more, block)
        zeros = call_llvm(builder, "llvm.cttz.i8", _I8, builder.load(mask), ir.Constant(ir.IntType(1), 0))
        return builder.add(builder.load(index), builder.zext(zeros, _I64))

    return types.int64(pool, types.int64, types.int64), generate


@intrinsic
def first_above(
    typing: Value, sums: Value, start: Value, end: Value, least: Value
) -> tuple[Value, Callable[..., Value]]:
    """Return the first i with start <= i < end and sums[i] > least (int32); `end` or more if there is none.

    SUMS_AT_ONCE elements after `end` must exist, with any values.
    """

    def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        base = _at(context, builder, signature.args[0], arguments[0], ir.Constant(_I64, 0))
        bound = builder.insert_element(ir.Constant(ir.VectorType(_I32, SUMS_AT_ONCE), ir.Undefined), arguments[3],
                                       ir.Constant(_I32, 0))  # fmt: skip
        bound = builder.shuffle_vector(bound, bound, _splat(_I32, SUMS_AT_ONCE, 0))
        step = ir.Constant(_I64, SUMS_AT_ONCE)
        index = cgutils.alloca_once_value(builder, builder.sub(arguments[1], step))
        mask = cgutils.alloca_once_value(builder, ir.Constant(_I32, 0))

        def more() -> Value:
            none = builder.icmp_unsigned("==", builder.load(mask), ir.Constant(_I32, 0))
            return builder.and_(none, builder.icmp_signed("<", builder.add(builder.load(index), step), arguments[2]))

        def block() -> None:
            at = builder.add(builder.load(index), step)
            above = builder.icmp_signed(">", _load(builder, base, at, SUMS_AT_ONCE), bound)
            builder.store(builder.bitcast(above, _I32), mask)
            builder.store(at, index)

        _while(builder, more, block)
        zeros = call_llvm(builder, "llvm.cttz.i32", _I32, builder.load(mask), ir.Constant(ir.IntType(1), 0))
        return builder.add(builder.load(index), builder.zext(zeros, _I64))

    return types.int64(sums, types.int64, types.int64, types.int32), generate


def _lookup_vbmi(builder: Value, codes: Value, table: Value) -> Value:
    """Return the 64 elements of a table of 256 bytes at the indices `codes`: two lookups in halves, and a choice."""
    bytes_ = ir.VectorType(_I8, 64)
    quarters = [_load(builder, table, ir.Constant(_I64, 64 * i), 64) for i in range(4)]
    name = "llvm.x86.avx512.vpermi2var.qi.512"
    low, high = (call_llvm(builder, name, bytes_, quarters[i], codes, quarters[i + 1]) for i in (0, 2))
    return builder.select(builder.icmp_signed("<", codes, _splat(_I8, 64, 0)), high, low)


def _lookup_each(builder: Value, codes: Value, table: Value) -> Value:
    """Return the elements of a table of bytes at the indices `codes`, one after the other."""
    found = ir.Constant(codes.type, ir.Undefined)
    for lane in range(codes.type.count):
        number = ir.Constant(_I32, lane)
        index = builder.zext(builder.extract_element(codes, number), _I64)
        found = builder.insert_element(found, builder.load(builder.gep(table, [index])), number)
    return found


def _lookup_small(builder: Value, codes: Value, table: Value, variant: str) -> Value:
    """Return the elements of a table of 16 bytes at the indices `codes`, a vector of bytes.

    With "vbmi", only the low four bits of an index count. With the other variants, the others must be zeros.
    """
    lanes = codes.type.count
    if variant == "generic":
        return _lookup_each(builder, codes, table)
    own = _load(builder, table, ir.Constant(_I64, 0), _SMALL_TABLE)
    everywhere = ir.Constant(ir.VectorType(_I32, lanes), [lane % _SMALL_TABLE for lane in range(lanes)])
    spread = builder.shuffle_vector(own, own, everywhere)
    name = {"vbmi": "avx512.permvar.qi.512", "avx512": "avx512.pshuf.b.512", "avx2": "avx2.pshuf.b"}[variant]
    return call_llvm(builder, f"llvm.x86.{name}", codes.type, spread, codes)


def _add_bytes(builder: Value, found: Value, both: Value, odd: Value) -> None:
    """Add bytes to sums: those at odd places to `odd`, and 256 times these plus those at even places to `both`."""
    words = builder.bitcast(found, odd.type.pointee)
    builder.store(builder.add(builder.load(both), words), both)
    high = builder.lshr(words, _splat(_I16, words.type.count, 8))
    builder.store(builder.add(builder.load(odd), high), odd)


def _store_sums(builder: Value, both: Sequence[Value], odd: Sequence[Value], out: Value, least: Value) -> Value:
    """Store the sums that `_add_bytes` made of 64 places; return a uint64 with a bit for each sum >= `least`."""
    lanes = both[0].type.pointee.count
    short = ir.VectorType(_I16, lanes)
    bound = builder.insert_element(ir.Constant(short, ir.Undefined), least, ir.Constant(_I32, 0))
    bound = builder.shuffle_vector(bound, bound, _splat(_I32, lanes, 0))
    high = [builder.load(each) for each in odd]
    low = [
        builder.sub(builder.load(each), builder.shl(own, _splat(_I16, lanes, 8)))
        for each, own in zip(both, high, strict=True)
    ]
    found = ir.Constant(_I64, 0)
    for number, sums in enumerate([*low, *high]):
        address = builder.gep(out, [ir.Constant(_I64, lanes * number)])
        builder.store(sums, builder.bitcast(address, short.as_pointer()), align=2)
        mask = builder.bitcast(builder.icmp_unsigned(">=", sums, bound), ir.IntType(lanes))
        found = builder.or_(found, builder.shl(builder.zext(mask, _I64), ir.Constant(_I64, lanes * number)))
    return found


def _sum_intrinsic(emit: Callable[..., Value]) -> Value:
    """Return an intrinsic f(codes, offset, tables, bytes, sums, least), given a function that emits its body."""

    @intrinsic
    def sum_tables(
        typing: Value, codes: Value, offset: Value, tables: Value, count: Value, sums: Value, least: Value
    ) -> tuple[Value, Callable[..., Value]]:
        def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
            kinds, zero = signature.args, ir.Constant(_I64, 0)
            block = _at(context, builder, kinds[0], arguments[0], arguments[1])
            first = _at(context, builder, kinds[2], arguments[2], zero)
            out = _at(context, builder, kinds[4], arguments[4], zero)
            return emit(builder, block, first, arguments[3], out, arguments[5])

        return types.uint64(codes, types.int64, tables, types.int64, sums, types.uint16), generate

    return sum_tables


def make_sum_tables(variant: str) -> Value:
    """Return an intrinsic f(codes, offset, tables, bytes, sums, least) that adds table elements for a block of 64 rows.

    `codes` uint8 has as many `bytes` of each row: byte b of row r is at offset + 64 * b + place, where place is 2 * r
    for the first 32 rows and 2 * (r - 32) + 1 for the others. `tables` (256 * bytes,) uint8 has a number for each value
    of each byte. The sum of a row's numbers is written to sums[r], (64,) uint16; it must be below 2**16.

    The intrinsic returns a uint64, in which bit r is set if sums[r] >= least.
    """
    lookup = {"vbmi": _lookup_vbmi, "generic": _lookup_each}[variant]

    def emit(builder: Value, block: Value, tables: Value, count: Value, out: Value, least: Value) -> Value:
        both, odd = (cgutils.alloca_once_value(builder, _splat(_I16, 32, 0)) for _ in range(2))
        with cgutils.for_range(builder, count) as loop:
            codes = _load(builder, block, builder.mul(loop.index, ir.Constant(_I64, 64)), 64)
            table = builder.gep(tables, [builder.mul(loop.index, ir.Constant(_I64, _TABLE))])
            _add_bytes(builder, lookup(builder, codes, table), both, odd)
        return _store_sums(builder, [both], [odd], out, least)

    return _sum_intrinsic(emit)


def make_sum_small_tables(variant: str) -> Value:
    """Return an intrinsic like those of `make_sum_tables`, but with a table for each half byte ("fast scan").

    `tables` (32 * bytes,) uint8 has 16 numbers for the low half of each byte, then 16 for its high half, each at most
    LARGEST_SMALL_ELEMENT. They are looked up by one instruction for 16 to 64 rows at once (André, Kermarrec and Le
    Scouarnec, VLDB 2015).
    """
    lanes = 32 if variant == "avx2" else 64
    groups = 64 // lanes

    def emit(builder: Value, block: Value, tables: Value, count: Value, out: Value, least: Value) -> Value:
        short = lanes // 2
        both = [cgutils.alloca_once_value(builder, _splat(_I16, short, 0)) for _ in range(groups)]
        odd = [cgutils.alloca_once_value(builder, _splat(_I16, short, 0)) for _ in range(groups)]

        def halves(byte: Value, group: int) -> Value:
            place = builder.add(builder.mul(byte, ir.Constant(_I64, 64)), ir.Constant(_I64, group * lanes))
            codes = _load(builder, block, place, lanes)
            words = builder.bitcast(codes, ir.VectorType(_I16, short))
            high = builder.bitcast(builder.lshr(words, _splat(_I16, short, 4)), codes.type)
            if variant != "vbmi":
                codes, high = (builder.and_(each, _splat(_I8, lanes, 15)) for each in (codes, high))
            table = builder.gep(tables, [builder.mul(byte, ir.Constant(_I64, 2 * _SMALL_TABLE))])
            second = builder.gep(table, [ir.Constant(_I64, _SMALL_TABLE)])
            return builder.add(
                _lookup_small(builder, codes, table, variant), _lookup_small(builder, high, second, variant)
            )

        with cgutils.for_range(builder, builder.lshr(count, ir.Constant(_I64, 1))) as loop:
            first = builder.shl(loop.index, ir.Constant(_I64, 1))
            second = builder.add(first, ir.Constant(_I64, 1))
            for group in range(groups):
                found = builder.add(halves(first, group), halves(second, group))
                _add_bytes(builder, found, both[group], odd[group])
        is_odd = builder.trunc(count, ir.IntType(1))
        with builder.if_then(is_odd):
            last = builder.sub(count, ir.Constant(_I64, 1))
            for group in range(groups):
                _add_bytes(builder, halves(last, group), both[group], odd[group])
        return _store_sums(builder, both, odd, out, least)

    return _sum_intrinsic(emit)


@intrinsic
def lowest_bit(typing: Value, mask: Value) -> tuple[Value, Callable[..., Value]]:
    """Return the number of the lowest bit that is set in a uint64; 64 if none is."""

    def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        return call_llvm(builder, "llvm.cttz.i64", _I64, arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


def make_nearest_centroid(count: int) -> Value:
    """Return an intrinsic f(vector, at, book, book_at, halves, halves_at, size) for the number of the nearest centroid.

    It is the centroid nearest to the sub-vector vector[at : at + size], the first of equal ones. `count` is 16 or 256.
    `book` and `halves` are float32: from book[book_at] on there are `size` rows with one element of each of `count`
    centroids, and from halves[halves_at] on half of their squared lengths.
    """

    def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        kinds, lanes = signature.args, 16
        groups = min(4, count // lanes)
        floats, words = ir.VectorType(_F32, lanes), ir.VectorType(_I32, lanes)
        own = _at(context, builder, kinds[0], arguments[0], arguments[1])
        centroids = _at(context, builder, kinds[2], arguments[2], arguments[3])
        half = _at(context, builder, kinds[4], arguments[4], arguments[5])
        best = cgutils.alloca_once_value(builder, _splat(_F32, lanes, float("-inf")))
        where = cgutils.alloca_once_value(builder, _splat(_I32, lanes, 0))
        cells = [cgutils.alloca_once_value(builder, _splat(_F32, lanes, 0.0)) for _ in range(groups)]
        for start in range(0, count, lanes * groups):
            for number, cell in enumerate(cells):
                place = ir.Constant(_I64, start + number * lanes)
                builder.store(builder.fneg(_load(builder, half, place, lanes)), cell)
            with cgutils.for_range(builder, arguments[6]) as loop:
                element = builder.load(builder.gep(own, [loop.index]))
                spread = builder.insert_element(ir.Constant(floats, ir.Undefined), element, ir.Constant(_I32, 0))
                spread = builder.shuffle_vector(spread, spread, _splat(_I32, lanes, 0))
                row = builder.mul(loop.index, ir.Constant(_I64, count))
                for number, cell in enumerate(cells):
                    place = builder.add(row, ir.Constant(_I64, start + number * lanes))
                    values = _load(builder, centroids, place, lanes)
                    builder.store(
                        call_llvm(builder, f"llvm.fma.v{lanes}f32", floats, spread, values, builder.load(cell)),
                        cell,
                    )
            for number, cell in enumerate(cells):
                score, numbers = builder.load(cell), [start + number * lanes + lane for lane in range(lanes)]
                better = builder.fcmp_ordered(">", score, builder.load(best))
                builder.store(builder.select(better, score, builder.load(best)), best)
                builder.store(builder.select(better, ir.Constant(words, numbers), builder.load(where)), where)
        highest = builder.load(best)
        top = call_llvm(builder, f"llvm.vector.reduce.fmax.v{lanes}f32", _F32, highest)
        spread = builder.insert_element(ir.Constant(floats, ir.Undefined), top, ir.Constant(_I32, 0))
        spread = builder.shuffle_vector(spread, spread, _splat(_I32, lanes, 0))
        chosen = builder.select(
            builder.fcmp_ordered("==", highest, spread), builder.load(where), _splat(_I32, lanes, count - 1)
        )
        return builder.zext(call_llvm(builder, f"llvm.vector.reduce.umin.v{lanes}i32", _I32, chosen), _I64)

    @intrinsic
    def nearest_centroid(
        typing: Value, vector: Value, at: Value, book: Value, book_at: Value, halves: Value, halves_at: Value,
        size: Value,
    ) -> tuple[Value, Callable[..., Value]]:  # fmt: skip
        return types.int64(vector, types.int64, book, types.int64, halves, types.int64, types.int64), generate

    return nearest_centroid


dot_u8i8 = make_dot_u8i8(VARIANTS[0])
dot_i16 = make_dot_i16(VARIANTS[0])
dot_sketch = make_dot_sketch(VARIANTS[0])
score_nodes = make_score_nodes(VARIANTS[0])
dot_f32 = _kernel(_emit_dot_f32, types.float32)  # (float32 array, offset, float32 or int16 array, offset, length)
sum_tables = make_sum_tables(TABLE_VARIANTS[0])
sum_small_tables = make_sum_small_tables(SMALL_TABLE_VARIANTS[0])
nearest_of_256, nearest_of_16 = make_nearest_centroid(_TABLE), make_nearest_centroid(_SMALL_TABLE)
