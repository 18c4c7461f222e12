"""Names and addresses that no form gives away, by a small linear tagger over hashed features of a word and its context.

Each token gets scores for six classes: the sum of one weight row per feature of the words around it (its letters, its
shape, neighbours, pairs of neighbours), features being hashed (Weinberger et al. 2009, "Feature hashing for large scale
multitask learning"). A token's class does not depend on its neighbours' classes, so what a word adds at each distance
is a constant that is worked out once and kept: tagging a text is then a sum of a few arrays.

The weights are fitted by `model.guards.fit.pii`. Chinese text has no capitals and no spaces to go by; it is left to the
patterns.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from model.guards.pii_patterns import PLACEHOLDER

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]

CLASSES = ("other", "name", "address", "city", "country", "organisation")
#: Weight rows: features are hashed to this many.
ROWS_LOG2 = 17

_TOKEN = re.compile(rf"{PLACEHOLDER.pattern}|\n|[^\W\d_]+(?:['’](?!s\b)[^\W\d_]+)*|\d+|\S")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_EDGE = "\x00"  # stands before the first token and after the last
# Stand before the words of a text where capitals say nothing, being nowhere, everywhere or at most words.
_CASELESS, _TITLE_CASE = "\x01", "\x02"
_REACH = 3
# Distances of the words and of the pairs (named by their first word) whose features a token sees.
_WORD_OFFSETS = tuple(range(-_REACH, _REACH + 1))
_PAIR_OFFSETS = (-2, -1, 0, 1)
# Odd multipliers spread one hash of a feature over the distances (Dietzfelbinger et al. 1997, multiply-shift).
_WORD_MIX = np.array([0x9E3779B1 * (2 * i + 1) & 0xFFFFFFFF | 1 for i in range(len(_WORD_OFFSETS))], np.uint32)
_PAIR_MIX = np.array([0x85EBCA6B * (2 * i + 1) & 0xFFFFFFFF | 1 for i in range(len(_PAIR_OFFSETS))], np.uint32)
_FAR, _NEAR = 2, 5  # how many of a word's features are seen from afar and by its direct neighbours
_KEPT = 1 << 15  # words, and pairs, whose sums are kept


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least probabilities of a kind: `seed` for some token of a span, `grow` for each of its tokens."""

    seed: float
    grow: float


@dataclass(frozen=True, slots=True)
class Tagged:
    """Tokens of one class at `text[start:end]`."""

    label: str
    start: int
    end: int


def tokenise(text: str) -> list[tuple[int, int]]:
    """Start and end of each token: a word, a number, a placeholder such as '[phone]', a line break or a character."""
    return [match.span() for match in _TOKEN.finditer(text)]


def words_of(text: str, tokens: Sequence[tuple[int, int]]) -> list[str]:
    """The tokens as the features see them: with their capitals only where capitals mean something in this text."""
    words = [text[start:end] for start, end in tokens]
    words = [PLACEHOLDER.sub("[]", word) if len(word) > 2 and word[0] == "[" else word for word in words]
    if text.islower() or text.isupper():
        return [f"{_CASELESS}{word.lower()}" for word in words]
    letters = [word for word in words if word[0].isalpha()]
    if len(letters) >= 4 and sum(word[0].isupper() for word in letters) >= 0.7 * len(letters):
        return [f"{_TITLE_CASE}{word}" for word in words]
    return words


def feature_rows(words: Sequence[str]) -> list[Indices]:
    """The weight rows of each token's features; for fitting."""
    padded = [_EDGE] * _REACH + list(words) + [_EDGE] * _REACH
    of_word = [_word_rows(word) for word in padded]
    of_pair = [_pair_rows(first, second) for first, second in pairwise(padded)]
    return [
        np.concatenate(
            [of_word[i + offset][place] for place, offset in enumerate(_WORD_OFFSETS)]
            + [of_pair[i + offset][place] for place, offset in enumerate(_PAIR_OFFSETS)]
        )
        for i in range(_REACH, _REACH + len(words))
    ]


class Tagger:
    """Finds names and places in a text by fitted weights, shape (2 ** ROWS_LOG2, classes)."""

    def __init__(self, weights: npt.NDArray[np.generic], thresholds: dict[str, Thresholds]) -> None:
        if weights.shape != (1 << ROWS_LOG2, len(CLASSES)):
            raise ValueError(f"weights have shape {weights.shape}; expected {(1 << ROWS_LOG2, len(CLASSES))}")
        self._weights = weights.astype(np.float32)
        self._thresholds = thresholds
        self._word = lru_cache(maxsize=_KEPT)(self._word_scores)
        self._pair = lru_cache(maxsize=_KEPT)(self._pair_scores)

    def probabilities(self, words: Sequence[str]) -> Floats:
        """Probability of each class for each token, shape (tokens, classes)."""
        n = len(words)
        padded = [_EDGE] * _REACH + list(words) + [_EDGE] * _REACH
        word = np.concatenate([self._word(w) for w in padded])
        pair = np.concatenate([self._pair(a, b) for a, b in pairwise(padded)])
        word = word.reshape(len(padded), len(_WORD_OFFSETS), len(CLASSES))
        pair = pair.reshape(len(padded) - 1, len(_PAIR_OFFSETS), len(CLASSES))
        scores = word[:n, 0].copy()
        for place in range(1, len(_WORD_OFFSETS)):
            scores += word[place : place + n, place]
        for place, offset in enumerate(_PAIR_OFFSETS):
            scores += pair[_REACH + offset : _REACH + offset + n, place]
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        likely: Floats = scores / scores.sum(axis=1, keepdims=True)
        return likely

    def tag(self, text: str) -> Iterator[Tagged]:
        """Runs of tokens that are likely enough of one class, in order of class and place."""
        tokens = tokenise(text)
        if not tokens:
            return
        words = words_of(text, tokens)
        likely = self.probabilities(words)
        best = likely[:, 1:].argmax(axis=1) + 1
        for label, threshold in self._thresholds.items():
            place = CLASSES.index(label)
            column = np.where(best == place, likely[:, place], 0)
            if float(column.max()) >= threshold.seed:
                for first, last in _runs(column, threshold, words):
                    yield Tagged(label, tokens[first][0], tokens[last][1])

    def _word_scores(self, word: str) -> Floats:
        return np.concatenate([np.add.reduce(self._weights[rows]) for rows in _word_rows(word)])

    def _pair_scores(self, first: str, second: str) -> Floats:
        scores: Floats = np.add.reduce(self._weights[_pair_rows(first, second)], axis=1).ravel()
        return scores


def _runs(column: Floats, threshold: Thresholds, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """First and last token of each run that grows from a seed; placeholders and Chinese are in none."""
    likely = [int(i) for i in np.flatnonzero(column >= threshold.grow)]
    likely = [i for i in likely if not words[i].endswith("[]") and not _HAN.search(words[i])]
    start = 0
    for i in range(len(likely)):
        if i + 1 == len(likely) or likely[i + 1] != likely[i] + 1:
            run = likely[start : i + 1]
            start = i + 1
            if float(column[run].max()) < threshold.seed:
                continue
            # a full stop, bracket or line break at an edge belongs to the sentence
            solid = [j for j in run if words[j][-1].isalnum()]
            if solid:
                yield solid[0], solid[-1]


def _hashes(features: Sequence[str]) -> npt.NDArray[np.uint32]:
    return np.array([zlib.crc32(feature.encode("utf-8", "surrogatepass")) for feature in features], np.uint32)


def _rows(hashes: npt.NDArray[np.uint32], mix: np.uint32 | npt.NDArray[np.uint32]) -> Indices:
    rows: Indices = ((hashes * mix) >> np.uint32(32 - ROWS_LOG2)).astype(np.int32)
    return rows


def _word_rows(word: str) -> tuple[Indices, ...]:
    """Rows of a word's features, by the distance at which it stands."""
    lower, shape = _form(word)
    features = [f"w{lower}", f"s{shape}", f"e{lower[-3:]}", f"b{lower[:3]}", f"x{shape}{lower[-2:]}"]
    features += ["1", f"ws{shape}{lower}", f"n{min(len(lower), 12)}{shape}"]
    if lower[:1].isalpha():
        edged = f"^{lower[:24]}$"
        features += [f"p{lower[:n]}" for n in (1, 2, 4)] + [f"q{lower[-n:]}" for n in (1, 2, 4, 5)]
        features += [f"g{edged[i : i + 3]}" for i in range(len(edged) - 2)]
        features += [f"h{shape}{edged[i : i + 3]}" for i in range(len(edged) - 2)]
    hashes = _hashes(features)
    return tuple(
        _rows(hashes if k == 0 else hashes[: _NEAR if abs(k) == 1 else _FAR], mix)
        for k, mix in zip(_WORD_OFFSETS, _WORD_MIX, strict=True)
    )


def _pair_rows(first: str, second: str) -> Indices:
    """Rows of the features of two words that stand side by side, shape (distances of the first, features)."""
    (a, sa), (b, sb) = _form(first), _form(second)
    hashes = _hashes((f"ww{a} {b}", f"sw{sa} {b}", f"ws{a} {sb}", f"ss{sa} {sb}"))
    return _rows(hashes[None, :], _PAIR_MIX[:, None])


@lru_cache(maxsize=_KEPT)
def _form(word: str) -> tuple[str, str]:
    """A word in lower case, long numbers by their length, and its shape, which a leading mark changes."""
    if len(word) > 1 and word[0] in (_CASELESS, _TITLE_CASE):
        lower, shape = _form(word[1:])
        return lower, f"{word[0]}{shape}" if shape[0] in "xX" else shape
    if word[0].isdigit():
        return (word if len(word) <= 2 else f"0{min(len(word), 8)}"), f"9{min(len(word), 8)}"
    lower = word.lower()
    if not word[0].isalpha():
        return lower, lower
    if word == lower:
        return lower, "x"
    if len(word) == 1:
        return lower, "X"
    return lower, "XX" if word.isupper() else "Xx" if word[1:].islower() else "xX"


@lru_cache(maxsize=1)
def default() -> Tagger:
    """The shipped tagger. Raises FileNotFoundError when the package was installed without its data."""
    with as_file(files("model.guards") / "data" / "pii_tagger.safetensors") as path:
        tensors = load_file(path)
    names = [label for label in CLASSES if f"thresholds.{label}" in tensors]
    thresholds = {label: Thresholds(*(float(v) for v in tensors[f"thresholds.{label}"])) for label in names}
    return Tagger(tensors["weights"], thresholds)
