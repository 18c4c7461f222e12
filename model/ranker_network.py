"""The network of `model/ranking.py` in torch, to be trained: the same sums, in batches of questions.

The loss is the cross-entropy of each candidate plus that of the list (ListNet, Cao et al. 2007).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model import ranking
from model.evaluation.libraries import library
from model.ranking_features import FEATURES, Seen
from model.word_table import Array, word_table

_EPOCHS, _BATCH, _RATE, _DECAY, _WARM_UP = 8, 32, 2e-3, 1e-2, 100
_HIDDEN, _DROPOUT = 64, 0.35
_LIST, _STAY = 0.75, 0.01  # weights of the list's loss, and of keeping the projections near the identity


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question with its candidates as the ranker sees them; `labels` are 0, 1 or 2 of `full`.

    `weight` is the question's in the loss.
    """

    of: str
    weight: float
    question: str
    texts: tuple[str, ...]
    labels: Array
    full: int
    seen: Seen

    @property
    def relevant(self) -> Array:
        """What answers in full, 0 or 1 by candidate."""
        return (self.labels >= self.full).astype(np.float32)


class _Network:
    """The weights as tensors; `table` and the features' mean and deviation are not trained."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        torch = library("torch")
        table = word_table()
        features = np.vstack([item.seen.features for item in asked])
        width, plain = table.vectors.shape[1], len(FEATURES) + 4
        self.mean, self.deviation = torch.tensor(features.mean(0)), torch.tensor(features.std(0) + 1e-3)
        self.vectors, self.logs = torch.tensor(table.vectors), torch.tensor(np.log(table.weights))
        self.identity = torch.eye(width)
        self.hidden, self.out = torch.nn.Linear(plain + 3 * width, _HIDDEN), torch.nn.Linear(_HIDDEN, 1)
        self.linear = torch.zeros(plain, requires_grad=True)
        self.attention = torch.zeros(3, width, requires_grad=True)
        self.projection = self.identity.repeat(3, 1, 1).requires_grad_()

    def optimizer(self) -> Any:
        decayed = [*self.hidden.parameters(), *self.out.parameters(), self.linear]
        kept = {"params": [self.attention, self.projection], "weight_decay": 0.0}
        return library("torch").optim.AdamW([{"params": decayed, "weight_decay": _DECAY}, kept], lr=_RATE)

    def logits(self, batch: Sequence[Asked]) -> Any:
        """Of all candidates in a row, shape (candidates,); with dropout."""
        torch = library("torch")
        functional = torch.nn.functional
        sizes = torch.tensor([len(item.texts) for item in batch])
        question = self._pooled([item.seen.question for item in batch], 0).repeat_interleave(sizes, dim=0)
        name = self._pooled([ids for item in batch for ids in item.seen.names], 1)
        value = self._pooled([ids for item in batch for ids in item.seen.values], 2)
        both = functional.normalize(name + value, dim=-1, eps=1e-6)
        cosines = [(question * name).sum(1), (question * value).sum(1), (name * value).sum(1), (question * both).sum(1)]
        seen = torch.tensor(np.vstack([item.seen.features for item in batch]))
        scaled = ((seen - self.mean) / self.deviation).clamp(-ranking.CLIP, ranking.CLIP)
        plain = torch.cat([scaled, ranking.COSINE_SCALE * torch.stack(cosines, 1)], 1)
        crossed = [
            ranking.PRODUCT_SCALE * question * name,
            ranking.PRODUCT_SCALE * question * value,
            ranking.NAME_SCALE * name,
        ]
        deep = functional.dropout(torch.cat([plain, *crossed], 1), _DROPOUT)
        hidden = functional.dropout(torch.relu(self.hidden(deep)), _DROPOUT)
        return self.out(hidden)[:, 0] + plain @ self.linear

    def _pooled(self, rows: Sequence[Sequence[int]], role: int) -> Any:
        """Shape (rows, width); the words of all rows in one line, so that nothing is padding."""
        torch = library("torch")
        known = [[row for row in ids if row][: ranking.MAX_WORDS] for ids in rows]
        ids = torch.tensor([row for words in known for row in words], dtype=torch.long)
        of = torch.tensor([number for number, words in enumerate(known) for _ in words], dtype=torch.long)
        weights = torch.exp(self.logs[ids] + self.vectors[ids] @ self.attention[role])
        mixed = torch.zeros(len(rows), self.vectors.shape[1]).index_add(0, of, weights[:, None] * self.vectors[ids])
        return torch.nn.functional.normalize(mixed @ self.projection[role], dim=-1, eps=1e-6)

    def loss(self, batch: Sequence[Asked]) -> Any:
        torch = library("torch")
        functional = torch.nn.functional
        found = self.logits(batch)
        wanted = torch.tensor(np.concatenate([item.relevant for item in batch]))
        weight = torch.tensor([item.weight for item in batch for _ in item.texts])
        losses = functional.binary_cross_entropy_with_logits(found, wanted, reduction="none")
        loss = 4 * (losses * weight).sum() / weight.sum()
        sizes = [len(item.texts) for item in batch]
        for item, scored, right in zip(batch, found.split(sizes), wanted.split(sizes), strict=True):
            if right.sum() > 0 and len(right) > 1:
                chosen = functional.log_softmax(scored, 0) @ right / right.sum()
                loss = loss - _LIST * item.weight * chosen / len(batch)
        return loss + _STAY * ((self.projection - self.identity) ** 2).sum() / 3

    def weights(self) -> dict[str, Array]:
        fitted = {
            "mean": self.mean,
            "deviation": self.deviation,
            "attention": self.attention,
            "projection": self.projection,
            "hidden": self.hidden.weight.T,
            "hidden_bias": self.hidden.bias,
            "out": self.out.weight[0],
            "linear": self.linear,
            "bias": self.out.bias,
        }
        stored = {name: np.array(tensor.detach(), np.float32, order="C") for name, tensor in fitted.items()}
        return {**stored, "calibration": np.array([1, 0], np.float32)}


def fit(asked: Sequence[Asked], seed: int) -> dict[str, Array]:
    """The weights of a `ranking.Ranker`, uncalibrated: AdamW with warm-up and cosine, on one thread."""
    torch = library("torch")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    network = _Network(asked)
    optimizer = network.optimizer()
    steps, step = _EPOCHS * math.ceil(len(asked) / _BATCH), 0
    for _ in range(_EPOCHS):
        shuffled = order.permutation(len(asked))
        for start in range(0, len(asked), _BATCH):
            for group in optimizer.param_groups:
                group["lr"] = _RATE * min(1.0, step / _WARM_UP) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
            optimizer.zero_grad()
            network.loss([asked[number] for number in shuffled[start : start + _BATCH]]).backward()
            optimizer.step()
            step += 1
    return network.weights()
