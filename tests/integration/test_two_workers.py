"""Two workers share the load, one is killed in the middle, and nothing is lost or comes twice under another id."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from consumers.clickhouse.client import open_client
from schemas.codec import Codec
from schemas.events import AnswerDrafted, DeadLetter, ListingEnriched, ListingPublished, QuestionAsked, derived_id
from schemas.reader import read_all
from schemas.topics import ANSWERS_DRAFTED, DEAD_LETTERS, LISTINGS, LISTINGS_ENRICHED, QUESTIONS, Topic
from tradewind.assembly import make_codec, make_publisher
from tradewind.processes import sink_child, worker_child
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack
from tradewind.stack.supervisor import NEVER

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

EVENTS = 120
BROKEN = [(topic.name, bytes([number]) * (number + 1)) for topic in (LISTINGS, QUESTIONS) for number in range(5)]


def listing(number: int) -> ListingPublished:
    return ListingPublished(
        event_id=uuid.uuid4(),
        occurred_at=datetime.now(timezone.utc),
        merchant_id=f"m-{number % 5}",
        listing_id=f"l-{number}",
        title=f"Kettle number {number}",
        description="It boils a litre in four minutes.",
        attributes={"material": "copper", "capacity": f"{number + 100} ml"},
        language="en",
    )


def question(number: int, text: str) -> QuestionAsked:
    return QuestionAsked(
        event_id=uuid.uuid4(),
        occurred_at=datetime.now(timezone.utc),
        merchant_id=f"m-{number % 5}",
        listing_id=f"l-{number}",
        question_id=f"q-{number}",
        text=text,
    )


def wait_until(reached: Callable[[], bool], what: str, deadline_s: float = 120.0) -> None:
    give_up = time.monotonic() + deadline_s
    while not reached():
        assert time.monotonic() < give_up, f"not within {deadline_s} s: {what}"


def events_on(settings: Settings, codec: Codec, topic: Topic) -> list[Any]:
    return [codec.decode_event(topic, message.value()) for message in read_all(settings.kafka_client(), topic.name)]


def test_a_killed_worker_loses_nothing(stack: LocalStack, settings: Settings) -> None:
    codec = make_codec(settings)
    workers = [replace(worker_child(settings, stack.log_dir, f"worker-{n}"), restart=NEVER) for n in (1, 2)]
    stack.add(*workers, sink_child(settings, stack.log_dir))
    listings = [listing(number) for number in range(EVENTS)]
    questions = [question(number, "What is the capacity?") for number in range(EVENTS)]
    orphan = question(99_999, "Is it still there?")
    with make_publisher(settings) as publisher:
        for event in [*listings[::2], *questions[::2], orphan]:
            publisher.publish(event)
        for topic, value in BROKEN:
            publisher.publish_bytes(topic, b"broken", value)

    def answered() -> set[uuid.UUID]:
        return {event.event_id for event in events_on(settings, codec, ANSWERS_DRAFTED)}

    def enriched() -> set[uuid.UUID]:
        return {event.event_id for event in events_on(settings, codec, LISTINGS_ENRICHED)}

    wait_until(lambda: len(enriched()) >= EVENTS // 10, "the first copy")
    with make_publisher(settings) as publisher:
        for event in [*listings[1::2], *questions[1::2]]:
            publisher.publish(event)
    os.kill(stack.pids()["worker-1"], signal.SIGKILL)
    assert len(enriched()) < EVENTS, "the kill came too late to show anything"

    expected_answers = {derived_id("answer", event.event_id) for event in [*questions, orphan]}
    expected_copy = {derived_id("enrich", event.event_id) for event in listings}
    wait_until(lambda: answered() >= expected_answers, "every answer")
    wait_until(lambda: enriched() >= expected_copy, "every listing's copy")
    assert answered() == expected_answers
    assert enriched() == expected_copy

    drafts: list[AnswerDrafted] = events_on(settings, codec, ANSWERS_DRAFTED)
    copies: list[ListingEnriched] = events_on(settings, codec, LISTINGS_ENRICHED)
    assert {draft.reason for draft in drafts if draft.listing_id == orphan.listing_id} == {"listing_unknown"}
    assert "listing_unknown" not in {draft.reason for draft in drafts if draft.listing_id != orphan.listing_id}
    assert {copy.source_event_id for copy in copies} == {event.event_id for event in listings}
    letters: list[DeadLetter] = events_on(settings, codec, DEAD_LETTERS)
    once = {letter.event_id: (letter.source_topic, letter.source_value) for letter in letters}
    assert sorted(once.values()) == sorted(BROKEN)

    client = open_client(settings)
    for table, expected in (("answers_drafted", expected_answers), ("listings_enriched", expected_copy)):
        wait_until(
            lambda table=table, expected=expected: stored(client, table) == sorted(map(str, expected)),
            f"{table} stored",
        )
    wait_until(lambda: len(stored(client, "dead_letters")) == len(BROKEN), "dead letters stored")


def stored(client: Any, table: str) -> list[str]:
    """Ids in a table as an analyst sees them; one that is there twice is there twice here."""
    return sorted(str(row[0]) for row in client.query(f"SELECT event_id FROM {table} FINAL").result_rows)
