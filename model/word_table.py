"""Word vectors: 64 numbers for each of about 24,000 English words, small enough to ship and quick to look up.

They are static embeddings distilled from a sentence encoder (as Model2Vec does: encode each word alone, keep the
principal components, weigh by smoothed inverse frequency, Arora et al. 2017), so that 'heavy' is near 'weight'. Made by
`model/fit_word_table.py`. Chinese words have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load

Array = npt.NDArray[np.float32]
_UNKNOWN_WEIGHT = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class WordTable:
    """`vectors` (words + 1, width) of unit length and `weights` (words + 1); row 0 stands for unknown words."""

    index: Mapping[str, int]
    vectors: Array
    weights: Array

    def ids(self, words: Sequence[str]) -> list[int]:
        """Rows of lower-case words; a plural that is unknown goes by its singular, any other unknown word is 0."""
        get = self.index.get
        return [get(word) or (get(word[:-1], 0) if word.endswith("s") else 0) for word in words]

    def mean(self, ids: Sequence[int]) -> Array:
        """Weighted mean of the words' vectors, of unit length; zeros where none is known. Shape (width,)."""
        return unit(self.weights[list(ids)] @ self.vectors[list(ids)])


def unit(vector: Array) -> Array:
    """The vector at length 1 (zeros stay)."""
    found: Array = vector / (np.linalg.norm(vector) + np.float32(1e-6))
    return found


@lru_cache(maxsize=1)
def word_table() -> WordTable:
    """The shipped table, read once."""
    stored = load((files("model.data") / "word_table.safetensors").read_bytes())
    words = stored["words"].tobytes().decode("ascii").split("\n")
    vectors, weights = stored["vectors"].astype(np.float32), stored["weights"].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return WordTable(
        {word: row for row, word in enumerate(words, start=1)},
        np.vstack([np.zeros((1, vectors.shape[1]), np.float32), vectors]),
        np.concatenate([np.array([_UNKNOWN_WEIGHT], np.float32), weights]),
    )
