"""A buyer's question in, a drafted answer out, or the reason why a person must write it.

The order of things: replace personal data, hand over what no machine should answer, find evidence, let the model phrase
it, hold the draft against the evidence, and only then decide who sees it next.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from model.evidence import ApprovedAnswer, MerchantPolicy, Passage, passages, rank
from model.guards import moderation, pii
from model.language import detect, primary
from model.protocol import Engine
from model.tasks import drafting
from model.tasks.answer_draft import Draft, DraftPolicy, draft
from model.tasks.answer_routing import AnswerReason, RoutePolicy, hand_over, judge, route_of
from model.tasks.asking import asking
from model.tasks.prompts import ANSWER_VERSION
from schemas.events import AnswerDrafted, Evidence, EvidenceSource, ListingPublished, Method, QuestionAsked


@dataclass(frozen=True, slots=True)
class AnswerPolicy:
    """Which evidence counts, how drafts are made, and what may go out without a look.

    Attributes:
        evidence_k: how many passages a draft may rest on.
        min_score: evidence below this score (0..1) does not answer the question.
        keep_ratio: further evidence needs this share of the best one's score.
    """

    evidence_k: int = 2
    min_score: float = 0.3
    keep_ratio: float = 0.8
    drafting: DraftPolicy = field(default_factory=DraftPolicy)
    routing: RoutePolicy = field(default_factory=RoutePolicy)


async def answer(
    engine: Engine,
    question: QuestionAsked,
    listing: ListingPublished | None,
    *,
    clock: Callable[[], datetime],
    event_id: uuid.UUID,
    approved: Sequence[ApprovedAnswer] = (),
    policies: Sequence[MerchantPolicy] = (),
    waited_ms: float = 0.0,
    policy: AnswerPolicy = AnswerPolicy(),
    timer: Callable[[], float] = time.perf_counter,
) -> AnswerDrafted:
    """Drafts the answer to one question.

    Args:
        listing: what the question is about; None when it is not known.
        clock: gives `occurred_at`; aware, UTC.
        event_id: id of the event that is made.
        approved: earlier answers about the listing that a person let pass.
        policies: what the merchant promises all buyers.
        waited_ms: how long the question waited for its listing, in milliseconds.
        timer: seconds from an arbitrary start, for the durations.

    Raises:
        EngineError: only a transient one, so that the caller can try again; others end in quoted evidence.
    """
    started = timer()
    redacted = pii.redact(question.text, known=_about_product(listing))
    language = detect(question.text, question.language)
    drafted = Draft()
    evidence: tuple[Evidence, ...] = ()
    reason = hand_over(question.text)
    if reason is None and primary(language) not in ("en", "zh"):
        reason = AnswerReason.UNSERVED_LANGUAGE
    if reason is None:
        if listing is None:
            reason = AnswerReason.LISTING_UNKNOWN
        elif evidence := select_evidence(redacted.text, listing, policy, approved, policies):
            drafted, reason = await from_evidence(engine, redacted.text, language, evidence, policy, event_id.int)
        else:
            reason = AnswerReason.NO_EVIDENCE
    return AnswerDrafted(
        event_id=event_id,
        occurred_at=clock(),
        merchant_id=question.merchant_id,
        listing_id=question.listing_id,
        question_id=question.question_id,
        source_event_id=question.event_id,
        asked_at=question.occurred_at,
        language=language,
        question=redacted.text,
        draft=drafted.text,
        evidence=evidence if drafted.text else (),
        confidence=round(drafted.confidence, 4),
        route=route_of(reason),
        reason=reason.value,
        redactions=redacted.kinds,
        checks=drafted.checks,
        provenance=drafting.provenance(drafted.method, engine.info, drafted.completions, ANSWER_VERSION),
        timings=drafting.timings(drafted.completions, waited_ms=waited_ms, total_ms=(timer() - started) * 1000),
    )


async def from_evidence(
    engine: Engine, question: str, language: str, evidence: Sequence[Evidence], policy: AnswerPolicy, seed: int
) -> tuple[Draft, AnswerReason]:
    """The draft that the evidence allows, and the reason that decides its route. Raises what `draft` raises."""
    drafted = await draft(engine, question, language, evidence, policy.drafting, seed)
    reason = judge(drafted, question, language, evidence, engine.info.adapter, policy.routing)
    if reason is AnswerReason.NOT_ANSWERED and drafted.text:
        drafted = replace(drafted, text="", method=Method.NONE)
    return drafted, reason


def select_evidence(
    question: str,
    listing: ListingPublished,
    policy: AnswerPolicy,
    approved: Sequence[ApprovedAnswer] = (),
    policies: Sequence[MerchantPolicy] = (),
) -> tuple[Evidence, ...]:
    """The passages that a draft may rest on, the best first; empty when the listing does not answer the question."""
    candidates = [p for p in passages(listing, approved, policies) if _is_for_readers(p)]
    best: dict[tuple[str, str, int], Evidence] = {}
    parts = asking(question)
    for part in parts:
        ranked = rank(part, candidates, policy.evidence_k)
        floor = max(policy.min_score, policy.keep_ratio * ranked[0].score) if ranked else 0.0
        for item in ranked:
            place = (item.source.value, item.name, item.start)
            if item.score >= floor:
                best[place] = max(item, best.get(place, item), key=lambda evidence: evidence.score)
    found = sorted(best.values(), key=lambda evidence: -evidence.score)
    return tuple(found[: max(policy.evidence_k, len(parts))])


def _about_product(listing: ListingPublished | None) -> tuple[str, ...]:
    """Texts whose names are the product's and nobody's own: a buyer may ask for 'the Calvin Klein one'."""
    return () if listing is None else (listing.title, listing.brand or "", *listing.attributes.values())


def _is_for_readers(passage: Passage) -> bool:
    """Whether nothing in it is there for a machine; a draft that rests on such a passage could carry it on."""
    stated = passage.source is EvidenceSource.ATTRIBUTE
    texts = (passage.name, passage.text) if stated else (passage.text,)
    return not any(moderation.classify(text, moderation.FOR_MACHINES) for text in texts)
