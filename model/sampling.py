"""From logits to the next token of each sequence: greedy, or drawn from a seeded nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model import kernels
from model.protocol import GenerationRequest
from model.team import even_shares


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
    tokens, best, normaliser = _likeliest(logits) if logits.device.type == "cpu" else _likeliest_there(logits)
    sound, logprobs = normaliser.isfinite().tolist(), (best - normaliser).tolist()
    choices: list[Choice | None] = []
    for row, sampler in enumerate(samplers):
        if not sound[row]:
            choices.append(None)
        elif sampler is None:
            choices.append(Choice(int(tokens[row]), logprobs[row]))
        else:
            scores = logits[row].cpu()
            token = sampler.draw(scores)
            choices.append(Choice(token, float(scores[token] - normaliser[row])))
    return choices


def logprobs_of(logits: Tensor, tokens: list[int]) -> tuple[float, ...]:
    """Natural log-probabilities of a few tokens under one row of logits [vocab_size]."""
    logits = logits.float()
    return tuple((logits[torch.tensor(tokens, device=logits.device)] - logits.logsumexp(-1)).tolist())


def _likeliest(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Token, logit and log of the sum of all exponentials of each row, in one go; not finite if the row is not."""
    token, best, total = (torch.empty(len(logits), dtype=kind) for kind in (torch.int64, torch.float32, torch.float32))
    kernels.likeliest(even_shares(len(logits)), logits.contiguous().numpy(), token.numpy(), best.numpy(), total.numpy())
    return token, best, best + total.log()


def _likeliest_there(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same where the logits are on an accelerator."""
    best, token = logits.max(-1)
    return token.cpu(), best.cpu(), logits.logsumexp(-1).cpu()
