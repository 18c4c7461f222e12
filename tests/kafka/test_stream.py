"""Streams over what brokers do: they go and come back, and partitions are added."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from schemas.topics import ANSWERS_DRAFTED
from streams.gateway import tail
from streams.gateway.hub import HubLimits
from tests.kafka.cluster import ClusterConfig, KafkaCluster
from tests.streams.gateway.ground import Kafka, device, draft, make_topics, serving, until
from tests.support.stack import start_kafka

pytestmark = [pytest.mark.slow_kafka, pytest.mark.integration]

PARTITIONS = 3


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    with start_kafka(ClusterConfig(tmp_path / "kafka")) as started:
        make_topics(started.bootstrap_servers, PARTITIONS)
        yield started


@pytest.mark.timeout(120)
async def test_streams_go_on_when_the_broker_is_back(cluster: KafkaCluster, tmp_path: Path) -> None:
    kafka = Kafka(cluster.bootstrap_servers)
    async with serving(kafka.client, tmp_path / "keys.sqlite", HubLimits(replay_s=0.0)) as gateway:
        key = await gateway.key("m-1")
        async with device(gateway, key) as beginning:
            pass
        async with device(gateway, key) as live:
            made = kafka.publish(*(draft("m-1", listing_id=f"l-{n}") for n in range(20)))
            await live.has(*made)
            cluster.kill()
            await until(lambda: gateway.hub._tail.away_s > 0, "the gateway notices")
            async with device(gateway, key) as meanwhile:
                assert meanwhile.kinds() == ["hello"]  # with what is known, one is served
                gateway.hub.history.evict(1e18)
                async with device(gateway, key, cursor=beginning.cursor) as waiting:
                    await asyncio.to_thread(cluster.start)
                    more = await asyncio.to_thread(
                        kafka.publish, *(draft("m-1", listing_id=f"l-{n}") for n in range(20))
                    )
                    await live.has(*made, *more)
                    await meanwhile.has(*more)
                    await waiting.has(*made, *more)
            assert not live.ended.is_set()
        await until(lambda: gateway.hub._tail.away_s == 0, "it is well again")


@pytest.mark.timeout(120)
async def test_partitions_that_are_added_are_read(
    cluster: KafkaCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "_PARTITIONS_S", 0.1)
    kafka = Kafka(cluster.bootstrap_servers)
    async with serving(kafka.client, tmp_path / "keys.sqlite") as gateway:
        key = await gateway.key("m-1")
        async with device(gateway, key) as live:
            before = live.cursor
            admin = AdminClient(kafka.client)
            added = admin.create_partitions([NewPartitions(ANSWERS_DRAFTED.name, PARTITIONS + 2)])
            added[ANSWERS_DRAFTED.name].result()
            made = await asyncio.to_thread(kafka.publish, draft("m-1"), partition=PARTITIONS + 1)
            await live.has(*made)
            async with device(gateway, key, cursor=before) as back:
                await back.has(*made)
        assert len(gateway.hub.history.position[0]) == PARTITIONS + 2
