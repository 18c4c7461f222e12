"""What an int8 step does between its matrix products, each part in one pass over memory.

Ordinary loops, compiled by numba when the model is loaded: written with torch's operators, the same would be some
forty calls a layer, each of them a pass of its own. N is the number of rows of a step: tokens of any sequences, in any
mixture of prompts and continuations. Each row is computed as if it were alone, so its result does not depend on the
others.

bf16 numbers are held as uint16, the upper halves of float32; numpy has no type for them. Keys and values are, and what
is wide: queries, keys and values before they are rotated, and what goes into a gate.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from model import instructions, team
from model.instructions import (
    add,
    as_bits,
    as_float,
    bit_and,
    exp,
    f32,
    i32,
    inline,
    narrow,
    ordered,
    prefetch,
    quantise,
    times,
    widen,
)
from model.team import on_team

_LANES = 3  # queries that share a pass over keys and values
_AHEAD = 16  # positions ahead of those that are read, to be brought into the cache


_SOURCES = tuple(
    hashlib.sha256(Path(source).read_bytes()).hexdigest() for source in (__file__, instructions.__file__, team.__file__)
)


def _loop(function: Any) -> Any:
    """Compiled at its first call, in seconds, and kept on disk beside this file, else in the user's cache folder."""
    try:
        compiled: Any = njit(nogil=True, fastmath=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # neither can be written
        return njit(nogil=True, fastmath=True, error_model="numpy")(function)
    # numba would compile anew when this file is newer; what the loops are made of counts as well
    compiled._cache._cache_file._source_stamp = _SOURCES
    return compiled


@_loop
def _add_and_normalise(start: Any, stop: Any, x: Any, y: Any, y_scale: Any, q: Any, scale: Any, epsilon: Any) -> None:
    for n in range(start, stop):
        row = x[n]
        if y.shape[0]:
            factor = y_scale[n]
            for i in range(row.size):
                row[i] += y[n, i] * factor
        squares = f32(0)
        for i in range(row.size):
            squares += row[i] * row[i]
        scale[n] = quantise(row, q[n]) / math.sqrt(squares / f32(row.size) + epsilon)


@inline
def _norm_factor(x: Any, epsilon: Any) -> Any:
    squares = f32(0)
    for i in range(x.size):
        squares += x[i] * x[i]
    return f32(1) / math.sqrt(squares / f32(x.size) + epsilon)


@inline
def _turn(x: Any, cos: Any, sin: Any) -> None:
    half = x.size // 2
    first, second = x[:half], x[half:]
    for i in range(half):
        a, b = first[i], second[i]
        first[i] = a * cos[i] - b * sin[i]
        second[i] = b * cos[i] + a * sin[i]


@_loop
def _rotate_and_store(
    start: Any, stop: Any, qkv: Any, scale: Any, bias: Any, q_norm: Any, k_norm: Any, epsilon: Any, cos: Any, sin: Any,
    rows: Any, positions: Any, queries: Any, keys: Any, values: Any,
) -> None:  # fmt: skip
    K, D = keys.shape[1], keys.shape[3]
    H = queries.shape[1]
    row = np.empty(qkv.shape[1], np.float32)
    for n in range(start, stop):
        factor = scale[n]
        for i in range(row.size):
            row[i] = widen(qkv[n, i]) * factor
        if bias.size:
            for i in range(row.size):
                row[i] += bias[i]
        for h in range(H + K):
            head = row[h * D : h * D + D]
            if q_norm.size:
                norm = q_norm if h < H else k_norm
                normed = _norm_factor(head, epsilon)
                for i in range(D):
                    head[i] *= norm[i] * normed
            _turn(head, cos[positions[n]], sin[positions[n]])
        for h in range(H):
            for i in range(D):
                queries[n, h, i] = narrow(row[h * D + i] * (f32(1) / math.sqrt(f32(D))))
        for k in range(K):
            new_key, new_value = keys[rows[n], k, positions[n]], values[rows[n], k, positions[n]]
            for i in range(D):
                new_key[i] = narrow(row[(H + k) * D + i])
                new_value[i] = narrow(row[(H + K + k) * D + i])


@inline
def _scores(q: Any, keys: Any, first: Any, last: Any, scores: Any, peaks: Any) -> None:
    """Products of `_LANES` queries with the keys of positions first..last - 1; the largest of each query so far."""
    D = q.shape[1]
    q0, q1, q2 = q[0], q[1], q[2]
    for t in range(first, last):
        key = keys[t]
        prefetch(keys, (t + _AHEAD) * D)
        prefetch(keys, (t + _AHEAD) * D + 32)
        a, b, c = f32(0), f32(0), f32(0)
        for d in range(D):
            k = widen(key[d])
            a += q0[d] * k
            b += q1[d] * k
            c += q2[d] * k
        scores[0, t], scores[1, t], scores[2, t] = a, b, c
        peaks[0], peaks[1], peaks[2] = max(peaks[0], a), max(peaks[1], b), max(peaks[2], c)


@inline
def _mix(weights: Any, values: Any, first: Any, last: Any, out: Any) -> None:
    """Add the values of positions first..last - 1, weighted; four at a time, so that sums are loaded less often."""
    D = out.shape[1]
    out0, out1, out2 = out[0], out[1], out[2]
    whole = first + (last - first) // 4 * 4
    for t in range(first, whole, 4):
        a0, a1, a2, a3 = weights[0, t], weights[0, t + 1], weights[0, t + 2], weights[0, t + 3]
        b0, b1, b2, b3 = weights[1, t], weights[1, t + 1], weights[1, t + 2], weights[1, t + 3]
        c0, c1, c2, c3 = weights[2, t], weights[2, t + 1], weights[2, t + 2], weights[2, t + 3]
        row0, row1, row2, row3 = values[t], values[t + 1], values[t + 2], values[t + 3]
        for ahead in range((t + _AHEAD) * D, (t + _AHEAD + 4) * D, 32):
            prefetch(values, ahead)
        for d in range(D):
            v0, v1, v2, v3 = widen(row0[d]), widen(row1[d]), widen(row2[d]), widen(row3[d])
            out0[d] += a0 * v0 + a1 * v1 + a2 * v2 + a3 * v3
            out1[d] += b0 * v0 + b1 * v1 + b2 * v2 + b3 * v3
            out2[d] += c0 * v0 + c1 * v1 + c2 * v2 + c3 * v3
    for t in range(whole, last):
        a0, b0, c0 = weights[0, t], weights[1, t], weights[2, t]
        row0 = values[t]
        for d in range(D):
            v0 = widen(row0[d])
            out0[d] += a0 * v0
            out1[d] += b0 * v0
            out2[d] += c0 * v0


@_loop
def _attend(
    start: Any, stop: Any, queries: Any, keys: Any, values: Any, rows: Any, positions: Any, shared_rows: Any,
    shared_lengths: Any, attended: Any,
) -> None:  # fmt: skip
    H, D = queries.shape[1], queries.shape[2]
    K, P = keys.shape[1], keys.shape[2]
    G = H // K
    scores, out = np.empty((_LANES, P), np.float32), np.empty((_LANES, D), np.float32)
    group, peaks = np.empty((_LANES, D), np.float32), np.empty(_LANES, np.float32)
    for item in range(start, stop):
        n, k = item // K, item % K
        length, shared = positions[n] + 1, shared_lengths[n]
        own_keys, own_values = keys[rows[n], k], values[rows[n], k]
        shared_keys, shared_values = keys[shared_rows[n], k], values[shared_rows[n], k]
        for first in range(0, G, _LANES):
            for lane in range(_LANES):  # a group that lanes don't divide: the last query fills the rest
                query = queries[n, k * G + min(first + lane, G - 1)]
                for d in range(D):
                    group[lane, d] = widen(query[d])
            out[:], peaks[:] = f32(0), f32(-3e38)
            _scores(group, shared_keys, 0, shared, scores, peaks)
            _scores(group, own_keys, shared, length, scores, peaks)
            for lane in range(_LANES):
                row, peak, total = scores[lane], peaks[lane], f32(0)
                for t in range(length):
                    weight = exp(max(row[t] - peak, f32(-87)))
                    row[t] = weight
                    total += weight
                peaks[lane] = total
            _mix(scores, shared_values, 0, shared, out)
            _mix(scores, own_values, shared, length, out)
            for lane in range(_LANES):
                head = attended[n, k * G + min(first + lane, G - 1)]
                for d in range(D):
                    head[d] = narrow(out[lane, d] / peaks[lane])


@inline
def _mix_channels(x: Any, parts: Any) -> None:
    """Multiply with a Hadamard matrix [parts, parts], of +1 and -1, that mixes `parts` equal stretches of x.

    `parts` is a power of two; Sylvester's construction, applied in log2(parts) rounds.
    """
    span = x.size // parts
    while span < x.size:
        for start in range(0, x.size, 2 * span):
            left, right = x[start : start + span], x[start + span : start + 2 * span]
            for i in range(span):
                one, other = left[i], right[i]
                left[i] = one + other
                right[i] = one - other
        span *= 2


@_loop
def _gate(start: Any, stop: Any, gate_up: Any, scale: Any, parts: Any, q8: Any, q_scale: Any) -> None:
    width = gate_up.shape[1] // 2
    mixed = np.empty(width, np.float32)
    for n in range(start, stop):
        row, factor = gate_up[n], scale[n]
        for i in range(width):
            gate = widen(row[i]) * factor
            mixed[i] = gate / (f32(1) + exp(min(max(-gate, f32(-87)), f32(87)))) * (widen(row[width + i]) * factor)
        _mix_channels(mixed, parts)
        q_scale[n] = quantise(mixed, q8[n])


@_loop
def _quantise_rows(start: Any, stop: Any, x: Any, q8: Any, scale: Any) -> None:
    row = np.empty(x.shape[1], np.float32)
    for n in range(start, stop):
        for i in range(row.size):
            row[i] = widen(x[n, i])
        scale[n] = quantise(row, q8[n])


@inline
def _product(x: Any, row: Any) -> Any:
    total = i32(0)
    for i in range(row.size):
        total = add(total, times(i32(row[i]), i32(x[i])))
    return f32(total)


@inline
def _foresee(weight: Any, o: Any) -> None:
    for i in range(0, weight.shape[1], 64):
        prefetch(weight, o * weight.shape[1] + i + 4096)


@_loop
def _few_rows(start: Any, stop: Any, x: Any, weight: Any, scale: Any, y: Any) -> None:
    for o in range(start, stop):
        _foresee(weight, o)
        for n in range(x.shape[0]):
            y[n, o] = _product(x[n], weight[o]) * scale[o]


@_loop
def _few_rows_narrow(start: Any, stop: Any, x: Any, weight: Any, scale: Any, y: Any) -> None:
    for o in range(start, stop):
        _foresee(weight, o)
        for n in range(x.shape[0]):
            y[n, o] = narrow(_product(x[n], weight[o]) * scale[o])


@_loop
def _likeliest(start: Any, stop: Any, logits: Any, token: Any, best: Any, total: Any) -> None:
    for n in range(start, stop):
        row, broken, peak = logits[n], i32(0), i32(-0x80000000)
        for i in range(row.size):
            bits = as_bits(row[i])
            broken = max(broken, bit_and(bits, i32(0x7F800000)))
            peak = max(peak, ordered(bits))
        largest, place = as_float(ordered(peak)), 0
        while place < row.size - 1 and row[place] < largest:
            place += 1
        rest = f32(0)
        for i in range(row.size):
            rest += exp(max(row[i] - largest, f32(-87)))
        token[n], best[n], total[n] = place, largest, rest if broken < i32(0x7F800000) else f32(0)


# Each of them on all threads; `bounds` says which items (rows of a step, or outputs) each thread does. They are written
# out because numba keeps only such functions on disk once they are compiled.

_add_and_normalise_on_team = on_team(_add_and_normalise)
_rotate_and_store_on_team = on_team(_rotate_and_store)
_attend_on_team = on_team(_attend)
_quantise_rows_on_team = on_team(_quantise_rows)
_gate_on_team = on_team(_gate)
_few_rows_on_team = on_team(_few_rows)
_few_rows_narrow_on_team = on_team(_few_rows_narrow)
_likeliest_on_team = on_team(_likeliest)


@_loop
def add_and_normalise(bounds: Any, *arguments: Any) -> None:
    _add_and_normalise_on_team(bounds, arguments)


@_loop
def rotate_and_store(bounds: Any, *arguments: Any) -> None:
    _rotate_and_store_on_team(bounds, arguments)


@_loop
def attend(bounds: Any, *arguments: Any) -> None:
    _attend_on_team(bounds, arguments)


@_loop
def quantise_rows(bounds: Any, *arguments: Any) -> None:
    _quantise_rows_on_team(bounds, arguments)


@_loop
def gate(bounds: Any, *arguments: Any) -> None:
    _gate_on_team(bounds, arguments)


@_loop
def few_rows(bounds: Any, *arguments: Any) -> None:
    _few_rows_on_team(bounds, arguments)


@_loop
def few_rows_narrow(bounds: Any, *arguments: Any) -> None:
    _few_rows_narrow_on_team(bounds, arguments)


@_loop
def likeliest(bounds: Any, *arguments: Any) -> None:
    """Of each row of `logits` [N, V]: its greatest number `best`, the first place of it, and `total`: the sum of
    e^(x - best), or 0 for a row with a number that is not finite."""
    _likeliest_on_team(bounds, arguments)


@inline
def _split(count: Any, threads: Any) -> Any:
    return np.arange(threads + 1) * count // threads


@_loop
def few_rows_step(
    threads: Any, x: Any, qkv: Any, qkv_scale: Any, qkv_bias: Any, q_norm: Any, k_norm: Any, out: Any, out_scale: Any,
    gate_up: Any, gate_up_scale: Any, down: Any, down_scale: Any, parts: Any, epsilon: Any, cos: Any, sin: Any,
    rows: Any, positions: Any, prefix_rows: Any, prefix_lengths: Any, keys: Any, values: Any,
) -> None:  # fmt: skip
    """All layers for one or two tokens [N, C], in place: there, calls from Python would take as long as the products.

    The weights of all layers are stacked: [layers, out, in] and their scales [layers, out].
    """
    N, C = x.shape
    K, D = keys.shape[2], keys.shape[4]
    heads = out.shape[2] // D
    narrow, mixed = np.empty((N, C), np.int8), np.empty((N, heads * D), np.int8)
    wide, scale, y_scale = np.empty((N, down.shape[2]), np.int8), np.empty(N, np.float32), np.empty(N, np.float32)
    new, inner = np.empty((N, qkv.shape[1]), np.uint16), np.empty((N, gate_up.shape[1]), np.uint16)
    queries, attended = np.empty((N, heads, D), np.uint16), np.empty((N, heads, D), np.uint16)
    y, first = np.empty((N, C), np.float32), np.empty((0, C), np.float32)
    for layer in range(qkv.shape[0]):
        _add_and_normalise(0, N, x, y if layer else first, y_scale, narrow, scale, epsilon)
        few_rows_narrow(_split(qkv.shape[1], threads), narrow, qkv[layer], qkv_scale[layer], new)
        _rotate_and_store(
            0, N, new, scale, qkv_bias[layer], q_norm[layer], k_norm[layer], epsilon, cos, sin, rows, positions,
            queries, keys[layer], values[layer],
        )  # fmt: skip
        attend(
            _split(N * K, threads), queries, keys[layer], values[layer], rows, positions, prefix_rows, prefix_lengths,
            attended,
        )  # fmt: skip
        _quantise_rows(0, N, attended.reshape(N, heads * D), mixed, y_scale)
        few_rows(_split(C, threads), mixed, out[layer], out_scale[layer], y)
        _add_and_normalise(0, N, x, y, y_scale, narrow, scale, epsilon)
        few_rows_narrow(_split(gate_up.shape[1], threads), narrow, gate_up[layer], gate_up_scale[layer], inner)
        _gate(0, N, inner, scale, parts, wide, y_scale)
        few_rows(_split(C, threads), wide, down[layer], down_scale[layer], y)
    _add_and_normalise(0, N, x, y, y_scale, narrow, scale, epsilon)
