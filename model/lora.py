"""Low-rank adapters: a small change of a frozen model that is trained, kept in a file of its own and merged at load.

W' = W + (alpha / rank) B A, with A [rank, in] and B [out, rank]; B begins at zero, so training begins at the
checkpoint. Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv:2106.09685. Adapters sit on
every matrix of a block. An adapter file is safetensors: the factors in bf16, and what they belong to in its metadata.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model.provenance import CheckpointError
from model.transformer import Transformer

FORMAT = "tradewind-adapter/1"
_MATRICES = (("attention", "qkv"), ("attention", "out"), ("feed_forward", "gate_up"), ("feed_forward", "down"))


@dataclass(frozen=True, slots=True)
class LoraPolicy:
    """Size and strength of an adapter."""

    rank: int = 32
    alpha: float = 64.0

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0:
            raise ValueError(f"rank is {self.rank} and alpha {self.alpha}, expected at least 1 and a positive number")


class LoraLinear(nn.Module):
    """A frozen linear layer plus its low-rank change; the factors are kept in fp32 whatever the layer's type."""

    def __init__(self, base: nn.Linear, policy: LoraPolicy, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale = policy.alpha / policy.rank
        a = torch.randn(policy.rank, base.in_features, generator=generator) / math.sqrt(base.in_features)
        self.lora_a = nn.Parameter(a.to(base.weight.device))  # [rank, in]
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, policy.rank, device=base.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(x, self.lora_a.to(x.dtype))  # [..., in] -> [..., rank]
        out: Tensor = self.base(x) + F.linear(low, (self.scale * self.lora_b).to(x.dtype))  # -> [..., out]
        return out


def add_lora(model: Transformer, policy: LoraPolicy, seed: int) -> list[nn.Parameter]:
    """Freeze the model, put an adapter on every matrix of its blocks, and return the factors, which train."""
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    for block in model.blocks:
        for part, name in _MATRICES:
            module = getattr(block, part)
            setattr(module, name, LoraLinear(getattr(module, name), policy, generator))
    return [parameter for _, parameter in _factors(model)]


def adapter_tensors(model: Transformer) -> dict[str, Tensor]:
    """The factors by name, such as 'blocks.0.attention.qkv.lora_a'; the scale is multiplied into B."""
    found: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear):
            found[f"{name}.lora_a"] = module.lora_a.detach()
            found[f"{name}.lora_b"] = module.lora_b.detach() * module.scale
    return found


def save_adapter(tensors: Mapping[str, Tensor], path: Path, base_sha256: str, about: Mapping[str, str]) -> str:
    """Write an adapter for the checkpoint of that SHA-256; returns the file's own, hexadecimal."""
    narrow = {name: tensor.to("cpu", torch.bfloat16).contiguous() for name, tensor in tensors.items()}
    # one entry, for the library writes several in another order each time, and the checksum would change
    save_file(narrow, path, metadata={FORMAT: json.dumps({**about, "base_sha256": base_sha256}, sort_keys=True)})
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter file's contents."""

    path: Path
    sha256: str
    base_sha256: str  # of the checkpoint that it was trained on
    name: str
    tensors: Mapping[str, Tensor]


def read_adapter(path: Path) -> Adapter:
    """Raises CheckpointError for a file that is missing, damaged or something else than an adapter."""
    if not path.is_file():
        raise CheckpointError(
            f"{path}: missing; set TRADEWIND_MODEL_ADAPTER to a safetensors file made by `tradewind model train`"
        )
    try:
        with safe_open(path, framework="pt") as file:
            told = (file.metadata() or {}).get(FORMAT)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {error}; get the file again") from error
    if told is None:
        raise CheckpointError(f"{path}: is no adapter of the format {FORMAT}; train one with `tradewind model train`")
    about = json.loads(told)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Adapter(path, sha256, about.get("base_sha256", ""), about.get("name", path.stem), tensors)


def merge(model: Transformer, adapter: Adapter) -> None:
    """Add the adapter to the model's weights, in place. A full fine-tune's file has the change of whole matrices.

    Raises CheckpointError when a tensor has no place in the model or another shape.
    """
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, change in _changes(adapter):
            weight = parameters.get(name)
            if weight is None or weight.shape != change.shape:
                raise CheckpointError(
                    f"{adapter.path}: {name} {tuple(change.shape)} has no place in this model; "
                    f"the adapter was trained for another checkpoint"
                )
            weight.copy_(weight.float() + change)


def _changes(adapter: Adapter) -> Iterator[tuple[str, Tensor]]:
    """What is added to each weight, in fp32."""
    for name, tensor in adapter.tensors.items():
        if name.endswith(".lora_a"):
            b = adapter.tensors.get(f"{name[:-1]}b")
            if b is None or b.shape[1:] != tensor.shape[:1]:
                raise CheckpointError(f"{adapter.path}: {name} has no counterpart that fits; get the file again")
            yield f"{name.removesuffix('.lora_a')}.weight", b.float() @ tensor.float()
        elif not name.endswith(".lora_b"):
            yield name, tensor.float()


def begin_at(model: Transformer, adapter: Adapter) -> None:
    """Give a model with adapters the change that another adapter makes, cut to the model's rank.

    The best low-rank change of each matrix is that of its largest singular values (Eckart and Young 1936).

    Raises CheckpointError when the adapter has changes that the model's have no place for.
    """
    changes = dict(_changes(adapter))
    with torch.no_grad():
        for name, module in model.named_modules():
            if not isinstance(module, LoraLinear):
                continue
            change = changes.pop(f"{name}.weight", None)
            if change is None or change.shape != module.base.weight.shape:
                raise CheckpointError(f"{adapter.path}: has no change of {name} that fits; it is of another checkpoint")
            rank = module.lora_a.shape[0]
            u, s, vh = torch.linalg.svd(change, full_matrices=False)  # [out, k], [k], [k, in]
            root = (s[:rank] / module.scale).sqrt()
            module.lora_a.copy_(root[:, None] * vh[:rank])
            module.lora_b.copy_(u[:, :rank] * root)
    if changes:
        raise CheckpointError(f"{adapter.path}: changes {next(iter(changes))}, which an adapter has no place for")


def _factors(model: Transformer) -> Iterator[tuple[str, nn.Parameter]]:
    for name, parameter in model.named_parameters():
        if name.endswith((".lora_a", ".lora_b")):
            yield name, parameter
