"""Who speaks: of all the workers that run the insights agent, the one that Kafka gives partition 0 of `insights.v1`.

The workers are a consumer group that reads nothing and commits nothing; Kafka's membership says who is alive. A worker
that dies is noticed by its session timeout, and partition 0 goes to another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas.forbidden import is_forbidden
from schemas.topics import INSIGHTS
from streams import metrics

log = structlog.get_logger("tradewind.insights")

GROUP = "tradewind-insights"

_POLL_S = 0.5
_SILENT_MS = 60_000  # an event loop that has not polled for so long has lost its place


class Ownership:
    """This worker's membership.

    Args:
        client: settings of a confluent-kafka client.
        session_ms: a silent member is dropped after this.
        group: name of the consumer group.
        topic: what the members are assigned.

    Attributes:
        term: counts how often this worker became the owner; a new term knows nothing of what was said since the last.
    """

    term: int

    def __init__(
        self, client: Mapping[str, Any], session_ms: int, *, group: str = GROUP, topic: str = INSIGHTS.name
    ) -> None:
        self._conf = {
            **client,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": session_ms // 6,
            "max.poll.interval.ms": max(_SILENT_MS, session_ms),
            "log_level": 0,
            "error_cb": lambda error: None,
        }
        self._topic = topic
        self.term = 0
        self._held = False
        self._gained = asyncio.Event()
        #: Whether the group has told us our part in it, be it none.
        self.joined = False

    @property
    def held(self) -> bool:
        """Whether this worker is the owner, as far as it knows."""
        return self._held

    async def wait(self) -> None:
        """Return when this worker is the owner."""
        while not self._held:
            self._gained.clear()
            await self._gained.wait()

    async def run(self) -> None:
        """Be a member until cancelled; then leave the group, so that another need not wait for a timeout.

        Raises:
            KafkaException: Kafka does not let this client into the group, and never will.
        """
        loop = asyncio.get_running_loop()

        def assigned(consumer: Consumer, places: Sequence[TopicPartition]) -> None:
            consumer.assign(places)
            consumer.pause(places)  # membership is all that is wanted
            self.joined = True
            self._set(any(place.partition == 0 for place in places))
            loop.call_soon_threadsafe(self._gained.set)

        def revoked(consumer: Consumer, places: Sequence[TopicPartition]) -> None:
            self.joined = False
            self._set(False)

        consumer = Consumer(self._conf)
        consumer.subscribe([self._topic], on_assign=assigned, on_revoke=revoked, on_lost=revoked)
        polling: asyncio.Future[Message | None] | None = None
        try:
            while True:
                # Polled from the event loop: where that hangs, somebody else shall speak.
                polling = asyncio.ensure_future(asyncio.to_thread(consumer.poll, _POLL_S))
                message = await asyncio.shield(polling)
                error = None if message is None else message.error()
                if error is not None and (error.fatal() or is_forbidden(error)):
                    raise KafkaException(error)
        finally:
            self._set(False)
            if polling is not None:
                await asyncio.wait({polling})  # a consumer must not be closed under a poll
            await asyncio.to_thread(consumer.close)

    def _set(self, held: bool) -> None:
        if held and not self._held:
            self.term += 1
        if held != self._held:
            log.info("speaks for all workers" if held else "no longer speaks", term=self.term)
        self._held = held
        metrics.INSIGHTS_OWNER.set(held)
