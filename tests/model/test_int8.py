"""The Transformer in 8-bit integers: near fp32, and the same for a sequence whoever shares its batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from model.fetch import locate
from model.int8 import Int8Transformer
from model.loading import load
from model.protocol import ChatPrompt
from tests.support.tiny_engine import needs_int8
from tests.support.tiny_model import FAMILIES, write_folder

LIMIT = 0.1  # of the relative error by rounding; what is left out or mixed up makes 1 and more
LENGTHS = (5, 70, 1, 33, 32, 31, 12)  # from 32 new tokens on, attention takes another path


def tokens_of(length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 400, (length,), generator=torch.Generator().manual_seed(seed * 1000 + length))


@pytest.fixture(autouse=True)
def _int8_and_the_thread_count() -> Iterator[None]:
    needs_int8()
    before = torch.get_num_threads()
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)


def exact_and_rounded(folder: Path, family: str = "llama", **changes: Any) -> tuple[Any, Int8Transformer]:
    write_folder(folder, family, **changes)
    model = load(folder, "fp32").model
    return model, Int8Transformer(model, tokens_of(100))


def together(model: Any, cache: Any, rows: list[torch.Tensor], held: list[int], first_slot: int = 0) -> list[Any]:
    """Hidden states [T_b, C] of the rows' new tokens, of different counts, computed in one call."""
    counts = torch.tensor([len(row) for row in rows])
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    hidden = model(padded, cache, torch.tensor(held), first_slot, counts)
    return [part[: len(row)] for part, row in zip(hidden, rows, strict=True)]


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kv_heads", [12, 6, 4, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_near_fp32_in_every_family_and_grouping(family: str, kv_heads: int, threads: int, tmp_path: Path) -> None:
    """12 heads in groups of 1, 2, 3 and 4; biases (qwen2), norms of queries and keys (qwen3)."""
    torch.set_num_threads(threads)
    sizes = {"hidden_size": 192, "intermediate_size": 256, "num_attention_heads": 12, "initializer_range": 0.1}
    exact, rounded = exact_and_rounded(tmp_path, family, num_key_value_heads=kv_heads, **sizes)
    for length in (2, 20, 50):  # our loops, oneDNN's products, torch's attention
        ids = tokens_of(length)[None]
        assert error(rounded.logits(rounded(ids)), exact.logits(exact(ids))) < LIMIT


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_nobody_is_changed_by_who_shares_the_batch(family: str, threads: int, tmp_path: Path) -> None:
    torch.set_num_threads(threads)
    _, model = exact_and_rounded(tmp_path, family)
    prompts = [tokens_of(length) for length in LENGTHS]
    cache = model.new_cache(len(prompts), 128)
    found = together(model, cache, prompts, [0] * len(prompts))
    newest = [tokens_of(1, seed) for seed in range(len(prompts))]
    after = together(model, cache, newest, list(LENGTHS))
    for slot, prompt in enumerate(prompts):
        lone = model.new_cache(1, 128)
        [alone] = together(model, lone, [prompt], [0])
        torch.testing.assert_close(found[slot], alone, atol=1e-4, rtol=1e-4)
        [alone] = together(model, lone, [newest[slot]], [len(prompt)])
        torch.testing.assert_close(after[slot], alone, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(model.logits(after[slot]), model.logits(torch.cat(after))[slot : slot + 1])


@pytest.mark.parametrize("pieces", [(70,), (40, 70), (5, 6, 8, 70), (69, 70)])
def test_prompt_in_pieces_is_the_prompt_at_once(pieces: tuple[int, ...], tmp_path: Path) -> None:
    exact, model = exact_and_rounded(tmp_path)
    ids = tokens_of(70)
    cache, start, found = model.new_cache(2, 128), 0, []
    for end in pieces:
        found += together(model, cache, [ids[start:end]], [start], first_slot=1)
        start = end
    whole = model.logits(model(ids[None]))[0]
    assert error(model.logits(torch.cat(found)), whole) < 0.05  # attention in bf16 or not, before it is rounded
    assert error(model.logits(torch.cat(found)), exact.logits(exact(ids[None]))[0]) < LIMIT


def test_sequences_share_a_prefix_and_keep_their_own(tmp_path: Path) -> None:
    _, model = exact_and_rounded(tmp_path)
    shared, ends = tokens_of(20), [tokens_of(4, 1), tokens_of(9, 2), tokens_of(40, 3)]
    cache = model.new_cache(slots=3, positions=128, prefixes=2)
    cache.begin(0, 0, 0)
    together(model, cache, [shared], [0])
    cache.remember(1, 0, 20)
    for slot, length in enumerate((20, 20, 11)):  # the third shares a part of it
        cache.begin(slot, 1, length)
    rows = [ends[0], ends[1], torch.cat((shared[11:], ends[2]))]
    found = together(model, cache, rows, [20, 20, 11])
    for part, end in zip(found, ends, strict=True):
        whole = model(torch.cat((shared, end))[None])[0]
        assert error(model.logits(part[-len(end) :]), model.logits(whole[20:])) < 0.05


def test_moved_sequence_goes_on_and_its_place_can_be_begun_anew(tmp_path: Path) -> None:
    _, model = exact_and_rounded(tmp_path)
    first, last = tokens_of(7), tokens_of(40)
    cache = model.new_cache(slots=2, positions=64, prefixes=1)
    cache.begin(0, 0, 0)
    together(model, cache, [last[:20]], [0])
    cache.remember(0, 0, 20)
    cache.begin(1, 0, 20)
    together(model, cache, [first, last[20:30]], [0, 20])
    cache.move(1, 0, 30)
    [found] = together(model, cache, [last[30:35]], [30])
    cache.begin(1, 0, 0)
    rest, fresh = together(model, cache, [last[35:], first], [35, 0])
    whole = model(last[None])[0]
    assert error(torch.cat((found, rest)), whole[30:]) < 0.05
    assert error(fresh, model(first[None])[0]) < 1e-4


def test_context_may_be_shorter_than_the_quantisers_sample(tmp_path: Path) -> None:
    write_folder(tmp_path, max_position_embeddings=64)
    assert load(tmp_path, "int8").model.config.context_length == 64


@pytest.mark.model
@pytest.mark.parametrize("number_format", ["bf16", "int8"])
def test_narrow_formats_keep_most_of_what_the_default_checkpoint_says(number_format: str) -> None:
    exact, narrow = load(locate(None), "fp32"), load(locate(None), number_format)
    text = (
        "The jacket is made of waterproof nylon with a warm fleece lining. It has two zipped pockets, a hood that can "
        "be taken off, and reflective stripes on both sleeves, so that drivers see you at night. Wash it at 30 degrees."
    )
    tokens = torch.tensor([exact.chat.encode(ChatPrompt("You write product descriptions.", text))])
    expected = exact.model.logits(exact.model(tokens))[0].log_softmax(-1)
    found = narrow.model.logits(narrow.model(tokens))[0].float().log_softmax(-1)
    divergence = (expected.exp() * (expected - found)).sum(-1).mean()  # Kullback-Leibler, in nats a token
    assert divergence < {"bf16": 0.01, "int8": 0.06}[number_format]
