"""The sink: the loop with all its parts, and the settler beside it, wired from the settings."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timezone

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from consumers.clickhouse import metrics as m
from consumers.clickhouse.backoff import Backoff
from consumers.clickhouse.batch import BatchPolicy
from consumers.clickhouse.client import open_client
from consumers.clickhouse.health import SinkVitals
from consumers.clickhouse.loop import Sink
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.reject import DeadLetterLimit, PublishedDeadLetters
from consumers.clickhouse.settle import Settled, Settler
from consumers.clickhouse.store import Store
from consumers.clickhouse.tables import TABLES, Table
from schemas.codec import Codec
from schemas.publisher import Publisher
from schemas.registry import Registry
from tradewind.settings import Settings

#: A backfill fills a table of another name, which has no roll-ups.
_ROLLED_UP = "orders"
_librdkafka = logging.getLogger(f"{__name__}.librdkafka")


def run_sink(
    settings: Settings,
    stop: threading.Event,
    *,
    registry: Registry,
    tables: Sequence[Table] = TABLES,
    metrics: SinkMetrics | None = None,
    accept_gap: bool = False,
    vitals: SinkVitals | None = None,
) -> bool:
    """Store the topics in their tables until `stop` is set, and settle the roll-ups meanwhile.

    Gives whether all that was read is stored; what is not, the next sink reads again.

    Args:
        registry: gives the schema behind an id.
        tables: which tables to fill.
        metrics: what to tell Prometheus; its default registry when left out.
        accept_gap: go on with the oldest message that Kafka has where the one after the last stored row is gone.
        vitals: where to note how it is.

    Raises:
        TopicsMissing, LogGap, TableNotReady, TooManyDeadLetters: a person must look; nothing was skipped.
        clickhouse_connect.driver.exceptions.Error: ClickHouse can't be reached at the start.
        KafkaException: Kafka can't be reached at the start, or refused for good.
    """
    rng = random.Random()
    metrics = metrics or SinkMetrics()
    if vitals is not None:
        metrics.follow(m.STUCK_SECONDS, vitals.silent_s)
    backoff = Backoff(settings.retry_first_s, settings.retry_longest_s)
    dead_letters = PublishedDeadLetters(
        Publisher(settings.kafka_client(), Codec(registry)), lambda: datetime.now(timezone.utc)
    )
    with open_client(settings) as client:
        stores = {
            table.topic.name: (
                table,
                Store(
                    table,
                    client,
                    registry,
                    dead_letters,
                    backoff=backoff,
                    limit=DeadLetterLimit(
                        settings.dead_letter_share, settings.dead_letter_window, settings.dead_letters_in_a_row
                    ),
                    metrics=metrics,
                    rng=rng,
                ),
            )
            for table in tables
        }
        sink = Sink(
            Consumer(_consumer_settings(settings, accept_gap), logger=_librdkafka),
            AdminClient(settings.kafka_client(), logger=_librdkafka),
            client,
            stores,
            policy=BatchPolicy(settings.sink_batch_rows, settings.sink_batch_s),
            backoff=backoff,
            metrics=metrics,
            rng=rng,
            drain_s=settings.worker_stop_s,
            vitals=vitals,
        )
        with _settling(client, metrics) if any(table.name == _ROLLED_UP for table in tables) else nullcontext():
            return sink.run(stop)


@contextmanager
def _settling(client: Client, metrics: SinkMetrics) -> Iterator[None]:
    """Settle the roll-ups in a thread of its own."""
    stop = threading.Event()

    def tell(settled: Settled) -> None:
        metrics.count(m.SETTLED, settled.rows, settled.chunk)
        metrics.observe(m.SETTLE_SECONDS, settled.seconds, settled.chunk)
        metrics.gauge(
            m.UNSETTLED_SECONDS, (datetime.now(timezone.utc) - settled.through).total_seconds(), settled.chunk
        )

    thread = threading.Thread(target=Settler(client).run, args=(stop, tell), name="settle")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _consumer_settings(settings: Settings, accept_gap: bool) -> dict[str, object]:
    return settings.kafka_client(
        **{
            "group.id": settings.sink_group,
            "session.timeout.ms": settings.kafka_session_timeout_ms,
            "heartbeat.interval.ms": min(3000, settings.kafka_session_timeout_ms // 3),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # An offset that Kafka does not have is told, not silently replaced by another.
            "auto.offset.reset": "earliest" if accept_gap else "error",
            "isolation.level": "read_committed",
            # What waits here is in no batch; larger values only take memory.
            "queued.max.messages.kbytes": 64 * 1024,
            # Or a partition whose queue is full is left alone for a whole second, and the sink waits.
            "fetch.queue.backoff.ms": 5,
            "fetch.message.max.bytes": 4 * 1024 * 1024,
            "fetch.wait.max.ms": 50,
        }
    )
