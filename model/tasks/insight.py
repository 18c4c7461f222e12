"""Something that stands out in, one paragraph out: the model joins the facts, and what it adds is not let through."""

from __future__ import annotations

import re
from dataclasses import dataclass

from model.protocol import ChatPrompt, Completion, Engine, EngineClosed, EngineError, Priority
from model.tasks import drafting
from model.tasks.insight_check import Refusal, missing, refuse
from model.tasks.insight_facts import METRICS, InsightFacts, paragraph, sentences, suggestion
from schemas.events import Method, Provenance

INSIGHT_VERSION = "insight/1"

_BULLET = re.compile(r"(?:^|(?<=[.!] ))- ")  # a paragraph has none

_SYSTEM = (
    "Join the sentences into one short paragraph for a shop owner. "
    "Keep every number, date and listing as it is. Add nothing."
)


@dataclass(frozen=True, slots=True)
class InsightPolicy:
    """How the paragraph is asked for.

    Attributes:
        attempts: tries of the model before the template; the first is greedy. 0 asks no model.
        max_new_tokens: length of one try.
        deadline_s: one try takes at most this long, in seconds.
    """

    attempts: int = 2
    max_new_tokens: int = 160
    deadline_s: float | None = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """The words of an insight, and why the model's were not taken, one reason for each try."""

    text: str
    suggestion: str
    provenance: Provenance
    refusals: tuple[Refusal, ...] = ()


async def tell(engine: Engine, facts: InsightFacts, *, seed: int, policy: InsightPolicy = InsightPolicy()) -> Told:
    """Write the paragraph about these facts.

    An engine that is busy, slow or broken costs the model's wording and not the insight: the template says it then.

    Args:
        seed: makes a second try the same each time.

    Raises:
        EngineClosed: there is no engine any more.
    """
    completions: list[Completion] = []
    refusals: list[Refusal] = []
    # A small model that was tuned for other tasks would begin as in those, and often with 'none'.
    opening = METRICS[facts.metric].name.capitalize()
    for attempt in range(policy.attempts):
        try:
            completion = await drafting.ask(
                engine,
                insight_prompt(facts),
                attempt=attempt,
                seed=seed,
                priority=Priority.DESCRIPTION,
                max_new_tokens=policy.max_new_tokens,
                stop=(),
                deadline_s=policy.deadline_s,
                openings=(opening,),
                opening_bias=(0.0,),
            )
        except EngineClosed:
            raise
        except EngineError as error:
            refusals.append(Refusal(type(error).__name__))
            break
        completions.append(completion)
        text = _BULLET.sub("", drafting.tidy(completion))
        refusal = refuse(text, facts)
        if refusal is None:
            return _told(" ".join([text, *missing(text, facts)]), Method.MODEL, engine, facts, completions, refusals)
        refusals.append(refusal)
    return _told(paragraph(facts), Method.TEMPLATE, engine, facts, completions, refusals)


def insight_prompt(facts: InsightFacts) -> ChatPrompt:
    """Asks for the paragraph. The instructions are the same for all, so that an engine reads them once."""
    return ChatPrompt(_SYSTEM, "\n".join(sentences(facts)))


def _told(
    text: str,
    method: Method,
    engine: Engine,
    facts: InsightFacts,
    completions: list[Completion],
    refusals: list[Refusal],
) -> Told:
    provenance = drafting.provenance(method, engine.info, completions, INSIGHT_VERSION)
    return Told(text, suggestion(facts), provenance, tuple(refusals))
