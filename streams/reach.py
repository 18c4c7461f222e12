"""Whether Kafka answers, asked in such a way that a no comes quickly."""

from __future__ import annotations

import socket
from contextlib import suppress

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.handshake import Refusal, knock
from streams.tls import TlsFilesError, tls_context
from tradewind.settings import Settings

TIMEOUT_S = 4.0
_KAFKA_PORT = 9092
_MEND = "check TRADEWIND_BOOTSTRAP_SERVERS, or start a local stack: tradewind up"


class KafkaUnreachable(Exception):
    """No broker answers, or none lets us in; the message names the setting to change."""


def topics_in_kafka(settings: Settings, timeout_s: float = TIMEOUT_S) -> dict[str, int]:
    """Names and partition counts of the topics in Kafka.

    librdkafka tries again whatever happens until its timeout, and then says no more than that; so first see whether
    a broker lets us in at all.

    Raises:
        KafkaUnreachable: no broker answers, or none lets us in.
    """
    require_broker(settings, timeout_s)
    admin = AdminClient(settings.kafka_client(log_level=0, error_cb=lambda error: None))
    try:
        metadata = admin.list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise _no_answer(settings, error.args[0].str(), _MEND) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def require_broker(settings: Settings, timeout_s: float = TIMEOUT_S) -> None:
    """See that one of the brokers lets us in, in whose version we can talk.

    Raises:
        KafkaUnreachable: none does; the message says why.
    """
    if settings.kafka_security_protocol.startswith("SASL") and not settings.kafka_username:
        raise KafkaUnreachable(
            f"TRADEWIND_KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}, which needs a user; "
            "set TRADEWIND_KAFKA_USERNAME and TRADEWIND_KAFKA_PASSWORD"
        )
    try:
        tls = tls_context(settings)
    except TlsFilesError as error:
        raise KafkaUnreachable(str(error)) from error
    addresses = [address_of(server, _KAFKA_PORT) for server in settings.bootstrap_servers.split(",")]
    refusals: list[Refusal] = []
    for address in addresses:
        refusal = knock(settings, address, tls, timeout_s / len(addresses))
        if refusal is None:
            return
        refusals.append(refusal)
    telling = next((each for each in refusals if not each.silent), refusals[0])
    if telling.silent:
        raise _no_answer(settings, telling.why, telling.mend)
    raise KafkaUnreachable(f"Kafka at {settings.bootstrap_servers}: {telling.why}; {telling.mend}")


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


def _no_answer(settings: Settings, why: str, mend: str) -> KafkaUnreachable:
    return KafkaUnreachable(f"no answer from Kafka at {settings.bootstrap_servers} ({why}); {mend}")
