"""Our Transformer computes what `transformers` computes, from either file format and with or without the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.checkpoint import load_model
from model.fetch import locate
from model.loading import choose_format, load, open_checkpoint
from model.transformer import Transformer
from tests.support.reference_model import reference_of_gguf
from tests.support.tiny_model import FAMILIES, make_model, make_tokenizer, write_folder, write_gguf
from tradewind.demo.requests import task_requests

TOKENS = torch.tensor([[5, 17, 200, 3, 3, 90, 41, 300, 12, 8, 260], [9, 9, 14, 1, 77, 2, 310, 6, 50, 51, 52]])


def ours(path: Path) -> Transformer:
    return load_model(open_checkpoint(path))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [False, True])
def test_safetensors_logits_are_those_of_transformers(family: str, tied: bool, tmp_path: Path) -> None:
    reference = write_folder(tmp_path, family, tie_word_embeddings=tied)
    model = ours(tmp_path)
    with torch.inference_mode():
        torch.testing.assert_close(model.logits(model(TOKENS)), reference(TOKENS).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_gguf_logits_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(family)
    reference = make_model(family, tokenizer.get_vocab_size())
    write_gguf(tmp_path / "tiny.gguf", reference, family, tokenizer)
    model = ours(tmp_path / "tiny.gguf")
    with torch.inference_mode():
        torch.testing.assert_close(model.logits(model(TOKENS)), reference(TOKENS).logits, atol=1e-4, rtol=1e-4)


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
        cache = model.new_cache(slots=4, positions=32)
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


@pytest.mark.model
def test_default_checkpoint_logits_are_those_of_transformers() -> None:
    """After every token of 20 real prompts, and of a text in two languages."""
    reference, loaded = reference_of_gguf(locate(None)), load(locate(None), "fp32")
    prompts = [loaded.chat.encode(request.prompt) for request in task_requests()[:20]]
    text = "The bottle holds 750 ml and keeps drinks cold for 24 hours. 这个水壶是不锈钢的。 Is it leak-proof?"
    assert len(prompts) == 20
    with torch.inference_mode():
        for ids in [*prompts, loaded.tokenizer.encode(text)]:
            tokens = torch.tensor([ids])
            difference = (loaded.model.logits(loaded.model(tokens)) - reference(tokens).logits).abs().max()
            assert difference < 1e-3


def test_number_format_is_the_one_set_or_one_that_this_machine_has() -> None:
    assert choose_format("int8", "cpu") == "int8"
    assert choose_format("auto", "cuda:0") == "bf16"
    assert choose_format("auto", "cpu") in ("fp32", "bf16", "int8")
