"""Opens GGUF files, in any quantisation that the `gguf` package can undo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from torch import Tensor

from model import tokenizer as tokenizers
from model.chat import ChatTemplate
from model.checkpoint import END_NAMES, FAMILIES, Checkpoint
from model.provenance import CheckpointError, file_sha256
from model.tokenizer import TextTokenizer
from model.transformer import ModelConfig

_NAMES = {
    "embedding": ("token_embd",),
    "attention_norm": ("blk.{layer}.attn_norm",),
    "attention.qkv": ("blk.{layer}.attn_q", "blk.{layer}.attn_k", "blk.{layer}.attn_v"),
    "attention.q_norm": ("blk.{layer}.attn_q_norm",),
    "attention.k_norm": ("blk.{layer}.attn_k_norm",),
    "attention.out": ("blk.{layer}.attn_output",),
    "feed_forward_norm": ("blk.{layer}.ffn_norm",),
    "feed_forward.gate_up": ("blk.{layer}.ffn_gate", "blk.{layer}.ffn_up"),
    "feed_forward.down": ("blk.{layer}.ffn_down",),
    "norm": ("output_norm",),
    "head": ("output",),
}


def open_gguf(path: Path) -> Checkpoint:
    """Open a GGUF file of the Llama, Qwen2 or Qwen3 family, reading its metadata. Raises CheckpointError."""
    try:
        reader = _Reader(path)
        metadata = {key: field.contents() for key, field in reader.fields.items()}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # the reader indexes what bytes it finds: a damaged file raises anything
        said = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{path}: no GGUF file, or a damaged one ({said}); get the file again") from error
    by_name = {tensor.name: tensor for tensor in reader.tensors}
    try:
        config = _config(metadata, by_name.keys())
        tokenizer = tokenizers.from_gguf(metadata)
        chat, end_tokens = _chat(metadata, tokenizer)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    permuted = {".attn_q.": config.heads, ".attn_k.": config.kv_heads}
    if metadata["general.architecture"] != "llama":
        permuted = {}

    def read(name: str) -> Tensor:
        stored = by_name[name]
        try:
            values = dequantize(stored.data, stored.tensor_type)
        except (NotImplementedError, ValueError) as error:
            kind = stored.tensor_type.name
            raise CheckpointError(f"{path}: tensor {name} is {kind}: {error}; use another quantisation") from error
        tensor = torch.from_numpy(np.array(values, dtype=np.float32))
        for part, heads in permuted.items():
            if part in name:
                tensor = unpermute(tensor, heads, config.head_width)
        return tensor

    return Checkpoint(
        path=path,
        name=str(metadata.get("general.name", path.stem)),
        license=metadata.get("general.license"),
        sha256=file_sha256(path),
        config=config,
        tokenizer=tokenizer,
        chat=chat,
        end_tokens=end_tokens,
        tensors=frozenset(by_name),
        names=_NAMES,
        read=read,
    )


def unpermute(rows: Tensor, heads: int, head_width: int) -> Tensor:
    """Undo the order of rows that llama-family GGUF files give to Q and K ([H * D, ...], weights or biases).

    They put the two dimensions of a rotary pair side by side (0, D/2, 1, D/2 + 1, ...); the original weights, and ours,
    have them half a head apart. Rows that are not H * D are left for the caller to refuse.
    """
    if rows.shape[0] != heads * head_width:
        return rows
    pairs = rows.view(heads, head_width // 2, 2, *rows.shape[1:])  # [H * D, ...] -> [H, D/2, 2, ...]
    return pairs.transpose(1, 2).reshape(rows.shape)  # -> [H, 2, D/2, ...] -> [H * D, ...]


class _Reader(gguf.GGUFReader):
    """Tells which tensor of a damaged file can't be read."""

    def _build_tensors(self, start_offs: int, fields: list[gguf.ReaderField]) -> None:
        tensors: list[gguf.ReaderTensor] = []
        for field in fields:
            try:
                super()._build_tensors(start_offs, [field])
            except (ValueError, IndexError, KeyError) as error:
                raise CheckpointError(
                    f"tensor {field.name} can't be read ({error}): the file is cut short or damaged; get it again"
                ) from error
            tensors += self.tensors
        self.tensors = tensors


def _config(metadata: Mapping[str, Any], tensors: Any) -> ModelConfig:
    family = metadata.get("general.architecture")
    if family not in FAMILIES:
        supported = ", ".join(FAMILIES)
        raise CheckpointError(f"general.architecture is {family!r}, supported are {supported}; use another model")

    def get(key: str, default: Any = None) -> Any:
        value = metadata.get(f"{family}.{key}", default)
        if value is None:
            raise CheckpointError(f"metadata lacks {family}.{key}; convert the model again")
        return value

    if get("rope.scaling.type", "none") != "none" or "rope_freqs.weight" in tensors:
        raise CheckpointError(f"{family}.rope.scaling: scaled rotary positions are not supported; use another model")
    if get("expert_count", 0):
        raise CheckpointError(f"{family}.expert_count: mixtures of experts are not supported; use another model")
    width, heads = get("embedding_length"), get("attention.head_count")
    return ModelConfig(
        vocab_size=len(metadata.get("tokenizer.ggml.tokens", ())),
        context_length=get("context_length"),
        layers=get("block_count"),
        width=width,
        heads=heads,
        kv_heads=get("attention.head_count_kv", heads),
        head_width=get("attention.key_length", get("rope.dimension_count", width // heads)),
        hidden=get("feed_forward_length"),
        rope_base=float(get("rope.freq_base", 10000.0)),
        norm_epsilon=float(get("attention.layer_norm_rms_epsilon")),
        tied_head="output.weight" not in tensors,
        qkv_bias=family == "qwen2",
        qk_norm=family == "qwen3",
    )


def _chat(metadata: Mapping[str, Any], tokenizer: TextTokenizer) -> tuple[ChatTemplate, frozenset[int]]:
    source = metadata.get("tokenizer.chat_template")
    if not source:
        raise CheckpointError("metadata lacks tokenizer.chat_template; use a chat (instruct) model")
    tokens = metadata["tokenizer.ggml.tokens"]
    bos, eos, eot = (metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "eot"))
    ends = {number for number in (eos, eot) if number is not None}
    ends |= {tokenizer.special[name] for name in END_NAMES if name in tokenizer.special}
    names = ["" if number is None else tokens[number] for number in (bos, eos)]
    return ChatTemplate(source, tokenizer, bos=names[0], eos=names[1]), frozenset(ends)
