"""The paragraph: the model's where it is true, the template's where not, and always with a suggestion."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from model.protocol import EngineClosed, EngineDeadline
from model.tasks.insight import INSIGHT_VERSION, InsightPolicy, insight_prompt, tell
from model.tasks.insight_facts import METRICS, Driver, InsightFacts, paragraph, sentences, suggestion
from schemas.events import Method
from tests.support.scripted_engine import ScriptedEngine

FACTS = InsightFacts("sales", False, 12, 41.3, datetime(2026, 3, 3, 8, tzinfo=timezone.utc), (Driver("L-7", 2, 14.25),))
TRUE = "Sales dropped to 12 orders since 08:00 UTC on 3 March 2026, where 41 were expected."
LISTING = "Listing L-7 fell from its usual 14 to 2."
FALSE = TRUE.replace("12", "13")


async def test_what_the_model_says_truly_is_said_and_what_it_left_out_is_added() -> None:
    engine = ScriptedEngine(TRUE)
    told = await tell(engine, FACTS, seed=1)
    assert told.text == f"{TRUE} {LISTING}"
    assert (told.provenance.method, told.provenance.prompt_version) == (Method.MODEL, INSIGHT_VERSION)
    assert told.refusals == ()
    assert engine.requests[0].temperature == 0.0


async def test_a_bullet_is_taken_out() -> None:
    told = await tell(ScriptedEngine(f"{TRUE} - {LISTING}"), FACTS, seed=1)
    assert told.text == f"{TRUE} {LISTING}"


async def test_a_second_try_is_made_and_accounted_for() -> None:
    engine = ScriptedEngine(FALSE, TRUE)
    told = await tell(engine, FACTS, seed=1)
    assert told.provenance.method is Method.MODEL
    assert told.provenance.prompt_tokens == 20
    assert [refusal.category for refusal in told.refusals] == ["number"]
    assert engine.requests[1].temperature > 0


async def test_after_two_false_ones_the_template_speaks() -> None:
    told = await tell(ScriptedEngine(FALSE, FALSE), FACTS, seed=1)
    assert told.text == paragraph(FACTS)
    assert (told.provenance.method, told.provenance.model) == (Method.TEMPLATE, "scripted")


async def test_an_engine_that_is_slow_costs_the_wording_only() -> None:
    told = await tell(ScriptedEngine(EngineDeadline("late")), FACTS, seed=1)
    assert (told.text, told.provenance.method) == (paragraph(FACTS), Method.TEMPLATE)


async def test_without_an_engine_nobody_speaks() -> None:
    with pytest.raises(EngineClosed):
        await tell(ScriptedEngine(EngineClosed("closed")), FACTS, seed=1)


async def test_no_attempt_asks_no_model() -> None:
    told = await tell(ScriptedEngine(), FACTS, seed=1, policy=InsightPolicy(attempts=0))
    assert told.provenance.method is Method.TEMPLATE
    assert told.provenance.model == ""


def test_the_prompt_holds_the_facts_and_begins_alike() -> None:
    prompt = insight_prompt(FACTS)
    assert prompt.user == "\n".join(sentences(FACTS))
    assert prompt.system == insight_prompt(InsightFacts("refunds", True, 9, 1.0, FACTS.start)).system


def test_the_template_says_what_how_much_since_when_and_which() -> None:
    assert paragraph(FACTS) == (
        "Sales fell to 12 orders since 08:00 UTC on 3 March 2026, against 41 expected, so 71% less. "
        "Listing L-7 fell from its usual 14 to 2."
    )


def test_what_was_waited_for_is_said() -> None:
    facts = InsightFacts("unanswered_questions", True, 23, 4.2, FACTS.start, patience=timedelta(minutes=90))
    assert paragraph(facts).startswith("Unanswered questions, each without an answer for 90 minutes, rose to 23 ")


def test_times_are_given_in_utc() -> None:
    abroad = FACTS.start.astimezone(timezone(timedelta(hours=9)))
    assert paragraph(InsightFacts("sales", False, 12, 41.3, abroad, FACTS.drivers)) == paragraph(FACTS)


def test_a_share_of_nothing_is_not_told() -> None:
    assert "%" not in paragraph(InsightFacts("refunds", True, 9, 0.0, FACTS.start))


@pytest.mark.parametrize("metric", sorted(METRICS))
@pytest.mark.parametrize("more", [True, False])
@pytest.mark.parametrize("drivers", [(), FACTS.drivers, FACTS.drivers * 2])
def test_there_is_a_suggestion_for_everything(metric: str, more: bool, drivers: tuple[Driver, ...]) -> None:
    words = suggestion(InsightFacts(metric, more, 12, 41.3, FACTS.start, drivers))
    assert words.endswith(".")
    assert "{" not in words
    assert ("named here" in words) is bool(drivers)
