"""A topic's messages as they come, read without a consumer group, so that nothing of it is left behind in Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from schemas.reader import READER_GROUP
from tradewind.settings import Settings

_POLL_S = 0.2  # also how long Ctrl-C may have to wait
_FIRST_WORD_S = 10.0  # silence counts once Kafka has said something


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
        from_beginning: whether to begin with the oldest message that there is; else with the first one to come after
            the end of its partition was reached.
        quiet_s: end after so many seconds without a message.
        on_trouble: told when all brokers are away; reading goes on when they are back.

    Raises:
        KafkaException: Kafka refuses.
    """

    def on_error(error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            on_trouble(error.str())

    consumer = Consumer(
        settings.kafka_client(
            **{
                "group.id": READER_GROUP,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
                "error_cb": on_error,
            }
        )
    )
    try:
        start = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, number, start) for number in range(partitions)])
        # The embedded broker takes the beginning of the last batch for the end: what comes before the end is dropped.
        ends: dict[int, int] = dict.fromkeys(range(partitions), 0) if from_beginning else {}
        deadline = None if quiet_s is None else clock() + max(quiet_s, _FIRST_WORD_S)
        while deadline is None or clock() < deadline:
            message = consumer.poll(_POLL_S)
            if message is None:
                continue
            error, number, offset = message.error(), message.partition() or 0, message.offset() or 0
            if error is None:
                if number not in ends:
                    _, ends[number] = consumer.get_watermark_offsets(TopicPartition(topic, number), cached=True)
                if offset >= ends[number]:
                    yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                ends.setdefault(number, 0)
            elif not error.retriable():
                raise KafkaException(error)
            if quiet_s is not None:
                deadline = clock() + quiet_s
    finally:
        consumer.close()
