"""A decoder-only Transformer on one page, to be read from the bottom up.

One architecture serves the Llama, Qwen2 and Qwen3 families; they differ in two switches of `ModelConfig`. In the
shape comments B is the number of sequences, T the number of new tokens of each, L the number of positions that they
look at, C the width, H and K the numbers of query and of key-value heads, G = H / K and D a head's width.

The architecture: Vaswani et al. 2017, "Attention Is All You Need" (arXiv:1706.03762), with the changes of Touvron et
al. 2023, "LLaMA" (arXiv:2302.13971): normalisation before each part, rotary positions, a gated feed-forward network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The numbers that make one model out of the family."""

    vocab_size: int  # distinct tokens
    context_length: int  # positions that the model was trained for
    layers: int  # blocks, one after the other
    width: int  # C, of the residual stream
    heads: int  # H, query heads
    kv_heads: int  # K, key and value heads; each serves H / K query heads
    head_width: int  # D; H * D need not be C
    hidden: int  # width inside of the feed-forward network
    rope_base: float  # the slowest rotary pair turns about once in 2 pi * rope_base positions
    norm_epsilon: float  # keeps RMSNorm finite at zero
    tied_head: bool  # the output matrix is the embedding matrix
    qkv_bias: bool = False  # Qwen2
    qk_norm: bool = False  # Qwen3


class KVCache:
    """Keys and values of all sequences under way, allocated once: [layers, slots + prefixes, K, positions + 1, D] each.

    A slot holds one sequence; behind the slots are the beginnings that sequences have in common. Unused positions hold
    zeros or what an earlier sequence left there; attention masks them, but a masked NaN is still NaN, which is why
    `clear` exists. The last position takes what is computed for padding.
    """

    def __init__(
        self, config: ModelConfig, slots: int, positions: int, prefixes: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        shape = (config.layers, slots + prefixes, config.kv_heads, positions + 1, config.head_width)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self._slots = slots

    def remember(self, prefix: int, slot: int, length: int) -> None:
        """Keep the first `length` positions of a slot as prefix number `prefix`."""
        self.move(slot, self._slots + prefix, length)

    def begin(self, slot: int, prefix: int, length: int) -> None:
        """Let a slot begin with the first `length` positions of a prefix; of none when `length` is 0."""
        if length:
            self.move(self._slots + prefix, slot, length)

    def move(self, source: int, target: int, length: int) -> None:
        """Put the first `length` positions of slot `source` into slot `target`."""
        for store in (self.keys, self.values):
            store[:, target, :, :length] = store[:, source, :, :length]

    def clear(self, slot: int) -> None:
        """Zero a slot whose contents may not be finite."""
        self.keys[:, slot] = 0
        self.values[:, slot] = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What all layers share in one forward pass, computed once."""

    cos: Tensor  # [B, T, 1, D]
    sin: Tensor  # [B, T, 1, D], its first half negated
    mask: Tensor  # [B, 1, G*T, L]: 0 where a query may look, -inf where not
    rows: Tensor  # [B, 1] which slot each sequence writes to, counted from `first_slot`
    positions: Tensor  # [B, T] where its new tokens stand
    slots: slice  # the slots of the B sequences
    length: int  # L


class RMSNorm(nn.Module):
    """y = x / sqrt(mean(x^2) + epsilon) * w. Zhang and Sennrich 2019, arXiv:1910.07467."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


def rotary_tables(width: int, positions: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines [positions, width] of rotary position embedding. Su et al. 2021, "RoFormer", arXiv:2104.09864.

    Dimensions i and i + width/2 form a pair that turns by position * base^(-2i / width). The first half of the sines is
    negated, so that a rotation is x * cos + swap_halves(x) * sin.
    """
    frequencies = base ** -(torch.arange(0, width, 2, dtype=torch.float32) / width)  # [D/2]
    angles = torch.outer(torch.arange(positions, dtype=torch.float32), frequencies)  # [positions, D/2]
    sin = angles.sin()
    return torch.cat((angles.cos(), angles.cos()), -1), torch.cat((-sin, sin), -1)  # [positions, D] each


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each head [..., D] of `x` to its position."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(D)) V (Vaswani et al. 2017, eq. 1), causal, over the new positions and those in the cache.

    Grouped queries (Ainslie et al. 2023, arXiv:2305.13245): G query heads share a key-value head. They are laid out as
    G*T queries of that head, so keys and values are never repeated in memory.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = (config.heads, config.kv_heads, config.head_width)
        qkv_width = (config.heads + 2 * config.kv_heads) * config.head_width
        self.qkv = nn.Linear(config.width, qkv_width, bias=config.qkv_bias)
        self.out = nn.Linear(config.heads * config.head_width, config.width, bias=False)
        self.q_norm = RMSNorm(config.head_width, config.norm_epsilon) if config.qk_norm else None
        self.k_norm = RMSNorm(config.head_width, config.norm_epsilon) if config.qk_norm else None

    def forward(self, x: Tensor, step: Step, cache: KVCache | None, layer: int) -> Tensor:
        B, T, _ = x.shape
        H, K, D = self.heads, self.kv_heads, self.head_width
        qkv = self.qkv(x).view(B, T, H + 2 * K, D)  # [B, T, C] -> [B, T, H+2K, D]
        qk, v = qkv[:, :, : H + K], qkv[:, :, H + K :]  # [B, T, H+K, D], [B, T, K, D]
        if self.q_norm is not None and self.k_norm is not None:
            qk = torch.cat((self.q_norm(qk[:, :, :H]), self.k_norm(qk[:, :, H:])), 2)
        qk = rotate(qk, step.cos, step.sin)
        q, k = qk[:, :, :H], qk[:, :, H:]  # [B, T, H, D], [B, T, K, D]
        q = q.reshape(B, T, K, H // K, D).permute(0, 2, 3, 1, 4).reshape(B, K, H // K * T, D)  # -> [B, K, G*T, D]
        if cache is None:
            keys, values = (k.transpose(1, 2), v.transpose(1, 2))  # [B, K, T, D]; here L = T
        else:
            keys, values = (cache.keys[layer, step.slots], cache.values[layer, step.slots])  # [B, K, positions, D]
            keys[step.rows, :, step.positions] = k  # writes [B, T, K, D]
            values[step.rows, :, step.positions] = v
            keys, values = (keys[:, :, : step.length], values[:, :, : step.length])  # [B, K, L, D]
        y = F.scaled_dot_product_attention(q, keys, values, attn_mask=step.mask)  # [B, K, G*T, D]
        y = y.view(B, K, H // K, T, D).permute(0, 3, 1, 2, 4).reshape(B, T, H * D)  # -> [B, T, H*D]
        out: Tensor = self.out(y)  # -> [B, T, C]
        return out


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)). Shazeer 2020, "GLU Variants Improve Transformer", arXiv:2002.05202."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, -1)  # [B, T, C] -> 2 x [B, T, hidden]
        out: Tensor = self.down(F.silu(gate) * up)  # -> [B, T, C]
        return out


class Block(nn.Module):
    """One layer: attention between positions, then a network at each; both read a normalised residual and add to it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_epsilon)
        self.attention = Attention(config)
        self.feed_forward_norm = RMSNorm(config.width, config.norm_epsilon)
        self.feed_forward = FeedForward(config)

    def forward(self, x: Tensor, step: Step, cache: KVCache | None, layer: int) -> Tensor:
        x = x + self.attention(self.attention_norm(x), step, cache, layer)
        out: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return out


class Transformer(nn.Module):
    """Tokens in, a vector for each position out; `logits` turns the vectors that are wanted into predictions."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        self.head = nn.Linear(config.width, config.vocab_size, bias=False)
        if config.tied_head:
            self.head.weight = self.embedding.weight
        self._rotary: tuple[Tensor, Tensor] | None = None

    def new_cache(self, slots: int, positions: int, prefixes: int = 0) -> KVCache:
        """Room for `slots` sequences of `positions` tokens and for `prefixes` beginnings, in the weights' type."""
        weight = self.embedding.weight
        return KVCache(self.config, slots, positions, prefixes, weight.dtype, weight.device)

    def forward(
        self,
        tokens: Tensor,
        cache: KVCache | None = None,
        lengths: Tensor | None = None,
        first_slot: int = 0,
        counts: Tensor | None = None,
    ) -> Tensor:
        """Hidden states [B, T, C] of `tokens` [B, T].

        Without a cache the sequences begin here (training, evaluation). With one, row b continues the sequence in slot
        first_slot + b, which holds `lengths[b]` positions already, and its keys and values are added to that slot. With
        `counts` [B], only the first `counts[b]` tokens of row b are meant; what comes out for the rest means nothing.
        """
        x = self.embedding(tokens)  # [B, T] -> [B, T, C]
        step = self._step(tokens, x.dtype, cache, lengths, first_slot, counts)
        for layer, block in enumerate(self.blocks):
            x = block(x, step, cache, layer)
        out: Tensor = self.norm(x)
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """Unnormalised log-probabilities [..., vocab_size] of the next token, from hidden states [..., C]."""
        logits: Tensor = self.head(hidden)  # [..., C] -> [..., vocab_size]
        return logits

    def _step(
        self,
        tokens: Tensor,
        dtype: torch.dtype,
        cache: KVCache | None,
        lengths: Tensor | None,
        first_slot: int,
        counts: Tensor | None,
    ) -> Step:
        B, T = tokens.shape
        device = tokens.device
        place = torch.arange(T, device=device).expand(B, T)  # [B, T]
        positions = place if lengths is None else place + lengths[:, None]
        length = int(positions.max()) + 1
        if counts is not None and cache is not None:
            padding = place >= counts[:, None]
            length = int(positions.masked_fill(padding, 0).max()) + 1
            positions = positions.masked_fill(padding, cache.keys.shape[3] - 1)
        visible = torch.arange(length, device=device) <= positions[:, :, None]  # [B, T, L]
        mask = torch.zeros(visible.shape, dtype=dtype, device=device).masked_fill_(~visible, float("-inf"))
        groups = self.config.heads // self.config.kv_heads
        cos, sin = self._rotary_tables(device)
        return Step(
            cos=cos[positions].unsqueeze(2).to(dtype),  # [B, T, 1, D]
            sin=sin[positions].unsqueeze(2).to(dtype),
            mask=mask[:, None].expand(B, groups, T, length).reshape(B, 1, groups * T, length),
            rows=torch.arange(B, device=device)[:, None],
            positions=positions,
            slots=slice(first_slot, first_slot + B),
            length=length,
        )

    def _rotary_tables(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if self._rotary is None or self._rotary[0].device != device:
            config = self.config
            positions = config.context_length + 1  # the last is the padding's
            cos, sin = rotary_tables(config.head_width, positions, config.rope_base)
            self._rotary = cos.to(device), sin.to(device)
        return self._rotary
