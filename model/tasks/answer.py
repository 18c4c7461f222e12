"""A buyer's question in, a drafted answer out, or the reason why a person must write it.

The order of things: replace personal data, hand over what no machine should answer, find evidence, let the model phrase
it, hold the draft against the evidence, and only then decide who sees it next.
"""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from model.evidence import as_source, passages, rank
from model.guards import concepts, grounding, moderation, pii
from model.language import UNDETERMINED, detect, primary, sentences
from model.protocol import Completion, Engine, EngineError, Priority
from model.tasks import drafting, templates
from model.tasks.draft_checks import BANNED, refused_draft
from model.tasks.prompts import ANSWER_VERSION, answer_prompt
from schemas.events import (
    AnswerDrafted,
    AnswerRoute,
    Check,
    Evidence,
    ListingPublished,
    Method,
    QuestionAsked,
)


class AnswerReason(str, Enum):
    """Why a draft is routed as it is."""

    GROUNDED = "grounded"  # AUTO: every word of the draft stands in the evidence, and the evidence fits
    CHECK_FIT = "check_fit"  # REVIEW: true to the listing, but perhaps not what was asked
    CHECK_WORDING = "check_wording"  # REVIEW: says words that the evidence does not have
    QUOTED = "quoted"  # REVIEW: no text of the model passed, the evidence is quoted
    OTHER_LANGUAGE = "other_language"  # REVIEW: evidence or draft is not in the buyer's language
    LISTING_UNKNOWN = "listing_unknown"  # HUMAN: the listing did not come in time
    NO_EVIDENCE = "no_evidence"  # HUMAN: the listing does not answer this
    UNSERVED_LANGUAGE = "unserved_language"  # HUMAN: neither English nor Chinese
    REFUSED = "refused"  # HUMAN: not even the quoted evidence may be repeated
    ABUSIVE = "abusive"  # HUMAN: abuse, hate, sexual content, threats
    LEGAL = "legal"  # HUMAN: lawyers, courts, counterfeit claims
    MEDICAL = "medical"  # HUMAN: health, allergies, pregnancy
    SAFETY = "safety"  # HUMAN: injuries, fire, shocks
    ANGER = "anger"  # HUMAN: an angry buyer


@dataclass(frozen=True, slots=True)
class AnswerPolicy:
    """When to answer, how hard to try, and what may go out without a look.

    Attributes:
        model_languages: languages that the checkpoint writes; questions in others get quoted evidence.
        evidence_k: how many passages a draft may rest on.
        min_score: evidence below this score (0..1) does not answer the question.
        keep_ratio: further evidence needs this share of the best one's score.
        attempts: requests to the model for one question, the first greedy.
        max_new_tokens: length of one draft.
        deadline_s: longest wait for one completion; None waits as long as it takes.
        min_support: least share (0..1) of a draft's content words that must stand in evidence or question.
        auto: whether anything may go out without a look at all.
        auto_score, auto_confidence: least evidence score and confidence for that.
    """

    model_languages: tuple[str, ...] = ("en",)
    evidence_k: int = 2
    min_score: float = 0.3
    keep_ratio: float = 0.8
    attempts: int = 2
    max_new_tokens: int = 40
    deadline_s: float | None = None
    min_support: float = 0.75
    auto: bool = True
    auto_score: float = 0.75
    auto_confidence: float = 0.6


@dataclass(frozen=True, slots=True)
class _Draft:
    """What the drafting came to."""

    text: str = ""
    method: Method = Method.NONE
    confidence: float = 0.0
    checks: tuple[Check, ...] = ()
    completions: tuple[Completion, ...] = ()


async def answer(
    engine: Engine,
    question: QuestionAsked,
    listing: ListingPublished | None,
    *,
    clock: Callable[[], datetime],
    event_id: uuid.UUID,
    waited_ms: float = 0.0,
    policy: AnswerPolicy = AnswerPolicy(),
    timer: Callable[[], float] = time.perf_counter,
) -> AnswerDrafted:
    """Drafts the answer to one question.

    Args:
        listing: what the question is about; None when it is not known.
        clock: gives `occurred_at`; aware, UTC.
        event_id: id of the event that is made.
        waited_ms: how long the question waited for its listing, in milliseconds.
        timer: seconds from an arbitrary start, for the durations.

    Raises:
        EngineError: only a transient one, so that the caller can try again; others end in quoted evidence.
    """
    started = timer()
    redacted = pii.redact(question.text)
    language = detect(question.text, question.language)
    draft = _Draft()
    evidence: tuple[Evidence, ...] = ()
    reason = _hand_over(question.text)
    if reason is None and primary(language) not in ("en", "zh"):
        reason = AnswerReason.UNSERVED_LANGUAGE
    if reason is None:
        if listing is None:
            reason = AnswerReason.LISTING_UNKNOWN
        elif evidence := select_evidence(redacted.text, listing, policy):
            draft = await _draft(engine, redacted.text, language, evidence, policy, event_id)
            reason = _judge(draft, redacted.text, language, evidence, policy)
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
        draft=draft.text,
        evidence=evidence if draft.text else (),
        confidence=round(draft.confidence, 4),
        route=_ROUTES.get(reason, AnswerRoute.HUMAN),
        reason=reason.value,
        redactions=redacted.kinds,
        checks=draft.checks,
        provenance=drafting.provenance(draft.method, engine.info, draft.completions, ANSWER_VERSION),
        timings=drafting.timings(draft.completions, waited_ms=waited_ms, total_ms=(timer() - started) * 1000),
    )


_ROUTES = {
    AnswerReason.GROUNDED: AnswerRoute.AUTO,
    AnswerReason.CHECK_FIT: AnswerRoute.REVIEW,
    AnswerReason.CHECK_WORDING: AnswerRoute.REVIEW,
    AnswerReason.QUOTED: AnswerRoute.REVIEW,
    AnswerReason.OTHER_LANGUAGE: AnswerRoute.REVIEW,
}


def select_evidence(question: str, listing: ListingPublished, policy: AnswerPolicy) -> tuple[Evidence, ...]:
    """The passages that a draft may rest on, the best first; empty when the listing does not answer the question."""
    candidates = [p for p in passages(listing) if not moderation.classify(p.text, ("injection",))]
    best: dict[tuple[str, str, int], Evidence] = {}
    for part in _asking(question):
        for item in rank(part, candidates, policy.evidence_k):
            place = (item.source.value, item.name, item.start)
            best[place] = max(item, best.get(place, item), key=lambda evidence: evidence.score)
    ranked = sorted(best.values(), key=lambda evidence: -evidence.score)[: policy.evidence_k]
    floor = max(policy.min_score, policy.keep_ratio * ranked[0].score) if ranked else 0.0
    return tuple(item for item in ranked if item.score >= floor)


def _asking(question: str) -> list[str]:
    """The sentences that ask something, without what stands for personal data; all, where none is marked as asking."""
    plain = re.sub(r"\[[a-z_]+\]", " ", question)
    parts = [plain[start:end] for start, end in sentences(plain)]
    return [part for part in parts if re.search(r"[?？]|[吗呢]", part)] or parts


def confidence(evidence_score: float, support: float, mean_logprob: float) -> float:
    """How sure a draft is right, in 0..1: evidence score x share of supported words x sqrt(mean token probability).

    Not calibrated. A product, because one weak factor is enough to be wrong; the square root, because a fluent model is
    unsure of wording far more often than of facts.
    """
    return max(0.0, min(1.0, evidence_score * support * math.exp(min(mean_logprob, 0.0) / 2)))


def _hand_over(text: str) -> AnswerReason | None:
    """Why no machine should answer this, the gravest reason first."""
    found = {finding.category for finding in moderation.classify(text, moderation.HARMFUL | moderation.HAND_OVER)}
    if found & moderation.HARMFUL:
        return AnswerReason.ABUSIVE
    for reason in (AnswerReason.SAFETY, AnswerReason.MEDICAL, AnswerReason.LEGAL, AnswerReason.ANGER):
        if reason.value in found:
            return reason
    return None


async def _draft(
    engine: Engine,
    question: str,
    language: str,
    evidence: Sequence[Evidence],
    policy: AnswerPolicy,
    event_id: uuid.UUID,
) -> _Draft:
    """The model's text if one passes the guards, else the quoted evidence, else nothing."""
    sources = tuple(as_source(item) for item in evidence)
    checks: list[Check] = []
    completions: list[Completion] = []
    for attempt in range(policy.attempts if primary(language) in policy.model_languages else 0):
        try:
            completion = await drafting.ask(
                engine,
                answer_prompt(question, sources),
                attempt=attempt,
                seed=event_id.int,
                priority=Priority.ANSWER,
                max_new_tokens=policy.max_new_tokens,
                stop=("\n", "Question:"),
                deadline_s=policy.deadline_s,
            )
        except EngineError as error:
            if error.transient:
                raise
            break  # this prompt breaks the model; another try would too, the evidence can still be quoted
        completions.append(completion)
        text = drafting.tidy(completion)
        refused = refused_draft(text, question, language, evidence, policy.min_support)
        checks += refused
        if not refused:
            share = grounding.support(text, sources, question).share
            sure = confidence(evidence[0].score, share, completion.mean_logprob)
            return _Draft(text, Method.MODEL, sure, tuple(checks), tuple(completions))
    text = templates.quote(evidence, language)
    refused = drafting.refused(text, "draft", [*sources, text], language, banned=BANNED)
    if refused:
        return _Draft(checks=(*checks, *refused), completions=tuple(completions))
    return _Draft(text, Method.TEMPLATE, confidence(evidence[0].score, 1.0, 0.0), tuple(checks), tuple(completions))


def _judge(
    draft: _Draft, question: str, language: str, evidence: Sequence[Evidence], policy: AnswerPolicy
) -> AnswerReason:
    if not draft.text:
        return AnswerReason.REFUSED
    spoken = {detect(item.text) for item in evidence} - {UNDETERMINED}
    if any(primary(tag) != primary(language) for tag in {*spoken, detect(draft.text, language)}):
        return AnswerReason.OTHER_LANGUAGE
    if draft.method is Method.TEMPLATE:
        return AnswerReason.QUOTED
    sources = [as_source(item) for item in evidence]
    if grounding.support(draft.text, sources, question, neutral=False).share < 1.0:
        return AnswerReason.CHECK_WORDING
    # Several things asked at once may have been answered only in part.
    single = len(concepts.of_question(question)) <= 1 and question.count("?") <= 1
    sure = evidence[0].score >= policy.auto_score and draft.confidence >= policy.auto_confidence
    return AnswerReason.GROUNDED if policy.auto and single and sure else AnswerReason.CHECK_FIT
