"""A Faust app from our settings."""

from __future__ import annotations

from typing import Any

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.exceptions import ProducerSendError

from streams import inflate, round_robin
from streams.outlet import Sender
from streams.tls import tls_context
from tradewind.settings import Settings

#: Consumer groups, one for each agent, so that agents can be moved between workers without losing their place.
ENRICH_APP = "tradewind-enrich"
ANSWER_APP = "tradewind-answer"

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
#: Events that a consumer hands to an agent at once, and that wait there: whatever comes later waits for these.
_WAITING = 200


def make_app(name: str, settings: Settings) -> faust.App:
    """An app whose consumer group is `name`. Nothing connects before it is started."""
    inflate.install()
    round_robin.install()
    session_s = settings.kafka_session_timeout_ms / 1000
    return faust.App(
        name,
        # aiokafka's transport: the one over confluent-kafka drops headers.
        broker=[f"kafka://{server.strip()}" for server in settings.bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 6,
        broker_commit_interval=0.5,
        broker_max_poll_records=_WAITING,
        stream_buffer_maxsize=_WAITING,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        producer_acks=-1,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        producer_request_timeout=30.0,
        producer_linger_ms=2,
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.kafka_replication_factor,
        # Topics are created from the catalogue before a worker starts (`tradewind topics create`).
        topic_disable_leader=True,
        stream_recovery_delay=0.0,
        datadir=str(settings.data_dir / "faust" / name),
        web_enabled=False,
        worker_redirect_stdouts=False,
    )


def sender(app: faust.App) -> Sender:
    """Sends by the app's own producer, once the app is started."""

    async def send(topic: str, key: bytes, value: bytes) -> None:
        try:
            await app.producer.send_and_wait(topic, key, value, None, None, {})
        except ProducerSendError as error:
            # Faust's own error says nothing of whether it may pass; Kafka's, behind it, does.
            raise error.__cause__ or error from None

    return send


def _credentials(settings: Settings) -> Any:
    context = tls_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_password
        return SASLCredentials(
            username=settings.kafka_username,
            password=password.get_secret_value() if password else None,
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context else None
