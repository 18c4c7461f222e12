"""Left to itself, our engine writes the tokens that `transformers` writes: greedy, fp32, 64 of them, 20 prompts.

Ours come through the engine as it serves: more requests than slots, neighbours that join and leave, the prefix cache
on. No token ends a text, so that every one is compared to its full length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.engine import EngineSettings, LocalEngine
from model.fetch import locate
from model.loading import LoadedModel, load
from model.protocol import ChatPrompt, GenerationRequest, Priority
from tests.support.reference_model import reference_of_gguf
from tests.support.tiny_model import FAMILIES, make_model, make_tokenizer, write_folder, write_gguf
from tradewind.demo.requests import task_requests

NEW_TOKENS = 64
PROMPTS = 20
PATIENCE_S = 120.0


def prompts() -> list[ChatPrompt]:
    """Real ones: the demo's questions, and its listings whose prompts are short, because time is."""
    requests = sorted(task_requests(), key=lambda request: (request.priority, len(request.prompt.user)))
    answers = [request.prompt for request in requests if request.priority is Priority.ANSWER]
    found = answers[:15] + [request.prompt for request in requests[len(answers) :]][:5]
    assert len(found) == PROMPTS
    return found


def ours(loaded: LoadedModel, asked: Sequence[ChatPrompt], positions: int) -> list[list[int]]:
    """Between two requests that are compared comes a shorter one, so that slots change hands all the time."""
    settings = EngineSettings(threads=1, slots=12, answer_slots=0, positions=positions)
    engine = LocalEngine(lambda: replace(loaded, end_tokens=frozenset()), settings)
    try:
        futures = []
        for number, prompt in enumerate(asked):
            futures.append(engine.submit(GenerationRequest(prompt, NEW_TOKENS)))
            engine.submit(GenerationRequest(ChatPrompt(prompt.system, "Is it blue?"), 1 + number))
        return [list(future.result(PATIENCE_S).tokens) for future in futures]
    finally:
        engine.close()


def theirs(reference: Any, loaded: LoadedModel, asked: Sequence[ChatPrompt]) -> list[list[int]]:
    """Prompts of like length together, filled up on the left."""
    encoded = [loaded.chat.encode(prompt) for prompt in asked]
    order = sorted(range(len(asked)), key=lambda number: len(encoded[number]))
    written: dict[int, list[int]] = {}
    for start in range(0, len(order), 10):
        batch = order[start : start + 10]
        longest = len(encoded[batch[-1]])
        gaps = [longest - len(encoded[number]) for number in batch]
        ids = [[0] * gap + encoded[number] for gap, number in zip(gaps, batch, strict=True)]
        mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
        rows = reference.generate(
            torch.tensor(ids), attention_mask=torch.tensor(mask), max_new_tokens=NEW_TOKENS, do_sample=False,
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        written |= zip(batch, rows[:, longest:].tolist(), strict=True)
    return [written[number] for number in range(len(asked))]


def assert_same(found: list[list[int]], expected: list[list[int]]) -> None:
    assert [len(tokens) for tokens in found] == [NEW_TOKENS] * PROMPTS
    for number, (tokens, wanted) in enumerate(zip(found, expected, strict=True)):
        assert tokens == wanted, f"prompt {number}"


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_writes_what_transformers_writes(family: str, tied: bool, tmp_path: Path) -> None:
    reference = write_folder(tmp_path, family, tie_word_embeddings=tied, max_position_embeddings=2048)
    loaded = load(tmp_path, "fp32")
    assert_same(ours(loaded, prompts(), 2048), theirs(reference, loaded, prompts()))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_gguf_writes_what_transformers_writes(family: str, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(family)
    reference = make_model(family, tokenizer.get_vocab_size(), max_position_embeddings=2048)
    write_gguf(tmp_path / "tiny.gguf", reference, family, tokenizer)
    loaded = load(tmp_path / "tiny.gguf", "fp32")
    assert_same(ours(loaded, prompts(), 2048), theirs(reference, loaded, prompts()))


@pytest.mark.slow
@pytest.mark.model
def test_the_default_checkpoint_writes_what_transformers_writes() -> None:
    loaded = load(locate(None), "fp32")
    expected = theirs(reference_of_gguf(locate(None)), loaded, prompts())
    assert_same(ours(loaded, prompts(), 1024), expected)
