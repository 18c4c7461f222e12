"""What a person approved, and what a merchant promises, is what the next drafts rest on; and it can be trained on."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from consumers.clickhouse.client import open_client
from schemas.events import (
    AnswerDrafted,
    AnswerReviewed,
    Decision,
    Event,
    EvidenceSource,
    ListingPublished,
    QuestionAsked,
    derived_id,
)
from schemas.reader import read_all
from schemas.topics import ANSWERS_DRAFTED
from tradewind.assembly import make_codec, make_publisher
from tradewind.cli.main import app
from tradewind.processes import sink_child, worker_child
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

DEADLINE_S = 60.0
RETURNS = "You can return the kettle within 30 days."
INDUCTION = "It does not work on induction hobs."


def now() -> datetime:
    return datetime.now(timezone.utc)


def listing(number: int, merchant: str) -> ListingPublished:
    return ListingPublished(
        event_id=uuid.uuid4(),
        occurred_at=now(),
        merchant_id=merchant,
        listing_id=f"l-{number}",
        title="Copper kettle",
        description="The kettle whistles when the water boils.",
        attributes={"material": "copper", "capacity": "1.7 l"},
        language="en",
    )


def review(draft: AnswerDrafted, decision: Decision, answer: str | None = None) -> AnswerReviewed:
    return AnswerReviewed(
        event_id=uuid.uuid4(),
        occurred_at=now(),
        merchant_id=draft.merchant_id,
        listing_id=draft.listing_id,
        question_id=draft.question_id,
        draft_event_id=draft.event_id,
        decision=decision,
        reviewer="r-1",
        answer=answer,
    )


class Platform:
    """Publishes, asks, and reads what comes of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.codec = settings, make_codec(settings)

    def publish(self, *events: Event) -> None:
        with make_publisher(self.settings) as publisher:
            for event in events:
                publisher.publish(event)

    def ask(self, text: str, number: int = 1, merchant: str = "m-1") -> AnswerDrafted:
        """The draft for a new question."""
        ids = uuid.uuid4()
        question = QuestionAsked(ids, now(), merchant, f"l-{number}", f"q-{ids}", text, language="en")
        self.publish(question)
        wanted = derived_id("answer", ids)
        found: list[Any] = []

        def drafted() -> bool:
            messages = read_all(self.settings.kafka_client(), ANSWERS_DRAFTED.name)
            drafts = (self.codec.decode_event(ANSWERS_DRAFTED, message.value()) for message in messages)
            found[:] = [draft for draft in drafts if isinstance(draft, AnswerDrafted) and draft.event_id == wanted]
            return bool(found)

        until(drafted, f"a draft for: {text}")
        draft: AnswerDrafted = found[0]
        return draft

    def ask_until_approved(self, text: str, place: AnswerDrafted) -> AnswerDrafted:
        """The first draft that rests on what was approved of that one."""
        drafts: list[AnswerDrafted] = []

        def cited() -> bool:
            drafts.append(self.ask(text))
            return (EvidenceSource.APPROVED_ANSWER, str(place.event_id)) in cites(drafts[-1])

        until(cited, f"the approved answer in a draft for: {text}")
        return drafts[-1]


def cites(draft: AnswerDrafted) -> list[tuple[EvidenceSource, str]]:
    return [(item.source, item.name) for item in draft.evidence]


def until(reached: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while not reached():
        assert time.monotonic() < give_up, f"not within {DEADLINE_S} s: {what}"


@pytest.fixture
def platform(stack: LocalStack, settings: Settings, tmp_path: Path) -> Platform:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"m-1": {"returns": RETURNS}}))
    given = settings.model_copy(update={"policies": file})
    stack.add(worker_child(given, stack.log_dir), sink_child(given, stack.log_dir))
    return Platform(given)


def test_drafts_rest_on_what_people_approved_and_merchants_promise(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    platform.publish(listing(1, "m-1"), listing(2, "m-2"))

    returned = platform.ask("Can I return the kettle?")
    assert (EvidenceSource.POLICY, "returns") in cites(returned)
    assert (EvidenceSource.POLICY, "returns") not in cites(platform.ask("Can I return the kettle?", 2, "m-2"))

    whistles = platform.ask("Does it whistle when the water boils?")
    assert whistles.draft
    unanswered = platform.ask("Does it work on induction hobs?")
    assert not unanswered.draft
    foreign = platform.ask("Does it work on induction hobs?", 1, "m-2")
    # On one partition, so who knows the last knows all.
    reviews = [
        review(foreign, Decision.EDIT, "It works on all hobs."),
        review(whistles, Decision.APPROVE),
        review(returned, Decision.REJECT),
        review(unanswered, Decision.EDIT, f"{INDUCTION} Ask anna.schmidt@example.com."),
    ]
    platform.publish(*reviews)

    again = platform.ask_until_approved("Does this work on an induction hob?", unanswered)
    assert INDUCTION in again.draft
    assert "all hobs" not in f"{again.draft} {again.evidence}"
    assert "example.com" not in f"{again.draft} {again.evidence}"
    assert (EvidenceSource.APPROVED_ANSWER, str(whistles.event_id)) in cites(
        platform.ask("Does the kettle whistle when water boils?")
    )
    assert platform.ask("Does it work on induction hobs?", 2, "m-2").evidence == ()

    client = open_client(platform.settings)
    stored = "SELECT count() FROM answers_reviewed FINAL"
    until(lambda: client.query(stored).result_rows == [(len(reviews),)], "reviews stored")
    for name, value in platform.settings.environment().items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "reviewed.jsonl"
    result = CliRunner().invoke(app, ["model", "reviewed", "--out", str(out), "--merchant", "m-1", "--rejected"])
    assert result.exit_code == 0, result.output
    lines = {line["draft_event_id"]: line for line in map(json.loads, out.read_text(encoding="utf-8").splitlines())}
    assert set(lines) == {str(draft.event_id) for draft in (whistles, returned, unanswered)}
    approved, edited = lines[str(whistles.event_id)], lines[str(unanswered.event_id)]
    assert (approved["decision"], approved["answer"]) == ("approve", whistles.draft)
    assert approved["evidence"]
    assert (edited["decision"], edited["answer"]) == ("edit", f"{INDUCTION} Ask [email].")
    assert lines[str(returned.event_id)]["answer"] is None
