"""Apache Kafka, and beside it the local stack's ClickHouse and registry, for what is measured on the real broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from streams import topics
from tests.kafka.cluster import ClusterConfig, KafkaCluster
from tradewind.assembly import settings_for
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig

_JVM = ("-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
        "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true")  # fmt: skip


def ordinary(folder: Path) -> ClusterConfig:
    """One broker as Kafka itself has it: its JVM as `kafka-server-start.sh` starts it, and its sessions.

    Those of the tests are for a quick start, and shorter.
    """
    sessions = {"broker.heartbeat.interval.ms": "2000", "broker.session.timeout.ms": "9000"}
    return ClusterConfig(folder, jvm=_JVM, heap_mb=1024, properties=sessions)


@dataclass(frozen=True, slots=True)
class Ground:
    """What stands; the topics and tables are there, no worker and no sink."""

    kafka: KafkaCluster
    settings: Settings
    client: Client
    logs: Path


@contextmanager
def standing(folder: Path, kafka: ClusterConfig, **settings: Any) -> Iterator[Ground]:
    """All of it, ready.

    Raises:
        KafkaMissing: Java, Maven or its registry is not to be had.
    """
    with KafkaCluster(kafka) as cluster, LocalStack(StackConfig(folder / "stack")) as stack:
        local = settings_for(Settings(data_dir=folder / "stack", **settings), stack.endpoints)
        # The embedded broker runs beside it, and does nothing.
        ready = local.model_copy(update={"bootstrap_servers": cluster.bootstrap_servers})
        topics.create(ready)
        migrate(ready)
        with open_client(ready) as client:
            yield Ground(cluster, ready, client, stack.log_dir)


class Ends:
    """Where a topic ends, asked again and again over one connection."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._consumer = Consumer({**settings.kafka_client(), "group.id": "bench-ends", "enable.auto.commit": False})
        there = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        self._places = [TopicPartition(topic, partition) for partition in there]

    def total(self) -> int:
        """Messages that the topic has had in all."""
        return sum(self._consumer.get_watermark_offsets(place, timeout=10)[1] for place in self._places)

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


def skip(settings: Settings, group: str, topic: str) -> None:
    """Let a group that has no members begin at the topic's present end."""
    consumer = Consumer({**settings.kafka_client(), "group.id": group, "enable.auto.commit": False})
    there = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = [
        TopicPartition(
            topic, partition, consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
        )
        for partition in there
    ]
    consumer.commit(offsets=ends, asynchronous=False)
    consumer.close()
