"""Topics of a test's own on the real broker, and messages on a chosen partition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import Topic


def make_topic(broker: str, like: Topic, unique_name: Callable[[str], str], partitions: int = 3) -> Topic:
    """A topic with another name and the same record."""
    topic = replace(like, name=unique_name(like.name))
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(topic.name, num_partitions=partitions)])[topic.name].result()
    return topic


def produce(broker: str, topic: Topic, *messages: tuple[int, bytes | None, bytes | None]) -> None:
    """Send messages, each with its partition, key and value, and wait until Kafka has them."""
    producer = Producer({"bootstrap.servers": broker})
    for partition, key, value in messages:
        producer.produce(topic.name, key=key, value=value, partition=partition)
    assert producer.flush(10) == 0
