"""Our Transformer computes what `transformers` computes, from either file format and with or without the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from model.checkpoint import load_model
from model.fetch import locate
from model.int8 import quantise
from model.loading import int8_pays, open_checkpoint
from model.transformer import KVCache, Transformer
from tests.support.tiny_model import FAMILIES, make_model, make_tokenizer, write_folder, write_gguf

TOKENS = torch.tensor([[5, 17, 200, 3, 3, 90, 41, 300, 12, 8, 260], [9, 9, 14, 1, 77, 2, 310, 6, 50, 51, 52]])


def ours(path: Path) -> Transformer:
    return load_model(open_checkpoint(path))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [False, True])
def test_safetensors_logits_are_those_of_transformers(family: str, tied: bool, tmp_path: Path) -> None:
    reference = write_folder(tmp_path, family, tie_word_embeddings=tied)
    model = ours(tmp_path)
    with torch.inference_mode():
        torch.testing.assert_close(
            model.logits(model(TOKENS)), reference(TOKENS).logits, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_gguf_logits_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(family)
    reference = make_model(family, tokenizer.get_vocab_size())
    write_gguf(tmp_path / "tiny.gguf", reference, family, tokenizer)
    model = ours(tmp_path / "tiny.gguf")
    with torch.inference_mode():
        torch.testing.assert_close(
            model.logits(model(TOKENS)), reference(TOKENS).logits, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("quantised", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantised_gguf_is_near_the_original(quantised: str, tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    sizes = {"hidden_size": 64, "intermediate_size": 96, "initializer_range": 0.05}
    reference = make_model("llama", tokenizer.get_vocab_size(), **sizes)
    write_gguf(tmp_path / "tiny.gguf", reference, "llama", tokenizer, quantised)
    model = ours(tmp_path / "tiny.gguf")
    with torch.inference_mode():
        expected = reference(TOKENS).logits
        error = (model.logits(model(TOKENS)) - expected).norm() / expected.norm()
    assert error < {"F16": 0.002, "BF16": 0.02, "Q8_0": 0.02}.get(quantised, 0.4)


@pytest.mark.parametrize("family", FAMILIES)
def test_cache_gives_what_one_pass_gives(family: str, tmp_path: Path) -> None:
    """Prompts of different lengths, prefilled into slots in pieces, then continued together one token at a time."""
    write_folder(tmp_path, family)
    model = ours(tmp_path)
    with torch.inference_mode():
        whole = model.logits(model(TOKENS))  # [2, 11, V]
        cache = KVCache(model.config, slots=4, positions=32, dtype=torch.float32, device=torch.device("cpu"))
        for row, pieces in ((0, (3, 7)), (1, (5,))):
            start = 0
            for end in pieces:
                hidden = model(TOKENS[row : row + 1, start:end], cache, torch.tensor([start]), 1 + row)
                torch.testing.assert_close(model.logits(hidden)[0], whole[row, start:end], atol=1e-4, rtol=1e-4)
                start = end
        lengths = torch.tensor([7, 5])
        for _ in range(4):
            newest = TOKENS.gather(1, lengths[:, None])  # [2, 1]
            logits = model.logits(model(newest, cache, lengths, 1)[:, 0])
            torch.testing.assert_close(logits, whole[torch.arange(2), lengths], atol=1e-4, rtol=1e-4)
            lengths = lengths + 1


def test_later_tokens_do_not_change_earlier_ones(tmp_path: Path) -> None:
    write_folder(tmp_path)
    model = ours(tmp_path)
    with torch.inference_mode():
        torch.testing.assert_close(model(TOKENS)[:, :4], model(TOKENS[:, :4]))


@pytest.mark.skipif(not int8_pays(), reason="this processor has no exact and fast 8-bit products")
def test_int8_is_near_and_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    write_folder(tmp_path, "qwen2")
    model = ours(tmp_path)
    with torch.inference_mode():
        exact = model.logits(model(TOKENS))
        quantise(model)
        together = model.logits(model(TOKENS))
        assert (together - exact).norm() / exact.norm() < 0.05
        for row in range(2):
            alone = model.logits(model(TOKENS[row : row + 1]))
            torch.testing.assert_close(alone[0], together[row], atol=1e-4, rtol=1e-4)


@pytest.mark.model
def test_default_checkpoint_logits_are_those_of_transformers() -> None:
    """The reference dequantises the same file by itself, so the order of Q's and K's rows is checked as well."""
    path = locate(None)
    described = load_gguf_checkpoint(str(path), return_tensors=False)["config"]
    described.pop("model_type")
    reference = LlamaForCausalLM(LlamaConfig(**described)).eval()
    weights = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=reference)["tensors"]
    assert reference.load_state_dict(weights, strict=False).unexpected_keys == []
    checkpoint = open_checkpoint(path)
    model = load_model(checkpoint)
    text = "The bottle holds 750 ml and keeps drinks cold for 24 hours. 这个水壶是不锈钢的。 Is it leak-proof?"
    tokens = torch.tensor([checkpoint.tokenizer.encode(text)])
    with torch.inference_mode():
        difference = (model.logits(model(tokens)) - reference(tokens).logits).abs().max()
    assert difference < 1e-3
