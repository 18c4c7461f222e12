"""What the ranker sees of a question and a passage: numbers for both together, and the words of each side.

Lexical (BM25 over stems, shares of stems and of character 4-grams), semantic (cosines of word vectors, as means and as
the best partner of each word, after BERTScore, Zhang et al. 2020), attribute concepts, and the form of both. Pure.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from model.guards import concepts
from model.guards.concepts import CONCEPTS
from model.language import terms
from model.word_table import Array, WordTable

_WORD = re.compile(r"[a-z]+|[0-9]+(?:\.[0-9]+)?")
_NAME = re.compile(r"([^.!?;,:]{1,45}): (?=\S)")
_K1, _B = 1.2, 0.4
_GRAM = 4
_RELATED, _OTHER = 0.6, -0.3  # of an attribute whose concept is next to the one asked for, or quite another

_ASKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"how (?:big|large|tall|long|wide|deep|high|thick)|dimension|\bsize|measure",
        r"how (?:many|much)",
        r"how heavy|weigh",
        r"(?:^|[.?!,] )(?:is|are|was|were|does|do|did|can|could|will|would|has|have|should)\b",
        r"\b(?:what|which)\b",
        r"\bhow\b",
        r"\b(?:where|who)\b",
        r"\bwhen\b|how (?:long|often|old)",
        r"\bwhy\b",
        r"\b(?:fit|work|compatible|support)s?\b",
        r"\b(?:come|include|contain)[sd]?\b|\b(?:included|has|have)\b",
        r"\bage|\bold\b|\bkid|\bchild|toddler",
        r"\d",
        r"\bor\b",
        r"\bdifference|\bsame\b|\bbetter\b",
    )
)
_TRUTH = re.compile(r"\b(?:true|false|yes|no|not|unlikely|never)\b")
_UNIT = re.compile(
    r"\b(?:inch(?:es)?|in|feet|ft|cm|mm|(?:centi|milli)?meters?|pounds?|lbs?|ounces?|oz|(?:kilo)?grams|kg|watts?|volts?"
    r"|[gtm]b|hours?|minutes?|liters?|gallons?|ml|degrees|years?|months?)\b|\""
)
_SELF = re.compile(r"\b(?:i|my|we|our|me)\b")
_UNSURE = re.compile(r"\b(?:not sure|don't know|i think|should|probably|maybe|depends)\b")

#: Columns that are also given as the lead over the best other candidate: a good fit is one that stands out.
_LEAD = ("bm25", "covered", "mean", "forward", "best_word", "name", "name_back", "name_forward", "value", "grams")
_PAIR = (
    *("bm25", "bm25_share", "covered", "hits", "name_covered", "covered_by_name", "value_covered", "covered_by_value"),
    *("name_grams", "grams", "concept", "concepts_shared", "mean", "forward", "best_word", "back", "name", "name_back"),
    *("name_forward", "name_head", "name_least", "value", "value_forward", "value_best"),
    *("named", "length", "numbers", "units", "truth", "self", "unsure", "asked_before", "question_mark"),
    *("name_length", "question_length", "concepts_asked"),
)
FEATURES = (*_PAIR, *(f"asks_{i}" for i in range(len(_ASKS))), *(f"{name}_lead" for name in _LEAD), "candidates")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """`features` (candidates, FEATURES); rows of the word table for the question, each candidate's name and value."""

    features: Array
    question: list[int]
    names: list[list[int]]
    values: list[list[int]]


def named(text: str) -> tuple[str, str]:
    """'item weight: 2 pounds' as its name and value; a free text has no name."""
    found = _NAME.match(text)
    return (found[1], text[found.end() :]) if found and found[1].count(" ") <= 6 else ("", text)


def see(question: str, texts: Sequence[str], table: WordTable) -> Seen:
    """What there is to see of one question and its candidates (at least one)."""
    candidates = [_candidate(text, table) for text in texts]
    asked = _Question.of(question, candidates, table)
    pairs = np.array(
        [
            [
                *asked.lexical(candidate),
                *asked.semantic(candidate),
                *candidate.form,
                math.log1p(len(asked.words)),
                len(asked.concepts),
                *asked.asks,
            ]
            for candidate in candidates
        ],
        np.float32,
    )
    size = np.full((len(texts), 1), math.log(len(texts)), np.float32)
    features = np.hstack([pairs, _lead(pairs), size])
    return Seen(features, asked.ids, [each.name_ids for each in candidates], [each.value_ids for each in candidates])


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """All that can be said of a candidate before a question is asked."""

    name: str
    words: tuple[str, ...]  # of the name, then of the value
    split: int
    name_ids: list[int]
    value_ids: list[int]
    stems: Counter[str]
    name_stems: frozenset[str]
    value_stems: frozenset[str]
    name_grams: frozenset[str]
    grams: frozenset[str]
    about: frozenset[str]
    concept: str
    form: list[float]
    weights: Array  # (words,)
    vectors: Array  # (words, width)
    means: tuple[Array, Array, Array]  # of all, of the name, of the value; (width,)

    @classmethod
    def of(cls, text: str, table: WordTable) -> _Candidate:
        name, value = named(text.lower())
        in_name, in_value = _WORD.findall(name), _WORD.findall(value)
        name_ids, value_ids = table.ids(in_name), table.ids(in_value)
        ids = name_ids + value_ids
        return cls(
            name,
            (*in_name, *in_value),
            len(name_ids),
            name_ids,
            value_ids,
            Counter(terms(text)),
            frozenset(terms(name)),
            frozenset(terms(value)),
            _grams(in_name),
            _grams(_WORD.findall(f"{name} {value}")),
            concepts.of_question(f"{name}: {value}" if name else value) - concepts.OF_ORDERS,
            concepts.of_name(name) if name else "",
            _form(name, value, in_name, in_value),
            table.weights[ids],
            table.vectors[ids],
            (table.mean(ids), table.mean(name_ids), table.mean(value_ids)),
        )


def _candidate(text: str, table: WordTable) -> _Candidate:
    return _known_candidate(text, table) if len(text) <= _LONGEST_KEPT else _Candidate.of(text, table)


# A listing's lines are the candidates of every question about it. Some 20 KB each with their vectors.
_LONGEST_KEPT = 400
_known_candidate = lru_cache(maxsize=2048)(_Candidate.of)


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    words: list[str]
    ids: list[int]
    mean: Array  # (width,)
    weights: Array  # (words,)
    vectors: Array  # (words, width)
    grams: frozenset[str]
    concepts: frozenset[str]
    idf: dict[str, float]
    length: float  # of a candidate, in stems, on average
    asks: list[float]

    @classmethod
    def of(cls, question: str, candidates: Sequence[_Candidate], table: WordTable) -> _Question:
        lower, count = question.lower(), len(candidates)
        words = _WORD.findall(lower) or [""]
        ids = table.ids(words)
        having = {word: sum(word in each.stems for each in candidates) for word in dict.fromkeys(terms(question))}
        return cls(
            words,
            ids,
            table.mean(ids),
            table.weights[ids],
            table.vectors[ids],
            _grams(words),
            concepts.of_question(question) - concepts.OF_ORDERS,
            {word: math.log(1 + (count - has + 0.5) / (has + 0.5)) for word, has in having.items()},
            sum(each.stems.total() for each in candidates) / count or 1.0,
            [float(bool(pattern.search(lower))) for pattern in _ASKS],
        )

    def lexical(self, candidate: _Candidate) -> list[float]:
        document, in_name, in_value = candidate.stems, candidate.name_stems, candidate.value_stems
        total = sum(self.idf.values()) or 1.0
        norm = _K1 * (1 - _B + _B * document.total() / self.length)
        shared = [word for word in self.idf if word in document]
        bm25 = sum(self.idf[w] * document[w] * (_K1 + 1) / (document[w] + norm) for w in shared)
        grams, about = candidate.grams, candidate.about
        return [
            bm25,
            bm25 / total,
            sum(self.idf[w] for w in shared) / total,
            len(shared),
            _share(in_name, self.idf.keys()),
            sum(self.idf[w] for w in shared if w in in_name) / total,
            _share(in_value, self.idf.keys()),
            sum(self.idf[w] for w in shared if w in in_value) / total,
            _share(candidate.name_grams, self.grams),
            len(grams & self.grams) / math.sqrt(max(1, len(grams)) * max(1, len(self.grams))),
            self._concept(candidate.concept),
            len(about & self.concepts) / max(1, len(about | self.concepts)),
        ]

    def _concept(self, concept: str) -> float:
        if not self.concepts or not concept or concept in concepts.OF_ORDERS:
            return 0.0
        if concept in self.concepts:
            return 1.0
        return _RELATED if any(concept in CONCEPTS[asked].related for asked in self.concepts) else _OTHER

    def semantic(self, candidate: _Candidate) -> list[float]:
        split, weights = candidate.split, candidate.weights
        if not candidate.words:
            return [0.0] * 12
        alike = self.vectors @ candidate.vectors.T  # (question words, candidate words)
        places: dict[str, list[int]] = {}
        for place, word in enumerate(candidate.words):
            places.setdefault(word, []).append(place)
        for row, word in enumerate(self.words):
            if word in places:
                alike[row, places[word]] = 1.0  # the same word is alike, known or not
        of_all, of_name, of_value = candidate.means
        forward, back = alike.max(1), alike.max(0)
        found = [float(of_all @ self.mean), self._weighed(forward), float((forward * self.weights).max())]
        found.append(float(back @ weights / weights.sum()))
        if split:
            in_name, name_weights = alike[:, :split], weights[:split]
            best = in_name.max(0)
            found += [float(of_name @ self.mean), float(best @ name_weights / name_weights.sum())]
            found += [self._weighed(in_name.max(1)), float(best[-1]), float(best.min())]
        else:
            found += [0.0] * 5
        if not candidate.value_ids:
            return [*found, 0.0, 0.0, 0.0]
        forward = alike[:, split:].max(1)
        return [*found, float(of_value @ self.mean), self._weighed(forward), float((forward * self.weights).max())]

    def _weighed(self, best: Array) -> float:
        return float(best @ self.weights / self.weights.sum())


def _form(name: str, value: str, in_name: Sequence[str], in_value: Sequence[str]) -> list[float]:
    return [
        float(bool(name)),
        math.log1p(len(in_name) + len(in_value)),
        min(sum(word[0].isdigit() for word in in_value), 4),
        float(bool(_UNIT.search(value))),
        float(bool(_TRUTH.search(value[:60]))),
        float(bool(_SELF.search(value))),
        float(bool(_UNSURE.search(value))),
        float("(asked: " in value),
        float("?" in value),
        len(in_name),
    ]


def _lead(pairs: Array) -> Array:
    """How far each candidate is over the best of the others, in the columns of `_LEAD`."""
    columns = pairs[:, [_PAIR.index(name) for name in _LEAD]]
    if len(columns) == 1:
        return columns
    ordered = np.sort(columns, axis=0)
    lead: Array = columns - np.where(columns >= ordered[-1], ordered[-2], ordered[-1])
    return lead


def _grams(words: Sequence[str]) -> frozenset[str]:
    text = f" {' '.join(words)} " if words else ""
    return frozenset(text[i : i + _GRAM] for i in range(max(0, len(text) - _GRAM + 1)))


def _share(of: frozenset[str], found: AbstractSet[str]) -> float:
    return len(of & found) / len(of) if of else 0.0
