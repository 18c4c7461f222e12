"""Random checkpoints of the three families, small enough that a test can make, load and run one in milliseconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE

FAMILIES = ("llama", "qwen2", "qwen3")
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = [
    "A bottle of steel, 750 ml, keeps drinks cold for 24 hours.",
    "Is it waterproof? Yes, the jacket is waterproof and weighs 320 g.",
    "You write listings for an online marketplace. Use only the facts that are given.",
    "这个水壶是不锈钢的，容量750毫升，颜色是蓝色。",
] * 8


def write_folder(folder: Path, family: str = "llama", seed: int = 0, **changes: Any) -> Any:
    """Write a random model as `transformers` does, with a tokenizer and a chat template; returns its model."""
    tokenizer = make_tokenizer(family)
    torch.manual_seed(seed)
    model = make_model(family, tokenizer.get_vocab_size(), **changes)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"chat_template": TEMPLATE, "eos_token": "<|im_end|>", "bos_token": "<|im_start|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return model


def make_model(family: str, vocab_size: int, **changes: Any) -> Any:
    """A random causal language model of `transformers`; its norms are random too, so that leaving one out shows."""
    values: dict[str, Any] = {
        "vocab_size": vocab_size, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False, "eos_token_id": None, "bos_token_id": None, "pad_token_id": None,
        "initializer_range": 0.2, "head_dim": 16,
    }  # fmt: skip
    values |= changes
    if family == "qwen2":
        del values["head_dim"]
    config = getattr(transformers, f"{family.capitalize()}Config")(**values)
    model = getattr(transformers, f"{family.capitalize()}ForCausalLM")(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.5)
    return model


def make_tokenizer(family: str = "llama") -> Tokenizer:
    """Byte-level BPE with every byte in its alphabet, trained on a few sentences, split as the family does."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = splitter(family)
    tokenizer.normalizer = normalizers.NFC() if family != "llama" else None
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in CONTROL])
    return tokenizer


def splitter(family: str) -> Any:
    if family == "llama":  # as SmolLM2
        digits, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
        return pre_tokenizers.Sequence([digits, bytes_])
    reference = transformers.Qwen2Tokenizer(vocab={"a": 0}, merges=[])
    return reference.backend_tokenizer.pre_tokenizer


def write_gguf(path: Path, model: Any, family: str, tokenizer: Tokenizer, quantised: str = "F32") -> None:
    """Write a `transformers` model as GGUF, with the row order that llama.cpp's converter gives to Q and K."""
    config = model.config
    writer = gguf.GGUFWriter(path, family)
    writer.add_name(f"tiny {family}")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    head_width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head_width)
    add_gguf_tokenizer(writer, tokenizer, "smollm" if family == "llama" else "qwen2")
    kind = gguf.GGMLQuantizationType[quantised]
    parts = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "model.layers.": "blk.",
        "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    }  # fmt: skip
    for name, tensor in model.state_dict().items():
        values = tensor.numpy()
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
        if family == "llama" and heads:
            values = values.reshape(heads, 2, head_width // 2, -1).swapaxes(1, 2).reshape(tensor.shape)
        for theirs, short in parts.items():
            name = name.replace(theirs, short)
        if tensor.ndim == 2 and quantised != "F32":
            writer.add_tensor(name, gguf.quants.quantize(values.astype(np.float32), kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_gguf_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer, style: str) -> None:
    content = json.loads(tokenizer.to_str())
    control = {token["id"]: token["content"] for token in content["added_tokens"]}
    vocabulary = {number: token for token, number in content["model"]["vocab"].items()} | control
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(style)
    writer.add_token_list([vocabulary[number] for number in range(len(vocabulary))])
    writer.add_token_types([3 if number in control else 1 for number in range(len(vocabulary))])
    writer.add_token_merges([" ".join(merge) for merge in content["model"]["merges"]])
    writer.add_eos_token_id(next(number for number, name in control.items() if name == "<|im_end|>"))
    writer.add_chat_template(TEMPLATE)
