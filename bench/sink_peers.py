"""What people write first to get a topic into ClickHouse, for the sink's benchmark.

python -m bench.sink_peers plain|quix    fills the table of that name, with the settings of the environment
"""

from __future__ import annotations

import sys
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer
from quixstreams import Application
from quixstreams.models import Deserializer, SerializationContext
from quixstreams.sinks import BatchingSink, SinkBatch

from consumers.clickhouse.client import open_client
from schemas.codec import Codec, Rejected
from schemas.registry import CommittedRegistry
from schemas.topics import ORDERS
from tradewind.settings import Settings

CODEC = Codec(CommittedRegistry())
BATCH = 50_000
COLUMNS = ("event_id", "occurred_at", "merchant_id", "order_id", "line", "listing_id", "kind", "quantity", "amount",
           "discount", "currency", "buyer_id", "store")  # fmt: skip


def decoded(value: bytes | None) -> dict[str, Any]:
    """The order as fastavro reads it."""
    datum = CODEC.decode(ORDERS, value)
    assert not isinstance(datum, Rejected)
    return datum


def plain(settings: Settings) -> None:
    """Read, decode, insert, commit, in one loop."""
    client = open_client(settings)
    consumer = Consumer(
        settings.kafka_client(
            **{
                "group.id": "plain",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": settings.kafka_session_timeout_ms,
            }
        )
    )
    consumer.subscribe([ORDERS.name])
    batch: list[list[Any]] = []
    while True:
        messages = consumer.consume(10_000, 0.2)
        for message in messages:
            datum = decoded(message.value())
            batch.append([datum[name] for name in COLUMNS])
        if len(batch) >= BATCH or (batch and not messages):
            client.insert("plain", batch, column_names=COLUMNS)
            consumer.commit(asynchronous=False)
            batch = []


class Decode(Deserializer):
    """Our codec as quixstreams takes it."""

    def __call__(self, value: bytes, ctx: SerializationContext) -> dict[str, Any]:
        """The order."""
        return decoded(value)


class Table(BatchingSink):
    """Inserts what quixstreams hands over: the rows of one partition since the last commit."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def write(self, batch: SinkBatch) -> None:
        """Insert it."""
        rows = [[item.value[name] for name in COLUMNS] for item in batch]
        self._client.insert("quix", rows, column_names=COLUMNS)


def quix(settings: Settings) -> None:
    """A quixstreams application with a sink."""
    app = Application(
        broker_address=settings.bootstrap_servers,
        consumer_group="quix",
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_every=BATCH,
        commit_interval=30.0,
        consumer_extra_config={"session.timeout.ms": settings.kafka_session_timeout_ms},
    )
    decode: Any = Decode  # its base has no types
    topic = app.topic(ORDERS.name, value_deserializer=decode(), key_deserializer="bytes")
    app.dataframe(topic).sink(Table(open_client(settings)))
    app.run()


if __name__ == "__main__":
    {"plain": plain, "quix": quix}[sys.argv[1]](Settings())
