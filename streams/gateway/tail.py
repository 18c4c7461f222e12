"""The pushed topics as they grow: read in a thread, all partitions, without a group, and handed to the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from schemas.codec import Codec, Rejected
from schemas.forbidden import is_forbidden
from schemas.reader import READER_GROUP
from schemas.registry import RegistryUnavailable
from streams.gateway import metrics
from streams.gateway.cursor import PUSHED
from streams.gateway.message import Pushed
from streams.gateway.reading import Place
from streams.gateway.whose import Whose

log = structlog.get_logger("tradewind.streams")

_POLL_S = 0.1
_BATCH = 500
_CLOSE_S = 3.0
_AHEAD = 4  # batches that the event loop may be behind
_PAUSE_S = 1.0  # before Kafka or a registry that gave no answer is asked again
_ANSWER_S = 10.0
_PARTITIONS_S = 15.0  # how often Kafka is asked whether partitions were added
_NUMBERS = {topic.name: number for number, topic in enumerate(PUSHED)}


@dataclass(slots=True)
class Batch:
    """What the tail read in one turn.

    Attributes:
        anew: everything is read anew, for Kafka has other messages now at offsets that were read before.
        begun: partitions, and the offset from which on they are read.
        messages: in the order of reading.
        ends: partitions, and up to where they hold nothing more than that.
        caught_up: every partition has been read to its end once.
    """

    anew: bool = False
    begun: list[tuple[Place, int]] = field(default_factory=list)
    messages: list[Pushed] = field(default_factory=list)
    ends: list[tuple[Place, int]] = field(default_factory=list)
    caught_up: bool = False


def reader_config(client: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a consumer that reads what is committed, without a group."""
    return {
        **client,
        # Required by the client; offsets are neither read nor committed.
        "group.id": READER_GROUP,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        # While a fetch waits, the embedded broker answers nothing else.
        "fetch.wait.max.ms": 100,
        "log_level": 0,
    }


def merchant_of(
    whose: Whose,
    topic: int,
    value: bytes | None,
    stop: threading.Event,
    place: str,
    turned: Callable[[], None] = lambda: None,
) -> str | None:
    """Whose message it is; None for one that can't be read, which is logged. Waits for the registry."""
    while not stop.is_set():
        turned()
        try:
            found = whose.merchant_of(PUSHED[topic], value)
        except RegistryUnavailable as unavailable:
            log.warning("the registry gives no answer, asking again", error=str(unavailable))
            stop.wait(_PAUSE_S)
            continue
        if isinstance(found, Rejected):
            metrics.UNDECODABLE.labels(PUSHED[topic].name, found.error_class).inc()
            log.warning("can't be pushed", place=place, error_class=found.error_class, error=found.message)
            return None
        return found
    return None


class Tail:
    """Reads until it is closed.

    Args:
        client: settings of a confluent-kafka client.
        deliver: takes each batch, in the event loop.
        replay_s: how far back to begin.

    Attributes:
        failed: gets the error that ended the reading, if one does.
    """

    failed: asyncio.Future[None]

    def __init__(
        self, client: Mapping[str, Any], codec: Codec, deliver: Callable[[Batch], None], *, replay_s: float
    ) -> None:
        self._client = client
        self._whose = Whose(codec)
        self._deliver = deliver
        self._replay_s = replay_s
        self._closing = threading.Event()
        self._room = threading.Semaphore(_AHEAD)
        self._away_since: float | None = None
        self._counts: dict[str, int] = {}
        self._turned_at = time.monotonic()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to read. Called from the event loop that the batches are for."""
        self._loop = asyncio.get_running_loop()
        self.failed = self._loop.create_future()
        for name, work in (("tail", self._run), ("tail-partitions", self._count_partitions)):
            self._threads.append(threading.Thread(target=work, name=name, daemon=True))
            self._threads[-1].start()

    async def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        if self._threads:
            # One that waits for Kafka's answer is left to itself.
            await asyncio.to_thread(self._threads[0].join, _CLOSE_S)
            self.failed.cancel()

    @property
    def silent_s(self) -> float:
        """Since the thread took its last turn; it waits where the event loop takes nothing."""
        return time.monotonic() - self._turned_at

    @property
    def away_s(self) -> float:
        """Since when no broker answers; 0 while one does."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    def _run(self) -> None:
        anew = False
        while not self._closing.is_set():
            self._turned()
            try:
                self._follow(anew)
            except KafkaException as error:
                if is_forbidden(error.args[0]) or error.args[0].code() == KafkaError._INVALID_ARG:
                    self._loop.call_soon_threadsafe(self._fail, error)
                    return
                self._on_error(error.args[0])
                log.warning("the pushed topics can't be read, trying again", error=error.args[0].name())
                self._closing.wait(_PAUSE_S)
            except Exception as error:
                self._loop.call_soon_threadsafe(self._fail, error)
                return
            anew = True

    def _turned(self) -> None:
        """Waiting for Kafka or the registry is no reason to start the process anew, which brings neither back."""
        self._turned_at = time.monotonic()

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    def _follow(self, anew: bool) -> None:
        """Read on, until closed, or until a partition turns out to be another than before.

        Raises:
            KafkaException: Kafka gives no answer, or we may not read that.
        """
        consumer = Consumer(
            {**reader_config(self._client), "auto.offset.reset": "earliest", "error_cb": self._on_error}
        )
        try:
            batch = Batch(anew=anew)
            following: dict[Place, int | None] = self._begin(consumer, batch)
            unread = set(following)
            while not self._closing.is_set():
                self._turned()
                self._add_partitions(consumer, following, batch)
                messages = self._next(consumer)
                for message in messages:
                    if not self._enter(message, following, unread, batch):
                        return
                if messages and not unread:
                    batch.caught_up = True
                if batch.messages or batch.ends or batch.begun or batch.anew:
                    self._hand_over(batch)
                    batch = Batch()
        finally:
            consumer.close()

    def _begin(self, consumer: Consumer, batch: Batch) -> dict[Place, int | None]:
        there = consumer.list_topics(timeout=_ANSWER_S).topics
        if missing := [topic.name for topic in PUSHED if topic.name not in there or not there[topic.name].partitions]:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"Kafka has no topic {missing[0]}"))
        since_ms = int((time.time() - self._replay_s) * 1000)
        asked = [
            TopicPartition(topic.name, number, since_ms) for topic in PUSHED for number in there[topic.name].partitions
        ]
        found = consumer.offsets_for_times(asked, timeout=_ANSWER_S)
        following: dict[Place, int | None] = {}
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
            at = place.offset if place.offset >= 0 else None  # nothing is so young: from the end on, wherever it is
            following[_NUMBERS[place.topic], place.partition] = at
            place.offset = OFFSET_END if at is None else at
        self._counts = {topic.name: len(there[topic.name].partitions) for topic in PUSHED}
        batch.begun += [(place, at) for place, at in following.items() if at is not None]
        consumer.assign(found)
        return following

    def _add_partitions(self, consumer: Consumer, following: dict[Place, int | None], batch: Batch) -> None:
        for topic, count in self._counts.items():
            for number in range(count):
                place = (_NUMBERS[topic], number)
                if place not in following:
                    following[place] = 0
                    batch.begun.append((place, 0))
                    consumer.incremental_assign([TopicPartition(topic, number, OFFSET_BEGINNING)])

    def _next(self, consumer: Consumer) -> list[Message]:
        """What there is, as soon as there is something: `consume` alone would wait for all of its messages."""
        first = consumer.poll(_POLL_S)
        return [] if first is None else [first, *consumer.consume(_BATCH - 1, 0)]

    def _enter(self, message: Message, following: dict[Place, int | None], unread: set[Place], batch: Batch) -> bool:
        """Put a message into the batch; False where its partition is another than before.

        Raises:
            KafkaException: we may not read that.
        """
        error, name, number, offset = message.error(), message.topic(), message.partition(), message.offset()
        if error is not None and is_forbidden(error):
            raise KafkaException(error)
        if name is None or number is None or offset is None or name not in _NUMBERS:
            return True
        place = (_NUMBERS[name], number)
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._reach(place, offset, following, batch)
                batch.ends.append((place, offset))
                unread.discard(place)
            else:
                log.warning("can't be read for now", topic=name, partition=number, error=error.name())
            return True
        self._away_since = None
        self._reach(place, offset, following, batch)
        expected = following[place]
        if expected is not None and offset < expected:
            log.warning("a partition begins anew, and all are read again", topic=name, partition=number)
            return False
        following[place] = offset + 1
        value = message.value()
        assert not isinstance(value, str)  # the types allow for deserializers
        where = f"{name}, {number}, {offset}"
        merchant_id = merchant_of(self._whose, place[0], value, self._closing, where, self._turned)
        if merchant_id is None:
            batch.ends.append((place, offset + 1))
            return True
        batch.messages.append(Pushed(*place, offset, message.timestamp()[1], merchant_id, value or b""))
        return True

    def _reach(self, place: Place, offset: int, following: dict[Place, int | None], batch: Batch) -> None:
        """Note where a partition begins that is read from its end on, now that its end is known."""
        if following[place] is None:
            following[place] = offset
            batch.begun.append((place, offset))

    def _hand_over(self, batch: Batch) -> None:
        while not self._room.acquire(timeout=_POLL_S):
            if self._closing.is_set():
                return

        def take() -> None:
            self._room.release()
            self._deliver(batch)

        self._loop.call_soon_threadsafe(take)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._TRANSPORT):
            self._away_since = self._away_since or time.monotonic()

    def _count_partitions(self) -> None:
        """Ask again and again how many there are: only so is one that was added found, and that Kafka is back."""
        admin: AdminClient | None = None
        while not self._closing.wait(_PAUSE_S if self._away_since is not None else _PARTITIONS_S):
            try:
                admin = admin or AdminClient({**self._client, "log_level": 0, "error_cb": lambda error: None})
                there = admin.list_topics(timeout=_ANSWER_S).topics
            except KafkaException as error:
                self._on_error(error.args[0])
                continue
            self._away_since = None
            counts = {topic.name: len(there[topic.name].partitions) for topic in PUSHED if topic.name in there}
            self._counts = {name: max(count, self._counts.get(name, 0)) for name, count in counts.items()}
