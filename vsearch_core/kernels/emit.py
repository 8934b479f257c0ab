"""Emits LLVM instructions on vectors of 16 lanes, for functions that loops in Python would make several times slower.

`vector_function` turns a function that emits instructions into one that kernels can call. Bounds are not checked.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature, signature
from typing import Any

from llvmlite import ir

from vsearch_core.kernels.jit import cgutils, intrinsic, types

LANES = 16
I8, I32, I64, F16, F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.HalfType(), ir.FloatType()
BYTES, INTEGERS, HALVES, FLOATS = (ir.VectorType(kind, LANES) for kind in (I8, I32, F16, F32))
WHOLE = 1.5 * 2**23  # added to a small float32, it leaves the nearest integer in the lowest bits
Value = Any  # llvmlite's and numba's objects have no static types


class Bytes:
    """The annotation of an argument that is the address of 8-bit integers."""


class Integers:
    """The annotation of an argument that is the address of 32-bit integers."""


class Halves:
    """The annotation of an argument that is the address of float16 numbers."""


class Floats:
    """The annotation of an argument that is the address of float32 numbers."""


POINTERS = {
    Bytes: I8.as_pointer(),
    Integers: I32.as_pointer(),
    Halves: F16.as_pointer(),
    Floats: F32.as_pointer(),
}


def call_llvm(builder: Value, name: str, result: Value, *arguments: Value) -> Value:
    """Emit a call of an LLVM intrinsic, which returns the type `result`."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def sum_lanes(builder: Value, vector: Value) -> Value:
    """Emit the sum of all lanes of a vector of float32 or int32."""
    lanes, element = vector.type.count, vector.type.element
    if element == F32:
        kind = ir.FunctionType(F32, [F32, vector.type])
        callee = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{lanes}f32")
        return builder.call(callee, [ir.Constant(F32, 0.0), vector], fastmath=("reassoc",))
    return call_llvm(builder, f"llvm.vector.reduce.add.v{lanes}i32", I32, vector)


class Emitter:
    """Emits instructions with a builder of llvmlite. Vectors have 16 lanes of float32, int32 or int8."""

    def __init__(self, builder: Value) -> None:
        """Emit at the position of the builder."""
        self.builder = builder

    def number(self, value: int) -> Value:
        """Return an int64 constant."""
        return ir.Constant(I64, value)

    def floats(self, value: float) -> Value:
        """Return a vector with the same float32 constant in all lanes."""
        return ir.Constant(FLOATS, [value] * LANES)

    def integers(self, value: int) -> Value:
        """Return a vector with the same int32 constant in all lanes."""
        return ir.Constant(INTEGERS, [value] * LANES)

    def spread(self, value: Value) -> Value:
        """Return a vector with the same number in all lanes."""
        kind = ir.VectorType(value.type, LANES)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(first, first, self.integers(0))

    def address(self, pointer: Value, *offsets: Value) -> Value:
        """Return the address some elements after a pointer: the sum of the offsets."""
        for offset in offsets:
            pointer = self.builder.gep(pointer, [offset])
        return pointer

    def load(self, pointer: Value, offset: Value | None = None, kind: Value | None = None) -> Value:
        """Load 16 elements, or as many as a vector of type `kind` has. They need not be aligned."""
        kind = kind or ir.VectorType(pointer.type.pointee, LANES)
        pointer = pointer if offset is None else self.address(pointer, offset)
        return self.builder.load(self.builder.bitcast(pointer, kind.as_pointer()), align=1)

    def load_floats(self, pointer: Value, offset: Value) -> Value:
        """Load 16 numbers of float16 or float32 as float32."""
        vector = self.load(pointer, offset)
        return vector if vector.type == FLOATS else self.builder.fpext(vector, FLOATS)

    def store_halves(self, vector: Value, pointer: Value, offset: Value) -> None:
        """Store float32 numbers as float16."""
        self.store(self.builder.fptrunc(vector, HALVES), pointer, offset)

    def low_bytes(self, vector: Value) -> Value:
        """Return the lowest 8 bits of each lane's bits."""
        return self.builder.trunc(self.builder.bitcast(vector, INTEGERS), BYTES)

    def store(self, vector: Value, pointer: Value, offset: Value | None = None) -> None:
        """Store a vector. The address need not be aligned."""
        pointer = pointer if offset is None else self.address(pointer, offset)
        self.builder.store(vector, self.builder.bitcast(pointer, vector.type.as_pointer()), align=1)

    def call(self, name: str, *arguments: Value, result: Value = None) -> Value:
        """Call an LLVM intrinsic, which returns the type `result` (None: nothing)."""
        return call_llvm(self.builder, name, result or ir.VoidType(), *arguments)

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """Return a * b + c, rounded once."""
        return self.call("llvm.fma.v16f32", a, b, c, result=FLOATS)

    def magnitude(self, vector: Value) -> Value:
        """Return the absolute values of floats."""
        return self.call("llvm.fabs.v16f32", vector, result=FLOATS)

    def larger(self, a: Value, b: Value) -> Value:
        """Return the larger float of each lane."""
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def smaller(self, a: Value, b: Value) -> Value:
        """Return the smaller float of each lane."""
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def largest(self, vector: Value) -> Value:
        """Return the largest float of a vector."""
        return self.call("llvm.vector.reduce.fmax.v16f32", vector, result=F32)

    def sum(self, vector: Value) -> Value:
        """Return the sum of a vector of floats or integers."""
        return sum_lanes(self.builder, vector)

    def variable(self, start: Value) -> "Variable":
        """Return a new variable with a value to start from."""
        return Variable(self.builder, start)

    @contextmanager
    def loop(self, count: Value) -> Iterator[Value]:
        """Repeat the instructions of a `with` block. It yields the index: 0 to count - 1."""
        with cgutils.for_range(self.builder, count) as loop:
            yield loop.index

    @contextmanager
    def vectors(self, length: Value) -> Iterator[Value]:
        """Repeat the instructions for each 16 of `length` elements. It yields the index of the first of the 16."""
        with self.loop(self.builder.lshr(length, self.number(4))) as index:
            yield self.builder.shl(index, self.number(4))


class Variable:
    """A variable of a function: LLVM keeps it in a register."""

    def __init__(self, builder: Value, start: Value) -> None:
        """Create the variable, and set it to `start` whenever this place is reached."""
        self._builder = builder
        self._cell = cgutils.alloca_once(builder, start.type)
        self.set(start)

    def set(self, value: Value) -> None:
        """Change the value."""
        self._builder.store(value, self._cell)

    def get(self) -> Value:
        """Return the value."""
        return self._builder.load(self._cell)


def vector_function(result: Value = types.void) -> Callable[[Callable[..., Value]], Value]:
    """Return a decorator that makes a function for kernels of one that emits its instructions.

    The decorated function takes an `Emitter`, then its arguments. Those annotated as addresses are given as int64, so
    that kernels don't count references to arrays; the others are int64 or float32. It returns the result, of numba's
    type `result`, or nothing.
    """

    def decorate(emit: Callable[..., Value]) -> Value:
        arguments = [*signature(emit).parameters.values()][1:]

        def function(_typing: Value, *kinds: Value) -> tuple[Value, Callable[..., Value]]:
            def generate(context: Value, builder: Value, _signature: Value, values: Value) -> Value:
                given = [
                    builder.inttoptr(value, POINTERS[each.annotation]) if each.annotation in POINTERS else value
                    for each, value in zip(arguments, values, strict=True)
                ]
                found = emit(Emitter(builder), *given)
                return context.get_dummy_value() if result is types.void else found

            integers_are_long = (types.int64 if isinstance(kind, types.Integer) else kind for kind in kinds)
            return result(*integers_are_long), generate

        names = ["_typing", *(each.name for each in arguments)]
        function.__signature__ = Signature(  # type: ignore[attr-defined]
            [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        )
        function.__name__ = emit.__name__
        return intrinsic(function)

    return decorate
