"""`transformers`' own reading of a checkpoint, to hold ours against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import LlamaConfig, LlamaForCausalLM
from transformers.initialization import no_init_weights
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint


def reference_of_gguf(path: Path) -> Any:
    """A llama-family GGUF in fp32. It is dequantised here anew, so the order of Q's and K's rows is checked as well."""
    described = load_gguf_checkpoint(str(path), return_tensors=False)["config"]
    described.pop("model_type")
    with no_init_weights():
        reference = LlamaForCausalLM(LlamaConfig(**described)).eval()
    weights = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=reference)["tensors"]
    result = reference.load_state_dict(weights, strict=False)
    assert result.unexpected_keys == []
    assert set(result.missing_keys) <= {"lm_head.weight"}  # tied to the embedding
    reference.tie_weights()
    return reference
