"""Runs a compiled loop on all threads of the engine at once: on the very threads that torch's products use.

Torch's wheels compute on a team of OpenMP threads that spin while they wait for work. A second team beside it would
fight for the same cores (two teams halved the speed when that was measured), so the loops of `model.kernels` are run on
torch's own: through `GOMP_parallel`, the entry point that compilers use for `#pragma omp parallel`, of the library that
torch has loaded. Where that library is another one (macOS, Windows), the caller's thread does all the work.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_FORK, _MEMBER, _MEMBERS = "tradewind_team_fork", "tradewind_team_member", "tradewind_team_members"


def _find_openmp() -> bool:
    """Make torch's OpenMP known to the compiler under names of ours. Whether there is one."""
    for library in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*")):
        openmp = ctypes.CDLL(str(library))  # loaded already: this finds, not loads
        known = {_FORK: openmp.GOMP_parallel, _MEMBER: openmp.omp_get_thread_num, _MEMBERS: openmp.omp_get_num_threads}
        for name, symbol in known.items():
            llvmlite.binding.add_symbol(name, ctypes.cast(symbol, ctypes.c_void_p).value)
        return True
    return False


HAS_TEAM = _find_openmp()


def even_shares(count: int) -> Any:
    """Bounds [threads + 1] of equal shares of `count` items, for as many threads as torch's products use."""
    threads = max(1, min(torch.get_num_threads(), count))
    return np.arange(threads + 1) * count // threads


def _uncounted(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """The array without its reference count: the caller holds it, and threads that all count wait for each other."""
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    return array._getvalue()


def on_team(loop: Any) -> Any:
    """An instruction run(bounds, arguments) for compiled code: loop(start, stop, *arguments) for all items.

    Share i is the items from bounds[i] to bounds[i + 1], one for each thread; `bounds` is an int64 array [threads + 1].
    `loop` is a function that numba has compiled; it returns nothing and is correct for any split of its items.
    """

    def own_shares(member: int, members: int, bounds: Any, arguments: Any) -> None:
        for share in range(member, bounds.size - 1, members):  # there may be fewer threads than were asked for
            loop(bounds[share], bounds[share + 1], *arguments)

    def all_shares(bounds: Any, arguments: Any) -> None:
        loop(bounds[0], bounds[-1], *arguments)

    def alone(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        context.compile_internal(builder, all_shares, signature, values)
        return context.get_dummy_value()

    def together(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        i32, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        bounds, arguments = signature.args
        arrays = [
            _uncounted(context, builder, kind, value)
            for kind, value in zip(arguments.types, cgutils.unpack_tuple(builder, values[1]), strict=True)
        ]
        given = cgutils.pack_struct(builder, [values[0], context.make_tuple(builder, arguments, arrays)])
        shared = cgutils.alloca_once_value(builder, given)  # in the caller's stack frame: it waits there for all

        # void task(void *shared): what each thread runs
        name = context.mangler(f"team_{loop.__name__}", arguments.types)
        task = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [pointer]), name)
        task.linkage = "internal"
        inside = ir.IRBuilder(task.append_basic_block("entry"))
        place = [
            inside.sext(
                inside.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(i32, []), asked), []),
                ir.IntType(64),
            )
            for asked in (_MEMBER, _MEMBERS)
        ]
        taken = cgutils.unpack_tuple(inside, inside.load(inside.bitcast(task.args[0], shared.type)))
        work = types.void(types.intp, types.intp, bounds, arguments)
        compiled = context.compile_subroutine(inside, own_shares, work).fndesc
        context.call_internal_no_propagate(inside, compiled, work, [*place, *taken])
        inside.ret_void()

        # void GOMP_parallel(task, void *shared, unsigned threads, unsigned flags)
        kind = ir.FunctionType(ir.VoidType(), [task.type, pointer, i32, i32])
        launch = cgutils.get_or_insert_function(builder.module, kind, _FORK)
        items = context.make_array(bounds)(context, builder, values[0]).nitems
        threads = builder.trunc(builder.sub(items, items.type(1)), i32)
        builder.call(launch, [task, builder.bitcast(shared, pointer), threads, i32(0)])
        return context.get_dummy_value()

    @intrinsic
    def run(typing_context: Any, bounds: Any, arguments: Any) -> Any:
        return types.void(bounds, arguments), together if HAS_TEAM else alone

    return run
