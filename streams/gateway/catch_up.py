"""What devices missed that were away for longer than memory reaches, read again from Kafka.

Reading a topic again costs the broker, whoever asks; so few scans run at once, each serves all who wait and are about
as far behind, and one that takes long makes room for others every few seconds.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.codec import Codec
from streams.aside import aside
from streams.gateway import metrics
from streams.gateway.cursor import PUSHED, Offsets
from streams.gateway.message import Pushed
from streams.gateway.reading import Missing, Place, Reading
from streams.gateway.tail import merchant_of, reader_config
from streams.gateway.whose import Whose

log = structlog.get_logger("tradewind.streams")

_SCANS = 2
_GROUP = 2_000  # streams that one scan serves
_TURN_S = 5.0
_BATCH = 1_000
_POLL_S = 0.1
_ANSWER_S = 10.0
_PAUSE_S = 1.0
_ALIKE = 4.0  # how many times as far behind another stream may be to be served by the same scan


class Behind(Protocol):
    """A stream that is behind."""

    reading: Reading

    async def push_scanned(self, found: Sequence[Pushed], reached: Mapping[Place, int]) -> None:
        """Send what it gets of these messages; ends the stream where it does not take them in time."""
        ...

    async def push_gap(self, missing: Sequence[Missing]) -> None:
        """Tell what Kafka no longer has."""
        ...

    @property
    def open(self) -> bool:
        """Whether it still wants anything."""
        ...


@dataclass(slots=True, eq=False)
class _Waiting:
    stream: Behind
    done: asyncio.Future[None]
    left: int = 0


@dataclass(slots=True)
class _Stretch:
    """What one scan reads: from where to where, for whose streams."""

    starts: dict[Place, int]
    ends: dict[Place, int]
    merchants: frozenset[str]
    give_up: threading.Event = field(default_factory=threading.Event)


#: Takes messages, how far each partition was read with them, and what was missing; returns when all is sent.
_Feed = Callable[[list[Pushed], dict[Place, int], list[Missing]], None]


class CatchUp:
    """Scans for streams that are behind. Lives in the event loop.

    Args:
        client: settings of a confluent-kafka client.
        position: how far the tail has read, now.
    """

    def __init__(self, client: Mapping[str, Any], codec: Codec, position: Callable[[], Offsets]) -> None:
        self._client = client
        self._whose = Whose(codec)
        self._position = position
        self._waiting: list[_Waiting] = []
        self._scans: set[asyncio.Task[None]] = set()
        self._stretches: set[threading.Event] = set()
        self._closed = False

    async def serve(self, stream: Behind) -> None:
        """Bring a stream up to where the tail was a moment ago, or until it is over."""
        waiting = _Waiting(stream, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._begin()
        try:
            await waiting.done
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def ends(self) -> dict[Place, int]:
        """Up to where Kafka says that each partition reaches; past any offset while it gives no answer."""
        position = self._position()
        places = [(topic, number) for topic, known in enumerate(position) for number in range(len(known))]
        try:
            return await aside(lambda: _ends(self._client, places), "ends")
        except KafkaException:
            await asyncio.sleep(_PAUSE_S)
            return dict.fromkeys(places, 1 << 62)

    async def close(self) -> None:
        """Stop scanning."""
        self._closed = True
        for give_up in self._stretches:
            give_up.set()
        for scan in self._scans:
            scan.cancel()
        await asyncio.gather(*self._scans, return_exceptions=True)

    def _begin(self) -> None:
        while self._waiting and len(self._scans) < _SCANS and not self._closed:
            group = self._next_group()
            scan = asyncio.ensure_future(self._scan(group))
            self._scans.add(scan)
            scan.add_done_callback(self._ended)

    def _ended(self, scan: asyncio.Task[None]) -> None:
        self._scans.discard(scan)
        self._begin()

    def _next_group(self) -> list[_Waiting]:
        """Who has waited longest, and those who are about as far behind: nobody waits for another's long way."""
        position = self._position()
        for each in self._waiting:
            each.left = sum(end - start for start, end in _to_read(each.stream.reading, position).values()) + 1
        first = self._waiting[0].left
        group = [each for each in self._waiting if first / _ALIKE <= each.left <= first * _ALIKE][:_GROUP]
        self._waiting = [each for each in self._waiting if each not in set(group)]
        return group

    async def _scan(self, group: list[_Waiting]) -> None:
        """Read for a group for one turn. Who has what it needs is done, the others wait for another turn."""
        loop, position = asyncio.get_running_loop(), [list(each) for each in self._position()]
        ranges: dict[Place, tuple[int, int]] = {}
        for each in group:
            for place, (start, end) in _to_read(each.stream.reading, position).items():
                ranges[place] = (min(start, ranges.get(place, (start, end))[0]), end)
        stretch = _Stretch(
            {place: start for place, (start, _) in ranges.items()},
            {place: end for place, (_, end) in ranges.items()},
            frozenset(each.stream.reading.merchant_id for each in group),
        )

        def feed(found: list[Pushed], reached: dict[Place, int], missing: list[Missing]) -> None:
            asyncio.run_coroutine_threadsafe(_push(group, found, reached, missing), loop).result()
            if not any(each.stream.open for each in group):
                stretch.give_up.set()

        self._stretches.add(stretch.give_up)
        try:
            await aside(lambda: read(self._client, self._whose, stretch, feed), "catch-up")
        except KafkaException as error:
            log.warning("what devices missed can't be read, trying again", error=error.args[0].name())
            await asyncio.sleep(_PAUSE_S)
        except Exception as error:
            log.error("what devices missed can't be read, trying again", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_S)
        finally:
            stretch.give_up.set()
            self._stretches.discard(stretch.give_up)
            for each in group:
                if not each.stream.open or not _to_read(each.stream.reading, position):
                    if not each.done.done():
                        each.done.set_result(None)
                elif not each.done.done():
                    self._waiting.append(each)


def read(client: Mapping[str, Any], whose: Whose, stretch: _Stretch, feed: _Feed) -> None:
    """Read a stretch, or as much of it as there is time for. For a thread.

    Raises:
        KafkaException: Kafka gives no answer, or refuses.
    """
    give_up_at = time.monotonic() + _TURN_S
    consumer = Consumer({**reader_config(client), "auto.offset.reset": "error", "error_cb": lambda error: None})
    try:
        starts = dict(stretch.starts)
        missing = _lost(consumer, starts, stretch)
        if missing:
            feed([], {}, missing)
        left = {place for place, start in starts.items() if start < stretch.ends[place]}
        consumer.assign([TopicPartition(PUSHED[topic].name, n, starts[topic, n]) for topic, n in left])
        heard_at = time.monotonic()
        while left and time.monotonic() < give_up_at and not stretch.give_up.is_set():
            first = consumer.poll(_POLL_S)
            messages = [] if first is None else [first, *consumer.consume(_BATCH - 1, 0)]
            if messages:
                heard_at = time.monotonic()
            elif time.monotonic() > heard_at + _ANSWER_S:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "Kafka stopped answering"))
            found, reached = _sort(messages, whose, stretch)
            if reached:
                feed(found, reached, [])
            done = {place for place, offset in reached.items() if place in left and offset >= stretch.ends[place]}
            if done:
                left -= done
                consumer.incremental_unassign([TopicPartition(PUSHED[topic].name, n) for topic, n in done])
    finally:
        consumer.close()


def _ends(client: Mapping[str, Any], places: Sequence[Place]) -> dict[Place, int]:
    consumer = Consumer({**reader_config(client), "error_cb": lambda error: None})
    try:
        return {
            (topic, number): consumer.get_watermark_offsets(
                TopicPartition(PUSHED[topic].name, number), timeout=_ANSWER_S
            )[1]
            for topic, number in places
        }
    finally:
        consumer.close()


def _lost(consumer: Consumer, starts: dict[Place, int], stretch: _Stretch) -> list[Missing]:
    """What of the stretch Kafka no longer has; the starts are moved past it."""
    missing = []
    for (topic, number), start in starts.items():
        low, _ = consumer.get_watermark_offsets(TopicPartition(PUSHED[topic].name, number), timeout=_ANSWER_S)
        if low > start:
            low = min(low, stretch.ends[topic, number])
            missing.append(Missing(topic, number, start, low))
            starts[topic, number] = low
    return missing


def _sort(messages: Sequence[Message], whose: Whose, stretch: _Stretch) -> tuple[list[Pushed], dict[Place, int]]:
    """Messages of the merchants that are asked for, and how far each partition has been read.

    Raises:
        KafkaException: of a message that is an error, such as that Kafka lost meanwhile what was to be read.
    """
    numbers = {topic.name: number for number, topic in enumerate(PUSHED)}
    found: list[Pushed] = []
    reached: dict[Place, int] = {}
    for message in messages:
        error, number, offset = message.error(), message.partition(), message.offset()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            if error.retriable():
                continue
            raise KafkaException(error)
        name = message.topic()
        if name is None or number is None or offset is None:
            continue
        place = (numbers[name], number)
        if error is not None:
            reached[place] = max(offset, reached.get(place, 0))
            continue
        reached[place] = offset + 1
        metrics.SCANNED.inc()
        value = message.value()
        assert not isinstance(value, str)  # the types allow for deserializers
        merchant_id = merchant_of(whose, place[0], value, stretch.give_up, f"{name}, {number}, {offset}")
        if merchant_id in stretch.merchants and merchant_id is not None:
            found.append(Pushed(*place, offset, message.timestamp()[1], merchant_id, value or b""))
    return found, reached


async def _push(
    group: Sequence[_Waiting], found: list[Pushed], reached: dict[Place, int], missing: list[Missing]
) -> None:
    streams = [each.stream for each in group if each.stream.open]
    if missing:
        await asyncio.gather(*(stream.push_gap(missing) for stream in streams))
    if reached:
        by_merchant: dict[str, list[Pushed]] = {}
        for message in found:
            by_merchant.setdefault(message.merchant_id, []).append(message)
        await asyncio.gather(
            *(stream.push_scanned(by_merchant.get(stream.reading.merchant_id, ()), reached) for stream in streams)
        )


def _to_read(reading: Reading, position: Offsets) -> dict[Place, tuple[int, int]]:
    """By partition, from where to where a stream has to be brought."""
    if reading.offsets is None:
        return {}
    return {
        (topic, number): (start, position[topic][number])
        for topic in reading.topics
        for number, start in enumerate(reading.offsets[topic])
        if number < len(position[topic]) and start < position[topic][number]
    }
