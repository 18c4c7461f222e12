"""A message that could not be processed, as a dead letter: the same one, whoever gives up on it.

A message may inflate to more than the dead letters' topic takes. So a large value is packed (zlib), and where that is
not enough its beginning is kept: the letter names the place at which Kafka still has the whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from schemas.events import DeadLetter, derived_id
from schemas.limits import MAX_VALUE_BYTES

#: Header that counts how often a message was put back on its topic.
REPLAYS_HEADER = "tradewind-replays"
#: Headers of a letter whose value is packed, or of which only the beginning is kept: the bytes that the whole has.
PACKED_HEADER, CUT_HEADER = "tradewind-value-packed", "tradewind-value-cut"
#: Larger values are packed, and larger packed ones cut, so that a letter fits its topic.
MAX_KEPT_BYTES = 2 * 1024 * 1024
#: What is left of a value that does not fit, and of a key; headers of more than that in all are left out.
_BEGINNING_BYTES = 64 * 1024

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
    message = _fitted(message)
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


def whole(letter: DeadLetter) -> DeadLetter:
    """The letter with its value as it came. One that no reader would take stays packed, one that was cut stays cut."""
    size = letter.source_headers.get(PACKED_HEADER, b"")
    if not size.isdigit() or int(size) > MAX_VALUE_BYTES or letter.source_value is None:
        return letter
    headers = {name: value for name, value in letter.source_headers.items() if name != PACKED_HEADER}
    value = zlib.decompressobj().decompress(letter.source_value, MAX_VALUE_BYTES)
    return replace(letter, source_value=value, source_headers=headers)


def _fitted(message: Inbound) -> Inbound:
    """The message as a letter has room for it."""
    value, key = message.value, message.key
    # Whoever sent it does not say what we did to it.
    headers = {n: v for n, v in message.headers.items() if n not in (PACKED_HEADER, CUT_HEADER)}
    if sum(len(name) + len(data) for name, data in headers.items()) > _BEGINNING_BYTES:
        headers = {name: data for name, data in headers.items() if name == REPLAYS_HEADER}
    if value is not None and len(value) > MAX_KEPT_BYTES:
        size = str(len(value)).encode()
        packed = zlib.compress(value, 1)
        if len(packed) <= MAX_KEPT_BYTES:
            value, headers[PACKED_HEADER] = packed, size
        else:
            value, headers[CUT_HEADER] = value[:_BEGINNING_BYTES], size
    return replace(message, value=value, key=None if key is None else key[:_BEGINNING_BYTES], headers=headers)


def replays_of(headers: Mapping[str, bytes]) -> int:
    """How often a message has been put back on its topic already."""
    count = headers.get(REPLAYS_HEADER, b"0")
    return int(count) if count.isdigit() and len(count) < 10 else 0
