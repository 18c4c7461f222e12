"""Thousands of questions on one listing at once: all are answered, and those on other listings do not wait for them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import pytest

from schemas.events import AnswerDrafted, derived_id
from schemas.reader import read_all
from schemas.topics import ANSWERS_DRAFTED
from tests.hostile.messages import listing, question
from tests.support.processes import memory_mb
from tradewind.assembly import make_codec, make_publisher
from tradewind.processes import child
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack
from tradewind.stack.supervisor import NEVER

pytestmark = [pytest.mark.integration, pytest.mark.slow_kafka, pytest.mark.timeout(600)]

HOT, OTHERS, DEADLINE_S = 10_000, 40, 500.0
MEMORY_MB = 300


def test_a_hot_key_does_not_starve_the_others(stack: LocalStack, settings: Settings) -> None:
    spec = child("worker", ["worker", "--agents", "answer"], settings, stack.log_dir, "tradewind_worker_ready")
    stack.add(replace(spec, restart=NEVER))
    worker = stack.pids()["worker"]
    before = memory_mb(worker)
    # Nothing in the listing answers the hot questions, so that the agent is measured and not the model.
    hot = [replace(question(f"h-{n}", "Does it play the violin?"), listing_id="hot") for n in range(HOT)]
    rest = [question(f"cold-{n}") for n in range(OTHERS)]
    with make_publisher(settings) as publisher:
        publisher.publish(listing("hot"))
        for event in [*hot[: HOT // 2], *(listing(f"cold-{n}") for n in range(OTHERS)), *rest, *hot[HOT // 2 :]]:
            publisher.publish(event)
    wanted = {derived_id("answer", event.event_id) for event in [*hot, *rest]}
    cold = {derived_id("answer", event.event_id) for event in rest}
    answered: dict[object, Answered] = {}
    give_up = time.monotonic() + DEADLINE_S
    while not answered.keys() >= wanted:
        answered = drafts(settings)
        assert time.monotonic() < give_up, f"{len(wanted - answered.keys())} of {len(wanted)} are missing"
    # Within a partition the order of Kafka stays; drafts are in the partitions of their questions.
    flooded = answered[derived_id("answer", hot[0].event_id)].partition
    others = [found for each in cold if (found := answered[each]).partition != flooded]
    assert len(others) > OTHERS // 2
    last_ms = max(each.at_ms for each in others)
    later = sum(each.at_ms > last_ms for each in answered.values())
    assert later > HOT // 4, f"only {later} of {HOT} hot questions were answered after all of the others"
    assert stack.pids()["worker"] == worker
    assert memory_mb(worker) - before < MEMORY_MB


class Answered(NamedTuple):
    """Where and when Kafka got a draft."""

    partition: int
    at_ms: int


def drafts(settings: Settings) -> dict[object, Answered]:
    """All that there are, by their ids."""
    codec = make_codec(settings)
    found: dict[object, Answered] = {}
    for message in read_all(settings.kafka_client(), ANSWERS_DRAFTED.name):
        draft = codec.decode_event(ANSWERS_DRAFTED, message.value())
        assert isinstance(draft, AnswerDrafted)
        found.setdefault(draft.event_id, Answered(message.partition() or 0, message.timestamp()[1]))
    return found
