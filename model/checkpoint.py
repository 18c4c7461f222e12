"""A checkpoint that is open: what it says of itself, and its weights put into a Transformer.

`model.gguf_file` and `model.safetensors_folder` open the two formats that are read. Neither can carry code; pickled
weights are never loaded. What is wrong with a file is told in one line, as CheckpointError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model.chat import ChatTemplate
from model.provenance import CheckpointError
from model.tokenizer import TextTokenizer
from model.transformer import ModelConfig, Transformer

FAMILIES = ("llama", "qwen2", "qwen3")
END_NAMES = ("<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>")  # they end a turn in every family


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An open checkpoint. Its weights are read one at a time, when `load_model` asks for them."""

    path: Path
    name: str  # as the file names itself
    license: str | None  # SPDX, where the file tells it
    sha256: str
    config: ModelConfig
    tokenizer: TextTokenizer
    chat: ChatTemplate
    end_tokens: frozenset[int]  # each of them ends a completion
    tensors: frozenset[str]  # in the file's own terms
    names: Mapping[str, tuple[str, ...]]  # our module: the file's parts, stacked along the rows; {layer} is filled in
    read: Callable[[str], Tensor]  # a tensor by the file's name: dequantised, the halves of a rotary pair D/2 apart


def load_model(checkpoint: Checkpoint, dtype: torch.dtype = torch.float32) -> Transformer:
    """The Transformer with the checkpoint's weights, on the CPU, in `dtype`, ready for inference.

    Raises CheckpointError for a tensor that is missing, misshapen, unreadable, or without a place in this architecture.
    """
    with torch.device("meta"):
        model = Transformer(checkpoint.config)
    tied = checkpoint.config.tied_head
    state: dict[str, Tensor] = {}
    used: set[str] = set()
    for ours, expected in model.state_dict().items():
        if tied and ours == "head.weight":
            continue
        theirs = _names_in_file(checkpoint, ours)
        state[ours] = _read_stacked(checkpoint, theirs, dtype, expected.shape)
        used.update(theirs)
    if tied:
        state["head.weight"] = state["embedding.weight"]
        used.update(_names_in_file(checkpoint, "head.weight"))  # some files repeat it
    foreign = sorted(name for name in checkpoint.tensors - used if not name.endswith("rotary_emb.inv_freq"))
    if foreign:
        families = ", ".join(FAMILIES)
        raise CheckpointError(
            f"{checkpoint.path}: tensor {foreign[0]} has no place in the architectures {families}; use another model"
        )
    model.load_state_dict(state, assign=True)
    if tied:
        model.head.weight = model.embedding.weight
    return model.eval().requires_grad_(False)


def _names_in_file(checkpoint: Checkpoint, ours: str) -> list[str]:
    module, suffix = ours.rsplit(".", 1)  # suffix: weight or bias
    layer = ""
    if module.startswith("blocks."):
        _, layer, module = module.split(".", 2)
    return [f"{part.format(layer=layer)}.{suffix}" for part in checkpoint.names[module]]


def _read_stacked(checkpoint: Checkpoint, names: list[str], dtype: torch.dtype, shape: torch.Size) -> Tensor:
    for name in names:
        if name not in checkpoint.tensors:
            raise CheckpointError(f"{checkpoint.path}: tensor {name} is missing; get the file again")
    parts = [checkpoint.read(name).to(dtype) for name in names]
    tensor = torch.cat(parts) if len({part.shape[1:] for part in parts}) == 1 else parts[0]
    if tensor.shape != shape:
        found = " + ".join(str(tuple(part.shape)) for part in parts)
        raise CheckpointError(
            f"{checkpoint.path}: tensor {' + '.join(names)} has shape {found}, expected {tuple(shape)} by the "
            f"configuration; the file does not fit its own metadata, get it again"
        )
    return tensor
