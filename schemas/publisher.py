"""The way onto the topics: validated, framed, idempotent, acknowledged by all replicas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from schemas.codec import Codec
from schemas.direct import Encoded, encode_row
from schemas.events import Event, to_avro
from schemas.forbidden import MEND, is_forbidden
from schemas.topics import Topic, topic_of_record
from schemas.validation import Problem

#: Java's clients place a key by murmur2; librdkafka's own default is CRC32. Listings and questions must agree on it,
#: whoever writes them, or a question lands in another partition than its listing.
PARTITIONER = "murmur2_random"


class InvalidEvent(ValueError):
    """An event does not fit its record; `problems` says where."""

    def __init__(self, topic: Topic, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"not sent to {topic.name}: " + "; ".join(map(str, problems)))
        self.problems = problems


class DeliveryFailed(RuntimeError):
    """Kafka did not acknowledge some messages; `undelivered` has them all.

    Attributes:
        forbidden: whether this account may not write some of them, which does not pass.
    """

    def __init__(self, undelivered: tuple[Undelivered, ...], pending: int) -> None:
        parts = []
        if undelivered:
            parts.append(f"{len(undelivered)} messages were refused, the first on {undelivered[0]}")
        self.forbidden = any(each.forbidden for each in undelivered)
        if pending:
            parts.append(f"{pending} messages were not acknowledged in time; is Kafka up (tradewind doctor)?")
        if self.forbidden:
            parts.append(MEND)
        super().__init__("; ".join(parts))
        self.undelivered = undelivered
        self.pending = pending


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One message that Kafka refused; `forbidden` says that this account may not write there."""

    topic: str
    key: bytes
    error: str
    forbidden: bool = False

    def __str__(self) -> str:
        return f"{self.topic}: {self.error}"


class Publisher:
    """Sends events to their topics. One per process is enough; it may be shared by threads.

    `publish` returns at once; what was published is safe once `flush` has returned. As a context manager it flushes
    at the end.

    Args:
        client: settings of a confluent-kafka client, from `Settings.kafka_client()`.
        codec: encodes the events.
        delivery_timeout_s: how long a message is tried before it counts as undelivered.
        on_delivered: called with the topic's name for each acknowledged message, from the thread that polls.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        codec: Codec,
        *,
        delivery_timeout_s: float = 30.0,
        on_delivered: Callable[[str], None] | None = None,
    ) -> None:
        self._codec = codec
        self._timeout_s = delivery_timeout_s
        self._on_delivered = on_delivered
        self._undelivered: list[Undelivered] = []
        self._producer = Producer(
            {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "compression.type": "lz4",
                "partitioner": PARTITIONER,
                "message.max.bytes": 4 * 1024 * 1024,
                "delivery.timeout.ms": int(delivery_timeout_s * 1000),
                # Connection trouble is told through delivery reports and flush, not on standard error.
                "error_cb": lambda error: None,
                "log_level": 0,
                **client,
            }
        )

    def publish(self, event: Event) -> None:
        """Validate, encode and queue an event.

        Raises:
            InvalidEvent: it does not fit its record; nothing was queued.
            NotRegistered, RegistryUnavailable: there is no schema id for it.
        """
        topic = topic_of_record(type(event).__name__)
        problems = self.publish_row(topic, to_avro(event))
        if problems:
            raise InvalidEvent(topic, problems)

    def publish_row(self, topic: Topic, row: Mapping[str, Any]) -> tuple[Problem, ...]:
        """Queue a row of plain values, or give what is wrong with it."""
        found = encode_row(self._codec, topic, row)
        if not isinstance(found, Encoded):
            return found
        self.publish_bytes(topic.name, *found)
        return ()

    def publish_bytes(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Mapping[str, bytes] | None = None,
    ) -> None:
        """Queue a message as it is. Waits while the queue is full, so that a fast writer meets Kafka's own pace."""
        while True:
            try:
                self._producer.produce(
                    topic, value=value, key=key, headers=dict(headers or {}), on_delivery=self._report
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until everything published so far is acknowledged.

        Raises:
            DeliveryFailed: some of it was refused, or not acknowledged in time.
        """
        pending = self._producer.flush(self._timeout_s if timeout_s is None else timeout_s)
        undelivered, self._undelivered = tuple(self._undelivered), []
        if undelivered or pending:
            raise DeliveryFailed(undelivered, pending)

    def _report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            place = (message.topic() or "", message.key() or b"")
            self._undelivered.append(Undelivered(*place, error.str(), is_forbidden(error)))
        elif self._on_delivered is not None:
            self._on_delivered(message.topic() or "")

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.flush()
        else:
            # The first error is the one to see; give what is queued a last chance without hiding it.
            self._producer.flush(self._timeout_s)
