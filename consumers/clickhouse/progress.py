"""How far the sink is behind Kafka: for Prometheus, and in the table `sink_progress` for analysts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer

from consumers.clickhouse.batch import Batch


class Progress(NamedTuple):
    """One partition's; a row of `sink_progress`.

    Attributes:
        next_offset: of the first message that is not stored.
        end_offset: after the last message that Kafka has.
        lag: messages that are not stored.
    """

    topic: str
    partition: int
    next_offset: int
    end_offset: int
    lag: int


def progress(consumer: Consumer, unstored: Iterable[Batch]) -> list[Progress]:
    """Of the assigned partitions whose end is known.

    Args:
        unstored: what was read and is not stored.
    """
    waiting: Counter[tuple[str, int]] = Counter()
    for batch in unstored:
        waiting.update((batch.log.topic, message.partition() or 0) for message in batch.messages)
    found = []
    for each in consumer.position(consumer.assignment()):
        # The end as the last fetch told it: no request, and exact for a consumer that keeps up.
        ends = consumer.get_watermark_offsets(each, cached=True)
        if ends is None or each.offset < 0:
            continue
        end, read_and_waiting = max(ends[1], each.offset), waiting[each.topic, each.partition]
        lag = end - each.offset + read_and_waiting
        found.append(Progress(each.topic, each.partition, max(0, each.offset - read_and_waiting), end, lag))
    return found


def store_progress(client: Client, rows: Sequence[Progress]) -> None:
    """Write it down.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse refused, or can't be reached.
    """
    client.insert("sink_progress", rows, column_names=Progress._fields)
