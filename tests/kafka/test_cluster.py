"""Apache Kafka itself: that it is what it says, and stands what the faults do to it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.kafka.cluster import ClusterConfig, KafkaCluster
from tests.kafka.jars import KafkaMissing, kafka_jars, pinned_version
from tests.support.stack import start_kafka

DEADLINE_S = 30.0


def make_topic(cluster: KafkaCluster, name: str, replicas: int) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.internal_servers})
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=replicas)])[name].result(DEADLINE_S)


def send(cluster: KafkaCluster, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "acks": "all"})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(DEADLINE_S) == 0


def read(cluster: KafkaCluster, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "none"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return [message.value() for message in consumer.consume(count, DEADLINE_S)]
    finally:
        consumer.close()


@pytest.fixture
def three(tmp_path: Path) -> Iterator[KafkaCluster]:
    with start_kafka(ClusterConfig(tmp_path, brokers=3)) as cluster:
        yield cluster


def test_it_is_apache_kafka_of_the_pinned_version(apache_kafka: KafkaCluster) -> None:
    jars = kafka_jars(pinned_version())
    assert (jars / f"kafka-clients-{pinned_version()}.jar").is_file()
    arguments = Path(f"/proc/{apache_kafka.pid()}/cmdline").read_bytes().split(b"\0")
    assert arguments[0] == b"java"
    assert f"{jars}/*".encode() in arguments
    admin = AdminClient({"bootstrap.servers": apache_kafka.bootstrap_servers})  # lives until its answer is there
    assert [node.id for node in admin.describe_cluster().result(DEADLINE_S).nodes] == [1]


@pytest.mark.kafka
def test_a_killed_broker_comes_back_with_what_it_acknowledged(tmp_path: Path) -> None:
    with start_kafka(ClusterConfig(tmp_path)) as cluster:
        make_topic(cluster, "kept", replicas=1)
        send(cluster, "kept", b"before")
        cluster.kill()
        cluster.start()
        send(cluster, "kept", b"after")
        assert read(cluster, "kept", 2) == [b"before", b"after"]


@pytest.mark.slow_kafka
def test_three_brokers_stand_the_loss_of_one(three: KafkaCluster) -> None:
    make_topic(three, "kept", replicas=3)
    send(three, "kept", b"before")
    three.kill(1)
    send(three, "kept", b"without the first")
    assert read(three, "kept", 2) == [b"before", b"without the first"]


def test_without_java_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(KafkaMissing, match=r"^Apache Kafka needs Java, and there is no java on the PATH$"):
        kafka_jars(pinned_version())


@pytest.mark.usefixtures("apache_kafka")  # where that can't be had, Maven is not there to be asked
def test_without_mavens_registry_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody = "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=1 -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=1"
    monkeypatch.setenv("MAVEN_OPTS", f"-Dmaven.repo.local={tmp_path / 'repository'} {nobody}")
    monkeypatch.setattr("tests.kafka.jars._CACHE", tmp_path / "cache")
    with pytest.raises(KafkaMissing, match=r"^Maven did not bring Kafka 4\.[0-9.]+: [A-Z][^\n]+$"):
        kafka_jars(pinned_version())


@pytest.mark.usefixtures("apache_kafka")  # without Maven's registry there is another reason
def test_an_unknown_version_is_told_in_one_line() -> None:
    with pytest.raises(KafkaMissing, match=r"^Maven did not bring Kafka 0\.0\.0: .*0\.0\.0[^\n]*$"):
        kafka_jars("0.0.0")


def test_java_itself_is_asked_for_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    told = subprocess.CompletedProcess(("java", "-version"), 0, "", 'openjdk version "11.0.2" 2019-01-15\nOpenJDK\n')
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: told)
    monkeypatch.setattr("shutil.which", lambda _: "java")
    with pytest.raises(
        KafkaMissing, match=r'^Apache Kafka needs Java 17, this is openjdk version "11.0.2" 2019-01-15$'
    ):
        kafka_jars("0.0.0")
