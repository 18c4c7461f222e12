"""Events to Kafka, and Kafka's word on each of them back: all replicas have it, or why not.

One producer, polled by one thread. A request's events are one `Batch`; the thread notes each word in it, and wakes the
event loop once for all the batches that are complete by then. There is no future per event and no lock on the way.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Union, final

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.forbidden import MEND, is_forbidden
from schemas.publisher import PARTITIONER
from streams.gateway.problems import Problem

log = structlog.get_logger("tradewind.streams")

_POLL_S, _LOOK_S = 0.2, 3.0
_TELL_EVERY_S = 30.0
#: Bytes that may wait for Kafka, in KiB: some hundred bodies of the largest size.
_QUEUE_KIB = 512 * 1024
_RETRY_S = 1.0


class Outgoing(NamedTuple):
    """An event as Kafka gets it."""

    topic: str
    key: bytes
    value: bytes


class Acked(NamedTuple):
    """Where Kafka has it."""

    partition: int
    offset: int


TOO_MANY = Problem(
    503, "too_many_in_hand", "too many events wait for Kafka at the moment; send it again", retry_after_s=_RETRY_S
)
NOT_ACKNOWLEDGED = Problem(
    503,
    "not_acknowledged",
    "Kafka has not acknowledged the event in time, and may still; send it again with the same event_id",
    retry_after_s=_RETRY_S,
)
TOO_LARGE = Problem(413, "event_too_large", "the event is larger than Kafka takes; shorten its texts")
REFUSED = Problem(
    503,
    "kafka_refuses",
    "Kafka refuses the event, which its operator has to mend; send it later",
    retry_after_s=30,
)

Word = Union[Acked, Problem]
_UNKNOWN_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)


@dataclass(frozen=True, slots=True)
class AcksPolicy:
    """How long and how much is waited for.

    Attributes:
        in_hand: events that may wait for Kafka's word.
        within_s: what has no word by then is given up.
        linger_ms: how long Kafka's client waits for more events to send together.
    """

    in_hand: int = 50_000
    within_s: float = 10.0
    linger_ms: float = 1.0


class _Batch:
    """The events of one request that wait.

    `words` and `came` are written by the polling thread, `expected` by the event loop, once all are on their way.
    """

    __slots__ = ("came", "done", "expected", "words")

    def __init__(self, size: int, done: asyncio.Future[None]) -> None:
        self.words: list[Word | None] = [None] * size
        self.came = 0
        self.expected = -1
        self.done = done


@final
class Acks:
    """Sends batches of events, and gives Kafka's word on each event. Made and used in an event loop.

    Args:
        client: settings of a confluent-kafka client.
    """

    def __init__(self, client: Mapping[str, Any], policy: AcksPolicy) -> None:
        self._client = client
        self._policy = policy
        self._loop = asyncio.get_running_loop()
        self._in_hand = 0
        self._finished: list[_Batch] = []
        self._broken = self._overdue = False
        self._away: str | None = None
        self._told: dict[str, float] = {}
        self._doubt = threading.Event()
        self._closing = False
        self._producer = self._make()
        self._threads = [
            threading.Thread(target=run, name=run.__name__, daemon=True) for run in (self._poll, self._look)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def in_hand(self) -> int:
        """Events that wait for Kafka's word, those that were given up among them."""
        return self._in_hand

    def ready(self) -> str | None:
        """Why events can't be acknowledged at the moment; None while they can."""
        return self._away

    async def send(self, events: Sequence[Outgoing]) -> list[Word]:
        """Send events and wait for Kafka's word on each, in their order and no longer than the policy's time."""
        if not events:
            return []
        if self._in_hand + len(events) > self._policy.in_hand:
            return [TOO_MANY] * len(events)
        batch = _Batch(len(events), self._loop.create_future())
        produce, report = self._producer.produce, self._report
        unsent = 0
        for place, (topic, key, value) in enumerate(events):
            try:
                produce(topic, value, key, on_delivery=partial(report, batch, place))
            except BufferError:
                batch.words[place] = TOO_MANY
                unsent += 1
            except KafkaException as error:
                batch.words[place] = self._why(error.args[0])
                unsent += 1
        self._in_hand += len(events) - unsent
        batch.expected = len(events) - unsent
        if batch.came == batch.expected:  # the polling thread was quicker, and did not know that these are all
            self._complete([batch])
        timer = self._loop.call_later(self._policy.within_s, _give_up, batch)
        try:
            await batch.done
        finally:
            timer.cancel()
        return [NOT_ACKNOWLEDGED if word is None else word for word in batch.words]

    async def close(self, within_s: float) -> int:
        """Wait for the last words, and stop; gives how many events have none."""
        left: int = await asyncio.to_thread(self._producer.flush, within_s)
        self._closing = True
        self._doubt.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join, _LOOK_S + _POLL_S)
        return left

    def _make(self) -> Producer:
        return Producer(
            {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": self._policy.linger_ms,
                "compression.type": "lz4",
                "partitioner": PARTITIONER,
                "message.max.bytes": 4 * 1024 * 1024,
                "queue.buffering.max.messages": self._policy.in_hand,
                "queue.buffering.max.kbytes": _QUEUE_KIB,
                "delivery.timeout.ms": int(self._policy.within_s * 1000),
                # Kafka comes back sooner than a client that waits ten seconds between two tries would see.
                "reconnect.backoff.max.ms": 1000,
                "error_cb": self._error,
                "log_level": 0,
                **self._client,
            }
        )

    def _poll(self) -> None:
        """Collect Kafka's words, and wake the event loop once for all the batches that are complete."""
        while not self._closing:
            self._producer.poll(_POLL_S)
            if self._finished:
                finished, self._finished = self._finished, []
                self._loop.call_soon_threadsafe(self._complete, finished)
            if self._broken:
                self._replace()

    def _replace(self) -> None:
        """Begin anew with another producer.

        One that met a fatal error never sends again. One whose messages ran out of time asks for a new epoch first, and
        not every broker gives it. What the old one still had is answered with 503.
        """
        log.warning("Kafka was away, or its client met an error that it can't go on from; beginning with a new one")
        broken, self._producer, self._broken = self._producer, self._make(), False
        broken.purge()
        broken.flush(1.0)
        self._broken = False  # purging told of the same error again

    def _report(self, batch: _Batch, place: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            batch.words[place] = Acked(message.partition(), message.offset())
            self._away = None
        else:
            batch.words[place] = self._why(error)
        batch.came += 1
        if batch.came == batch.expected:
            self._finished.append(batch)

    def _complete(self, batches: Sequence[_Batch]) -> None:
        for batch in batches:
            self._in_hand -= batch.expected
            batch.expected = 0
            if not batch.done.done():
                batch.done.set_result(None)

    def _why(self, error: KafkaError) -> Problem:
        """What to tell the caller; what only the operator can mend is logged."""
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return TOO_LARGE
        if is_forbidden(error):
            self._tell(f"Kafka does not let this account write ({error.str()}); {MEND}")
            return REFUSED
        if error.code() in _UNKNOWN_TOPIC:
            self._tell("Kafka lacks a topic that the gateway writes; create it: tradewind topics create")
            return REFUSED
        if error.code() == KafkaError._MSG_TIMED_OUT:
            self._overdue = True
        self._error(error)
        return NOT_ACKNOWLEDGED

    def _error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._broken = True
        self._doubt.set()

    def _look(self) -> None:
        """After an error, ask Kafka again and again until it answers, so that readiness does not wait for events."""
        while not self._closing:
            self._doubt.wait()
            self._doubt.clear()
            while not self._closing:
                try:
                    self._producer.list_topics(timeout=_LOOK_S)
                except KafkaException as error:
                    self._away = f"Kafka does not answer ({error.args[0].name()})"
                    self._tell("Kafka does not answer; events are refused with 503 until it does")
                    time.sleep(_POLL_S)
                else:
                    self._away = None
                    self._broken, self._overdue = self._broken or self._overdue, False
                    break

    def _tell(self, what: str) -> None:
        now = time.monotonic()
        if now - self._told.get(what, -_TELL_EVERY_S) >= _TELL_EVERY_S:
            self._told[what] = now
            log.error(what)


def _give_up(batch: _Batch) -> None:
    if not batch.done.done():
        batch.done.set_result(None)
