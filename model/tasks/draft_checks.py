"""When a drafted answer may leave: true to its evidence, a sentence of its own, and on what was asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from model.evidence import as_source
from model.guards import grounding, moderation, quantities
from model.language import terms
from model.tasks import drafting
from schemas.events import Check, Evidence

#: A shorter draft ('1.98 kg') is right at best, and no sentence; quoting the evidence reads better.
MIN_WORDS = 3

#: Superlatives are left in: the evidence may be a seller's sentence that has one.
BANNED = moderation.HARMFUL | moderation.COPY_BANS


def refused_draft(
    text: str, question: str, language: str, evidence: Sequence[Evidence], min_support: float
) -> tuple[Check, ...]:
    """What is wrong with a drafted answer: the guards' findings, else the first of the faults of small models."""
    sources = [as_source(item) for item in evidence]
    if not text:
        return (Check("grounding", "draft", "empty", 0, 0, ""),)
    checks = drafting.refused(text, "draft", sources, language, banned=BANNED, question=question)
    if not checks and grounding.support(text, sources, question).share < min_support:
        checks = (Check("grounding", "draft", "unsupported_wording", 0, len(text), text),)
    if not checks and len(drafting.words_of(text)) < MIN_WORDS:
        checks = (Check("grounding", "draft", "fragment", 0, len(text), text),)
    if not checks and drafting.repeats_itself(text):
        checks = (Check("grounding", "draft", "repetition", 0, len(text), text),)
    if not checks and not _on_topic(text, evidence):
        checks = (Check("grounding", "draft", "off_topic", 0, len(text), text),)
    return checks


_FIRST_PERSON = re.compile(r"(?:i|i['’]m|i['’]ve|my|me)\b", re.IGNORECASE)


def _on_topic(text: str, evidence: Sequence[Evidence]) -> bool:
    """Whether the draft says something of the evidence, and does not ask again or speak for the buyer."""
    if text.rstrip().endswith(("?", "？")) or _FIRST_PERSON.match(text):
        return False
    amounts = quantities.find(text)
    words = set(terms(text))
    for item in evidence:
        if any(quantities.same(a, b) for a in amounts for b in quantities.find(item.text)):
            return True
        if words & set(terms(item.text)):
            return True
        # of an attribute that only says yes or no, the name is what there is to say
        if len(item.text) <= 5 and words & set(terms(item.name)):
            return True
    return False
