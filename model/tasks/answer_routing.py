"""Who sees a draft next, and why: the buyer (auto), a reviewer, or a person who writes the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from model.confidence import calibration_of
from model.evidence import as_source
from model.guards import concepts, grounding, moderation, polarity
from model.guards.pii_patterns import PLACEHOLDER
from model.language import UNDETERMINED, detect, primary, sentences
from model.tasks.answer_draft import Draft
from model.tasks.asking import only_asks
from model.tasks.attributes import is_fact
from schemas.events import AnswerRoute, Evidence, EvidenceSource, Method


class AnswerReason(str, Enum):
    """Why a draft is routed as it is."""

    GROUNDED = "grounded"  # AUTO: every word of the draft stands in the evidence, and the evidence fits
    CHECK_FIT = "check_fit"  # REVIEW: true to the listing, but perhaps not what was asked
    CHECK_WORDING = "check_wording"  # REVIEW: says words that the evidence does not have, or '[name]' for a name
    QUOTED = "quoted"  # REVIEW: no text of the model passed, the evidence is quoted
    OTHER_LANGUAGE = "other_language"  # REVIEW: evidence or draft is not in the buyer's language
    LISTING_UNKNOWN = "listing_unknown"  # HUMAN: the listing did not come in time
    NO_EVIDENCE = "no_evidence"  # HUMAN: nothing in the listing is about this
    NOT_ANSWERED = "not_answered"  # HUMAN: the model finds no answer in what is about it, or hardly believes its own
    UNSERVED_LANGUAGE = "unserved_language"  # HUMAN: neither English nor Chinese
    REFUSED = "refused"  # HUMAN: not even the quoted evidence may be repeated
    ABUSIVE = "abusive"  # HUMAN: abuse, hate, sexual content, threats
    LEGAL = "legal"  # HUMAN: lawyers, courts, counterfeit claims
    MEDICAL = "medical"  # HUMAN: health, allergies, pregnancy
    SAFETY = "safety"  # HUMAN: injuries, fire, shocks
    ANGER = "anger"  # HUMAN: an angry buyer


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """What may go out without a look.

    Attributes:
        auto: whether anything may at all.
        auto_confidence: least probability of being right; None takes what the model's calibration says.
        human_confidence: a draft that is less probably right is no help to a reviewer either.
        uncalibrated_score, uncalibrated_confidence: least evidence score and confidence of a model without calibration.
    """

    auto: bool = True
    auto_confidence: float | None = None
    human_confidence: float = 0.2
    uncalibrated_score: float = 0.75
    uncalibrated_confidence: float = 0.6


_ROUTES = {
    AnswerReason.GROUNDED: AnswerRoute.AUTO,
    AnswerReason.CHECK_FIT: AnswerRoute.REVIEW,
    AnswerReason.CHECK_WORDING: AnswerRoute.REVIEW,
    AnswerReason.QUOTED: AnswerRoute.REVIEW,
    AnswerReason.OTHER_LANGUAGE: AnswerRoute.REVIEW,
}


def route_of(reason: AnswerReason) -> AnswerRoute:
    """Where a draft with that reason goes."""
    return _ROUTES.get(reason, AnswerRoute.HUMAN)


def hand_over(text: str) -> AnswerReason | None:
    """Why no machine should answer this, the gravest reason first."""
    found = {finding.category for finding in moderation.classify(text, moderation.HARMFUL | moderation.HAND_OVER)}
    if found & moderation.HARMFUL:
        return AnswerReason.ABUSIVE
    for reason in (AnswerReason.SAFETY, AnswerReason.MEDICAL, AnswerReason.LEGAL, AnswerReason.ANGER):
        if reason.value in found:
            return reason
    return None


def judge(
    draft: Draft, question: str, language: str, evidence: Sequence[Evidence], adapter: str, policy: RoutePolicy
) -> AnswerReason:
    """The reason that decides a draft's route. `adapter` is the engine's, whose calibration counts."""
    if draft.verdict == "none" or (draft.calibrated and draft.confidence < policy.human_confidence):
        return AnswerReason.NOT_ANSWERED
    if not draft.text:
        return AnswerReason.REFUSED
    spoken = {detect(item.text) for item in evidence} - {UNDETERMINED}
    if any(primary(tag) != primary(language) for tag in {*spoken, detect(draft.text, language)}):
        return AnswerReason.OTHER_LANGUAGE
    if draft.method is Method.TEMPLATE:
        return AnswerReason.QUOTED
    # What a placeholder stands for must be put back before a buyer reads it; and one sentence is what was asked for.
    if PLACEHOLDER.search(draft.text) or len(sentences(draft.text)) > 1:
        return AnswerReason.CHECK_WORDING
    sources = [as_source(item) for item in evidence]
    if grounding.support(draft.text, sources, question, neutral=False).share < 1.0:
        return AnswerReason.CHECK_WORDING
    # A yes or no is the dearest mistake: it goes out only where an attribute says it in so many words.
    said = polarity.answer_polarity(question, draft.text, language)
    stated = [source for source, item in zip(sources, evidence, strict=True) if item.source is EvidenceSource.ATTRIBUTE]
    if draft.calibrated and said is not None and polarity.of_evidence(question, stated, language) != said:
        return AnswerReason.CHECK_FIT
    if not _is_plain(question, evidence):
        return AnswerReason.CHECK_FIT
    # Several things asked at once may have been answered only in part.
    single = len(concepts.of_question(question)) <= 1 and question.count("?") <= 1
    return (
        AnswerReason.GROUNDED
        if policy.auto and single and _sure(draft, evidence, adapter, policy)
        else AnswerReason.CHECK_FIT
    )


def _is_plain(question: str, evidence: Sequence[Evidence]) -> bool:
    """Whether the buyer only asks, and attributes that answer are facts: nothing there can steer what goes out."""
    stated = [item for item in evidence if item.source is EvidenceSource.ATTRIBUTE]
    return (
        only_asks(question)
        and not moderation.classify(question, moderation.FOR_MACHINES)
        and all(is_fact(item.name, item.text) for item in stated)
    )


def _sure(draft: Draft, evidence: Sequence[Evidence], adapter: str, policy: RoutePolicy) -> bool:
    calibration = calibration_of(adapter) if draft.calibrated else None
    if calibration is None:
        fits = evidence[0].score >= policy.uncalibrated_score
        return fits and draft.confidence >= policy.uncalibrated_confidence
    return draft.confidence >= (calibration.auto if policy.auto_confidence is None else policy.auto_confidence)
