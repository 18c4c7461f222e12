"""From a question and its evidence to a draft: the model phrases it, the guards judge it, a probability comes along."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from model.confidence import calibration_of, signals_of
from model.evidence import as_source
from model.guards import grounding
from model.guards.polarity import answer_polarity
from model.language import primary
from model.protocol import Completion, Engine, EngineError, Priority
from model.tasks import drafting, templates, verdict
from model.tasks.draft_checks import BANNED, refused_draft
from model.tasks.prompts import answer_prompt
from model.tasks.verdict import VERDICTS, Verdict
from schemas.events import Check, Evidence, Method

_UNSURE = "unsure_polarity"
_ABOUT_YES_OR_NO = frozenset(("unsupported_yes_no", "polarity", "opposite_answer", _UNSURE))
_YES_OR_NO = re.compile(r"(?:yes|no|yeah|nope)\b[\s,.;:!–-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DraftPolicy:
    """How hard to try.

    Attributes:
        model_languages: languages that the checkpoint writes; questions in others get quoted evidence.
        attempts: requests to the model for one question, the first greedy.
        max_new_tokens: length of one draft.
        deadline_s: longest wait for one completion; None waits as long as it takes.
        min_support: least share (0..1) of a draft's content words that must stand in evidence or question.
        min_polar: a yes or no must be so much likelier than the other (difference of probabilities), or the evidence is
            quoted instead.
        none_bias: added to the log-probability that the evidence does not answer, for answers share what speaks against
            it among them: yes, no and the rest.
    """

    model_languages: tuple[str, ...] = ("en",)
    attempts: int = 2
    max_new_tokens: int = 48
    deadline_s: float | None = None
    min_support: float = 0.75
    min_polar: float = 0.0
    none_bias: float = -0.7


@dataclass(frozen=True, slots=True)
class Draft:
    """What the drafting came to.

    Attributes:
        text: empty when nothing may be handed on.
        verdict: the model's own, where it gave one; none says that the evidence does not answer.
        confidence: the probability that the text is right, where `calibrated`; else a number of the same direction.
    """

    text: str = ""
    method: Method = Method.NONE
    verdict: Verdict | None = None
    confidence: float = 0.0
    calibrated: bool = False
    checks: tuple[Check, ...] = ()
    completions: tuple[Completion, ...] = ()


async def draft(
    engine: Engine, question: str, language: str, evidence: Sequence[Evidence], policy: DraftPolicy, seed: int
) -> Draft:
    """The model's text if one passes the guards, else the quoted evidence, else nothing.

    Nothing is said, too, when the model finds that the evidence does not answer the question.

    Args:
        question: with personal data replaced.
        evidence: at least one passage, the best first.
        seed: of the second try, so that the same event gets the same text.

    Raises:
        EngineError: only a transient one; others end in quoted evidence.
    """
    sources = tuple(as_source(item) for item in evidence)
    checks: list[Check] = []
    completions: list[Completion] = []
    for attempt in range(policy.attempts if primary(language) in policy.model_languages else 0):
        try:
            completion = await drafting.ask(
                engine,
                answer_prompt(question, sources),
                attempt=attempt,
                seed=seed,
                priority=Priority.ANSWER,
                max_new_tokens=policy.max_new_tokens,
                stop=("\n", "Question:"),
                deadline_s=policy.deadline_s,
                openings=VERDICTS,
                opening_bias=_bias(engine, policy),
            )
        except EngineError as error:
            if error.transient:
                raise
            break  # this prompt breaks the model; another try would too, the evidence can still be quoted
        completions.append(completion)
        said, text = read(completion, language)
        if said == "none":
            if attempt == 0:  # drawn at random, it only means that the draw went wrong
                sure, calibrated = _confidence(engine, completion, said, 0.0, evidence)
                return Draft("", Method.NONE, said, sure, calibrated, tuple(checks), tuple(completions))
            continue
        text, refused = _judged(completion, said, text, question, language, evidence, policy)
        checks += refused
        if text:
            share = grounding.support(text, sources, question).share
            sure, calibrated = _confidence(engine, completion, said, share, evidence)
            return Draft(text, Method.MODEL, said, sure, calibrated, tuple(checks), tuple(completions))
        if any(check.category == _UNSURE for check in refused):
            break  # a second try would toss the coin
    text = templates.quote(evidence, language)
    refused = drafting.refused(text, "draft", [*sources, text], language, banned=BANNED)
    if refused:
        return Draft(checks=(*checks, *refused), completions=tuple(completions))
    sure = uncalibrated(evidence[0].score, 1.0, 0.0)
    return Draft(text, Method.TEMPLATE, None, sure, False, tuple(checks), tuple(completions))


def _bias(engine: Engine, policy: DraftPolicy) -> tuple[float, ...]:
    """Only a model that was trained to begin with a verdict is held to it."""
    if not engine.info.adapter:
        return ()
    return tuple(policy.none_bias if word == "none" else 0.0 for word in VERDICTS)


def read(completion: Completion, language: str = "en") -> tuple[Verdict | None, str]:
    """The verdict and the text of a completion, as a sentence."""
    said, text = verdict.split(drafting.tidy(completion))
    return said, _as_sentence(text) if primary(language) == "en" else text


def uncalibrated(evidence_score: float, support: float, mean_logprob: float) -> float:
    """Evidence score x share of supported words x sqrt(mean token probability), in 0..1, for models without weights.

    A product, because one weak factor is enough to be wrong; the square root, because a fluent model is unsure of
    wording far more often than of facts.
    """
    return max(0.0, min(1.0, evidence_score * support * math.exp(min(mean_logprob, 0.0) / 2)))


def _judged(
    completion: Completion,
    said: Verdict | None,
    text: str,
    question: str,
    language: str,
    evidence: Sequence[Evidence],
    policy: DraftPolicy,
) -> tuple[str, tuple[Check, ...]]:
    """The text that may leave, if any, and what was wrong with it.

    A yes or no that the evidence does not bear, or that the model was not sure of, is taken off: what follows it often
    says what the evidence says, and leaves the judgement to the buyer.
    """
    refused = refused_draft(text, question, language, evidence, policy.min_support)
    if not refused and _contradicts(said, question, text, language):
        refused = (Check("grounding", "draft", "polarity", 0, len(text), text),)
    if not refused and _wavers(completion, said, policy.min_polar):
        refused = (Check("grounding", "draft", _UNSURE, 0, len(text), text),)
    if not refused:
        return text, ()
    if {check.category for check in refused} <= _ABOUT_YES_OR_NO and (found := _YES_OR_NO.match(text)):
        rest = _as_sentence(text[found.end() :])
        if not refused_draft(rest, question, language, evidence, policy.min_support):
            return rest, refused
    return "", refused


def _confidence(
    engine: Engine, completion: Completion, said: Verdict | None, support: float, evidence: Sequence[Evidence]
) -> tuple[float, bool]:
    calibration = calibration_of(engine.info.adapter)
    if calibration is None or said is None or not completion.opening_logprobs:
        return (0.0 if said == "none" else uncalibrated(evidence[0].score, support, completion.mean_logprob)), False
    length = sum(len(item.text) for item in evidence)
    signals = signals_of(
        said, completion.opening_logprobs, completion.token_logprobs, support, length, evidence[0].score
    )
    return calibration.probability(signals), True


def _contradicts(said: Verdict | None, question: str, text: str, language: str) -> bool:
    """Whether the text says yes behind a no, or the reverse."""
    return said in ("yes", "no") and {said, answer_polarity(question, text, language)} == {"yes", "no"}


def _wavers(completion: Completion, said: Verdict | None, least: float) -> bool:
    """Whether a yes or no was hardly likelier than the other."""
    if said not in ("yes", "no") or not completion.opening_logprobs:
        return False
    p = dict(zip(VERDICTS, completion.opening_logprobs, strict=True))
    return abs(p["yes"] - p["no"]) < least


def _as_sentence(text: str) -> str:
    """With a capital and a full stop: people's answers, which the model learned from, often lack both."""
    if not text:
        return text
    text = text[:1].upper() + text[1:]
    return text if re.search(r"[.!?]['\"”’)]*$", text) else f"{text}."
