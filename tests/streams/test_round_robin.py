"""aiokafka's own consumer, on a broker, with our fetcher: partitions take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import consumer as aiokafka_consumer
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams import round_robin

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

EACH, AT_ONCE = 3_000, 100


@pytest.fixture
def taking_turns() -> Iterator[None]:
    before = aiokafka_consumer.Fetcher
    round_robin.install()
    yield
    aiokafka_consumer.Fetcher = before


@pytest.mark.usefixtures("taking_turns")
async def test_no_partition_waits_until_another_is_empty(broker: str, unique_name: Callable[[str], str]) -> None:
    topic = unique_name("turns")
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(10)
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 100, "compression.type": "lz4"})
    for partition in (0, 1):
        for number in range(EACH):
            producer.produce(topic, b"%d" % number, partition=partition)
            producer.poll(0)
    assert producer.flush(20) == 0
    order: list[int] = []
    read: dict[int, list[int]] = {0: [], 1: []}
    async with AIOKafkaConsumer(bootstrap_servers=broker, group_id=None, enable_auto_commit=False) as consumer:
        places = [TopicPartition(topic, partition) for partition in read]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        while sum(map(len, read.values())) < 2 * EACH:
            found = await consumer.getmany(timeout_ms=500, max_records=AT_ONCE)
            for place, messages in found.items():
                order.append(place.partition)
                read[place.partition] += [int(message.value or b"") for message in messages]
    assert read == {0: list(range(EACH)), 1: list(range(EACH))}
    # To its end first would be some thirty times the one, and then some thirty times the other.
    changes = sum(one != next_one for one, next_one in pairwise(order))
    assert changes > 20
