"""Whether Kafka answers, asked in such a way that a no comes quickly."""

from __future__ import annotations

import socket
from contextlib import suppress

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tradewind.settings import Settings

TIMEOUT_S = 4.0
_KAFKA_PORT = 9092


class KafkaUnreachable(Exception):
    """No broker answers."""


def topics_in_kafka(settings: Settings, timeout_s: float = TIMEOUT_S) -> dict[str, int]:
    """Names and partition counts of the topics in Kafka.

    librdkafka tries a refused connection again until its timeout; so first see whether anybody listens at all.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    addresses = [address_of(server, _KAFKA_PORT) for server in settings.bootstrap_servers.split(",")]
    if not any(listens(address, timeout_s / len(addresses)) for address in addresses):
        raise _no_answer(settings, "no connection")
    admin = AdminClient(settings.kafka_client(log_level=0, error_cb=lambda error: None))
    try:
        metadata = admin.list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise _no_answer(settings, error.args[0].str()) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def address_of(server: str, default_port: int) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, `[::1]:port` or `SCHEME://host:port`; port 0 where it is no number."""
    place = server.strip().rpartition("://")[2]
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = place, str(default_port)
    return host.strip("[]"), int(port) if port.isdecimal() else 0


def listens(address: tuple[str, int], timeout_s: float) -> bool:
    """Whether somebody accepts connections there."""
    with suppress(OSError, OverflowError, UnicodeError):
        socket.create_connection(address, timeout=timeout_s).close()
        return True
    return False


def _no_answer(settings: Settings, why: str) -> KafkaUnreachable:
    return KafkaUnreachable(
        f"no answer from Kafka at {settings.bootstrap_servers} ({why}); "
        "check TRADEWIND_BOOTSTRAP_SERVERS, or start a local stack: tradewind up"
    )
