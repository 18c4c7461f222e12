"""What the loops of `model.kernels` are made of: 32-bit instructions, bf16, an exponential, rounding to 8 bits.

bf16 numbers are held as uint16, the upper halves of float32; numpy has no type for them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

f32, i32 = np.float32, np.int32


def inline(function: Any) -> Any:
    return njit(nogil=True, fastmath=True, error_model="numpy", inline="always")(function)


def instruction(name: str, result: Any, operands: int) -> Any:
    """A machine instruction on 32 bits.

    Numba widens every integer sum to 64 bits, which halves or quarters the speed of a loop, and can't reinterpret bits.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if name == "bitcast":
            return builder.bitcast(values[0], context.get_value_type(result))
        return getattr(builder, name)(*values)

    if operands == 1:
        source = types.int32 if result is types.float32 else types.float32

        @intrinsic
        def unary(typing_context: Any, a: Any) -> Any:
            return result(source), generate

        return unary

    @intrinsic
    def binary(typing_context: Any, a: Any, b: Any) -> Any:
        return result(result, result), generate

    return binary


add, times = instruction("add", types.int32, 2), instruction("mul", types.int32, 2)
bit_and, bit_xor = instruction("and_", types.int32, 2), instruction("xor", types.int32, 2)
shift_left, shift_right, shift_signed = (instruction(name, types.int32, 2) for name in ("shl", "lshr", "ashr"))
as_float, as_bits = instruction("bitcast", types.float32, 1), instruction("bitcast", types.int32, 1)


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Have the memory at array[index], counted in items from its first, brought into the cache; behind its end is fine.

    The processor foresees what is read in sequence, but only up to the end of a page of 4 KiB.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        i8, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        hint = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [i8, i32, i32, i32]), "llvm.prefetch.p0i8"
        )
        builder.call(hint, [builder.bitcast(builder.gep(data, [values[1]]), i8), i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@inline
def ordered(bits: Any) -> Any:
    """The bits of a float as an integer that is ordered as the floats are; the same again gives the bits back."""
    return bit_xor(bits, bit_and(shift_signed(bits, i32(31)), i32(0x7FFFFFFF)))


@inline
def widen(bf16: Any) -> Any:
    return as_float(shift_left(i32(bf16), i32(16)))


@inline
def narrow(number: Any) -> Any:
    """To bf16, to the nearest, ties to even."""
    bits = as_bits(number)
    odd = bit_and(shift_right(bits, i32(16)), i32(1))
    return np.uint16(shift_right(add(add(bits, i32(0x7FFF)), odd), i32(16)))


@inline
def exp(x: Any) -> Any:
    """e^x for x in -87..88, to 4e-7, in operations that the compiler can do on many numbers at once.

    2^n * 2^f with n an integer and f within half of 0. 2^f is its Taylor polynomial, sum of (f ln 2)^k / k!; 2^n is
    added to the exponent bits.
    """
    power = x * f32(1.44269504)
    n = math.floor(power + f32(0.5))
    f = power - n
    y = f32(1.5403530e-4) * f + f32(1.3333558e-3)
    y = y * f + f32(9.6181291e-3)
    y = y * f + f32(5.5504109e-2)
    y = y * f + f32(2.4022651e-1)
    y = y * f + f32(6.9314718e-1)
    y = y * f + f32(1.0)
    return as_float(add(as_bits(y), shift_left(i32(n), i32(23))))


@inline
def quantise(x: Any, q: Any) -> Any:
    """Round x to integers q in -127..127; the factor that gives x back."""
    peak = i32(0x0DA24260)  # 1e-30: rows may be all zero
    for i in range(x.size):  # the bits of positive floats are ordered as the floats are
        peak = max(peak, bit_and(as_bits(x[i]), i32(0x7FFFFFFF)))
    inverse = f32(127.0) / as_float(peak)
    for i in range(x.size):
        rounded = i32(x[i] * inverse + f32(128.5))  # by truncation: it is positive
        q[i] = np.int8(add(rounded, i32(-128)))
    return as_float(peak) / f32(127.0)
