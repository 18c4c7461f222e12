"""How much of what a question asks for a passage covers, in English and Chinese, without anything learned.

BM25 (Robertson and Zaragoza 2009) over stems and Chinese bigrams, normalised by the most that the question could reach,
plus attribute concepts ('how heavy' asks for weight, 材质 is material), which cross languages. It ranks what the
learned ranker has never seen: Chinese, and merchants' policies.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from model.guards import concepts, lexicon, quantities
from model.guards.concepts import CONCEPTS
from model.language import is_han, terms

_K1, _B = 1.2, 0.3  # passages are short, so length says little
_CONCEPT = 0.5  # weight of the asked concept, in words that no passage has
_CUE = 0.7  # weight of words that only say which concept is asked for
_UNKNOWN = 3.0  # words that no passage has count for at most so many: buyers chat
_BIGRAM = 0.5  # of a Chinese word's bigrams, the half run across its borders and can't be expected to match
_TOPIC = 0.2  # weight of words of the title: every passage is about the product


def coverage(
    question: str, candidates: Sequence[tuple[str, str]], topic: AbstractSet[str] = frozenset()
) -> list[float]:
    """The share of what the question asks for that each (name, text) covers, 0..1; a free text has the name ''.

    Its words are weighted by BM25, its concepts by how surely the passage is about them. Stems in `topic`, what the
    product is, weigh little.
    """
    asked = concepts.of_question(question)
    words = dict.fromkeys(terms(question))
    if not candidates or not (asked or words):
        return [0.0] * len(candidates)
    cues = concepts.cue_terms(question)
    documents = [Counter(terms(f"{name}: {text}" if name else text)) for name, text in candidates]
    weight = {w: _idf(w, documents) * (_TOPIC if w in topic else 1.0) * (_CUE if w in cues else 1.0) for w in words}
    unknown = [w for w in words if w not in cues and not any(w in document for document in documents)]
    concept_weight = _CONCEPT * math.log(2.0 + len(documents)) if asked else 0.0
    missing = sum(weight.pop(w) * (_BIGRAM if is_han(w) else 1.0) for w in unknown)
    total = sum(weight.values()) + concept_weight + min(missing, _UNKNOWN * math.log(2.0 + 2 * len(documents)))
    length = sum(document.total() for document in documents) / len(documents) or 1.0
    found = []
    for (name, text), document in zip(candidates, documents, strict=True):
        fit = _concept_fit(asked, name, text)
        norm = _K1 * (1 - _B + _B * document.total() / length)
        covered = fit * concept_weight
        for word, w in weight.items():
            lexical = min(1.0, document[word] * (_K1 + 1) / (document[word] + norm)) if word in document else 0.0
            covered += w * (max(lexical, fit * 0.9) if word in cues else lexical)
        found.append(covered / total if total else 0.0)
    return found


def _idf(term: str, documents: Sequence[Counter[str]]) -> float:
    having = sum(term in document for document in documents)
    return math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))


def _concept_fit(asked: frozenset[str], name: str, text: str) -> float:
    """How surely the passage is about an asked concept: 1 by its name, less by a related name or its content."""
    if not asked:
        return 0.0
    if name:
        concept = concepts.of_name(name)
        if concept in asked:
            packed = (
                re.search(r"package|packag|shipping[ _](?:weight|dimension)|包装", name) and "quantity" not in asked
            )
            return 0.6 if packed else 1.0
        return 0.85 if any(concept in CONCEPTS[wanted].related for wanted in asked) else 0.0
    return 0.6 if asked & _stated(text) else 0.0


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
