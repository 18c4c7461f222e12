"""Dead letters on a real topic: browsed, put back, and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer

from consumers.deadletters.browse import Wanted, read_dead_letters, select
from consumers.deadletters.replay import replay
from schemas.events import DeadLetter, derived_id
from tests.consumers.events import FULL
from tests.consumers.harness import World, until

pytestmark = pytest.mark.integration

LETTER = next(event for event in FULL if isinstance(event, DeadLetter))


def read(world: World, topic: str, group: str) -> Any:
    """The first message of a topic."""
    consumer = Consumer(world.settings.kafka_client(**{"group.id": group, "auto.offset.reset": "earliest"}))
    from confluent_kafka import TopicPartition

    consumer.assign([TopicPartition(topic, number, 0) for number in range(3)])
    found: list[Any] = []

    def poll() -> bool:
        message = consumer.poll(0.1)
        found.extend([message] if message is not None and message.error() is None else [])
        return bool(found)

    until(poll, "a message")
    consumer.close()
    return found[0]


def test_a_letter_is_put_back_byte_for_byte_and_its_count_is_kept(
    world: World, unique_name: Callable[[str], str]
) -> None:
    topic = world.topic("questions")
    letter = replace(LETTER, source_topic=topic, event_id=derived_id("dead-letter", topic, 3, 7), replays=0)
    world.publisher.publish(letter)
    world.flush()

    def letters() -> list[DeadLetter]:
        return select(read_dead_letters(world.settings, world.codec), Wanted(topic=topic))

    assert letters() == [letter]
    assert replay(world.publisher, letters()).again == (letter,)

    message = read(world, topic, unique_name("group"))
    assert (message.key(), message.value()) == (letter.source_key, letter.source_value)
    assert dict(message.headers()) == {"trace": b"\xff\x00", "tradewind-replays": b"1"}

    assert letters() == [replace(letter, replays=1)]
    assert replay(world.publisher, letters()).again
    decided = replay(world.publisher, letters())
    assert decided.again == ()
    assert [each.replays for each, _ in decided.refused] == [2]
