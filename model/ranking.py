"""A learned ranker of English passages: how probable it is that each answers the question. NumPy only, no checkpoint.

A network of one hidden layer over `ranking_features` and over the question's, the name's and the value's word vectors,
each an attention-weighted mean with a projection of its own, multiplied with one another: that is where it knows that
'how old' asks for 'age range description'. Trained by `model/fit_ranker.py`; `data/ranker.json` has its figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from safetensors.numpy import load

from model.lexical_ranking import coverage
from model.ranking_features import FEATURES, Seen, named, see
from model.word_table import Array, WordTable, unit, word_table

#: What the network's input is made of beside the features; `model/fit_ranker.py` builds the same.
COSINE_SCALE, PRODUCT_SCALE, NAME_SCALE, CLIP = 3.0, 8.0, 4.0, 4.0
_COVERAGE = 3.0  # logits for a passage that covers all of the question
MAX_WORDS = 64  #: of a name or a value; what comes later says little and costs time


@dataclass(frozen=True, slots=True, eq=False)
class Ranker:
    """Weights: features F, word vectors of width D, roles question, name and value, H hidden units.

    Attributes:
        mean, deviation: (F,) of the features.
        attention, projection: (3, D) and (3, D, D), by role.
        hidden, hidden_bias: (F + 4 + 3D, H) and (H,).
        out: (H,); linear: (F + 4,), past the hidden layer; bias: (1,).
        calibration: (2,), slope and offset of the logit (Platt 1999), from questions that were not trained on.
    """

    table: WordTable
    mean: Array
    deviation: Array
    attention: Array
    projection: Array
    hidden: Array
    hidden_bias: Array
    out: Array
    linear: Array
    bias: Array
    calibration: Array

    @classmethod
    def of(cls, table: WordTable, weights: Mapping[str, Array]) -> Ranker:
        """A ranker of stored weights.

        Raises:
            ValueError: they were fitted to other features.
        """
        if weights["mean"].shape != (len(FEATURES),):
            raise ValueError(
                f"the ranker was fitted to {weights['mean'].size} features, the code has {len(FEATURES)}: "
                "run python -m model.fit_ranker"
            )
        return cls(table, **{name: value.astype(np.float32) for name, value in weights.items()})

    def probabilities(self, question: str, texts: Sequence[str]) -> Array:
        """How probable it is that each text answers the question, shape (texts,)."""
        slope, offset = self.calibration
        logits = blended(self.logits(see(question, texts, self.table)), question, texts)
        found: Array = 1 / (1 + np.exp(-(slope * logits + offset)))
        return found

    def logits(self, seen: Seen) -> Array:
        """The network's output before calibration, shape (candidates,)."""
        question = self._pooled(seen.question, 0)
        names = np.stack([self._pooled(ids, 1) for ids in seen.names])
        values = np.stack([self._pooled(ids, 2) for ids in seen.values])
        both = names + values
        both /= np.linalg.norm(both, axis=1, keepdims=True) + np.float32(1e-6)
        cosines = np.stack([names @ question, values @ question, (names * values).sum(1), both @ question], axis=1)
        plain = np.hstack([np.clip((seen.features - self.mean) / self.deviation, -CLIP, CLIP), COSINE_SCALE * cosines])
        crossed = [PRODUCT_SCALE * names * question, PRODUCT_SCALE * values * question, NAME_SCALE * names]
        hidden = np.maximum(np.hstack([plain, *crossed]) @ self.hidden + self.hidden_bias, 0)
        found: Array = hidden @ self.out + plain @ self.linear + self.bias
        return found

    def _pooled(self, ids: Sequence[int], role: int) -> Array:
        known = [row for row in ids if row][:MAX_WORDS]
        vectors = self.table.vectors[known]  # (words, D)
        attention = self.table.weights[known] * np.exp(vectors @ self.attention[role])
        return unit(attention @ vectors @ self.projection[role])


def blended(logits: Array, question: str, texts: Sequence[str]) -> Array:
    """The network's logits, raised by what each text covers of the question's words and attribute concepts.

    It moves MAP on the ranking sets by 0.2 points at most and costs 0.7 on ePQA's reviews; on a seller's own listing it
    keeps short names ('material', 'capacity') above sentences, which those sets' products name otherwise.
    """
    covered = np.array(coverage(question, [named(text) for text in texts]), np.float32)
    found: Array = logits + np.float32(_COVERAGE) * covered
    return found


@lru_cache(maxsize=1)
def ranker() -> Ranker:
    """The shipped ranker, read once."""
    return Ranker.of(word_table(), load((files("model.data") / "ranker.safetensors").read_bytes()))


def scores(question: str, texts: Sequence[str]) -> list[float]:
    """How probable it is that each English text answers the question, 0..1; an attribute stands as 'name: value'.

    The candidates are seen as one list: one that stands out scores higher than the same among its like.
    """
    return [float(p) for p in ranker().probabilities(question, texts)] if texts else []
