"""What is where right now: messages and lag in Kafka, rows in ClickHouse."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.table import Table

from consumers.clickhouse.client import open_client
from schemas.reader import partition_ends
from schemas.topics import CATALOGUE
from streams.app import ANSWER_APP, ENRICH_APP
from streams.reach import topics_in_kafka
from tradewind.settings import Settings

_TIMEOUT_S = 5.0
_SILENT: dict[str, Any] = {"log_level": 0, "error_cb": lambda error: None}


def gather(settings: Settings) -> dict[str, Any]:
    """The state as plain values.

    Raises:
        KafkaUnreachable, KafkaException, ClickHouseError: one of them can't be asked.
    """
    client = settings.kafka_client()
    there = topics_in_kafka(settings)
    ends = partition_ends(client, [topic.name for topic in CATALOGUE if topic.name in there])
    topics: dict[str, int] = {}
    for (name, _), (low, high) in ends.items():
        topics[name] = topics.get(name, 0) + high - low
    return {
        "kafka": settings.bootstrap_servers,
        "clickhouse": settings.clickhouse_url,
        "messages": topics,
        "lag": {group: _lag(client, group, ends) for group in (ENRICH_APP, ANSWER_APP, settings.sink_group)},
        "tables": _tables(settings),
    }


def _lag(client: dict[str, Any], group: str, ends: dict[tuple[str, int], tuple[int, int]]) -> int | None:
    """Messages that the group has not committed yet; None for a group that has committed nothing."""
    # Asked as a member that never joins: the embedded broker does not answer the admin client's question for it.
    consumer = Consumer({**client, "group.id": group, "enable.auto.commit": False, **_SILENT})
    try:
        places = consumer.committed([TopicPartition(*place) for place in ends], timeout=_TIMEOUT_S)
    finally:
        consumer.close()
    committed = [place for place in places if place.offset >= 0]
    if not committed:
        return None
    lag: int = sum(max(0, ends[place.topic, place.partition][1] - place.offset) for place in committed)
    return lag


def _tables(settings: Settings) -> dict[str, int]:
    rows = open_client(settings).query(
        "SELECT name, total_rows FROM system.tables"
        " WHERE database = currentDatabase() AND total_rows IS NOT NULL AND name NOT LIKE '\\_%' ORDER BY name"
    )
    return {str(name): int(count) for name, count in rows.result_rows}


def show(found: dict[str, Any], out: Console) -> None:
    """The state as tables for a person."""
    topics = Table("topic", "messages", title=f"Kafka at {found['kafka']}", title_justify="left")
    for name, count in found["messages"].items():
        topics.add_row(name, str(count))
    groups = Table("consumer group", "lag", title="Lag", title_justify="left")
    for name, lag in found["lag"].items():
        groups.add_row(name, "nothing committed" if lag is None else str(lag))
    tables = Table("table", "rows", title=f"ClickHouse at {found['clickhouse']}", title_justify="left")
    for name, count in found["tables"].items():
        tables.add_row(name, str(count))
    for table in (topics, groups, tables):
        out.print(table)
