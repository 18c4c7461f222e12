"""A message that could not be processed, as a dead letter: the same one, whoever gives up on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from schemas.events import DeadLetter, derived_id

#: Header that counts how often a message was put back on its topic.
REPLAYS_HEADER = "tradewind-replays"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Inbound:
    """A Kafka message as it came; `timestamp_ms` is Kafka's own, in milliseconds since 1970, None where it has none."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)


def dead_letter(
    message: Inbound,
    *,
    stage: str,
    error_class: str,
    why: str,
    now: datetime,
    attempts: int = 1,
    merchant_id: str = "",
) -> DeadLetter:
    """The message as a dead letter.

    Its id is made of the message's place and time and not of the stage: an agent and the sink that refuse the same
    message make the same id, and it counts once. The time tells the messages of two brokers apart that have the same
    place, as when a broker that keeps nothing was started again.
    """
    stamp = message.timestamp_ms
    return DeadLetter(
        event_id=derived_id("dead-letter", message.topic, message.partition, message.offset, stamp),
        occurred_at=now,
        merchant_id=merchant_id,
        source_topic=message.topic,
        source_partition=message.partition,
        source_offset=message.offset,
        source_timestamp=None if stamp is None else _EPOCH + timedelta(milliseconds=stamp),
        source_key=message.key,
        source_value=message.value,
        source_headers=message.headers,
        stage=stage,
        error_class=error_class,
        message=why,
        attempts=attempts,
        replays=replays_of(message.headers),
    )


def replays_of(headers: Mapping[str, bytes]) -> int:
    """How often a message has been put back on its topic already."""
    count = headers.get(REPLAYS_HEADER, b"0")
    return int(count) if count.isdigit() and len(count) < 10 else 0
