"""Topics as they are now: every message of one, or where its partitions begin and end. No group is joined.

Where a partition ends is learned by fetching up to there, not by asking for its latest offset: the embedded broker
answers that question with the base offset of the last batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

_ANSWER_TIMEOUT_S = 10.0
_MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_BATCH = 1000
_POLL_S = 0.05


def read_all(client: Mapping[str, Any], topic: str) -> Iterator[Message]:
    """Every message that the topic has now, each partition in order.

    Args:
        client: settings of a confluent-kafka client.

    Raises:
        KafkaException: Kafka can't be reached, has no such topic, or stops answering.
    """
    with _reading(client, topic) as (consumer, partitions):
        yield from _until_end(consumer, topic, partitions, OFFSET_BEGINNING)


def partition_ends(client: Mapping[str, Any], topic: str) -> dict[int, tuple[int, int]]:
    """For each partition, its first offset and the one after its last.

    Raises:
        KafkaException: as `read_all`.
    """
    with _reading(client, topic) as (consumer, partitions):
        for _ in _until_end(consumer, topic, partitions, OFFSET_END):
            pass
        ends = {}
        for partition in partitions:
            place = TopicPartition(topic, partition)
            low, _ = consumer.get_watermark_offsets(place, timeout=_ANSWER_TIMEOUT_S)
            _, high = consumer.get_watermark_offsets(place, cached=True)
            ends[partition] = (low, max(low, high))
        return ends


@contextmanager
def _reading(client: Mapping[str, Any], topic: str) -> Iterator[tuple[Consumer, frozenset[int]]]:
    consumer = Consumer(
        {
            **client,
            "group.id": "tradewind-reader",  # a name is a must
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.message.max.bytes": _MAX_MESSAGE_BYTES,
            "log_level": 0,
            "error_cb": lambda error: None,
        }
    )
    try:
        found = consumer.list_topics(topic, timeout=_ANSWER_TIMEOUT_S).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        yield consumer, frozenset(found.partitions)
    finally:
        consumer.close()


def _until_end(consumer: Consumer, topic: str, partitions: frozenset[int], start: int) -> Iterator[Message]:
    unread = set(partitions)
    consumer.assign([TopicPartition(topic, partition, start) for partition in partitions])
    give_up = time.monotonic() + _ANSWER_TIMEOUT_S
    while unread:
        # `consume` waits for all of its messages or all of its time, so the time is short.
        messages = consumer.consume(_BATCH, _POLL_S)
        if messages:
            give_up = time.monotonic() + _ANSWER_TIMEOUT_S
        elif time.monotonic() > give_up:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no more of {topic} came"))
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition())
            elif not error.retriable():
                raise KafkaException(error)
