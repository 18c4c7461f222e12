"""From logits to the next token of each sequence: greedy, or drawn from a seeded nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.protocol import GenerationRequest


@dataclass(frozen=True, slots=True)
class Sampler:
    """Draws one sequence's tokens. Its random numbers are its own, so they don't depend on who shares the batch."""

    temperature: float
    top_p: float
    generator: torch.Generator

    def draw(self, logits: Tensor) -> int:
        """A token from the smallest set whose probability reaches `top_p`; `logits` is [vocab_size], finite.

        Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", arXiv:1904.09751. It inverts the
        cumulative distribution, so that a token costs one random number.
        """
        probabilities, order = torch.softmax(logits.double() / self.temperature, -1).sort(descending=True, stable=True)
        cumulative = probabilities.cumsum(-1)
        kept = int((cumulative < self.top_p).sum()) + 1
        mass = cumulative[:kept][-1]  # of all tokens where rounding leaves the sum below top_p
        point = torch.rand((), generator=self.generator, dtype=torch.float64) * mass
        place = min(int((cumulative <= point).sum()), len(order) - 1)
        return int(order[place])


def sampler_for(request: GenerationRequest) -> Sampler | None:
    """The request's sampler; None when it is greedy."""
    if request.temperature == 0:
        return None
    generator = torch.Generator()
    if request.seed is None:
        generator.seed()
    else:
        generator.manual_seed(request.seed)
    return Sampler(request.temperature, request.top_p, generator)


@dataclass(frozen=True, slots=True)
class Choice:
    """A token and its natural log-probability under the model, before temperature and top-p."""

    token: int
    logprob: float


def choose(logits: Tensor, samplers: list[Sampler | None]) -> list[Choice | None]:
    """One choice for each row of `logits` [B, vocab_size]; None for a row that is no distribution (NaN, infinite)."""
    logits = logits.float()
    normaliser = logits.logsumexp(-1)  # [B]; not finite as soon as one logit is NaN or +inf, or all are -inf
    best, greedy = logits.max(-1)  # [B] each
    sound, logprobs, tokens = (normaliser.isfinite().tolist(), (best - normaliser).tolist(), greedy.tolist())
    choices: list[Choice | None] = []
    for row, sampler in enumerate(samplers):
        if not sound[row]:
            choices.append(None)
        elif sampler is None:
            choices.append(Choice(tokens[row], logprobs[row]))
        else:
            scores = logits[row].cpu()
            token = sampler.draw(scores)
            choices.append(Choice(token, float(scores[token] - normaliser[row])))
    return choices
