"""Whether Kafka answers, asked in such a way that a no comes quickly, and says what to change."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata

from streams.refused import refusal, unreadable
from tradewind.settings import Settings

TIMEOUT_S = 4.0
_LOOK_S = 0.5
#: What does not pass while one waits.
_DECIDED = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})
_KAFKA_PORT = 9092


class KafkaUnreachable(Exception):
    """No broker answers."""


class KafkaRefused(KafkaUnreachable):
    """A broker is there, and does not let us in, or is not to be trusted."""


def topics_in_kafka(settings: Settings, timeout_s: float = TIMEOUT_S) -> dict[str, int]:
    """Names and partition counts of the topics in Kafka.

    librdkafka tries a refused connection again until its timeout; so first see whether anybody listens at all.

    Raises:
        KafkaRefused: the credentials, the certificates or the protocol are not the right ones.
        KafkaUnreachable: no broker answers.
    """
    if wrong := unreadable(settings):
        raise KafkaRefused(wrong)
    addresses = [address_of(server, _KAFKA_PORT) for server in settings.bootstrap_servers.split(",")]
    if not any(listens(address, timeout_s / len(addresses)) for address in addresses):
        raise _no_answer(settings, "no connection")
    troubles: list[KafkaError] = []
    try:
        metadata = _metadata(settings, troubles, timeout_s)
    except KafkaException as error:
        if why := refusal(settings, troubles, addresses, timeout_s / len(addresses)):
            raise KafkaRefused(why) from error
        raise _no_answer(settings, error.args[0].str()) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _metadata(settings: Settings, troubles: list[KafkaError], timeout_s: float) -> ClusterMetadata:
    """What Kafka says of itself. What the client meets on its way goes into `troubles`, and may end the wait."""
    admin = AdminClient(settings.kafka_client(log_level=0, error_cb=troubles.append))
    deadline = time.monotonic() + timeout_s
    while True:
        left = deadline - time.monotonic()
        try:
            return admin.list_topics(timeout=max(0.0, min(left, _LOOK_S)))
        except KafkaException:
            admin.poll(0)  # hands over the troubles
            if left <= _LOOK_S or any(trouble.code() in _DECIDED for trouble in troubles):
                raise


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
        "check TRADEWIND_BOOTSTRAP_SERVERS and TRADEWIND_KAFKA_SECURITY_PROTOCOL, or start a local stack: tradewind up"
    )
