"""Topics as they are now: every message of one, or where its partitions begin and end. No group is joined.

Where a partition ends is learned by fetching up to there, not by asking for its latest offset: the embedded broker
answers that question with the base offset of the last batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
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

#: Whoever reads without a group needs a name all the same; nothing is committed under it.
READER_GROUP = "tradewind-reader"

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
    with _reading(client) as consumer:
        yield from _until_end(consumer, _places(consumer, [topic], OFFSET_BEGINNING))


def partition_ends(client: Mapping[str, Any], topics: Iterable[str]) -> dict[tuple[str, int], tuple[int, int]]:
    """For each partition of the topics, its first offset and the one after its last.

    Raises:
        KafkaException: as `read_all`.
    """
    with _reading(client) as consumer:
        places = _places(consumer, topics, OFFSET_END)
        # Asked before anything is fetched: a waiting fetch holds up every other question to the same broker.
        first = [consumer.get_watermark_offsets(place, timeout=_ANSWER_TIMEOUT_S)[0] for place in places]
        for _ in _until_end(consumer, places):
            pass
        last = [consumer.get_watermark_offsets(place, cached=True)[1] for place in places]
        ends = zip(places, first, last, strict=True)
        return {(place.topic, place.partition): (low, max(low, high)) for place, low, high in ends}


@contextmanager
def _reading(client: Mapping[str, Any]) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            **client,
            "group.id": READER_GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.message.max.bytes": _MAX_MESSAGE_BYTES,
            # At its end a partition has nothing to wait for.
            "fetch.wait.max.ms": 100,
            "log_level": 0,
            "error_cb": lambda error: None,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _places(consumer: Consumer, topics: Iterable[str], start: int) -> list[TopicPartition]:
    there = consumer.list_topics(timeout=_ANSWER_TIMEOUT_S).topics
    places = []
    for topic in topics:
        if topic not in there:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"Kafka has no topic {topic}"))
        places += [TopicPartition(topic, partition, start) for partition in there[topic].partitions]
    return places


def _until_end(consumer: Consumer, places: list[TopicPartition]) -> Iterator[Message]:
    unread = {(place.topic, place.partition) for place in places}
    consumer.assign(places)
    give_up = time.monotonic() + _ANSWER_TIMEOUT_S
    while unread:
        # `consume` waits for all of its messages or all of its time, so the time is short.
        messages = consumer.consume(_BATCH, _POLL_S)
        if messages:
            give_up = time.monotonic() + _ANSWER_TIMEOUT_S
        elif time.monotonic() > give_up:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "Kafka stopped answering"))
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard((message.topic(), message.partition()))
            elif not error.retriable():
                raise KafkaException(error)
