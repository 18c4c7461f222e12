"""Words that a text may begin with: their probabilities, and holding a text to them."""

from __future__ import annotations

import math

import pytest
import torch

from model.loading import LoadedModel
from tests.support.tiny_engine import request, result, running

WORDS = ("yes", "no", "steel")


def first_logprobs(loaded: LoadedModel) -> list[float]:
    """What the model gives the first token of each word after the prompt, computed without the engine."""
    ids = torch.tensor([loaded.chat.encode(request().prompt)])
    logits = loaded.model.logits(loaded.model(ids))[0, -1].log_softmax(-1)  # type: ignore[operator]
    return [float(logits[loaded.tokenizer.encode(word)[0]]) for word in WORDS]


def test_openings_are_told_and_change_nothing(tiny: LoadedModel) -> None:
    with running(tiny) as (engine, _):
        plain = result(engine.submit(request()))
        told = result(engine.submit(request(openings=WORDS)))
    assert told.text == plain.text
    assert plain.opening_logprobs == ()
    assert told.opening_logprobs == pytest.approx(first_logprobs(tiny), abs=1e-4)


@pytest.mark.parametrize("word", range(len(WORDS)))
def test_a_bias_decides_which_of_them_a_text_begins_with(tiny: LoadedModel, word: int) -> None:
    bias = tuple(100.0 if place == word else 0.0 for place in range(len(WORDS)))
    with running(tiny) as (engine, _):
        held = result(engine.submit(request(openings=WORDS, opening_bias=bias)))
    assert held.tokens[0] == tiny.tokenizer.encode(WORDS[word])[0]
    assert held.token_logprobs[0] == pytest.approx(held.opening_logprobs[word])
    assert all(math.isfinite(p) for p in held.opening_logprobs)


def test_without_preference_the_likeliest_of_them_begins(tiny: LoadedModel) -> None:
    with running(tiny) as (engine, _):
        held = result(engine.submit(request(openings=WORDS, opening_bias=(0.0,) * len(WORDS))))
    best = max(range(len(WORDS)), key=lambda place: held.opening_logprobs[place])
    assert held.tokens[0] == tiny.tokenizer.encode(WORDS[best])[0]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="expected as many"):
        request(openings=WORDS, opening_bias=(0.0,))
    with pytest.raises(ValueError, match="every text begins with"):
        request(openings=("",))
