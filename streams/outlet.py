"""What leaves an agent: events on their topics, and dead letters, each acknowledged by Kafka before we go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

from schemas.codec import Codec
from schemas.events import DeadLetter, Event, derived_id
from schemas.topics import topic_of_record

REPLAYS_HEADER = "tradewind-replays"


@dataclass(frozen=True, slots=True)
class Inbound:
    """A Kafka message as it came."""

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


class Sender(Protocol):
    """Sends one message and returns once Kafka has acknowledged it."""

    async def __call__(self, topic: str, key: bytes, value: bytes) -> None: ...


class Outlet:
    """Encodes and sends."""

    def __init__(self, codec: Codec, send: Sender, clock: Callable[[], datetime]) -> None:
        self._codec = codec
        self._send = send
        self._clock = clock

    async def send(self, event: Event) -> None:
        """Send an event to its topic."""
        topic = topic_of_record(type(event).__name__)
        key = str(getattr(event, topic.key)).encode()
        await self._send(topic.name, key, self._codec.encode_event(event))

    async def dead_letter(
        self, message: Inbound, *, stage: str, error_class: str, why: str, attempts: int, merchant_id: str
    ) -> None:
        """Put a message aside with its bytes."""
        await self.send(
            DeadLetter(
                # Whoever gives up on a message makes the same id, so that it counts once.
                event_id=derived_id("dead-letter", message.topic, message.partition, message.offset),
                occurred_at=self._clock(),
                merchant_id=merchant_id,
                source_topic=message.topic,
                source_partition=message.partition,
                source_offset=message.offset,
                source_timestamp=datetime.fromtimestamp(message.timestamp, timezone.utc),
                source_key=message.key,
                source_value=message.value,
                source_headers=message.headers,
                stage=stage,
                error_class=error_class,
                message=why,
                attempts=attempts,
                replays=replays(message.headers),
            )
        )


def replays(headers: dict[str, bytes]) -> int:
    """How often a message has been put back on its topic already."""
    value = headers.get(REPLAYS_HEADER, b"0")
    return int(value) if value.isdigit() and len(value) < 6 else 0
