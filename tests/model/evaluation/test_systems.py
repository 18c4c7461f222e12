from __future__ import annotations

import pytest

from model.evaluation.sets import AnswerRow
from model.evaluation.systems import as_evidence, ask, draft, fact_rows, from_template
from model.protocol import ChatPrompt, EngineClosed, GenerationFailed, GenerationRequest
from model.tasks.answer import AnswerPolicy
from schemas.events import AnswerRoute, EvidenceSource
from tests.support.scripted_engine import ScriptedEngine

REQUEST = GenerationRequest(ChatPrompt("s", "u"), 8)
ROW = AnswerRow("what is it made of?", "material: oak", "it is oak.", 2, "B1", "attribute")


def test_an_attribute_is_evidence_by_its_name() -> None:
    evidence = as_evidence(ROW)
    assert (evidence.source, evidence.name, evidence.text) == (EvidenceSource.ATTRIBUTE, "material", "oak")
    assert 0 <= evidence.score <= 1


def test_a_review_with_a_colon_is_none() -> None:
    row = AnswerRow("does it fold?", "my advice: fold it", "yes.", 2, "B1", "review")
    assert (as_evidence(row).source, as_evidence(row).text) == (EvidenceSource.DESCRIPTION, "my advice: fold it")


async def test_a_draft_with_its_raw_text_and_the_request_behind_it() -> None:
    engine = ScriptedEngine("info: It is made of oak.")
    outcome, request = await draft(engine, ROW, AnswerPolicy(), seed=1)
    assert outcome.raw == outcome.text == "It is made of oak."
    assert request == engine.requests[0]
    assert outcome.route is not AnswerRoute.HUMAN


async def test_a_refused_text_stays_raw() -> None:
    engine = ScriptedEngine("info: It is made of walnut.", "info: It is made of walnut.")
    outcome, _ = await draft(engine, ROW, AnswerPolicy(), seed=1)
    assert outcome.raw == "It is made of walnut."
    assert "walnut" not in outcome.text
    assert outcome.checks


async def test_a_question_for_a_person_has_raw_text_and_no_draft() -> None:
    row = AnswerRow(
        "I will sue you, my lawyer asks: what is it made of?", "material: oak", "oak.", 2, "B1", "attribute"
    )
    outcome, _ = await draft(ScriptedEngine("info: It is made of oak."), row, AnswerPolicy(), seed=1)
    assert (outcome.raw, outcome.text, outcome.route, outcome.reason) == (
        "It is made of oak.",
        "",
        AnswerRoute.HUMAN,
        "legal",
    )


async def test_another_model_is_asked_the_same() -> None:
    engine = ScriptedEngine("yes: it folds", GenerationFailed("broken"), EngineClosed("closed"))
    assert await ask(engine, REQUEST) == "It folds."
    assert await ask(engine, REQUEST) == ""
    with pytest.raises(EngineClosed):
        await ask(engine, REQUEST)
    assert await ask(engine, None) == ""


def test_facts_are_asked_for_by_name() -> None:
    (row,) = fact_rows([("seat height: 45 cm", "The seat is 45 cm high.")])
    assert (row.question, row.answer, row.label) == ("What is the seat height?", "The seat is 45 cm high.", 2)
    assert "45 cm" in from_template(row)
