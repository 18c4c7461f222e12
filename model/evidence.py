"""From a listing to the passages that a question may be answered from, and from those to the few that fit it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from model import lexical_ranking, ranking
from model.asked_before import Likeness, compare
from model.guards import concepts
from model.guards.concepts import CONCEPTS
from model.language import detect, primary, sentences, terms
from schemas.events import Evidence, EvidenceSource, ListingPublished

_HAN = re.compile(r"[\u3400-\u9fff]")
_NAMED = 0.45  # least score of the attribute that is asked for by name: so often it answers in the public sets
_TITLE = 0.5  # of a title's score: it names the product, and what it says of it stands elsewhere as well
_SAME = 0.97  # least score of an answer to the very same question
_OTHER = 0.2  # of the score of an answer to a question that differs in what it asks about
_LEAST = 0.005  # below it nothing fits


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a listing: `text` stands at `start:end` of its source (an attribute's value, the title, ...).

    `asked` is the question that an approved answer was given to.
    """

    source: EvidenceSource
    name: str
    start: int
    end: int
    text: str
    asked: str = ""


@dataclass(frozen=True, slots=True)
class ApprovedAnswer:
    """What a person let go out to an earlier buyer of this listing; `place` names the draft it stands in."""

    place: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class MerchantPolicy:
    """What the merchant promises on one matter, such as 'returns'."""

    name: str
    text: str


def passages(
    listing: ListingPublished,
    approved: Sequence[ApprovedAnswer] = (),
    policies: Sequence[MerchantPolicy] = (),
) -> tuple[Passage, ...]:
    """Everything that the listing states: attributes, brand, category and price by name, title, description sentences.

    Then the answers approved for it, and the sentences of the merchant's policies. The seller's tags are left out:
    they are search words, often not true of the product.
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
    found += [
        Passage(EvidenceSource.APPROVED_ANSWER, item.place, 0, len(item.answer), item.answer, item.question)
        for item in approved
        if item.answer.strip()
    ]
    found += [
        Passage(EvidenceSource.POLICY, policy.name, start, end, policy.text[start:end])
        for policy in policies
        for start, end in sentences(policy.text)
    ]
    return tuple(found)


def as_source(passage: Passage | Evidence) -> str:
    """The passage as the guards and the model read it: an attribute with its name."""
    return f"{passage.name}: {passage.text}" if passage.source is EvidenceSource.ATTRIBUTE else passage.text


def rank(question: str, candidates: Sequence[Passage], k: int = 3) -> list[Evidence]:
    """The best `k` candidates, best first, with scores in 0..1 that compare across questions; without any fit, none.

    An English passage's score is the probability that it answers an English question (`model/ranking.py`). Chinese on
    either side is ranked by what it covers of the question (`model/lexical_ranking.py`), and so are policies, which the
    learned ranker has not seen. An approved answer to the very same question comes first.
    """
    if not candidates or not (concepts.of_question(question) or terms(question)):
        return []
    covered = _covered(question, candidates)
    english = [number for number, item in enumerate(candidates) if _is_english(question, item)]
    learned = ranking.scores(question, [_as_seen(candidates[number]) for number in english])
    scores = covered | dict(zip(english, learned, strict=True))
    ranked = [
        Evidence(item.text, item.source, item.name, item.start, item.end, round(score, 4))
        for number, item in enumerate(candidates)
        if (score := _judged(question, item, scores[number])) >= _LEAST
    ]
    ranked.sort(key=lambda evidence: -evidence.score)
    return ranked[:k]


def _is_english(question: str, candidate: Passage) -> bool:
    return candidate.source is not EvidenceSource.POLICY and not _HAN.search(question + _as_seen(candidate))


def _as_seen(passage: Passage) -> str:
    """What is ranked: an attribute with its name, an approved answer with its question, as in the training sets."""
    return f"{passage.text} (asked: {passage.asked})" if passage.asked else as_source(passage)


def _covered(question: str, candidates: Sequence[Passage]) -> dict[int, float]:
    named = (EvidenceSource.ATTRIBUTE, EvidenceSource.POLICY)
    pairs = [(item.name, item.text) if item.source in named else ("", _as_seen(item)) for item in candidates]
    topic = {
        term
        for item in candidates
        if item.source is EvidenceSource.TITLE or item.name == "category"
        for term in terms(as_source(item))
    }
    return dict(enumerate(lexical_ranking.coverage(question, pairs, topic)))


def _judged(question: str, candidate: Passage, score: float) -> float:
    """The score, with what is known beyond words: what a name means, that titles tell little, whose an answer is."""
    if candidate.source is EvidenceSource.ATTRIBUTE and concepts.named(candidate.name) in concepts.of_question(
        question
    ):
        return max(score, _NAMED)
    if candidate.source is EvidenceSource.TITLE:
        return _TITLE * score
    if not candidate.asked:
        return score
    likeness = compare(question, candidate.asked, candidate.text)
    if likeness is Likeness.SAME:
        return max(score, _SAME)
    return _OTHER * score if likeness is Likeness.OTHER else score


def display_name(name: str, language: str) -> str:
    """An attribute's name for a reader of that language: 材质 as 'material', and back; unknown names as they are."""
    plain = re.sub(r"[_\s]+", " ", name).strip()
    concept = CONCEPTS.get(concepts.named(name))
    in_chinese = primary(language) == "zh"
    if concept is None or (detect(plain) == "zh") is in_chinese:
        return plain
    return concept.zh if in_chinese else concept.label
