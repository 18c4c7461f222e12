"""The systems under evaluation: the tasks as they ship, and baselines that need no training.

The tasks run on rows of data sets as they run on events; only what surrounds them (Kafka, the choice of evidence where
a row gives it) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

from model import ranking
from model.evaluation.answers import Outcome
from model.evaluation.copy import Written
from model.evaluation.runs import Listening
from model.evaluation.sets import AnswerRow
from model.evidence import as_source
from model.guards import pii
from model.language import detect
from model.protocol import Engine, EngineError, GenerationRequest, generate
from model.tasks import templates
from model.tasks.answer import AnswerPolicy, from_evidence
from model.tasks.answer_draft import read
from model.tasks.answer_routing import hand_over, route_of
from model.tasks.copy_policy import DescribePolicy
from model.tasks.describe import describe
from schemas.events import Evidence, EvidenceSource, ListingPublished, Method, derived_id

_NOW = datetime(2024, 6, 7, tzinfo=timezone.utc)  # of events that nobody keeps: any constant
_ATTRIBUTE = re.compile(r"([A-Za-z][\w ./\-]{0,60}): (\S.*)")

#: Model languages of a policy under which every text is built from templates.
TEMPLATES_ONLY: tuple[str, ...] = ()


def as_evidence(row: AnswerRow) -> Evidence:
    """The row's passage as the task takes it, scored as the ranker does; an attribute by its name and value."""
    attribute = _ATTRIBUTE.fullmatch(row.evidence) if row.source.lower() == "attribute" else None
    if attribute:
        evidence = Evidence(attribute[2], EvidenceSource.ATTRIBUTE, attribute[1], 0, len(attribute[2]))
    else:
        evidence = Evidence(row.evidence, EvidenceSource.DESCRIPTION, "description", 0, len(row.evidence))
    (score,) = ranking.scores(row.question, [as_source(evidence)])
    return Evidence(evidence.text, evidence.source, evidence.name, evidence.start, evidence.end, score)


async def draft(
    engine: Engine, row: AnswerRow, policy: AnswerPolicy, seed: int
) -> tuple[Outcome, GenerationRequest | None]:
    """What the task makes of a row, and what it asked its model first, so that another can be asked the same.

    A question that only a person may answer is drafted all the same, for its raw text to be judged; the draft counts as
    not handed on.
    """
    listening = Listening(engine)
    question = pii.redact(row.question).text
    drafted, reason = await from_evidence(
        listening, question, detect(row.question, "en"), (as_evidence(row),), policy, seed
    )
    raw = read(listening.completions[0])[1] if listening.completions else ""
    request = listening.requests[0] if listening.requests else None
    if (kept := hand_over(row.question)) is not None:
        return Outcome(raw, "", Method.NONE, route_of(kept), kept.value, 0.0), request
    outcome = Outcome(
        raw, drafted.text, drafted.method, route_of(reason), reason.value, drafted.confidence, drafted.checks
    )
    return outcome, request


async def ask(engine: Engine, request: GenerationRequest | None) -> str:
    """The raw text of another model for the same request; nothing where it can't serve it."""
    if request is None:
        return ""
    try:
        return read(await generate(engine, request))[1]
    except EngineError as error:
        if error.transient:
            raise
        return ""


def fact_rows(pairs: Sequence[tuple[str, str]]) -> list[AnswerRow]:
    """Facts with a person's sentence, as questions for that fact."""
    return [
        AnswerRow(f"What is the {fact.partition(':')[0].strip()}?", fact, sentence, 2, fact, "attribute")
        for fact, sentence in pairs
    ]


def from_template(row: AnswerRow) -> str:
    """The draft that needs no model: the evidence in a sentence around it."""
    return templates.quote((as_evidence(row),), "en")


async def write(engine: Engine, listing: ListingPublished, policy: DescribePolicy) -> Written:
    """A listing's copy by the task, with the raw texts of its model."""
    listening = Listening(engine)
    copy = await describe(
        listening, listing, clock=lambda: _NOW, event_id=derived_id("describe", listing.event_id), policy=policy
    )
    return Written(copy, tuple(completion.text for completion in listening.completions))
