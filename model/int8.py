"""The Transformer with matrix products in 8-bit integers, for CPUs: half the memory traffic of bf16, faster products.

Weights are rounded once, each output row to its own scale; inputs at each step, each token to its own, so that a
token's result does not depend on which others share the batch (integer sums are exact, and the rest is done row by
row). The products are oneDNN's, which torch brings along; what lies between them is in `model.kernels`.

Rounding a token's numbers to 255 steps of the largest leaves little for the rest when one channel is much larger than
all others, as some are in every trained Transformer. So the numbers are first spread evenly:

- The residual stream is turned by an orthogonal matrix R, which RMSNorm does not notice (it keeps lengths): what is
  written to the stream is multiplied with R, what is read from it with its inverse, both in the weights. The same for
  each head's values. Ashkboos et al. 2024, "QuaRot", arXiv:2404.00456.
- The feed-forward network's inner channels come out of a nonlinearity, so nothing can be done to them in the weights
  before it. They are divided by what the weights behind it are multiplied with (Xiao et al. 2023, "SmoothQuant",
  arXiv:2211.10438), and then mixed at each step by a Hadamard matrix, which takes only additions (QuaRot again).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model import kernels
from model.transformer import Attention, Block, FeedForward, ModelConfig, Transformer, rotary_tables

_LIMIT = 127  # symmetric, -127..127: zero stays zero
_TINY = 1e-12  # keeps scales finite for rows that are all zero
_FEW = 2  # tokens up to which our loops are faster than oneDNN's products: both wait for memory, ours ask ahead
_LONG = 32  # new tokens of a sequence, on average, from which torch's attention is faster than our loop
_MOST_PARTS = 64  # 512 are no better by much, and stretches shorter than a vector register are slow
_SEED = 1  # of the turns: any will do, but a checkpoint should give the same text on every machine


class Int8Weights:
    """The weights [out, in] of a linear layer, rounded, and packed for oneDNN."""

    def __init__(self, weight: Tensor, narrow: bool = False) -> None:
        """`narrow`: give bf16, held as uint16, instead of float32; for what is so wide that writing takes longest."""
        self.scale = (weight.abs().amax(1) / _LIMIT).clamp_min(_TINY).float()  # [out]
        self.zero_points = torch.zeros(len(weight), dtype=torch.int32)
        self.dtype = torch.bfloat16 if narrow else torch.float32
        rounded = (weight / self.scale[:, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        self.rows = np.array(rounded.numpy())  # as they are, for the loops that serve one or two tokens; numpy asks for
        # large pages, which are faster to read

    def __call__(self, x: Any) -> Any:
        """x W^T [N, out] for int8 x [N, in]; the caller multiplies with the scale of each row of x."""
        y = torch.ops.onednn.qlinear_pointwise.default(
            torch.from_numpy(x), 1.0, 0, self.packed, self.scale, self.zero_points,
            None, 1.0, 0, self.dtype, "none", [], "",
        )  # fmt: skip
        return y.view(torch.uint16).numpy() if self.dtype is torch.bfloat16 else y.numpy()


@dataclass(frozen=True, slots=True)
class Int8Block:
    """One layer. Its norms' weights are part of the linear layers that follow them."""

    qkv: Int8Weights
    qkv_bias: np.ndarray[Any, Any]  # float32 [H*D + 2*K*D]; empty without one
    q_norm: np.ndarray[Any, Any]  # float32 [D]; empty without one
    k_norm: np.ndarray[Any, Any]
    out: Int8Weights
    gate_up: Int8Weights
    down: Int8Weights


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
        peaks = _inner_peaks(model, sample)
        stream = _turn(config.width)  # [C, C]
        heads = torch.kron(torch.eye(config.kv_heads), _turn(config.head_width))  # [K*D, K*D]
        self._embedding = (model.embedding.weight @ stream).bfloat16()  # [vocab_size, C]
        blocks = cast("list[Block]", list(model.blocks))
        self._blocks = [
            Int8Block(
                *_attention_weights(block.attention, block.attention_norm.weight, stream, heads),
                *_feed_forward_weights(block.feed_forward, block.feed_forward_norm.weight, stream, peaks[layer]),
            )
            for layer, block in enumerate(blocks)
        ]
        self._stacked = _stack(self._blocks)
        self._head = Int8Weights(model.head.weight * model.norm.weight @ stream)
        cos, sin = rotary_tables(config.head_width, config.context_length, config.rope_base)
        half = config.head_width // 2
        self._cos, self._sin = cos[:, :half].numpy(), sin[:, half:].numpy()  # [positions, D/2]
        self._epsilon = np.float32(config.norm_epsilon)
        self._parts = _mixed_parts(config.hidden)

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
        x = self._embedding[tokens[sequence, place]].float().numpy()  # [N, C]
        if len(x) <= _FEW:
            kernels.few_rows_step(
                torch.get_num_threads(), x, *self._stacked, self._parts, self._epsilon, self._cos, self._sin,
                step.rows, step.positions, step.prefix_rows, step.prefix_lengths, cache.keys, cache.values,
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
        for layer, block in enumerate(self._blocks):
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
            kernels.gate(even, gate_up, scale, self._parts, wide, y_scale)
            y = block.down(wide)
        kernels.add_and_normalise(even, x, y, y_scale, narrow, scale, epsilon)

    def logits(self, hidden: Tensor) -> Tensor:
        """Unnormalised log-probabilities [..., vocab_size] of the next token, from hidden states [..., C]."""
        x = hidden.reshape(-1, self.config.width).numpy()  # [N, C]
        N = len(x)
        rounded, scale = np.zeros((_padded(N), x.shape[1]), np.int8), np.empty(N, np.float32)
        kernels.add_and_normalise(_split(N), x, x[:0], scale, rounded, scale, self._epsilon)
        if N <= _FEW:
            products = np.empty((N, self.config.vocab_size), np.float32)
            kernels.few_rows(
                _split(self.config.vocab_size), rounded[:N], self._head.rows, self._head.scale.numpy(), products
            )
        else:
            products = self._head(rounded)[:N]
        logits = torch.from_numpy(products).mul_(torch.from_numpy(scale)[:, None])
        return logits.view(*hidden.shape[:-1], -1)


class _Step:
    """Where the rows of a step read and write, and which thread does which. int64 arrays, [N] and [threads + 1]."""

    def __init__(self, cache: Int8Cache, kv_heads: int, slots: Any, positions: Any, new: Any) -> None:
        """`slots` and `positions` of the rows [N]; `new` tokens of each sequence in the rows' order, long ones last."""
        self.positions = positions
        self.rows, self.prefix_rows = cache.rows[slots], cache.prefix_rows[slots]
        self.prefix_lengths = cache.prefix_lengths[slots]
        self.even = _split(len(slots))  # rows of equal work
        ends = np.cumsum(new)
        short = int(new[new < _LONG].sum())  # rows whose attention the loop does, a head of keys at a time
        self.fair = _split(short * kv_heads)
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


def _stack(blocks: list[Int8Block]) -> list[Any]:
    """The blocks' weights, scales, biases and norms, [layers, ...] each, in the order of `kernels.few_rows_step`.

    The blocks' own rows become parts of the stacks.
    """
    stacked = []
    for name in ("qkv", "qkv_bias", "q_norm", "k_norm", "out", "gate_up", "down"):
        parts = [getattr(block, name) for block in blocks]
        if not isinstance(parts[0], Int8Weights):
            stacked.append(np.stack(parts))
            continue
        stacked += [np.stack([part.rows for part in parts]), np.stack([part.scale.numpy() for part in parts])]
        for layer, part in enumerate(parts):
            part.rows = stacked[-2][layer]
    return stacked


def _padded(count: int) -> int:
    """Rows of the products for `count` tokens: for each number of them, oneDNN compiles and keeps half a megabyte."""
    step = 1 if count <= 8 else 8 if count <= 64 else 64
    return -(-count // step) * step


def _split(count: int) -> Any:
    threads = max(1, min(torch.get_num_threads(), count))
    return np.arange(threads + 1) * count // threads


def _turn(width: int) -> Tensor:
    """A random orthogonal matrix [width, width], always the same."""
    numbers = torch.randn(width, width, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)
    turn: Tensor = torch.linalg.qr(numbers).Q.float().contiguous()
    return turn


def _mixed_parts(width: int) -> int:
    """How many stretches of the inner channels are mixed: a power of two, since others have no simple matrix."""
    return min(_MOST_PARTS, width & -width)


def _hadamard(size: int) -> Tensor:
    """Sylvester's Hadamard matrix [size, size]: its own inverse, times `size`."""
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat((torch.cat((matrix, matrix), 1), torch.cat((matrix, -matrix), 1)))
    return matrix


@torch.inference_mode()
def _inner_peaks(model: Transformer, sample: Tensor) -> list[Tensor]:
    """How large each inner channel of each feed-forward network gets on the sample: [hidden] of each layer."""
    peaks: list[Tensor] = []
    hooks = [
        block.feed_forward.down.register_forward_pre_hook(lambda _, given: peaks.append(given[0].abs().amax((0, 1))))
        for block in cast("list[Block]", list(model.blocks))
    ]
    model(sample[None, : model.config.context_length])
    for hook in hooks:
        hook.remove()
    return peaks


def _attention_weights(attention: Attention, norm: Tensor, stream: Tensor, heads: Tensor) -> tuple[Any, ...]:
    """`qkv` to `out` of an Int8Block. Values are turned head by head, and turned back by `out`."""
    v_rows = heads.shape[0]
    G = attention.heads // attention.kv_heads
    one = heads[: attention.head_width, : attention.head_width]  # [D, D]
    weight = attention.qkv.weight * norm @ stream  # [H*D + 2*K*D, C]
    bias = torch.zeros(0) if attention.qkv.bias is None else attention.qkv.bias.clone()
    weight[-v_rows:] = heads.T @ weight[-v_rows:]
    if len(bias):
        bias[-v_rows:] = heads.T @ bias[-v_rows:]
    out = stream.T @ attention.out.weight @ torch.kron(torch.eye(G * attention.kv_heads), one)  # [C, H*D]
    q_norm, k_norm = (torch.zeros(0) if part is None else part.weight for part in (attention.q_norm, attention.k_norm))
    return Int8Weights(weight, narrow=True), bias.numpy(), q_norm.numpy(), k_norm.numpy(), Int8Weights(out)


def _feed_forward_weights(network: FeedForward, norm: Tensor, stream: Tensor, peaks: Tensor) -> tuple[Any, ...]:
    """`gate_up` and `down` of an Int8Block; half of the inner channels' unevenness is moved into `down`."""
    down = network.down.weight  # [C, hidden]
    factors = (peaks.clamp_min(1e-6) / down.abs().amax(0).clamp_min(1e-6)).sqrt()  # [hidden]
    gate, up = (network.gate_up.weight * norm @ stream).chunk(2)  # [hidden, C] each
    mixed = (stream.T @ (down * factors)).view(len(down), _mixed_parts(len(factors)), -1)  # [C, parts, hidden / parts]
    mixed = torch.einsum("cpi,pq->cqi", mixed, _hadamard(mixed.shape[1]) / mixed.shape[1])
    return Int8Weights(torch.cat((gate, up / factors[:, None])), narrow=True), Int8Weights(mixed.reshape(down.shape))
