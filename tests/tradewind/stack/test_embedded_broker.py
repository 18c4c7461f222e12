"""What Tradewind needs of a broker, and where the embedded one is known to differ from Apache Kafka."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.tradewind.stack.helpers import DEADLINE_S
from tradewind.stack.broker import LOCAL_CONSUMER_CONFIG, broker_ready, broker_spec
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import Supervisor

pytestmark = pytest.mark.integration

HOST = "127.0.0.1"


@pytest.fixture
def topic(broker: str, unique_name: Callable[[str], str]) -> str:
    name = unique_name("orders")
    admin = AdminClient({"bootstrap.servers": broker})
    for created in admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)]).values():
        created.result(DEADLINE_S)
    return name


def read(consumer: Consumer, count: int) -> list[Message]:
    messages: list[Message] = []
    while len(messages) < count:
        batch = consumer.consume(count - len(messages), DEADLINE_S)
        assert batch, f"only {len(messages)} of {count} messages came"
        for message in batch:
            assert message.error() is None
            messages.append(message)
    return messages


def assigned(broker: str, *partitions: TopicPartition) -> Consumer:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "none", "enable.auto.commit": False})
    consumer.assign(list(partitions))
    return consumer


def test_a_topic_has_its_partitions(broker: str, topic: str) -> None:
    metadata = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=DEADLINE_S)
    assert len(metadata.topics[topic].partitions) == 2
    assert [f"{node.host}:{node.port}" for node in metadata.brokers.values()] == [broker]


def test_messages_come_back_as_they_were_sent(broker: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": broker, "enable.idempotence": True, "acks": "all"})
    big = bytes(range(256)) * 4000  # 1 MB
    producer.produce(
        topic, b"v", b"k", partition=0, timestamp=1234567890123, headers=[("h", b"\x00\xff"), ("none", None)]
    )
    producer.produce(topic, None, b"tombstone", partition=0)
    producer.produce(topic, b"", b"empty", partition=0)
    producer.produce(topic, big[:999_000], b"big", partition=0)
    assert producer.flush(DEADLINE_S) == 0
    consumer = assigned(broker, TopicPartition(topic, 0, 0))
    first, tombstone, empty, large = read(consumer, 4)
    consumer.close()
    assert (first.key(), first.value(), first.timestamp()[1]) == (b"k", b"v", 1234567890123)
    assert first.headers() == [("h", b"\x00\xff"), ("none", None)]
    assert tombstone.value() is None
    assert empty.value() == b""
    assert large.value() == big[:999_000]
    assert [message.offset() for message in (first, tombstone, empty, large)] == [0, 1, 2, 3]


def test_a_group_goes_on_where_it_committed(broker: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": broker})
    for number in range(6):
        producer.produce(topic, str(number).encode(), partition=0)
    assert producer.flush(DEADLINE_S) == 0
    config = {
        "bootstrap.servers": broker,
        "group.id": topic,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        **LOCAL_CONSUMER_CONFIG,
    }
    consumer = Consumer(config)
    consumer.subscribe([topic])
    third = read(consumer, 3)[-1]
    consumer.commit(third, asynchronous=False)
    consumer.close()
    reader = Consumer(config)
    (committed,) = reader.committed([TopicPartition(topic, 0)], timeout=DEADLINE_S)
    reader.close()
    assert committed.offset == 3


def test_the_known_difference_the_reported_end_is_that_of_the_last_batchs_first_record(
    request: pytest.FixtureRequest, broker: str, topic: str
) -> None:
    """Tansu 0.6 answers ListOffsets(latest) with the last batch's base offset + 1, not with its last offset + 1.

    A fetch tells the true end, so whoever needs it reads on to the end of the partition.
    """
    reported = 5 if request.config.getoption("--kafka") else 1
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 200})
    for number in range(5):
        producer.produce(topic, str(number).encode(), partition=1)
    assert producer.flush(DEADLINE_S) == 0
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "none", "enable.partition.eof": True})
    assert consumer.get_watermark_offsets(TopicPartition(topic, 1), DEADLINE_S) == (0, reported)
    consumer.assign([TopicPartition(topic, 1, 0)])
    while (message := consumer.poll(DEADLINE_S)) is not None and message.error() is None:
        pass
    assert message is not None
    assert message.error().code() == KafkaError._PARTITION_EOF
    assert consumer.get_watermark_offsets(TopicPartition(topic, 1), cached=True) == (0, 5)
    consumer.close()


def test_the_broker_is_ready_when_it_answers_and_not_before(tmp_path: Path) -> None:
    port = choose_port(0, HOST)
    assert broker_ready(HOST, port)() == f"a connection to {HOST}:{port}"
    with Supervisor() as supervisor:
        supervisor.start(broker_spec(HOST, port, tmp_path / "broker.log"))
        assert broker_ready(HOST, port)() is None
    assert broker_ready(HOST, port)() is not None
