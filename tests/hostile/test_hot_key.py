"""Thousands of questions on one listing at once: all are answered, and those on other listings do not wait for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

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
    others = [question(f"cold-{n}") for n in range(OTHERS)]
    with make_publisher(settings) as publisher:
        publisher.publish(listing("hot"))
        for event in [*hot[: HOT // 2], *(listing(f"cold-{n}") for n in range(OTHERS)), *others, *hot[HOT // 2 :]]:
            publisher.publish(event)
    wanted = {derived_id("answer", event.event_id) for event in [*hot, *others]}
    cold = {derived_id("answer", event.event_id) for event in others}
    answered: set[object] = set()
    waiting = HOT
    give_up = time.monotonic() + DEADLINE_S
    while not answered >= wanted:
        answered = {draft.event_id for draft in drafts(settings)}
        if waiting == HOT and answered >= cold:
            waiting = len(wanted - answered)
        assert time.monotonic() < give_up, f"{len(wanted - answered)} of {len(wanted)} are missing"
    assert waiting > 0, "the others were answered last of all"
    assert stack.pids()["worker"] == worker
    assert memory_mb(worker) - before < MEMORY_MB


def drafts(settings: Settings) -> Iterator[AnswerDrafted]:
    codec = make_codec(settings)
    for message in read_all(settings.kafka_client(), ANSWERS_DRAFTED.name):
        draft = codec.decode_event(ANSWERS_DRAFTED, message.value())
        assert isinstance(draft, AnswerDrafted)
        yield draft
