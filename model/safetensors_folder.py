"""Opens a folder as the `transformers` library writes it: config.json, tokenizer.json and *.safetensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from model import tokenizer as tokenizers
from model.chat import ChatTemplate
from model.checkpoint import END_NAMES, FAMILIES, Checkpoint
from model.provenance import CheckpointError, file_sha256
from model.tokenizer import TextTokenizer
from model.transformer import ModelConfig

_LAYER = "model.layers.{layer}"
_NAMES = {
    "embedding": ("model.embed_tokens",),
    "attention_norm": (f"{_LAYER}.input_layernorm",),
    "attention.qkv": tuple(f"{_LAYER}.self_attn.{part}_proj" for part in "qkv"),
    "attention.q_norm": (f"{_LAYER}.self_attn.q_norm",),
    "attention.k_norm": (f"{_LAYER}.self_attn.k_norm",),
    "attention.out": (f"{_LAYER}.self_attn.o_proj",),
    "feed_forward_norm": (f"{_LAYER}.post_attention_layernorm",),
    "feed_forward.gate_up": (f"{_LAYER}.mlp.gate_proj", f"{_LAYER}.mlp.up_proj"),
    "feed_forward.down": (f"{_LAYER}.mlp.down_proj",),
    "norm": ("model.norm",),
    "head": ("lm_head",),
}


def open_folder(folder: Path) -> Checkpoint:
    """Open a safetensors folder of the Llama, Qwen2 or Qwen3 family, reading its metadata. Raises CheckpointError."""
    content = _json(folder / "config.json")
    try:
        config = _config(content)
    except CheckpointError as error:
        raise CheckpointError(f"{folder / 'config.json'}: {error}") from error
    place = _places(folder)

    def read(name: str) -> Tensor:
        path = folder / place[name]
        try:
            with safe_open(path, framework="pt") as file:
                tensor: Tensor = file.get_tensor(name)
                return tensor
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path}: tensor {name} can't be read ({error}); get the file again") from error

    tokenizer = tokenizers.from_file(folder / "tokenizer.json")
    chat, end_tokens = _chat(folder, content, tokenizer)
    return Checkpoint(
        path=folder,
        name=Path(content.get("_name_or_path") or folder.resolve()).name,
        license=None,
        sha256=_sha256(folder, sorted(set(place.values()))),
        config=config,
        tokenizer=tokenizer,
        chat=chat,
        end_tokens=end_tokens,
        tensors=frozenset(place),
        names=_NAMES,
        read=read,
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: missing; a model folder has config.json, tokenizer.json, tokenizer_config.json and *.safetensors"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{path}: not JSON ({error}); get the file again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, expected an object; get the file again")
    return content


def _places(folder: Path) -> dict[str, str]:
    """Which file of the folder holds which tensor."""
    index = folder / "model.safetensors.index.json"
    files = sorted(set(_json(index).get("weight_map", {}).values())) if index.exists() else ["model.safetensors"]
    places: dict[str, str] = {}
    for name in files:
        path = folder / name
        if path.parent != folder:
            raise CheckpointError(f"{index}: weight_map leads out of the folder, to {name!r}; get the file again")
        if not path.is_file():
            raise CheckpointError(f"{path}: missing; only safetensors are read, never pickled weights; get this file")
        try:
            with safe_open(path, framework="pt") as file:
                places.update(dict.fromkeys(file.keys(), name))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path}: no safetensors, or cut short ({error}); get the file again") from error
    return places


def _sha256(folder: Path, names: list[str]) -> str:
    """The hash of the weight file; of several, the hash of their `sha256sum` listing."""
    if len(names) == 1:
        return file_sha256(folder / names[0])
    listing = "".join(f"{file_sha256(folder / name)}  {name}\n" for name in names)
    return hashlib.sha256(listing.encode()).hexdigest()


def _config(content: Mapping[str, Any]) -> ModelConfig:
    family = content.get("model_type")
    if family not in FAMILIES:
        raise CheckpointError(f"model_type is {family!r}, supported are {', '.join(FAMILIES)}; use another model")

    def get(key: str) -> Any:
        if content.get(key) is None:
            raise CheckpointError(f"{key} is missing; get the file again")
        return content[key]

    rope = content.get("rope_parameters") or content.get("rope_scaling") or {}
    for key, value, expected in (
        ("rope_parameters.rope_type", rope.get("rope_type", rope.get("type", "default")), "default"),
        ("hidden_act", content.get("hidden_act", "silu"), "silu"),
        ("attention_bias", family != "qwen2" and content.get("attention_bias", False), False),
        ("mlp_bias", content.get("mlp_bias", False), False),
        ("use_sliding_window", content.get("use_sliding_window", False), False),
    ):
        if value != expected:
            raise CheckpointError(f"{key} is {value!r}, supported is {expected!r}; use another model")
    width, heads = get("hidden_size"), get("num_attention_heads")
    return ModelConfig(
        vocab_size=get("vocab_size"),
        context_length=get("max_position_embeddings"),
        layers=get("num_hidden_layers"),
        width=width,
        heads=heads,
        kv_heads=content.get("num_key_value_heads") or heads,
        head_width=content.get("head_dim") or width // heads,
        hidden=get("intermediate_size"),
        rope_base=float(rope.get("rope_theta") or content.get("rope_theta") or 10000.0),
        norm_epsilon=float(get("rms_norm_eps")),
        tied_head=bool(content.get("tie_word_embeddings", False)),
        qkv_bias=family == "qwen2",
        qk_norm=family == "qwen3",
    )


def _chat(folder: Path, content: Mapping[str, Any], tokenizer: TextTokenizer) -> tuple[ChatTemplate, frozenset[int]]:
    settings = _json(folder / "tokenizer_config.json")
    beside = folder / "chat_template.jinja"
    source = beside.read_text(encoding="utf-8") if beside.is_file() else settings.get("chat_template")
    if not isinstance(source, str):
        raise CheckpointError(
            f"{folder}: no template in tokenizer_config.json or chat_template.jinja; use a chat (instruct) model"
        )

    def name(key: str) -> str:
        token = settings.get(key) or ""
        return str(token["content"] if isinstance(token, dict) else token)

    ends: set[int] = {tokenizer.special[end] for end in (*END_NAMES, name("eos_token")) if end in tokenizer.special}
    generation = folder / "generation_config.json"
    for holder in (content, _json(generation) if generation.is_file() else {}):
        eos = holder.get("eos_token_id")
        ends.update(eos if isinstance(eos, list) else [] if eos is None else [eos])
    try:
        return ChatTemplate(source, tokenizer, bos=name("bos_token"), eos=name("eos_token")), frozenset(ends)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from error
