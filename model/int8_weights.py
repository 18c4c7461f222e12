"""The weights of a Transformer in 8-bit integers, prepared so that rounding costs little.

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
from torch import Tensor

from model.transformer import Attention, Block, FeedForward, Transformer

_LIMIT = 127  # symmetric, -127..127: zero stays zero
_TINY = 1e-12  # keeps scales finite for rows that are all zero
_MOST_PARTS = 64  # 512 are no better by much, and stretches shorter than a vector register are slow
_SEED = 1  # of the turns: any will do, but a checkpoint should give the same text at every start


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


@dataclass(frozen=True, slots=True)
class Int8Parts:
    """All weights of a model."""

    embedding: Tensor  # bf16 [vocab_size, C]
    blocks: list[Int8Block]
    stacked: list[Any]  # the same, layers in one array each, as `kernels.few_rows_step` wants them
    head: Int8Weights
    parts: int  # stretches of the inner channels that a step mixes


@torch.inference_mode()
def round_weights(model: Transformer, sample: Tensor) -> Int8Parts:
    """Spread and round the weights of an fp32 model; `sample` [T] shows how large its inner channels get."""
    config = model.config
    peaks = _inner_peaks(model, sample)
    stream = _turn(config.width)  # [C, C]
    heads = torch.kron(torch.eye(config.kv_heads), _turn(config.head_width))  # [K*D, K*D]
    blocks = [
        Int8Block(
            *_attention_weights(block.attention, block.attention_norm.weight, stream, heads),
            *_feed_forward_weights(block.feed_forward, block.feed_forward_norm.weight, stream, peaks[layer]),
        )
        for layer, block in enumerate(cast("list[Block]", list(model.blocks)))
    ]
    return Int8Parts(
        embedding=(model.embedding.weight @ stream).bfloat16(),
        blocks=blocks,
        stacked=_stack(blocks),
        head=Int8Weights(model.head.weight * model.norm.weight @ stream),
        parts=_mixed_parts(config.hidden),
    )


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
