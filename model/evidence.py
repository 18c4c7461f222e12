"""From a listing to the passages that a question may be answered from, and from those to the few that fit it.

Ranking is lexical: BM25 (Robertson and Zaragoza 2009) over stems and Chinese bigrams, normalised by the most that the
question could reach, plus attribute concepts ('how heavy' asks for weight, 材质 is material), which cross languages.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from model.guards import concepts, lexicon, quantities
from model.guards.concepts import CONCEPTS
from model.language import detect, is_han, primary, sentences, terms
from schemas.events import Evidence, EvidenceSource, ListingPublished

_K1, _B = 1.2, 0.3  # passages are short, so length says little
_CONCEPT = 0.5  # weight of the asked concept, in words that no passage has
_CUE = 0.7  # weight of words that only say which concept is asked for
_UNKNOWN = 3.0  # words that no passage has count for at most so many: buyers chat
_BIGRAM = 0.5  # of a Chinese word's bigrams, the half run across its borders and can't be expected to match
_TOPIC = 0.2  # weight of words of the title: every passage is about the product


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a listing: `text` stands at `start:end` of its source (an attribute's value, the title, ...)."""

    source: EvidenceSource
    name: str
    start: int
    end: int
    text: str


def passages(listing: ListingPublished) -> tuple[Passage, ...]:
    """Everything that the listing states: attributes, brand, category and price by name, title, description sentences.

    The seller's tags are left out: they are search words, often not true of the product.
    """
    facts = dict(listing.attributes)
    if listing.brand and "brand" not in {concepts.of_name(name) for name in facts}:
        facts["brand"] = listing.brand
    if listing.price is not None:
        facts["price"] = f"{listing.price} {listing.currency or ''}".strip()
    if listing.category:
        facts["category"] = listing.category
    found = [
        Passage(EvidenceSource.ATTRIBUTE, name, 0, len(value), value) for name, value in facts.items() if value.strip()
    ]
    found.append(Passage(EvidenceSource.TITLE, "title", 0, len(listing.title), listing.title))
    text = listing.description or ""
    found += [
        Passage(EvidenceSource.DESCRIPTION, "description", start, end, text[start:end])
        for start, end in sentences(text)
    ]
    return tuple(found)


def as_source(passage: Passage | Evidence) -> str:
    """The passage as the guards and the model read it: an attribute with its name."""
    return f"{passage.name}: {passage.text}" if passage.source is EvidenceSource.ATTRIBUTE else passage.text


def rank(question: str, candidates: Sequence[Passage], k: int = 3) -> list[Evidence]:
    """The best `k` candidates, best first, with scores in 0..1 that compare across questions; without any fit, none.

    A score is the share of what the question asks for that the passage covers: its words weighted by BM25, its
    concepts by how surely the passage is about them. Words of the title weigh little: all is about the product.
    """
    asked = concepts.of_question(question)
    words = set(terms(question))
    if not candidates or not (asked or words):
        return []
    cues = concepts.cue_terms(question)
    documents = [Counter(terms(as_source(candidate))) for candidate in candidates]
    topic = {
        term
        for candidate, document in zip(candidates, documents, strict=True)
        if candidate.source is EvidenceSource.TITLE or candidate.name == "category"
        for term in document
    }
    weight = {w: _idf(w, documents) * (_TOPIC if w in topic else 1.0) * (_CUE if w in cues else 1.0) for w in words}
    unknown = {w for w in words if w not in cues and not any(w in document for document in documents)}
    concept_weight = _CONCEPT * math.log(2.0 + len(documents)) if asked else 0.0
    missing = sum(weight.pop(w) * (_BIGRAM if is_han(w) else 1.0) for w in unknown)
    total = sum(weight.values()) + concept_weight + min(missing, _UNKNOWN * math.log(2.0 + 2 * len(documents)))
    length = sum(sum(document.values()) for document in documents) / len(documents) or 1.0
    ranked: list[Evidence] = []
    for candidate, document in zip(candidates, documents, strict=True):
        fit = _concept_fit(asked, candidate)
        norm = _K1 * (1 - _B + _B * sum(document.values()) / length)
        covered = fit * concept_weight
        for word, w in weight.items():
            lexical = min(1.0, document[word] * (_K1 + 1) / (document[word] + norm)) if word in document else 0.0
            covered += w * (max(lexical, fit * 0.9) if word in cues else lexical)
        if covered > 0.0:
            score = round(covered / total, 4)
            ranked.append(
                Evidence(candidate.text, candidate.source, candidate.name, candidate.start, candidate.end, score)
            )
    ranked.sort(key=lambda evidence: -evidence.score)
    return ranked[:k]


def _idf(term: str, documents: Sequence[Counter[str]]) -> float:
    having = sum(term in document for document in documents)
    return math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))


def _concept_fit(asked: frozenset[str], candidate: Passage) -> float:
    """How surely the passage is about an asked concept: 1 by its name, less by a related name or its content."""
    if not asked:
        return 0.0
    if candidate.source is EvidenceSource.ATTRIBUTE:
        name = concepts.of_name(candidate.name)
        if name in asked:
            return (
                0.6 if re.search(r"package|packag|shipping|包装", candidate.name) and "quantity" not in asked else 1.0
            )
        if any(name in CONCEPTS[concept].related for concept in asked):
            return 0.85
        return 0.0
    stated = _stated(candidate.text)
    return 0.6 if asked & stated else 0.0


def _stated(text: str) -> set[str]:
    """Concepts that a free text says something about."""
    kinds = {"material": "material", "colour": "color", "origin": "origin"}
    stated = {kinds[term.kind] for term in lexicon.find(text) if term.kind in kinds}
    dimensions = {
        "length": "dimensions",
        "mass": "weight",
        "volume": "capacity",
        "power": "power",
        "voltage": "power",
    }
    stated |= {dimensions[q.dimension] for q in quantities.find(text) if q.dimension in dimensions}
    return stated | set(concepts.of_question(text))


def display_name(name: str, language: str) -> str:
    """An attribute's name for a reader of that language: 材质 as 'material', and back; unknown names as they are."""
    plain = re.sub(r"[_\s]+", " ", name).strip()
    concept = CONCEPTS.get(concepts.named(name))
    in_chinese = primary(language) == "zh"
    if concept is None or (detect(plain) == "zh") is in_chinese:
        return plain
    return concept.zh if in_chinese else concept.label
