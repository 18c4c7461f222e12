"""The way onto the topics, on a real broker."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas import publisher as publisher_module
from schemas.codec import Codec
from schemas.events import OrderEvent, OrderKind
from schemas.publisher import DeliveryFailed, InvalidEvent, Publisher
from schemas.reader import partition_ends, read_all
from schemas.registry import CommittedRegistry
from schemas.topics import ORDERS, Topic

CODEC = Codec(CommittedRegistry())


def order(number: int) -> OrderEvent:
    return OrderEvent(
        event_id=uuid.UUID(int=number),
        occurred_at=datetime(2026, 3, 1, tzinfo=timezone.utc),
        merchant_id="m-1",
        order_id=f"o-{number}",
        listing_id="l-1",
        kind=OrderKind.PLACED,
        amount=Decimal("19.99"),
        currency="EUR",
    )


@pytest.fixture
def orders(broker: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Topic:
    """A topic of this test's own for OrderEvents."""
    topic = replace(ORDERS, name=unique_name("orders"))
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(topic.name, num_partitions=3)])[topic.name].result()
    monkeypatch.setattr(publisher_module, "topic_of_record", lambda record: topic)
    monkeypatch.setattr(CommittedRegistry, "id_of", lambda self, topic: 3)
    return topic


@pytest.mark.integration
def test_what_is_published_is_there_once_flush_has_returned(broker: str, orders: Topic) -> None:
    client = {"bootstrap.servers": broker}
    delivered: list[str] = []
    with Publisher(client, CODEC, on_delivered=delivered.append) as publisher:
        for number in range(500):
            publisher.publish(order(number))
    messages = list(read_all(client, orders.name))
    assert len(messages) == len(delivered) == 500
    assert {CODEC.decode_event(ORDERS, message.value()) for message in messages} == {order(n) for n in range(500)}
    assert {message.key() for message in messages} == {f"o-{number}".encode() for number in range(500)}
    ends = partition_ends(client, [orders.name])
    assert sum(high - low for low, high in ends.values()) == 500
    assert len(ends) == 3


@pytest.mark.integration
def test_equal_keys_meet_where_java_clients_put_them(broker: str, orders: Topic) -> None:
    client = {"bootstrap.servers": broker}
    with Publisher(client, CODEC) as publisher:
        for key in (b"21", b"foobar", b"a-little-bit-long-string"):
            publisher.publish_bytes(orders.name, key, b"value")
    places = {message.key(): message.partition() for message in read_all(client, orders.name)}
    assert places == {key: (murmur2(key) & 0x7FFFFFFF) % 3 for key in places}


def murmur2(data: bytes) -> int:
    """Kafka's murmur2, as its Java client has it (org.apache.kafka.common.utils.Utils)."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def test_the_reference_hash_is_kafkas() -> None:
    # Values of Kafka's own UtilsTest.
    assert [murmur2(key) - (1 << 32 if murmur2(key) >> 31 else 0) for key in (b"21", b"foobar")] == [
        -973932308,
        -790332482,
    ]


def test_an_invalid_event_is_refused_before_it_is_sent() -> None:
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1"}, CODEC)
    with pytest.raises(InvalidEvent, match=r"currency: expected an ISO 4217 code.*found 'euro'"):
        publisher.publish(replace(order(1), currency="euro"))


def test_a_broker_that_is_away_is_told() -> None:
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1"}, CODEC, delivery_timeout_s=0.5)
    publisher.publish(order(1))
    with pytest.raises(DeliveryFailed, match="1 messages"):
        publisher.flush(5.0)


def test_schema_ids_are_committed_in_order() -> None:
    versions = [CommittedRegistry().versions(subject)[0] for subject in CommittedRegistry().subjects()]
    assert [entry.id for entry in versions] == list(range(1, 9))
    assert all(json.loads(entry.schema)["namespace"] == "tradewind.v1" for entry in versions)
