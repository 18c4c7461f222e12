"""Examples as the loop takes them: a prompt and what the model should write, as tokens, in batches of like length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from model.protocol import ChatPrompt

_ROUND = 32  # lengths are rounded up to multiples: few shapes, so a compiler meets each only once
_PADDING = 0
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>")  # the more particular ones first


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and its completion. With `ended` the end of the turn is learned too; without, the text may go on."""

    prompt: ChatPrompt
    completion: str
    ended: bool = True
    source: str = ""  # which set it is of, for the card


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example as tokens; the loss counts from position `begin` on."""

    tokens: tuple[int, ...]
    begin: int


@dataclass(frozen=True, slots=True)
class Batch:
    """B examples of T tokens. Position t of `tokens` predicts `targets[t]`, which counts where `weights` is not 0."""

    tokens: Tensor  # [B, T]
    targets: Tensor  # [B, T]
    weights: Tensor  # [B, T], 0.0 or more


def encode(example: Example, checkpoint: Checkpoint, longest: int) -> Encoded | None:
    """The example through the chat template; None when it has more than `longest` tokens."""
    prompt = checkpoint.chat.encode(example.prompt)
    completion = checkpoint.tokenizer.encode(example.completion)
    end = [turn_end(checkpoint)] if example.ended else []
    tokens = (*prompt, *completion, *end)
    return Encoded(tokens, len(prompt)) if len(tokens) <= longest else None


def turn_end(checkpoint: Checkpoint) -> int:
    """The token that ends the assistant's turn in the checkpoint's own chat format."""
    special = checkpoint.tokenizer.special
    known = [special[name] for name in _TURN_ENDS if special.get(name) in checkpoint.end_tokens]
    return known[0] if known else min(checkpoint.end_tokens)


def batches(encoded: Sequence[Encoded], tokens: int, seed: int, first_weight: float) -> Iterator[Batch]:
    """All examples once, in an order that follows from the seed.

    Examples are shuffled, then sorted by length within stretches, so that a batch has little padding and yet another
    company each time. A batch has at most `tokens` tokens, padding included; `first_weight` is what the first token of
    a completion counts in the loss.
    """
    order = random.Random(seed)
    shuffled = list(encoded)
    order.shuffle(shuffled)
    stretch = max(1, 50 * tokens // 100)
    groups: list[list[Encoded]] = []
    for start in range(0, len(shuffled), stretch):
        group: list[Encoded] = []
        for item in sorted(shuffled[start : start + stretch], key=lambda item: len(item.tokens)):
            if group and (len(group) + 1) * _rounded(len(item.tokens)) > tokens:
                groups.append(group)
                group = []
            group.append(item)
        groups.append(group)
    order.shuffle(groups)
    return (_batch(group, first_weight) for group in groups)


def _rounded(length: int) -> int:
    return -(-length // _ROUND) * _ROUND


def _batch(group: Sequence[Encoded], first_weight: float) -> Batch:
    width = _rounded(max(len(item.tokens) for item in group))
    tokens = torch.full((len(group), width + 1), _PADDING)
    weights = torch.zeros(len(group), width)
    for row, item in enumerate(group):
        tokens[row, : len(item.tokens)] = torch.tensor(item.tokens)
        weights[row, item.begin - 1 : len(item.tokens) - 1] = 1.0
        weights[row, item.begin - 1] = first_weight
    return Batch(tokens[:, :-1], tokens[:, 1:], weights)
