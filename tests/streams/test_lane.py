"""A topic through an agent: what is sent, what is put aside, what is acknowledged, and in which order."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from model.protocol import EngineClosed, EngineDeadline, PromptTooLong
from schemas.codec import Codec, frame
from schemas.dead_letters import Inbound
from schemas.events import (
    AnswerDrafted,
    DeadLetter,
    Event,
    Provenance,
    QuestionAsked,
    Timings,
    derived_id,
)
from schemas.registry import CommittedRegistry
from schemas.topics import QUESTIONS, topic_named
from streams.delivery import DeadLetterLimit, DeadLetterLimitReached, DeadLetterMeter, RetryPolicy
from streams.lane import Lane
from streams.outlet import Outlet
from streams.retrying import Retrier

CODEC = Codec(CommittedRegistry())
NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def question(number: int, listing: str = "") -> QuestionAsked:
    return QuestionAsked(
        event_id=uuid.UUID(int=number),
        occurred_at=NOW,
        merchant_id="m-1",
        listing_id=listing or f"l-{number}",
        question_id=f"q-{number}",
        text="What is it made of? Call me: 555-0100",
    )


def draft(asked: QuestionAsked) -> AnswerDrafted:
    return AnswerDrafted(
        event_id=derived_id("answer", asked.event_id),
        occurred_at=NOW,
        merchant_id=asked.merchant_id,
        listing_id=asked.listing_id,
        question_id=asked.question_id,
        source_event_id=asked.event_id,
        asked_at=asked.occurred_at,
        provenance=Provenance(),
        timings=Timings(),
    )


@dataclass
class Stage:
    """A lane with everything around it written down."""

    work: Callable[[QuestionAsked], Awaitable[Event]]
    max_in_flight: int = 8
    limit: DeadLetterLimit = field(default_factory=DeadLetterLimit)
    attempts: int = 3
    in_key_order: bool = True
    on_sent: Callable[[], None] = lambda: None
    acked: list[int] = field(default_factory=list)
    sent: list[Event] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)

    async def run(self, values: Sequence[bytes | None], keys: Sequence[bytes] | None = None) -> None:
        async def events() -> AsyncIterator[Any]:
            for offset, value in enumerate(values):
                yield SimpleNamespace(
                    message=SimpleNamespace(
                        topic=QUESTIONS.name,
                        partition=0,
                        offset=offset,
                        timestamp=1.5,
                        key=keys[offset] if keys else str(offset).encode(),
                        value=value,
                        headers=[("trace", b"7")],
                    ),
                    ack=lambda offset=offset: self.acked.append(offset),
                )

        async def send(topic: str, key: bytes, value: bytes) -> None:
            if self.refusals:
                raise self.refusals.pop(0)
            event = CODEC.decode_event(topic_named(topic), value)
            assert str(getattr(event, topic_named(topic).key)).encode() == key
            self.sent.append(event)  # type: ignore[arg-type]
            self.on_sent()

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        async def work(asked: QuestionAsked, message: Inbound) -> Event:
            return await self.work(asked)

        lane: Lane[QuestionAsked] = Lane(
            "answer",
            QUESTIONS,
            work,
            codec=CODEC,
            outlet=Outlet(CODEC, send, lambda: NOW),
            meter=DeadLetterMeter(self.limit),
            retry=Retrier("answer", RetryPolicy(self.attempts, 0.1, 1.0), Random(1), sleep),
            max_in_flight=self.max_in_flight,
            in_key_order=self.in_key_order,
        )
        self.lane = lane
        await asyncio.wait_for(lane.run(events()), 10)

    @property
    def letters(self) -> list[DeadLetter]:
        return [event for event in self.sent if isinstance(event, DeadLetter)]


async def drafts_at_once(asked: QuestionAsked) -> Event:
    return draft(asked)


def encoded(*questions: QuestionAsked) -> list[bytes]:
    return [CODEC.encode_event(asked) for asked in questions]


async def test_each_event_is_answered_and_acknowledged() -> None:
    stage = Stage(drafts_at_once)
    asked = [question(number) for number in range(20)]
    await stage.run(encoded(*asked))
    assert stage.sent == [draft(one) for one in asked]
    assert stage.acked == list(range(20))


async def test_a_broken_message_becomes_a_dead_letter_with_its_bytes() -> None:
    stage = Stage(drafts_at_once)
    broken = [b"", None, frame(99999, b"x"), CODEC.encode_event(question(1))[:-3]]
    await stage.run([*broken, *encoded(question(5))])
    assert [letter.source_value for letter in stage.letters] == broken
    classes = [letter.error_class for letter in stage.letters]
    assert classes == ["BadFraming", "BadFraming", "UnknownSchemaId", "BadBody"]
    assert [letter.source_offset for letter in stage.letters] == [0, 1, 2, 3]
    assert stage.letters[0].source_key == b"0"
    assert stage.letters[0].source_headers == {"trace": b"7"}
    assert draft(question(5)) in stage.sent
    assert stage.acked == [0, 1, 2, 3, 4]


async def test_the_same_message_makes_the_same_ids_again() -> None:
    first, second = Stage(drafts_at_once), Stage(drafts_at_once)
    for stage in (first, second):
        await stage.run([b"broken", *encoded(question(3))])
    assert {event.event_id for event in first.sent} == {event.event_id for event in second.sent}


async def test_a_transient_error_is_tried_again_in_place() -> None:
    failures = [ConnectionRefusedError(), ConnectionRefusedError()]

    async def work(asked: QuestionAsked) -> Event:
        if failures:
            raise failures.pop()
        return draft(asked)

    stage = Stage(work, attempts=1)  # what is away is waited for, however few tries a message has
    await stage.run(encoded(question(1)))
    assert stage.sent == [draft(question(1))]
    assert len(stage.pauses) == 2
    assert stage.pauses[0] < stage.pauses[1]


async def test_a_permanent_error_is_not_tried_again_and_its_words_stay_here() -> None:
    async def work(asked: QuestionAsked) -> Event:
        raise PromptTooLong(f"the prompt {asked.text} is too long")

    stage = Stage(work)
    await stage.run(encoded(question(1)))
    (letter,) = stage.letters
    assert (letter.error_class, letter.attempts, letter.stage) == ("PromptTooLong", 1, "answer")
    assert letter.merchant_id == "m-1"
    assert "555" not in letter.message
    assert stage.pauses == []
    assert stage.acked == [0]


async def test_no_log_line_has_a_buyers_words() -> None:
    async def work(asked: QuestionAsked) -> Event:
        if asked.question_id == "q-1":
            raise PromptTooLong(f"the prompt {asked.text} is too long")
        if asked.question_id == "q-2" and not stage.pauses:
            raise EngineDeadline(f"{asked.text} took too long")
        return draft(asked)

    stage = Stage(work)
    with capture_logs() as lines:
        await stage.run([b"Call me: 555-0100", *encoded(*(question(number) for number in range(4)))])
    assert {line["event"] for line in lines} == {"dead letter", "trying again", "done"}
    assert "555" not in str(lines)


async def test_a_message_that_is_always_late_is_put_aside_after_its_tries() -> None:
    async def work(asked: QuestionAsked) -> Event:
        raise EngineDeadline("late")

    stage = Stage(work, attempts=3)
    await stage.run(encoded(question(1)))
    (letter,) = stage.letters
    assert (letter.error_class, letter.attempts) == ("EngineDeadline", 3)


async def test_nothing_is_acknowledged_before_kafka_has_the_result() -> None:
    stage = Stage(drafts_at_once)
    stage.refusals = [ConnectionResetError()] * 2
    await stage.run(encoded(question(1)))
    assert len(stage.pauses) == 2
    assert stage.sent == [draft(question(1))]
    assert stage.acked == [0]


async def test_an_error_that_stops_the_worker_leaves_its_message_unacknowledged() -> None:
    async def work(asked: QuestionAsked) -> Event:
        if asked.question_id == "q-1":
            raise EngineClosed("closing")
        return draft(asked)

    stage = Stage(work, max_in_flight=1)
    with pytest.raises(EngineClosed):
        await stage.run(encoded(question(0), question(1), question(2)))
    assert stage.acked == [0]


async def test_too_many_dead_letters_stop_the_lane() -> None:
    stage = Stage(drafts_at_once, limit=DeadLetterLimit(in_a_row=5), max_in_flight=1)
    with pytest.raises(DeadLetterLimitReached, match="5 dead letters in a row"):
        await stage.run([b"broken"] * 50)
    assert len(stage.letters) == 5
    assert stage.acked == [0, 1, 2, 3, 4]


async def test_a_slow_event_holds_back_acknowledgements_but_not_results() -> None:
    release = asyncio.Event()

    async def work(asked: QuestionAsked) -> Event:
        if asked.question_id == "q-0":
            await release.wait()
        elif asked.question_id == "q-4":
            assert stage.acked == []
            release.set()
        return draft(asked)

    stage = Stage(work)
    await stage.run(encoded(*(question(number) for number in range(5))))
    assert stage.sent[-1] == draft(question(0))
    assert stage.acked == [0, 1, 2, 3, 4]


async def test_results_of_one_key_leave_in_the_order_of_its_events() -> None:
    async def work(asked: QuestionAsked) -> Event:
        # The earlier, the later it is done.
        for _ in range(10 - asked.event_id.int):
            await asyncio.sleep(0)
        return draft(asked)

    stage = Stage(work)
    asked = [question(number, listing="l-same") for number in range(6)]
    await stage.run(encoded(*asked), keys=[b"l-same"] * 6)
    assert stage.sent == [draft(one) for one in asked]


async def test_elsewhere_a_quick_result_does_not_wait_for_a_slow_one_of_its_key() -> None:
    release = asyncio.Event()

    async def work(asked: QuestionAsked) -> Event:
        if asked.question_id == "q-0":
            await release.wait()
        return draft(asked)

    stage = Stage(work, in_key_order=False)
    stage.on_sent = release.set
    asked = [question(number, listing="l-same") for number in range(2)]
    await stage.run(encoded(*asked), keys=[b"l-same"] * 2)
    assert stage.sent == [draft(asked[1]), draft(asked[0])]


async def test_a_lane_that_drains_finishes_what_is_in_hand_and_takes_no_more() -> None:
    release = asyncio.Event()

    async def work(asked: QuestionAsked) -> Event:
        if asked.question_id == "q-1":
            draining.append(asyncio.ensure_future(stage.lane.drain()))
            await asyncio.sleep(0)
            release.set()
        await release.wait()
        return draft(asked)

    draining: list[asyncio.Task[None]] = []
    stage = Stage(work, max_in_flight=2)
    await stage.run(encoded(*(question(number) for number in range(9))))
    await draining[0]
    assert len(stage.sent) == 2
    assert stage.acked == [0, 1]


async def test_no_more_are_worked_on_than_allowed() -> None:
    running = peak = 0

    async def work(asked: QuestionAsked) -> Event:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        return draft(asked)

    stage = Stage(work, max_in_flight=3)
    await stage.run(encoded(*(question(number) for number in range(12))))
    assert peak == 3
    assert len(stage.sent) == 12
