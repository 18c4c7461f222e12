"""Runs a compiled loop on all threads of the engine at once: on the very threads that torch's products use.

Torch's wheels compute on a team of OpenMP threads that spin while they wait for work. A second team beside it would
fight for the same cores (two teams halved the speed when that was measured), so the loops of `model.kernels` are run on
torch's own: through `GOMP_parallel`, the entry point that compilers use for `#pragma omp parallel`, of the library that
torch has loaded. Where that library is another one (macOS, Windows), the caller's thread does all the work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import torch
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_FORK, _MEMBER = "tradewind_team_fork", "tradewind_team_member"


def _find_openmp() -> bool:
    """Make torch's OpenMP known to the compiler under names of ours. Whether there is one."""
    for library in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*")):
        openmp = ctypes.CDLL(str(library))  # loaded already: this finds, not loads
        for name, symbol in ((_FORK, openmp.GOMP_parallel), (_MEMBER, openmp.omp_get_thread_num)):
            llvmlite.binding.add_symbol(name, ctypes.cast(symbol, ctypes.c_void_p).value)
        return True
    return False


HAS_TEAM = _find_openmp()


def _uncounted(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """The array without its reference count: the caller holds it, and threads that all count would wait for each other."""
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    return array._getvalue()


def on_team(loop: Callable[..., None]) -> Callable[..., None]:
    """Compile `loop(start, stop, *arrays)` into `run(bounds, *arrays)`.

    Thread i of the team does the items from bounds[i] to bounds[i + 1]; `bounds` is an int64 array [threads + 1]. `loop`
    is a function that numba has compiled; it returns nothing and must be correct for any split of its items.
    """

    @intrinsic
    def fork(typing_context: Any, bounds: Any, arguments: Any) -> Any:
        signature = types.void(bounds, arguments)

        def member_work(member: int, bounds: Any, arguments: Any) -> None:
            loop(bounds[member], bounds[member + 1], *arguments)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            i32, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
            kinds = signature.args[1].types
            arrays = [
                _uncounted(context, builder, kind, value)
                for kind, value in zip(kinds, cgutils.unpack_tuple(builder, values[1]), strict=True)
            ]
            given_values = [values[0], context.make_tuple(builder, signature.args[1], arrays)]
            # What the threads share, in the caller's stack frame: it waits there until all are done.
            shared = cgutils.alloca_once_value(builder, cgutils.pack_struct(builder, given_values))
            task = ir.Function(
                builder.module, ir.FunctionType(ir.VoidType(), [pointer]), context.mangler("team_task", [], uid=id(loop))
            )
            task.linkage = "internal"
            inside = ir.IRBuilder(task.append_basic_block("entry"))
            number = cgutils.get_or_insert_function(builder.module, ir.FunctionType(i32, []), _MEMBER)
            member = inside.sext(inside.call(number, []), ir.IntType(64))
            given = inside.load(inside.bitcast(task.args[0], shared.type))
            share = types.void(types.intp, *signature.args)
            body = context.compile_subroutine(inside, member_work, share).fndesc
            context.call_internal_no_propagate(inside, body, share, [member, *cgutils.unpack_tuple(inside, given)])
            inside.ret_void()
            launch = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), [task.type, pointer, i32, i32]), _FORK
            )
            threads = builder.trunc(
                builder.sub(
                    context.make_array(signature.args[0])(context, builder, values[0]).nitems,
                    context.get_constant(types.intp, 1),
                ),
                i32,
            )
            builder.call(launch, [task, builder.bitcast(shared, pointer), threads, i32(0)])
            return context.get_dummy_value()

        return signature, generate

    if HAS_TEAM:

        @njit(nogil=True)
        def run(bounds: Any, *arrays: Any) -> None:
            if bounds.size == 2:
                loop(bounds[0], bounds[1], *arrays)
            else:
                fork(bounds, arrays)

    else:

        @njit(nogil=True)
        def run(bounds: Any, *arrays: Any) -> None:
            loop(bounds[0], bounds[-1], *arrays)

    compiled: Callable[..., None] = run
    return compiled
