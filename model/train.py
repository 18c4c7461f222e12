"""The training loop: batches in, a loss, its gradients by back-propagation, a step of AdamW; again, until done.

It trains what requires a gradient (an adapter of `model.lora`, or whole matrices) and knows nothing of tasks or files,
but for its own checkpoint: a run that was stopped goes on with the same numbers, bit for bit.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.training.examples import Batch, Encoded, batches
from model.transformer import Transformer


@dataclass(frozen=True, slots=True)
class TrainPolicy:
    """How to train.

    Attributes:
        epochs: passes over the examples.
        batch_tokens: tokens of one batch, padding included.
        accumulate: batches whose gradients make one step.
        learning_rate: the highest; it rises linearly over `warmup` of all steps, then falls along half a cosine to
            `final_rate` of itself (Loshchilov and Hutter 2017, arXiv:1608.03983).
        weight_decay, beta1, beta2: AdamW's (Loshchilov and Hutter 2019, arXiv:1711.05101).
        clip: largest norm of all gradients together.
        first_weight: what a completion's first token counts in the loss, where the others count 1.
        autocast: compute matrix products in bf16; weights that train stay in fp32.
        seed: of the order of the examples.
        evaluate_every, save_every: in steps; 0 means never.
    """

    epochs: int = 2
    batch_tokens: int = 2048
    accumulate: int = 1
    learning_rate: float = 1e-3
    warmup: float = 0.05
    final_rate: float = 0.1
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.99
    clip: float = 1.0
    first_weight: float = 1.0
    autocast: bool = True
    seed: int = 0
    evaluate_every: int = 50
    save_every: int = 200

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_tokens < 64 or self.accumulate < 1:
            raise ValueError("epochs and accumulate must be at least 1, batch_tokens at least 64")
        if not (0 < self.learning_rate < 1 and 0 <= self.warmup < 1 and 0 <= self.final_rate <= 1):
            raise ValueError("learning_rate must lie in (0, 1), warmup in [0, 1), final_rate in [0, 1]")


@dataclass(frozen=True, slots=True)
class Point:
    """Where a run stands after a step. Losses are nats a token, rates steps' own, times seconds of this process."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens_per_s: float
    held_loss: float | None = None
    held_first: float | None = None  # share of held completions whose first token is the likeliest


def rate_at(step: int, steps: int, policy: TrainPolicy) -> float:
    """The learning rate of a step counted from 0."""
    warm = max(1, round(policy.warmup * steps))
    if step < warm:
        return policy.learning_rate * (step + 1) / warm
    progress = (step - warm) / max(1, steps - warm)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return policy.learning_rate * (policy.final_rate + (1 - policy.final_rate) * cosine)


def loss_of(model: Transformer, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
    """The weighted sum of -log p over the targets that count, and the sum of the weights.

    Only positions that count are turned into logits: the vocabulary is the widest matrix of a small model.
    """
    counted = batch.weights.to(device) > 0
    hidden = model(batch.tokens.to(device))[counted]  # [B, T, C] -> [N, C]
    logits = model.logits(hidden)  # -> [N, vocabulary]
    weights = batch.weights.to(device)[counted]
    nll = F.cross_entropy(logits.float(), batch.targets.to(device)[counted], reduction="none")
    return (nll * weights).sum(), weights.sum()


class Trainer:
    """One run over one set of examples.

    Args:
        parameters: what trains, by name; the names stand in the checkpoint.
        state: file that the run is kept in every `save_every` steps, and goes on from if it is there.
    """

    def __init__(
        self,
        model: Transformer,
        parameters: dict[str, nn.Parameter],
        examples: Sequence[Encoded],
        held: Sequence[Encoded],
        policy: TrainPolicy,
        state: Path | None = None,
    ) -> None:
        if not examples:
            raise ValueError("there is no example to train on")
        self._model, self._parameters, self._policy = model, parameters, policy
        self._examples, self._held, self._state = examples, held, state
        self._device = next(model.parameters()).device
        self._optimiser = torch.optim.AdamW(
            parameters.values(), policy.learning_rate, (policy.beta1, policy.beta2), weight_decay=policy.weight_decay
        )
        self._per_epoch = [self._count(epoch) for epoch in range(policy.epochs)]
        self.steps = sum(self._per_epoch)
        self._done = 0
        self.history: list[Point] = []
        if state is not None and state.is_file():
            self._resume(state)

    def run(self, on_point: Callable[[Point], None] = lambda _: None, until: int | None = None) -> list[Point]:
        """Train to the end, or to step `until`; returns a point for each step."""
        step = 0
        for epoch, count in enumerate(self._per_epoch):
            if step + count <= self._done:
                step += count
                continue
            groups = self._groups(epoch)
            for _ in islice(groups, self._done - step):
                pass  # a resumed run's examples of this epoch that were seen before
            step = self._done
            for group in groups:
                if until is not None and step >= until:
                    return self.history
                point = self._step(step, group)
                step += 1
                self._done = step
                self.history.append(point)
                on_point(point)
                if self._state is not None and self._policy.save_every and step % self._policy.save_every == 0:
                    self._save(self._state)
        if self._state is not None:
            self._save(self._state)
        return self.history

    def evaluate(self) -> tuple[float, float]:
        """Loss in nats a token, and share of right first tokens, on the held examples."""
        total = weight = right = 0.0
        with torch.no_grad(), self._autocast():
            for batch in batches(self._held, self._policy.batch_tokens, 0, 1.0):
                counted = batch.weights.to(self._device) > 0
                hidden = self._model(batch.tokens.to(self._device))
                logits = self._model.logits(hidden[counted]).float()
                targets = batch.targets.to(self._device)[counted]
                total += float(F.cross_entropy(logits, targets, reduction="sum"))
                weight += len(targets)
                first = _first_of_each(counted)
                right += float((logits.argmax(-1) == targets)[first].sum())
        return total / weight, right / len(self._held)

    def _step(self, step: int, group: Sequence[Batch]) -> Point:
        started = time.perf_counter()
        rate = rate_at(step, self.steps, self._policy)
        for options in self._optimiser.param_groups:
            options["lr"] = rate
        total = sum(float(batch.weights.sum()) for batch in group)
        loss_sum = 0.0
        for batch in group:
            with self._autocast():
                loss, _ = loss_of(self._model, batch, self._device)
            (loss / total).backward()  # type: ignore[no-untyped-call]
            loss_sum += float(loss.detach())
        norm = nn.utils.clip_grad_norm_(self._parameters.values(), self._policy.clip)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        tokens = sum(batch.tokens.numel() for batch in group)
        speed = tokens / (time.perf_counter() - started)
        held: tuple[float | None, float | None] = (None, None)
        every = self._policy.evaluate_every
        if self._held and every and ((step + 1) % every == 0 or step + 1 == self.steps):
            held = self.evaluate()
        return Point(step + 1, self.steps, loss_sum / total, rate, float(norm), speed, *held)

    def _groups(self, epoch: int) -> Any:
        order = batches(
            self._examples, self._policy.batch_tokens, self._policy.seed * 1000 + epoch, self._policy.first_weight
        )
        return iter(lambda: tuple(islice(order, self._policy.accumulate)), ())

    def _count(self, epoch: int) -> int:
        return sum(1 for _ in self._groups(epoch))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._policy.autocast)

    def _save(self, path: Path) -> None:
        """Write the run's state beside the old one and put it in its place, so that a stop leaves one of the two."""
        half = path.with_suffix(".part")
        torch.save(
            {
                "policy": asdict(self._policy),
                "examples": len(self._examples),
                "done": self._done,
                "history": [asdict(point) for point in self.history],
                "weights": {name: parameter.detach() for name, parameter in self._parameters.items()},
                "optimiser": self._optimiser.state_dict(),
            },
            half,
        )
        os.replace(half, path)

    def _resume(self, path: Path) -> None:
        """Raises ValueError when the file is of another run."""
        kept = torch.load(path, map_location=self._device, weights_only=True)
        if kept["policy"] != asdict(self._policy) or kept["examples"] != len(self._examples):
            raise ValueError(f"{path}: is of a run with other options or examples; name another folder, or remove it")
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(kept["weights"][name])
        self._optimiser.load_state_dict(kept["optimiser"])
        self._done = kept["done"]
        self.history = [Point(**point) for point in kept["history"]]


def _first_of_each(counted: Tensor) -> Tensor:
    """Of the counted positions [B, T] in order, which is its row's first."""
    before = counted.cumsum(1) == 1
    return before[counted]
