"""What leaves an agent: events on their topics, and dead letters, each acknowledged by Kafka before we go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from schemas.codec import Codec
from schemas.dead_letters import MAX_KEPT_BYTES, Inbound, dead_letter
from schemas.events import Event
from schemas.topics import topic_of_record


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
        make = partial(
            dead_letter,
            message,
            stage=stage,
            error_class=error_class,
            why=why,
            now=self._clock(),
            attempts=attempts,
            merchant_id=merchant_id,
        )
        large = message.value is not None and len(message.value) > MAX_KEPT_BYTES
        await self.send(await asyncio.to_thread(make) if large else make())  # packing takes its time
