"""The Transformer with matrix products in 8-bit integers, for CPUs: half the memory traffic of bf16, faster products.

Weights are rounded once, each output row to its own scale; inputs at each step, each token to its own, so that a
token's result does not depend on which others share the batch (integer sums are exact, and the rest is done row by
row). The products are oneDNN's, which torch brings along; what lies between them is in `model.kernels`.

How the weights are prepared is told in `model.int8_weights`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model import kernels
from model.int8_weights import round_weights
from model.team import even_shares
from model.transformer import ModelConfig, Transformer, rotary_tables

_FEW = 2  # tokens up to which our loops are faster than oneDNN's products: both wait for memory, ours ask ahead
_LONG = 32  # new tokens of a sequence from which torch's attention is faster than our loop


class Int8Cache:
    """Keys and values in bf16, as `KVCache`, but prefixes are shared instead of copied, and slots change their places
    by exchanging numbers: the loops of `model.kernels` find each sequence's rows by a table."""

    def __init__(self, config: ModelConfig, slots: int, positions: int, prefixes: int) -> None:
        shape = (config.layers, slots + prefixes, config.kv_heads, positions, config.head_width)
        self.keys, self.values = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
        self._slots = slots
        self.rows = np.arange(slots)  # where a slot's own positions are
        self.prefix_rows = np.zeros(slots, np.int64)  # where its first positions are ...
        self.prefix_lengths = np.zeros(slots, np.int64)  # ... as many as these

    def begin(self, slot: int, prefix: int, length: int) -> None:
        self.prefix_rows[slot] = self._slots + prefix if length else self.rows[slot]
        self.prefix_lengths[slot] = length

    def remember(self, prefix: int, slot: int, length: int) -> None:
        for store in (self.keys, self.values):
            store[:, self._slots + prefix, :, :length] = store[:, self.rows[slot], :, :length]

    def move(self, source: int, target: int, length: int) -> None:
        self.rows[[source, target]] = self.rows[[target, source]]
        for table in (self.prefix_rows, self.prefix_lengths):
            table[target] = table[source]

    def clear(self, slot: int) -> None:
        """Nothing to do: what lies behind the end of a sequence is never read."""


class Int8Transformer:
    """Computes what `model.transformer.Transformer` computes, but for rounding, with the same calls."""

    def __init__(self, model: Transformer, sample: Tensor) -> None:
        """Round the weights of an fp32 model. `sample` is a row of tokens [T] of the kind that it will see."""
        self.config = config = model.config
        self._weights = round_weights(model, sample)
        cos, sin = rotary_tables(config.head_width, config.context_length, config.rope_base)
        half = config.head_width // 2
        self._cos, self._sin = cos[:, :half].numpy(), sin[:, half:].numpy()  # [positions, D/2]
        self._epsilon = np.float32(config.norm_epsilon)

    def new_cache(self, slots: int, positions: int, prefixes: int = 0) -> Int8Cache:
        return Int8Cache(self.config, slots, positions, prefixes)

    def __call__(
        self, tokens: Tensor, cache: Int8Cache | None = None, lengths: Tensor | None = None, first_slot: int = 0,
        counts: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Hidden states [B, T, C] before the last norm; see `Transformer.forward`. Rows behind `counts` are zero."""
        B, T = tokens.shape
        if cache is None:
            cache = self.new_cache(B, T)
        new = np.full(B, T) if counts is None else counts.numpy()  # [B]
        order = np.argsort(new >= _LONG, kind="stable")  # short continuations first, then long prompts
        sequence = np.repeat(order, new[order])  # [N] whose row it is
        place = np.concatenate([np.arange(count) for count in new[order]])  # [N] which of its new tokens
        held = np.zeros(B, np.int64) if lengths is None else lengths.numpy()  # [B]
        step = _Step(cache, self.config.kv_heads, first_slot + sequence, held[sequence] + place, new[order])
        x = self._weights.embedding[tokens[sequence, place]].float().numpy()  # [N, C]
        if len(x) <= _FEW:
            kernels.few_rows_step(
                torch.get_num_threads(), x, *self._weights.stacked, self._weights.parts, self._epsilon,
                self._cos, self._sin, step.rows, step.positions, step.prefix_rows, step.prefix_lengths,
                cache.keys, cache.values,
            )  # fmt: skip
        else:
            self._layers(x, step, cache)
        hidden = torch.zeros(B, T, self.config.width)
        hidden[sequence, place] = torch.from_numpy(x)
        return hidden

    def _layers(self, x: Any, step: _Step, cache: Int8Cache) -> None:
        """All layers on x [N, C], in place."""
        N, M = len(x), _padded(len(x))
        config, even, epsilon = self.config, step.even, self._epsilon
        narrow, wide = np.zeros((M, config.width), np.int8), np.zeros((M, config.hidden), np.int8)
        queries = np.empty((N, config.heads, config.head_width), np.uint16)  # bf16
        attended = np.empty_like(queries)
        mixed = np.zeros((M, config.heads * config.head_width), np.int8)
        scale, y_scale = np.empty(N, np.float32), np.empty(N, np.float32)
        y = np.empty((0, config.width), np.float32)
        for layer, block in enumerate(self._weights.blocks):
            keys, values = cache.keys[layer], cache.values[layer]
            kernels.add_and_normalise(even, x, y, y_scale, narrow, scale, epsilon)
            qkv = block.qkv(narrow)
            kernels.rotate_and_store(
                even, qkv, scale, block.qkv_bias, block.q_norm, block.k_norm, epsilon, self._cos, self._sin,
                step.rows, step.positions, queries, keys, values,
            )  # fmt: skip
            kernels.attend(
                step.fair, queries, keys, values, step.rows, step.positions, step.prefix_rows, step.prefix_lengths,
                attended,
            )  # fmt: skip
            for prompt in step.prompts:
                attended[prompt.at] = prompt.attend(queries, keys, values)
            kernels.quantise_rows(even, attended.reshape(N, -1), mixed, y_scale)
            y = block.out(mixed)
            kernels.add_and_normalise(even, x, y, y_scale, narrow, scale, epsilon)
            gate_up = block.gate_up(narrow)
            kernels.gate(even, gate_up, scale, self._weights.parts, wide, y_scale)
            y = block.down(wide)
        kernels.add_and_normalise(even, x, y, y_scale, narrow, scale, epsilon)

    def logits(self, hidden: Tensor) -> Tensor:
        """Unnormalised log-probabilities [..., vocab_size] of the next token, from hidden states [..., C]."""
        x = hidden.reshape(-1, self.config.width).numpy()  # [N, C]
        N = len(x)
        rounded, scale = np.zeros((_padded(N), x.shape[1]), np.int8), np.empty(N, np.float32)
        kernels.add_and_normalise(even_shares(N), x, x[:0], scale, rounded, scale, self._epsilon)
        head = self._weights.head
        if N <= _FEW:
            products = np.empty((N, self.config.vocab_size), np.float32)
            kernels.few_rows(even_shares(self.config.vocab_size), rounded[:N], head.rows, head.scale.numpy(), products)
        else:
            products = head(rounded)[:N]
        logits = torch.from_numpy(products).mul_(torch.from_numpy(scale)[:, None])
        return logits.view(*hidden.shape[:-1], -1)


class _Step:
    """Where the rows of a step read and write, and which thread does which. int64 arrays, [N] and [threads + 1]."""

    def __init__(self, cache: Int8Cache, kv_heads: int, slots: Any, positions: Any, new: Any) -> None:
        """`slots` and `positions` of the rows [N]; `new` tokens of each sequence in the rows' order, long ones last."""
        self.positions = positions
        self.rows, self.prefix_rows = cache.rows[slots], cache.prefix_rows[slots]
        self.prefix_lengths = cache.prefix_lengths[slots]
        self.even = even_shares(len(slots))  # rows of equal work
        ends = np.cumsum(new)
        short = int(new[new < _LONG].sum())  # rows whose attention the loop does, a head of keys at a time
        self.fair = even_shares(short * kv_heads)
        if len(self.fair) > 2:  # the work grows with the position
            work = np.repeat(positions[:short] + 16, kv_heads).cumsum()
            shares = work[-1] * np.arange(1, len(self.fair) - 1) // (len(self.fair) - 1)
            self.fair = np.concatenate(([0], np.searchsorted(work, shares) + 1, [len(work)]))
        self.prompts = [
            _Prompt(
                slice(int(end - count), int(end)), int(self.rows[end - 1]), int(self.prefix_rows[end - 1]),
                int(self.prefix_lengths[end - 1]), int(positions[end - 1]) + 1,
            )
            for end, count in zip(ends, new, strict=True)
            if count >= _LONG
        ]  # fmt: skip


class _Prompt:
    """A sequence with so many new tokens that its attention is better done by products of matrices."""

    def __init__(self, at: slice, row: int, prefix_row: int, prefix: int, length: int) -> None:
        """Its new tokens are the step's rows `at`, the last of its `length`; see Int8Cache for the other numbers."""
        self.at, self._row, self._prefix_row, self._prefix, self._length = at, row, prefix_row, prefix, length
        count = at.stop - at.start
        behind = torch.full((count, length), float("-inf"), dtype=torch.bfloat16)
        self._mask = behind.triu_(length - count + 1)[None, None]  # [1, 1, T, L]: 0 where a query may look

    def attend(self, queries: Any, keys: Any, values: Any) -> Any:
        """Attention [T, H, D] in bf16 of the queries [N, H, D], which are scaled already."""
        q = torch.from_numpy(queries[self.at]).view(torch.bfloat16).transpose(0, 1)[None]  # [1, H, T, D]
        y = F.scaled_dot_product_attention(
            q, self._all(keys), self._all(values), attn_mask=self._mask, scale=1.0, enable_gqa=True
        )  # [1, H, T, D]
        return y[0].transpose(0, 1).view(torch.uint16).numpy()

    def _all(self, store: Any) -> Tensor:
        """[1, K, L, D] in bf16."""
        parts = store[self._prefix_row, :, : self._prefix], store[self._row, :, self._prefix : self._length]
        return torch.from_numpy(np.concatenate(parts, 1)[None]).view(torch.bfloat16)


def _padded(count: int) -> int:
    """Rows of the products for `count` tokens: for each number of them, oneDNN compiles and keeps half a megabyte."""
    step = 1 if count <= 8 else 8 if count <= 64 else 64
    return -(-count // step) * step
