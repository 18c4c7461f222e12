"""A sink with topics, a group and a database of its own, on the shared local stack."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client import CollectorRegistry

from consumers.clickhouse.client import open_client
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.sink import run_sink
from consumers.clickhouse.tables import TABLES, Table
from schemas.codec import Codec
from schemas.events import Event
from schemas.publisher import Publisher
from schemas.registry import CommittedRegistry, Registry
from schemas.topics import DEAD_LETTERS
from tests.support.stack import ClickHouseEndpoint
from tradewind.settings import Settings

DEADLINE_S = 60.0
PARTITIONS = 3
SHORT_SESSION = {"kafka_session_timeout_ms": 2000}


def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for the condition, or fail with what was waited for."""
    give_up = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.02)


def settings_for(bootstrap: str, clickhouse: ClickHouseEndpoint, group: str, **more: Any) -> Settings:
    """Settings of a sink on the given stack."""
    return Settings(
        **{
            "bootstrap_servers": bootstrap,
            "clickhouse_url": clickhouse.url,
            "clickhouse_username": clickhouse.user,
            "clickhouse_password": clickhouse.password,
            "clickhouse_database": clickhouse.database,
            "kafka_session_timeout_ms": 6000,
            "sink_group": group,
            "sink_batch_s": 0.2,
            "retry_first_s": 0.05,
            "retry_longest_s": 0.5,
            **more,
        }
    )


def create_topics(settings: Settings, names: Sequence[str], partitions: int = PARTITIONS) -> None:
    """Create the topics that are not there yet."""
    admin = AdminClient(settings.kafka_client())
    there = admin.list_topics(timeout=10).topics
    config = {"max.message.bytes": str(DEAD_LETTERS.max_message_bytes)}  # Kafka's own limit is 1 MB
    new = [NewTopic(name, partitions, 1, config=config) for name in names if name not in there]
    for future in admin.create_topics(new).values() if new else ():
        future.result(10)


@dataclass
class World:
    """Topics named like no other test's, and the tables they go to."""

    settings: Settings
    tables: dict[str, Table]
    publisher: Publisher
    client: Client
    codec: Codec

    def topic(self, name: str) -> str:
        """The real name of the topic whose table has this name."""
        return self.tables[name].topic.name

    def send(self, name: str, value: bytes | None, key: bytes = b"key", **headers: bytes) -> None:
        """Send bytes; `flush` makes them safe."""
        self.publisher.publish_bytes(self.topic(name), key, value, headers)

    def send_event(self, name: str, event: Event, key: bytes = b"key") -> None:
        """Send an event; `flush` makes it safe."""
        self.send(name, self.codec.encode_event(event), key)

    def flush(self) -> None:
        """Wait until Kafka has everything."""
        self.publisher.flush()

    def rows(self, sql: str) -> list[Any]:
        """Rows of a query."""
        return list(self.client.query(sql).result_rows)

    def number(self, sql: str) -> int:
        """The one number that a query gives."""
        return int(self.rows(sql)[0][0])

    @contextmanager
    def sink(self, *names: str, registry: Registry | None = None, **settings: Any) -> Iterator[Sinking]:
        """A sink of these tables that runs in a thread for the length of the block, and then stops in good order."""
        sinking = Sinking()
        chosen = self.settings.model_copy(update=settings)
        tables = [self.tables[name] for name in names]

        def run() -> None:
            try:
                run_sink(
                    chosen,
                    sinking.stop,
                    registry=registry or CommittedRegistry(),
                    tables=tables,
                    metrics=SinkMetrics(sinking.prometheus),
                )
            except Exception as error:
                sinking.error = error

        thread = threading.Thread(target=run, name="sink under test")
        thread.start()
        try:
            yield sinking
        finally:
            sinking.stop.set()
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), "the sink does not stop"
        if sinking.error is not None and not sinking.error_expected:
            raise sinking.error


class Sinking:
    """A sink that runs."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.prometheus = CollectorRegistry()
        self.error: Exception | None = None
        self.error_expected = False

    def metric(self, name: str, **labels: str) -> float:
        """Value of a metric; zero where it has none yet."""
        return self.prometheus.get_sample_value(name, labels) or 0.0

    def wait_for_error(self) -> Exception:
        """The error that ends it."""
        self.error_expected = True
        until(lambda: self.error is not None, "the sink stops with an error")
        assert self.error is not None
        return self.error


@contextmanager
def world_on(bootstrap: str, clickhouse: ClickHouseEndpoint, unique: Callable[[str], str]) -> Iterator[World]:
    """A fresh world."""
    # Shorter than the settings allow: the embedded broker lets a group join after half of it.
    settings = settings_for(bootstrap, clickhouse, unique("group")).model_copy(update=SHORT_SESSION)
    prefix = unique("t")
    tables = {
        table.name: replace(table, topic=replace(table.topic, name=f"{prefix}.{table.topic.name}")) for table in TABLES
    }
    create_topics(settings, [table.topic.name for table in tables.values()])
    create_topics(settings, [DEAD_LETTERS.name])
    migrate(settings)
    codec = Codec(CommittedRegistry())
    with open_client(settings) as client, Publisher(settings.kafka_client(), codec) as publisher:
        yield World(settings, tables, publisher, client, codec)


def delete_topics(settings: Settings, names: Sequence[str]) -> None:
    """Delete topics that a test wants gone."""
    admin = AdminClient(settings.kafka_client())  # lives until its answers are there
    for future in admin.delete_topics(list(names)).values():
        future.result(10)
