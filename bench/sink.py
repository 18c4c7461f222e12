"""How fast and how fresh orders come into ClickHouse: our sink, and beside it the loop that everybody writes first.

    python -m bench.sink [--rows 200000] [--rate 2000] [--seconds 15]

Broker, ClickHouse, producer and consumer share this machine, so the figures are for all of them together. The plain
loop is confluent-kafka, fastavro's decode of each message, and clickhouse-connect's insert of columns, 50,000 rows a
batch.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.sink import run_sink
from schemas.codec import Codec, Rejected
from schemas.events import OrderEvent, from_avro
from schemas.publisher import Publisher
from schemas.registry import CommittedRegistry
from schemas.topics import ORDERS
from schemas.validation import validate
from streams import topics
from tradewind.assembly import settings_for
from tradewind.demo import journey
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig

RESULTS = Path(__file__).parent / "results" / "sink.json"
CODEC = Codec(CommittedRegistry())
COLUMNS = ("event_id", "occurred_at", "merchant_id", "order_id", "line", "listing_id", "kind", "quantity", "amount",
           "discount", "currency", "buyer_id", "store")  # fmt: skip


def real_orders(rows: int) -> list[OrderEvent]:
    """Real order lines, repeated under new ids until there are enough."""
    known = [from_avro(OrderEvent, valid(row)) for row in journey.orders(50_000)]
    return [replace(order, event_id=uuid.uuid4()) for order in islice(cycle(known), rows)]


def valid(row: dict[str, Any]) -> dict[str, Any]:
    datum = validate(ORDERS.record, row)
    assert isinstance(datum, dict)
    return datum


def send(settings: Settings, orders: list[OrderEvent], rate: float | None = None) -> None:
    """Publish the orders, `rate` a second where one is given, each with the present time."""
    with Publisher(settings.kafka_client(), CODEC) as publisher:
        started = time.monotonic()
        for number, order in enumerate(orders):
            if rate is not None:
                time.sleep(max(0.0, started + number / rate - time.monotonic()))
                publisher.publish(replace(order, occurred_at=datetime.now(timezone.utc)))
            else:
                publisher.publish_bytes(ORDERS.name, order.order_id.encode(), CODEC.encode_event(order))


@contextmanager
def our_sink(settings: Settings) -> Iterator[None]:
    """The sink in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=run_sink, args=(settings, stop), kwargs={"registry": CommittedRegistry()})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def rows_a_second(client: Client, table: str, rows: int) -> float:
    """Rows a second, from the first batch that is visible to the last."""
    count: Callable[[], int] = lambda: int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])  # noqa: E731
    while (first := count()) == 0:
        time.sleep(0.005)
    started = time.monotonic()
    while count() < rows:
        time.sleep(0.005)
    return (rows - first) / (time.monotonic() - started)


def plain_loop(settings: Settings, client: Client, rows: int) -> float:
    """Rows a second of the plain loop, from its first message to its last insert."""
    client.command("CREATE TABLE plain AS orders")
    consumer = Consumer(
        settings.kafka_client(**{"group.id": "plain", "auto.offset.reset": "earliest", "session.timeout.ms": 6000})
    )
    consumer.subscribe([ORDERS.name])
    batch: list[list[Any]] = []
    stored, started = 0, 0.0
    while stored < rows:
        for message in consumer.consume(10_000, 0.2):
            started = started or time.monotonic()
            datum = CODEC.decode(ORDERS, message.value())
            assert not isinstance(datum, Rejected)
            batch.append([datum[name] for name in COLUMNS])
        if len(batch) >= min(50_000, rows - stored):
            client.insert("plain", batch, column_names=COLUMNS)
            stored, batch = stored + len(batch), []
    consumer.close()
    return rows / (time.monotonic() - started)


def main() -> None:
    """Run both, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rate", type=float, default=2_000, help="orders a second while freshness is measured")
    parser.add_argument("--seconds", type=float, default=15, help="how long freshness is measured")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, LocalStack(StackConfig(Path(folder))) as stack:
        settings = settings_for(Settings(data_dir=Path(folder)), stack.endpoints)
        topics.create(settings)
        migrate(settings)
        client = open_client(settings)
        send(settings, real_orders(args.rows))
        plain = plain_loop(settings, client, args.rows)
        with our_sink(settings):
            ours = rows_a_second(client, "orders", args.rows)
            send(settings, real_orders(int(args.rate * args.seconds)), args.rate)
            rows_a_second(client, "orders", args.rows + int(args.rate * args.seconds))
        fresh = client.query(
            "SELECT quantilesExact(0.5, 0.99)(dateDiff('millisecond', occurred_at, _inserted_at)) FROM orders"
            " WHERE occurred_at > now() - INTERVAL 10 MINUTE"
        ).result_rows[0][0]
    figures = {
        "rows": args.rows,
        "ours_rows_s": round(ours),
        "plain_rows_s": round(plain),
        "ratio_plain": round(ours / plain, 2),
        "events_s_while_fresh": args.rate,
        "event_to_clickhouse_p50_ms": fresh[0],
        "event_to_clickhouse_p99_ms": fresh[1],
    }
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
