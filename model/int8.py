"""Linear layers in 8-bit integers on the CPU: half the memory traffic of bf16 and a multiple of the products a second.

Weights are rounded once, each output row to its own scale; inputs at each call, each token to its own scale, so that
a token's result does not depend on which others share the batch (integer sums are exact). Before that, each input
channel is divided by a factor that its weights are multiplied with: a few channels of a Transformer are far larger than
the rest and would leave them no precision. Xiao et al. 2023, "SmoothQuant", arXiv:2211.10438.

The product is oneDNN's, which torch brings along; nothing is compiled on the user's machine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.transformer import Transformer

_LIMIT = 127  # symmetric, -127..127: zero stays zero
_TINY = 1e-6  # keeps scales finite for channels and tokens that are all zero


class Int8Linear(nn.Module):
    """`nn.Linear` with int8 weights [out, in]; takes and gives fp32. Inference only."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, input_peaks: Tensor | None = None) -> None:
        """`input_peaks` [in] is how large each input channel gets; without it no channel is treated specially."""
        super().__init__()
        self.out_features, self.in_features = weight.shape
        factors = torch.ones(self.in_features)  # [in]
        if input_peaks is not None:  # half of the difficulty moves from the inputs to the weights
            factors = (input_peaks.clamp_min(_TINY) / weight.abs().amax(0).clamp_min(_TINY)).sqrt()
        weight = weight * factors
        scale = (weight.abs().amax(1) / _LIMIT).clamp_min(_TINY**2)  # [out]
        self._packed = torch.ops.onednn.qlinear_prepack((weight / scale[:, None]).round_().to(torch.int8), None)
        self._scale, self._zero_points = scale, torch.zeros(self.out_features, dtype=torch.int32)
        self._smoothing, self._bias = 1 / factors, bias

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, self.in_features) * self._smoothing  # [..., in] -> [N, in]
        scale = (rows.abs().amax(1, keepdim=True) / _LIMIT).clamp_min_(_TINY**2)  # [N, 1]
        y: Tensor = torch.ops.onednn.qlinear_pointwise(
            (rows / scale).round_().to(torch.int8), 1.0, 0, self._packed, self._scale, self._zero_points,
            None, 1.0, 0, torch.float32, "none", [], "",
        )  # [N, out]  # fmt: skip
        y = y.mul_(scale)
        if self._bias is not None:
            y = y.add_(self._bias)
        return y.view(*x.shape[:-1], self.out_features)


@torch.inference_mode()
def quantise(model: Transformer, sample: Tensor) -> None:
    """Replace every `nn.Linear` of an fp32 model by an `Int8Linear`, in place.

    `sample` is a row of tokens [T] of the kind that the model will see; it shows how large the inputs get.
    """
    peaks: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, inputs: tuple[Tensor]) -> None:
        peaks[module] = inputs[0].flatten(0, -2).abs().amax(0)  # [..., in] -> [in]

    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]
    hooks = [linear.register_forward_pre_hook(note) for _, _, linear in places]
    model.logits(model(sample[None]))
    for hook in hooks:
        hook.remove()
    for parent, name, linear in places:
        setattr(parent, name, Int8Linear(linear.weight, linear.bias, peaks[linear]))
