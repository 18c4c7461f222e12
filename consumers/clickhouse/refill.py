"""The first part of a backfill: a topic from its beginning into a table, by a sink of its own that stops at the end.

The end is where the topic ended when the reading began; what comes later is the live sink's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumers.clickhouse.client import open_client
from consumers.clickhouse.insert import name_of
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.positions import Log, stored_offsets
from consumers.clickhouse.sink import run_sink
from consumers.clickhouse.tables import Table
from schemas.registry import Registry
from tradewind.settings import Settings

log = structlog.get_logger(__name__)

_ANSWER_TIMEOUT_S = 10.0
_POLL_S = 0.05
_WATCH_S = 0.25
_TELL_S = 2.0
_LOOK_BACK = 100


@dataclass(frozen=True, slots=True)
class Extent:
    """What Kafka has of a partition: its first offset, and the one after its last message."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: messages done and of all, and the seconds since this process began with `at_first` of them."""

    done: int
    of: int
    at_first: int
    seconds: float

    def __str__(self) -> str:
        percent = 100 * self.done / self.of if self.of else 100.0
        pace = (self.done - self.at_first) / self.seconds if self.seconds > 0 else 0.0
        return f"{self.done:,} of {self.of:,} messages, {percent:.1f} %, {pace:,.0f}/s"


def extents(settings: Settings, topic: str) -> dict[int, Extent]:
    """What Kafka has of each partition of a topic now.

    The end is that of the last message that can be read: what comes behind it, such as the marks of transactions or
    the gaps that compaction leaves, is never stored, and nobody should wait for it.

    Raises:
        KafkaException: no answer.
    """
    consumer = Consumer(_reader_settings(settings, f"{settings.sink_group}-backfill"))
    try:
        partitions = consumer.list_topics(topic, timeout=_ANSWER_TIMEOUT_S).topics[topic].partitions
        return {number: _extent(consumer, topic, number) for number in partitions}
    finally:
        consumer.close()


def _extent(consumer: Consumer, topic: str, partition: int) -> Extent:
    first, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ANSWER_TIMEOUT_S)
    back = _LOOK_BACK
    while True:
        start = max(first, high - back)
        end = _last_end(consumer, TopicPartition(topic, partition, start))
        if end is not None or start == first:
            return Extent(first, first if end is None else end)
        back *= 10


def _last_end(consumer: Consumer, start: TopicPartition) -> int | None:
    """The offset after the last message from there on."""
    end = None
    consumer.assign([start])
    give_up = time.monotonic() + _ANSWER_TIMEOUT_S
    while time.monotonic() < give_up:
        for message in consumer.consume(_LOOK_BACK, _POLL_S):
            give_up = time.monotonic() + _ANSWER_TIMEOUT_S
            error = message.error()
            if error is None:
                end = (message.offset() or 0) + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                return end
            elif not error.retriable():
                raise KafkaException(error)
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "Kafka stopped answering"))


def refill(
    settings: Settings,
    table: Table,
    of: Log,
    ends: Mapping[int, Extent],
    stop: threading.Event,
    *,
    registry: Registry,
    metrics: SinkMetrics | None,
    group: str,
    tell: Callable[[Progress], None],
) -> bool:
    """Read until the ends; False where `stop` was set before.

    What Kafka loses to its retention meanwhile is passed over: the caller copies what is lacking.

    Args:
        table: the one to fill. It goes on after the rows that it has.
        of: the topic's present log.
        group: the consumer group; no other table's.
        tell: called every two seconds, and at the end.

    Raises:
        SinkError, KafkaException, clickhouse_connect.driver.exceptions.Error: as `run_sink`.
    """
    own = settings.model_copy(update={"sink_group": group})
    total = sum(each.end - each.first for each in ends.values())
    ended = threading.Event()
    sink_stop = threading.Event()

    def watch() -> None:
        began, at_first, told = time.monotonic(), None, float("-inf")
        consumer = Consumer(_reader_settings(own, group))
        try:
            with open_client(own) as client:
                while not stop.is_set() and not sink_stop.is_set():
                    try:
                        done = _done(consumer, table, ends, stored_offsets(client, table.name, of))
                    except Exception as error:  # whatever it is, the sink meets it too, and says so
                        log.info("progress_unknown", error=name_of(error))
                    else:
                        at_first = done if at_first is None else at_first
                        now = time.monotonic()
                        if done >= total or now - told >= _TELL_S:
                            told = now
                            tell(Progress(done, total, at_first, now - began))
                        if done >= total:
                            ended.set()
                            break
                    stop.wait(_WATCH_S)
        finally:
            sink_stop.set()
            consumer.close()

    watcher = threading.Thread(target=watch, name="backfill-progress")
    watcher.start()
    try:
        run_sink(own, sink_stop, registry=registry, tables=[table], metrics=metrics, accept_gap=True)
    finally:
        sink_stop.set()
        watcher.join()
    return ended.is_set()


def _done(consumer: Consumer, table: Table, ends: Mapping[int, Extent], stored: Mapping[int, int]) -> int:
    """Messages that are through: stored, or put aside and committed past."""
    asked = [TopicPartition(table.topic.name, partition) for partition in ends]
    done = 0
    for each in consumer.committed(asked, timeout=_ANSWER_TIMEOUT_S):
        extent = ends[each.partition]
        place = max(each.offset, stored.get(each.partition, -1) + 1)
        done += min(max(place - extent.first, 0), extent.end - extent.first)
    return done


def _reader_settings(settings: Settings, group: str) -> dict[str, object]:
    return settings.kafka_client(
        **{
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "fetch.message.max.bytes": 4 * 1024 * 1024,
            "fetch.wait.max.ms": 50,
            "log_level": 0,
            "error_cb": lambda error: None,
        }
    )
