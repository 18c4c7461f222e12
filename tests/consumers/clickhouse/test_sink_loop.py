"""The loop of the sink, with a consumer that does as it is told: what is hard to bring about with a real one."""

from __future__ import annotations

import random
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from prometheus_client import CollectorRegistry

from consumers.clickhouse import loop as module
from consumers.clickhouse.backoff import Backoff, Cancelled
from consumers.clickhouse.batch import Batch, BatchPolicy
from consumers.clickhouse.errors import LogGap, TableNotReady
from consumers.clickhouse.loop import Sink
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.positions import Log
from consumers.clickhouse.store import Stored
from consumers.clickhouse.tables import TABLES
from tests.consumers.harness import until
from tests.consumers.messages import FakeMessage

FAST, SLOW = "listings.v1", "orders.v1"
TABLE = {table.topic.name: table for table in TABLES}


class KafkaMessage(FakeMessage):
    """A message as the consumer gives it: it may be an error."""

    def __init__(self, *, error: KafkaError | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._error = error

    def error(self) -> KafkaError | None:
        return self._error


class ScriptedConsumer:
    """Gives the messages that a test puts in, and remembers what it was asked to do."""

    def __init__(self) -> None:
        self.to_give: deque[list[KafkaMessage]] = deque()
        self.assigned: list[TopicPartition] = []
        self.paused: list[str] = []
        self.resumed: list[str] = []
        self.committed: list[tuple[str, int]] = []
        self.closed = False
        self.lose_next = False
        self._joined = False
        self._on_assign: Any = None
        self._on_lost: Any = None

    def subscribe(self, topics: list[str], on_assign: Any, on_lost: Any, **_: Any) -> None:
        self._on_assign, self._on_lost = on_assign, on_lost

    def consume(self, _number: int, _timeout: float) -> list[KafkaMessage]:
        if not self._joined:
            self._joined = True
            self._on_assign(self, [TopicPartition(topic, 0) for topic in (FAST, SLOW)])
            return []
        if not self.assigned or not self.to_give:
            return []
        if self.lose_next:
            # As when the group says so after some messages of the same call were taken from the queue.
            self.lose_next, self._joined = False, False
            self._on_lost(self, self.assigned)
        return self.to_give.popleft()

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = partitions

    def assignment(self) -> list[TopicPartition]:
        return self.assigned

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return partitions

    def get_watermark_offsets(self, partition: TopicPartition, cached: bool) -> tuple[int, int]:
        return 0, partition.offset

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused += [each.topic for each in partitions]

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.resumed += [each.topic for each in partitions]

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        self.committed += [(each.topic, each.offset) for each in offsets]

    def close(self) -> None:
        self.closed = True


class GatedStore:
    """Stores nothing, as soon as it is let."""

    def __init__(self, *, is_open: bool = True, error: Exception | None = None) -> None:
        self.gate = threading.Event()
        self.batches: list[list[int]] = []
        self._error = error
        if is_open:
            self.gate.set()

    def store(self, batch: Batch, cancel: threading.Event, before: Future[Stored] | None = None) -> Stored:
        assert self.gate.wait(60)
        if before is not None and before.exception() is not None:
            raise Cancelled
        if self._error is not None:
            raise self._error
        self.batches.append([message.offset() or 0 for message in batch.messages])
        return Stored(len(batch.messages), 0)


@pytest.fixture(autouse=True)
def known_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "logs_of", lambda _, topics: {topic: Log(topic, "topic_1") for topic in topics})
    monkeypatch.setattr(module, "stored_offsets", lambda *_: {0: 41})


def sink_of(consumer: ScriptedConsumer, fast: GatedStore, slow: GatedStore, *, max_age_s: float = 0.0) -> Sink:
    stores: Any = {FAST: (TABLE[FAST], fast), SLOW: (TABLE[SLOW], slow)}
    anything: Any = None
    any_consumer: Any = consumer
    return Sink(
        any_consumer,
        anything,
        anything,
        stores,
        policy=BatchPolicy(max_rows=2, max_age_s=max_age_s),
        backoff=Backoff(0.01, 0.01),
        metrics=SinkMetrics(CollectorRegistry()),
        rng=random.Random(1),
    )


def run_until_error(consumer: ScriptedConsumer, fast: GatedStore | None = None) -> None:
    sink_of(consumer, fast or GatedStore(), GatedStore()).run(threading.Event())


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (KafkaError._AUTO_OFFSET_RESET, LogGap, r"orders\.v1, partition 0 .*--accept-gap"),
        (KafkaError._FATAL, KafkaException, "fatal"),
    ],
)
def test_errors_that_stop_the_sink(code: int, error: type[Exception], text: str) -> None:
    consumer = ScriptedConsumer()
    found = KafkaError(code, "fatal", code == KafkaError._FATAL)
    consumer.to_give.append([KafkaMessage(topic=SLOW, error=found)])
    with pytest.raises(error, match=text):
        run_until_error(consumer)
    assert consumer.closed
    assert consumer.committed == []


def test_a_store_that_gives_up_stops_the_sink_and_nothing_is_committed() -> None:
    consumer = ScriptedConsumer()
    consumer.to_give.append([KafkaMessage(topic=FAST, offset=42)])
    with pytest.raises(TableNotReady, match="no such table"):
        run_until_error(consumer, GatedStore(error=TableNotReady("no such table")))
    assert consumer.closed
    assert consumer.committed == []


def test_partitions_start_after_the_stored_rows_and_a_slow_table_holds_up_no_other() -> None:
    consumer, fast, slow, stop = ScriptedConsumer(), GatedStore(), GatedStore(is_open=False), threading.Event()
    consumer.to_give.append(
        [KafkaMessage(topic=topic, offset=offset) for offset in range(42, 52) for topic in (FAST, SLOW)]
    )
    thread = threading.Thread(target=sink_of(consumer, fast, slow).run, args=[stop])
    thread.start()
    try:
        # Two batches of the slow table are on their way, three more wait: no more of it is read.
        until(lambda: SLOW in consumer.paused, "a pause of the slow table")
        until(lambda: (FAST, 52) in consumer.committed, "all rows of the fast one")
        assert {(each.topic, each.offset) for each in consumer.assigned} == {(FAST, 42), (SLOW, 42)}
        assert slow.batches == []
        slow.gate.set()
        until(lambda: SLOW in consumer.resumed[2:], "its return")
        until(lambda: (SLOW, 52) in consumer.committed, "all its rows")
    finally:
        slow.gate.set()
        stop.set()
        thread.join(60)
    assert fast.batches == slow.batches == [[first, first + 1] for first in range(42, 52, 2)]


def test_what_came_together_with_a_loss_is_not_stored_on_its_own() -> None:
    """Message 42 is read, and lost with its partition; 43 comes with the news. Stored, it would hide that 42 is not."""
    consumer, fast, stop = ScriptedConsumer(), GatedStore(), threading.Event()
    first, second = KafkaMessage(topic=FAST, offset=42), KafkaMessage(topic=FAST, offset=43)
    thread = threading.Thread(target=sink_of(consumer, fast, GatedStore(), max_age_s=3600.0).run, args=[stop])
    thread.start()
    try:
        consumer.to_give.append([first])
        until(lambda: not consumer.to_give, "the first message is taken")
        consumer.lose_next = True
        consumer.to_give.append([second])
        until(lambda: not consumer.to_give, "the second one comes with the loss")
        consumer.to_give.append([first, second])
        until(lambda: bool(fast.batches), "both, once they are read again")
    finally:
        stop.set()
        thread.join(60)
    assert fast.batches == [[42, 43]]
