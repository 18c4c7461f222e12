"""Where to go on: read from the rows, so that data and progress are stored by the same insert.

Offsets mean something only within one log. A topic that is deleted and made anew, or a broker that forgets
everything when it stops, begins again at offset 0 under the same name. So each row carries the identity of the log
it was read from, and only rows of the present log count. Kafka's topic id (KIP-516) is that identity.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from confluent_kafka import OFFSET_BEGINNING, TopicCollection, TopicPartition, Uuid
from confluent_kafka.admin import AdminClient

from consumers.clickhouse.errors import TopicsMissing

_METADATA_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Log:
    """One topic's log.

    Attributes:
        topic: its name.
        identity: what its rows carry in `_log`; a name in Avro's sense.
    """

    topic: str
    identity: str


def log_identity(topic_id: Uuid, cluster_id: str | None) -> str:
    """Name of a log: by topic id, or by cluster id where the broker is too old (before Kafka 2.8) to have topic ids."""
    octets = base64.b64decode(f"{topic_id}==")  # Kafka writes an id in base64 without padding
    if any(octets):
        return f"topic_{octets.hex()}"
    return "cluster_" + re.sub(r"[^A-Za-z0-9_]", "_", cluster_id or "unnamed")


def logs_of(admin: AdminClient, topics: Iterable[str]) -> dict[str, Log]:
    """The present log of each topic.

    Raises:
        TopicsMissing: with their names.
        KafkaException: no answer.
    """
    names = sorted(set(topics))
    metadata = admin.list_topics(timeout=_METADATA_TIMEOUT_S)
    if missing := [name for name in names if name not in metadata.topics]:
        raise TopicsMissing(f"there is no topic {', '.join(missing)}; create the topics: tradewind topics create")
    described = admin.describe_topics(TopicCollection(names), request_timeout=_METADATA_TIMEOUT_S)
    return {
        name: Log(name, log_identity(future.result().topic_id, metadata.cluster_id))
        for name, future in described.items()
    }


def stored_offsets(client: Client, table: str, log: Log) -> dict[int, int]:
    """The highest stored offset of each partition that has rows."""
    found = client.query(
        "SELECT _partition, max(_offset) FROM {table:Identifier} WHERE _log = {log:String} GROUP BY _partition",
        parameters={"table": table, "log": log.identity},
    )
    return {int(partition): int(offset) for partition, offset in found.result_rows}


def starting_points(
    partitions: Sequence[TopicPartition], stored: Mapping[str, Mapping[int, int]]
) -> list[TopicPartition]:
    """Each partition at the offset after its highest stored one, or at the beginning of what Kafka still has.

    Args:
        partitions: what was assigned.
        stored: highest offsets by topic and partition.
    """
    points = []
    for each in partitions:
        last = stored.get(each.topic, {}).get(each.partition)
        points.append(TopicPartition(each.topic, each.partition, OFFSET_BEGINNING if last is None else last + 1))
    return points
