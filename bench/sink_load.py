"""Orders for the sink's benchmark: real ones, repeated under new ids, published as fast as possible or at a pace.

    python -m bench.sink_load RATE SECONDS REAL    publishes at a steady pace, with the settings of the environment

An order is encoded once. Its id and its time stand at fixed places of the message, and only they are written anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from itertools import cycle, islice
from typing import Any

from schemas.codec import Codec
from schemas.events import OrderEvent, from_avro
from schemas.publisher import Publisher
from schemas.registry import CommittedRegistry
from schemas.topics import ORDERS
from schemas.validation import validate
from schemas.varint import write_varint
from tradewind.demo import journey
from tradewind.settings import Settings

CODEC = Codec(CommittedRegistry())
_REAL = 50_000
#: After the frame (5 bytes) and the id's length (1).
_ID = slice(6, 42)
#: Milliseconds of these years take six bytes as a varint.
_TIME = slice(42, 48)
_PACE_S = 0.01


def _valid(row: dict[str, Any]) -> dict[str, Any]:
    datum = validate(ORDERS.record, row)
    assert isinstance(datum, dict)
    return datum


def messages(keep_time: bool, real: int = _REAL) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values without end, each under a new id, at the present time or at the order's own."""
    known = [from_avro(OrderEvent, _valid(row)) for row in journey.orders(real)]
    if not keep_time:
        known = [replace(order, occurred_at=datetime.now(timezone.utc)) for order in known]
    encoded = [(order.order_id.encode(), CODEC.encode_event(order)) for order in known]
    for key, value in cycle(encoded):
        new_id = str(uuid.UUID(bytes=os.urandom(16), version=4)).encode()
        if keep_time:
            yield key, value[: _ID.start] + new_id + value[_ID.stop :]
        else:
            now = write_varint(time.time_ns() // 1_000_000)
            assert len(now) == _TIME.stop - _TIME.start
            yield key, value[: _ID.start] + new_id + now + value[_TIME.stop :]


def fill(settings: Settings, rows: int) -> None:
    """Publish so many orders as fast as possible."""
    with Publisher(settings.kafka_client(), CODEC) as publisher:
        for key, value in islice(messages(keep_time=True), rows):
            publisher.publish_bytes(ORDERS.name, key, value)


@contextmanager
def steady(settings: Settings, rate: int, seconds: int, real: int = _REAL) -> Iterator[None]:
    """A process that publishes at a pace, from so many real orders; the block should last until all is there."""
    command = [sys.executable, "-m", "bench.sink_load", str(rate), str(seconds), str(real)]
    child = subprocess.Popen(command, env={**os.environ, **settings.environment()})
    try:
        yield
    finally:
        if child.wait(60):
            raise SystemExit("the producer failed")


def main() -> None:
    """Publish at a steady pace."""
    rate, seconds, real = map(int, sys.argv[1:])
    source = messages(keep_time=False, real=real)
    first = next(source)  # reads and encodes the real orders before the clock starts
    with Publisher(Settings().kafka_client(), CODEC) as publisher:
        publisher.publish_bytes(ORDERS.name, *first)
        started, sent = time.monotonic(), 1
        while sent < rate * seconds:
            due = min(rate * seconds, int((time.monotonic() - started) * rate) + 1)
            for key, value in islice(source, due - sent):
                publisher.publish_bytes(ORDERS.name, key, value)
            sent = max(sent, due)
            time.sleep(_PACE_S)


if __name__ == "__main__":
    main()
