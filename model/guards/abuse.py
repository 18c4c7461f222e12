"""How likely a text is abusive, by a linear model over hashed n-grams of characters and words (numpy only).

One model for English (two heads: 'abuse', 'hate') and one for Chinese ('abuse'). A text's n-grams are hashed into
buckets (Weinberger et al. 2009), each bucket has a weight of eight bits, and the logistic function of their sum is the
probability. Linear, so that the words that speak most can be named, and small and fast enough to read every text.
Fitted by `model/guards/fit/moderation.py`; what it was fitted on and how well it does stands in the card beside the
weights, `data/abuse_{en,zh}.json`.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load

from model.language import fold, sentences

LANGUAGES = ("en", "zh")
#: From this probability on a text counts as abusive: one figure for what is blocked and for what the cards report.
THRESHOLD = 0.7
#: Of what is abusive in English: from this probability of the second head on it is called hate.
HATE_THRESHOLD = 0.2
#: Buckets, as a power of two.
BITS = 19
#: A longer text is read in stretches of about so many characters, or one foul line would drown in a long description.
STRETCH = 200
#: What a word counts; a character's n-gram in a text of 60 characters counts half of it.
WORD_VALUE = 0.25

_SHORTEST, _LONGEST = {"en": 2, "zh": 1}, {"en": 5, "zh": 3}
_UNLEET = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})
_WORD_WITH_LEET = re.compile(r"(?<![\w$@!])(?=[\w$@!]*[a-z])(?=[\w$@!]*[0-9$@!])[\w$@!]*[\w$@](?![\w$@])", re.ASCII)
_ADDRESS = re.compile(r"https?://\S+|(?<![\w$@!])@\w+|&#?\w+;|\brt\b", re.ASCII)
_NO_TEXT = {"en": re.compile(r"[^a-z0-9'*\u00c0-\u024f]"), "zh": re.compile(r"\s")}
_PIECE = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|\S")  # a word, or a Chinese character
_SPACE = ord(" ")


@dataclass(frozen=True, slots=True)
class Grams:
    """n-grams of a text: bucket, value, place of the first character and place behind the last; arrays of one length.

    Words count by their presence (a value that is the same in every text, or one slur would drown among polite words),
    characters by their share (the inverse square root of their number, or a long text would be guilty by length).
    """

    bucket: npt.NDArray[np.uint32]
    value: npt.NDArray[np.float32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Weights:
    """`weight[head, bucket]` are whole numbers; times `scale[head]`, plus `bias[head]`, they give log odds."""

    heads: tuple[str, ...]
    weight: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


def unleet(folded: str) -> str:
    """Letters for the digits and signs that stand for them in '$h1t'; character by character, places stay."""
    return _WORD_WITH_LEET.sub(lambda match: match.group().translate(_UNLEET), folded)


def probability(text: str, language: str) -> float:
    """How likely the text is abusive or hateful: that of its worst stretch; 0 where there is nothing to read.

    Raises:
        ValueError: the language is neither 'en' nor 'zh'.
    """
    return probabilities(text, language)["abuse"]


def probabilities(text: str, language: str) -> dict[str, float]:
    """`probability` by head: 'abuse' (which includes hate), for English 'hate' too; each of the worst stretch.

    Raises:
        ValueError: the language is neither 'en' nor 'zh'.
    """
    weights = _weights(language)
    scored = [_odds(grams(text[start:end], language), weights) for start, end in stretches(text)]
    return {
        head: max((1 / (1 + math.exp(-odds[i])) for odds in scored), default=0.0)
        for i, head in enumerate(weights.heads)
    }


def guiltiest(text: str, language: str) -> tuple[int, int]:
    """Start and end of the words that speak most for abuse: the whole words that stand out most from the text.

    Each n-gram's weight is shared among its characters; of what a character is worth above the text's mean, the
    stretch is the maximum-sum subarray (Bentley 1984).

    Raises:
        ValueError: the language is neither 'en' nor 'zh'.
    """
    weights = _weights(language)
    pieces = [match.span() for match in _PIECE.finditer(text)]
    if not pieces:
        return 0, len(text)
    change = np.zeros(len(text) + 1)
    for begin, stop in stretches(text):
        found = grams(text[begin:stop], language)
        share = weights.weight[0, found.bucket] * found.value / (found.end - found.start)
        # Added at the first character, taken off behind the last: the running sum is the worth of each.
        np.add.at(change, begin + found.start, share)
        np.add.at(change, begin + found.end, -share)
    worth = np.cumsum(change)[:-1]
    until = np.concatenate([[0.0], np.cumsum(worth - worth.mean())])
    best, place = -math.inf, pieces[0]
    running, since = 0.0, pieces[0][0]
    for start, end in pieces:
        if running <= 0:
            running, since = 0.0, start
        running += float(until[end] - until[start])
        if running > best:
            best, place = running, (since, end)
    return place


def stretches(text: str) -> list[tuple[int, int]]:
    """Start and end of what is read at a time: a short text whole, a long one by sentences, `STRETCH` together."""
    if len(text) <= STRETCH:
        return [(0, len(text))]
    joined: list[tuple[int, int]] = []
    for start, end in sentences(text):
        if joined and end - joined[-1][0] <= STRETCH:
            joined[-1] = (joined[-1][0], end)
        else:
            # A sentence without an end is cut.
            joined += [(at, min(at + STRETCH, end)) for at in range(start, end, STRETCH)]
    return joined


def grams(text: str, language: str) -> Grams:
    """The n-grams of a text by bucket: of characters, and for English of words and pairs of words too."""
    plain = _NO_TEXT[language].sub(" ", unleet(_blank(fold(text))))
    code = np.frombuffer(f" {plain} ".encode("utf-32-le", "surrogatepass"), np.uint32)
    # White space counts once, any other character at most twice: 'fuuuuck'.
    keep = np.ones(len(code), np.bool_)
    keep[1:] = (code[1:] != _SPACE) | (code[:-1] != _SPACE)
    keep[2:] &= (code[2:] != code[1:-1]) | (code[2:] != code[:-2])
    code = code[keep]
    place = np.clip(np.flatnonzero(keep) - 1, 0, max(0, len(text) - 1))
    buckets, firsts, lasts = [], [], []
    state = np.zeros(len(code) + 1, np.uint32)
    for n in range(1, min(_LONGEST[language], len(code)) + 1):
        state = state[:-1] * np.uint32(0x01000193) + code[n - 1 :]  # FNV's prime, n characters so far
        if n >= _SHORTEST[language]:
            buckets.append(_bucket(state ^ np.uint32(0x9E3779B1 * n & 0xFFFFFFFF)))
            firsts.append(place[: len(state)])
            lasts.append(place[n - 1 :])
    if language == "en":
        words = code.tobytes().decode("utf-32-le", "surrogatepass").split()
        starts = np.flatnonzero((code[1:] != _SPACE) & (code[:-1] == _SPACE)) + 1
        ends = np.flatnonzero((code[1:] == _SPACE) & (code[:-1] != _SPACE))
        pairs = [f"{left} {right}" for left, right in pairwise(words)]
        buckets.append(_bucket(np.array([zlib.crc32(gram.encode()) for gram in words + pairs], np.uint32)))
        firsts += [place[starts], place[starts[:-1]]]
        lasts += [place[ends], place[ends[1:]]]
    bucket = np.concatenate(buckets)
    characters = len(bucket) - (len(buckets[-1]) if language == "en" else 0)
    value = np.full(len(bucket), WORD_VALUE, np.float32)
    value[:characters] = 1 / math.sqrt(max(1, characters))
    return Grams(bucket, value, np.concatenate(firsts), np.concatenate(lasts) + 1)


def _blank(folded: str) -> str:
    return _ADDRESS.sub(lambda match: " " * len(match.group()), folded)


def _bucket(state: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    # The finishing steps of a good mixer: the highest bits depend on all of the state.
    state = state * np.uint32(0x85EBCA6B)
    state ^= state >> np.uint32(13)
    bucket: npt.NDArray[np.uint32] = (state * np.uint32(0xC2B2AE35)) >> np.uint32(32 - BITS)
    return bucket


def _odds(found: Grams, weights: Weights) -> list[float]:
    """Log odds by head."""
    total = weights.weight[:, found.bucket] @ found.value
    odds: list[float] = (total * weights.scale + weights.bias).tolist()
    return odds


@lru_cache(maxsize=len(LANGUAGES))
def _weights(language: str) -> Weights:
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} has no abuse model; expected one of {LANGUAGES}")
    tensors = load((files("model.guards") / "data" / f"abuse_{language}.safetensors").read_bytes())
    heads = ("abuse", "hate")[: len(tensors["bias"])]
    return Weights(heads, tensors["weight"], tensors["scale"], tensors["bias"])
