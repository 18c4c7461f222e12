from __future__ import annotations

import socket

import pytest

from streams.reach import KafkaUnreachable, address_of, listens, topics_in_kafka
from tradewind.settings import Settings


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("broker:19092", ("broker", 19092)),
        ("broker", ("broker", 9092)),
        (" SASL_SSL://broker:9093 ", ("broker", 9093)),
        ("[::1]:9094", ("::1", 9094)),
        ("[::1]", ("::1", 9092)),
        ("broker:port", ("broker", 0)),
    ],
)
def test_address_of(server: str, address: tuple[str, int]) -> None:
    assert address_of(server, 9092) == address


def test_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        assert listens(address, 1.0)
    assert not listens(address, 1.0)
    assert not listens(("127.0.0.1", 99_999), 1.0)


def test_nobody_there_is_told_with_the_mend() -> None:
    with pytest.raises(KafkaUnreachable, match=r"no answer from Kafka at 127\.0\.0\.1:1 .*TRADEWIND_BOOTSTRAP_SERVERS"):
        topics_in_kafka(Settings(bootstrap_servers="127.0.0.1:1"))


def test_a_listener_that_is_no_broker_is_told_within_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(KafkaUnreachable, match="no answer from Kafka"):
            topics_in_kafka(Settings(bootstrap_servers=f"127.0.0.1:{port}"), timeout_s=0.5)
