# mypy: disallow-untyped-calls=False
"""`transformers`: `generate` in bf16 on one batch, padded on the left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
import transformers
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from bench.peers.worker import Job, Loaded, Prompt, Timing, serve

_PADDING = 0  # any id: the mask hides it


class Clock(transformers.StoppingCriteria):
    """Stops nothing; notes when each token was there."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        self.times.append(time.perf_counter())
        return torch.zeros(len(input_ids), dtype=torch.bool)


def load_transformers(job: Job) -> Loaded:
    """The weights of the GGUF file, dequantised by `transformers` itself."""
    torch.set_num_threads(job.threads)
    # from_pretrained reads GGUF files too, but only where the package accelerate is installed
    described = load_gguf_checkpoint(job.checkpoint, return_tensors=False)["config"]
    config = transformers.AutoConfig.for_model(**described)
    model: Any = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa")
    weights = load_gguf_checkpoint(job.checkpoint, return_tensors=True, model_to_load=model)["tensors"]
    loaded = model.load_state_dict(weights, strict=False)
    assert not loaded.unexpected_keys, loaded.unexpected_keys
    assert set(loaded.missing_keys) <= {"lm_head.weight"}, loaded.missing_keys
    model.tie_weights()
    model.generation_config.eos_token_id = None  # where generate looks when the settings name no end
    model.eval()
    weight = model.get_input_embeddings().weight
    assert weight.dtype == torch.bfloat16, weight.dtype
    about = {
        "version": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "number_format": "bf16",
        "attention": model.config._attn_implementation,
    }
    return Loaded(lambda prompts, new_tokens: run(model, prompts, new_tokens), about)


def run(model: Any, prompts: Sequence[Prompt], new_tokens: int) -> Timing:
    """One `generate` of all prompts, greedy. No token ends it, so nothing need be done to forbid that."""
    longest = max(len(prompt.ids) for prompt in prompts)
    settings = transformers.GenerationConfig(
        max_new_tokens=new_tokens, do_sample=False, use_cache=True, eos_token_id=None, pad_token_id=_PADDING
    )
    clock, started = Clock(), time.perf_counter()
    ids = torch.tensor([[_PADDING] * (longest - len(prompt.ids)) + prompt.ids for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in prompts])
    with torch.inference_mode():
        made = model.generate(ids, attention_mask=mask, generation_config=settings, stopping_criteria=[clock])
    seconds = time.perf_counter() - started
    tokens = made[:, longest:].tolist()
    assert all(len(row) == new_tokens for row in tokens), "transformers generated fewer tokens than it should"
    return Timing(seconds, [clock.times[0] - started] * len(prompts), tokens=tokens)


if __name__ == "__main__":
    serve(load_transformers)
