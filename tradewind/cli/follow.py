"""A topic's messages as they come, read without a consumer group, so that nothing of it is left behind in Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tradewind.settings import Settings

_POLL_S = 0.2  # also how long Ctrl-C may have to wait
_ASK_TIMEOUT_S = 5.0


def follow(
    settings: Settings,
    topic: str,
    partitions: int,
    *,
    from_beginning: bool,
    quiet_s: float | None = None,
    on_trouble: Callable[[str], None] = lambda why: None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Message, None, None]:
    """Messages of all partitions, those of one partition in order; endless unless `quiet_s` is given.

    Args:
        partitions: how many the topic has.
        from_beginning: whether to begin with the oldest message that there is; else with the next one to come.
        quiet_s: end after so many seconds without a message.
        on_trouble: told when all brokers are away; reading goes on when they are back.

    Raises:
        KafkaException: Kafka refuses, or does not say where a partition begins and ends.
    """

    def on_error(error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            on_trouble(error.str())

    consumer = Consumer(
        settings.kafka_client(
            **{
                "group.id": "tradewind-tail",  # a name is a must; nothing is committed under it
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
                "error_cb": on_error,
            }
        )
    )
    try:
        # Offsets asked for here, not OFFSET_END: what is published from now on is then in any case read.
        consumer.assign([_start(consumer, topic, number, from_beginning) for number in range(partitions)])
        heard = clock()
        while quiet_s is None or clock() - heard < quiet_s:
            message = consumer.poll(_POLL_S)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            yield message
            heard = clock()
    finally:
        consumer.close()


def _start(consumer: Consumer, topic: str, partition: int, from_beginning: bool) -> TopicPartition:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ASK_TIMEOUT_S)
    return TopicPartition(topic, partition, low if from_beginning else high)
