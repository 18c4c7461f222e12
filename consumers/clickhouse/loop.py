"""The sink: a Kafka consumer in front of the tables.

One thread reads; each table stores one batch at a time in a thread of its own. While a table is slow its partitions
are paused and the others go on, and the consumer keeps polling, so that the group does not take it for dead.
Nothing is kept between runs but the rows: after any kind of end, the next sink reads from them where to go on.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import chain, groupby
from operator import methodcaller

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ClickHouseError
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from consumers.clickhouse import metrics as m
from consumers.clickhouse.backoff import Backoff, Cancelled
from consumers.clickhouse.batch import Batch, BatchPolicy
from consumers.clickhouse.errors import LogGap, TableNotReady
from consumers.clickhouse.health import SinkVitals
from consumers.clickhouse.insert import Trouble, name_of, trouble_of
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.pipeline import UNDER_WAY, Pipeline
from consumers.clickhouse.positions import Log, logs_of, starting_points, stored_offsets
from consumers.clickhouse.progress import Progress, progress, store_progress
from consumers.clickhouse.store import Store
from consumers.clickhouse.tables import Table
from schemas.forbidden import is_forbidden

log = structlog.get_logger(__name__)

_POLL_S = 0.05
_POLL_MESSAGES = 10_000
_LAG_EVERY_S = 5.0
_NO_PARTITIONS = "waiting for partitions, or for where to go on in them"


class Sink:
    """Reads the topics of some tables into them.

    Args:
        consumer: not yet subscribed; commits nothing by itself and raises on an offset that is out of range.
        stores: one for each table, by topic name.
        policy: when a batch is due.
        drain_s: how long to wait for what is under way, when partitions go or the sink stops.
    """

    def __init__(
        self,
        consumer: Consumer,
        admin: AdminClient,
        client: Client,
        stores: dict[str, tuple[Table, Store]],
        *,
        policy: BatchPolicy,
        backoff: Backoff,
        metrics: SinkMetrics,
        rng: random.Random,
        drain_s: float = 15.0,
        vitals: SinkVitals | None = None,
    ) -> None:
        self._consumer = consumer
        self._admin = admin
        self._client = client
        self._stores = stores
        self._backoff = backoff
        self._metrics = metrics
        self._rng = rng
        self._drain_s = drain_s
        self._vitals = vitals or SinkVitals(stuck_s=float("inf"))

        self._logs: dict[str, Log] = {}
        self._paused: set[str] = set()
        self._cancel = threading.Event()
        self._assignments = 0
        self._unplaced: list[TopicPartition] | None = None
        self._place_at = 0.0
        self._place_attempt = 0
        self._lag_at = 0.0
        # One more tells how far we are.
        self._pool = ThreadPoolExecutor(max_workers=UNDER_WAY * len(stores) + 1, thread_name_prefix="sink")
        self._pipelines = {
            topic: Pipeline(table, store, self._pool, policy) for topic, (table, store) in stores.items()
        }

    def run(self, stop: threading.Event) -> bool:
        """Read and store until `stop` is set; then store what was read, and give whether there was time for all.

        Raises:
            TopicsMissing, LogGap, TableNotReady, TooManyDeadLetters: a person must look; nothing was skipped.
            KafkaException: Kafka refused for good, such as a wrong password.
        """
        logs_of(self._admin, self._stores)
        self._consumer.subscribe(
            list(self._stores),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        self._vitals.state = _NO_PARTITIONS
        try:
            while not stop.is_set():
                self._vitals.turn()
                self._place()
                self._read()
                self._settle()
                self._launch()
                self._tell_lag()
            self._vitals.state = "it is stopping"
            return self._drain()
        finally:
            self._abandon()
            self._pool.shutdown(wait=True)
            self._consumer.close()

    # What the group tells us. Callbacks run inside of consume() and close().

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Where to start is asked outside of the callback, for ClickHouse may not answer for a while.
        consumer.assign([])
        self._assignments += 1
        self._unplaced = partitions
        self._place_at, self._place_attempt = 0.0, 0

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Stored before they go, so that the next owner does not read them again.
        self._drain()
        self._abandon()

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Somebody else may own them already.
        self._abandon()

    def _place(self) -> None:
        """Start the assigned partitions after their last stored rows."""
        if self._unplaced is None or any(self._pipelines.values()) or time.monotonic() < self._place_at:
            return
        try:
            logs = logs_of(self._admin, {each.topic for each in self._unplaced})
            stored = {}
            for topic in logs:
                self._vitals.turn()
                stored[topic] = stored_offsets(self._client, self._stores[topic][0].name, logs[topic])
        except (ClickHouseError, KafkaException) as error:
            if trouble_of(error) is Trouble.SETUP:
                raise TableNotReady(
                    f"the stored offsets can't be read: {name_of(error)}; check the user's rights, and start the "
                    "sink again, which applies the migrations (tradewind sink)"
                ) from error
            self._place_attempt += 1
            self._place_at = time.monotonic() + self._backoff.pause_s(self._place_attempt, self._rng)
            log.warning("positions_unknown", attempt=self._place_attempt, error=name_of(error))
            return
        self._logs = logs
        points = starting_points(self._unplaced, stored)
        self._consumer.assign(points)
        # A partition that comes back may still be paused.
        self._consumer.resume(points)
        self._unplaced = None
        self._cancel = threading.Event()
        self._metrics.gauge(m.READY, 1)
        self._vitals.state = ""
        log.info("assigned", partitions=len(points), topics=sorted(logs))

    # What is read, stored, and done.

    def _read(self) -> None:
        assignment = self._assignments
        messages = self._consumer.consume(_POLL_MESSAGES, _POLL_S)
        if self._assignments != assignment:
            # Partitions came or went during the call. Some of the messages may follow on others that were dropped, and
            # stored they would hide the hole; all are read again from where the rows end.
            return
        good = [message for message in messages if message.error() is None]
        if len(good) < len(messages):
            for message in messages:
                if (error := message.error()) is not None:
                    self._complain(message, error)
        for topic, group in groupby(good, key=methodcaller("topic")):
            self._pipelines[topic].take(self._logs[topic], list(group))

    def _complain(self, message: Message, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise LogGap(
                f"Kafka does not have the offset that comes after the last stored row of {message.topic()}, partition "
                f"{message.partition()} ({error.str()}): its retention passed it, or the topic was cut back. To go on "
                "with what Kafka has, start the sink with its gap accepted (tradewind sink --accept-gap)"
            )
        if error.fatal() or is_forbidden(error):
            raise KafkaException(error)
        log.warning("kafka_error", topic=message.topic(), partition=message.partition(), error=error.name())

    def _launch(self) -> None:
        """Start storing what is due; pause what fills up behind a slow table, and resume what is through."""
        self._vitals.storing = {
            each.table.name: since for each in self._pipelines.values() if (since := each.storing_since) is not None
        }
        for topic, pipeline in self._pipelines.items():
            pipeline.launch(self._cancel)
            if pipeline.is_behind and topic not in self._paused:
                self._paused.add(topic)
                self._consumer.pause(self._assigned(topic))
            elif not pipeline.is_behind and topic in self._paused:
                self._paused.discard(topic)
                self._consumer.resume(self._assigned(topic))

    def _settle(self) -> None:
        """Take note of what is stored.

        Raises:
            what storing raised.
        """
        for topic, pipeline in self._pipelines.items():
            for flight in pipeline.landed():
                table = pipeline.table.name
                self._metrics.observe(m.INSERT_SECONDS, time.monotonic() - flight.started, table)
                kind, milliseconds = flight.batch.messages[-1].timestamp()
                if kind:
                    self._metrics.gauge(m.FRESHNESS, max(0.0, time.time() - milliseconds / 1000), table)
                self._commit(topic, flight.batch)

    def _commit(self, topic: str, batch: Batch) -> None:
        """Tell Kafka how far we are. For those who watch the lag; nothing here reads it."""
        offsets = [TopicPartition(topic, partition, after) for partition, after in batch.next_offsets().items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.info("commit_failed", topic=topic, error=error.args[0].name())

    def _drain(self) -> bool:
        """Store all that was read; False where it takes too long."""
        deadline = time.monotonic() + self._drain_s
        while any(self._pipelines.values()):
            for pipeline in self._pipelines.values():
                pipeline.launch(self._cancel, all_of_it=True)
            under_way = [future for pipeline in self._pipelines.values() for future in pipeline.futures()]
            left = deadline - time.monotonic()
            if left <= 0:
                log.warning("drain_gave_up", topics=sorted(topic for topic, each in self._pipelines.items() if each))
                return False
            wait(under_way, timeout=left, return_when="FIRST_COMPLETED")
            self._settle()
        return True

    def _abandon(self) -> None:
        """Drop what was read and not stored; whoever owns the partitions next reads it again."""
        self._cancel.set()
        self._assignments += 1
        futures = [future for pipeline in self._pipelines.values() for future in pipeline.clear()]
        wait(futures)
        for future in futures:
            error = future.exception()
            if error is not None and not isinstance(error, Cancelled):
                log.warning("batch_abandoned", error=name_of(error))
        self._paused.clear()
        self._unplaced = None
        self._metrics.gauge(m.READY, 0)
        self._vitals.state = self._vitals.state or _NO_PARTITIONS
        self._metrics.forget(m.LAG)

    def _assigned(self, topic: str) -> list[TopicPartition]:
        return [each for each in self._consumer.assignment() if each.topic == topic]

    def _tell_lag(self) -> None:
        now = time.monotonic()
        if now < self._lag_at or self._unplaced is not None:
            return
        self._lag_at = now + _LAG_EVERY_S
        found = progress(self._consumer, chain.from_iterable(each.batches() for each in self._pipelines.values()))
        for each in found:
            self._metrics.gauge(m.LAG, each.lag, each.topic, str(each.partition))
        if found:
            self._pool.submit(self._store_progress, found)

    def _store_progress(self, found: list[Progress]) -> None:
        try:
            store_progress(self._client, found)
        except ClickHouseError as error:
            log.info("progress_not_stored", error=name_of(error))
