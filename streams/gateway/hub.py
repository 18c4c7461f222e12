"""From the topics to the devices: one tail, one memory, and everybody who listens, by merchant."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from schemas.codec import Codec
from streams.gateway import metrics
from streams.gateway.catch_up import CatchUp
from streams.gateway.connection import Connection, End, Line, LineClosed, gap, hello
from streams.gateway.cursor import Offsets
from streams.gateway.history import History
from streams.gateway.keys import ApiKey, Keys
from streams.gateway.message import Pushed
from streams.gateway.problems import Problem
from streams.gateway.reading import Reading
from streams.gateway.tail import Batch, Tail
from tradewind.settings import Settings

log = structlog.get_logger("tradewind.streams")

_BEAT_S = 0.5
_PATIENCE_S = 30.0  # a broker that is away for so long is told as not being ready
_START_S = 10.0  # a device waits so long for a gateway that has just been started
_AHEAD_S = 3.0  # and so long for one that is behind the one it comes from
#: Messages whose text is kept for those who are about to be sent it: how many, how much of them, for how long.
_HOT, _HOT_BYTES, _HOT_MS = 4_000, 16 * 1024 * 1024, 5_000
#: Live streams read from memory, whatever the settings say of replay.
_LEAST_KEPT_S = 30.0
_LEAST_KEPT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HubLimits:
    """What the hub allows.

    Attributes:
        connections: streams that may be open at once.
        per_key: and of one key.
        replay_s, replay_bytes: what is kept in memory for devices that come back.
        queue: live messages that may wait for a device that does not read.
        ping_s: a stream that was sent nothing for so long is sent a sign of life.
        stuck_s: a thread or loop that takes no turn for so long is stuck.
    """

    connections: int = 10_000
    per_key: int = 5_000
    replay_s: float = 600.0
    replay_bytes: int = 64 * 1024 * 1024
    queue: int = 1_000
    ping_s: float = 15.0
    stuck_s: float = 120.0


def hub_limits(settings: Settings) -> HubLimits:
    """The limits that the settings say. One key may have half of all streams."""
    return HubLimits(
        connections=settings.gateway_connections,
        per_key=max(1, settings.gateway_connections // 2),
        replay_s=settings.gateway_replay_s,
        replay_bytes=settings.gateway_replay_bytes,
        stuck_s=settings.stuck_after_s,
    )


class Hub:
    """Everything that is pushed, in one event loop.

    Args:
        client: settings of a confluent-kafka client.
        codec: decodes what is pushed; asked by threads as well.
        keys: asked whether a key that opened a stream is still good.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        codec: Codec,
        keys: Keys,
        limits: HubLimits = HubLimits(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._codec = codec
        self._keys = keys
        self._limits = limits
        self._clock = clock
        keep_bytes = max(limits.replay_bytes, _LEAST_KEPT_BYTES)
        self.history = History(max(limits.replay_s, _LEAST_KEPT_S) * 1000, keep_bytes)
        self._tail = Tail(client, codec, self._take, replay_s=limits.replay_s)
        self._catch_up = CatchUp(client, codec, lambda: self.history.position)
        self._by_merchant: dict[str, set[Connection]] = {}
        self._by_key: dict[str, int] = {}
        self._count = 0
        self._hot: deque[Pushed] = deque()
        self._hot_bytes = 0
        self._caught_up = asyncio.Event()
        self._advanced = asyncio.Event()
        self._stopping = False
        self._beating: asyncio.Task[None] | None = None
        self._turn_at: float | None = None

    def start(self) -> None:
        """Begin to read the topics. Called in the event loop that the streams are served by."""
        self._tail.start()
        self._beating = asyncio.ensure_future(self._beat())

    async def run(self) -> None:
        """Until the hub can't go on.

        Raises:
            KafkaException, ...: why.
        """
        await asyncio.shield(self._tail.failed)

    async def close(self) -> None:
        """End all streams in order, and stop reading."""
        if self._stopping:
            return
        self._stopping = True
        for connection in self._everybody():
            connection.end(End.STOPPING)
        if self._beating is not None:
            self._beating.cancel()
        await self._catch_up.close()
        await self._tail.close()

    @property
    def connections(self) -> int:
        """Streams that are open."""
        return self._count

    def live(self) -> dict[str, str | None]:
        """What is stuck; may be asked by any thread.

        The beat is watched as the loop is, for a fault in it would end it alone.
        """
        if self._turn_at is None:
            return {}
        late = {"streams": time.monotonic() - self._turn_at, "tail": self._tail.silent_s}
        return {
            name: f"it has taken no turn for {silent_s:.0f} s" if silent_s > self._limits.stuck_s else None
            for name, silent_s in late.items()
        }

    def ready(self) -> dict[str, str | None]:
        """What keeps devices from being served now; may be asked by any thread."""
        away_s = self._tail.away_s
        return {
            "stream": None if self._caught_up.is_set() else "still reading what was made lately",
            "tail": f"no broker answers for {away_s:.0f} s" if away_s > _PATIENCE_S else None,
        }

    async def admit(self, key: ApiKey) -> Problem | None:
        """Whether one more stream of this key can be opened now; waits a little for a gateway that is starting."""
        if not self._caught_up.is_set():
            try:
                await asyncio.wait_for(self._caught_up.wait(), _START_S)
            except asyncio.TimeoutError:
                return self._refused("starting", Problem(503, "starting", "the gateway is starting", retry_after_s=2))
        if self._stopping:
            return self._refused("stopping", Problem(503, "stopping", "the gateway is stopping", retry_after_s=2))
        if self._by_key.get(key.id, 0) >= self._limits.per_key:
            detail = f"this key has {self._limits.per_key} streams open already; end some, or use another key"
            return self._refused("key", Problem(429, "too_many_streams", detail, retry_after_s=10))
        if self._count >= self._limits.connections:
            detail = f"{self._count} streams are open already; try again later (TRADEWIND_GATEWAY_CONNECTIONS)"
            return self._refused("connections", Problem(503, "too_many_streams", detail, retry_after_s=10))
        return None

    def open(self, key: ApiKey, topics: Sequence[int], line: Line) -> Connection:
        """Open a stream. From here on it misses nothing; `serve` sends it. To be closed by `drop`."""
        reading = Reading(self.history, key.merchant_id, topics)
        connection = Connection(key.id, reading, line, self.history, self._codec, self._now_ms)
        self._by_merchant.setdefault(key.merchant_id, set()).add(connection)
        self._by_key[key.id] = self._by_key.get(key.id, 0) + 1
        self._count += 1
        return connection

    def drop(self, connection: Connection) -> None:
        """Forget a stream that has ended."""
        connection.end(End.GONE)
        merchant_id = connection.reading.merchant_id
        mine = self._by_merchant.get(merchant_id, set())
        if connection in mine:
            mine.discard(connection)
            if not mine:
                del self._by_merchant[merchant_id]
            self._count -= 1
            self._by_key[connection.key_id] -= 1
            if not self._by_key[connection.key_id]:
                del self._by_key[connection.key_id]

    async def serve(self, connection: Connection, offsets: Offsets | None) -> End:
        """Greet, bring up to now where the device was before, and go on live until the end; gives why.

        Args:
            offsets: where the device was; None where it begins with what is new.
        """
        reading = connection.reading
        beginning: asyncio.Task[None] | None = None
        try:
            if offsets is None:
                await connection.greet(hello(connection.begin_now(), reading, resumed=False))
                connection.catching_up = False
                connection.wake()
            else:
                reading.resume(self.history, offsets)
                await connection.greet(hello(reading.cursor(self.history), reading, resumed=True))
                beginning = asyncio.ensure_future(self._bring_up(connection))
            return await asyncio.shield(connection.over)
        except LineClosed:
            return End.GONE
        finally:
            if beginning is not None:
                beginning.cancel()

    async def _bring_up(self, connection: Connection) -> None:
        """From Kafka for as long as memory does not reach back far enough, and then from memory."""
        try:
            await self._wait_for_the_tail(connection)
            source = "memory"
            while connection.open and not connection.reading.find_place(self.history):
                source = "kafka"
                await self._catch_up.serve(connection)
            metrics.REPLAYS.labels(source).inc()
            connection.catching_up = False
            connection.wake()
        except LineClosed:
            connection.end(End.GONE)
        except Exception as error:
            # The type alone, here and elsewhere: an error's text may hold an event's.
            log.error("a stream could not be resumed", error=type(error).__name__)
            connection.end(End.ANEW)

    async def _wait_for_the_tail(self, connection: Connection) -> None:
        """A device may come from a gateway that is a little ahead of this one; or from topics that are no more."""
        reading = connection.reading
        while reading.ahead(self.history) and connection.open:
            self._advanced.clear()
            try:
                await asyncio.wait_for(self._advanced.wait(), _AHEAD_S)
                continue
            except asyncio.TimeoutError:
                ends = await self._catch_up.ends()
            if lost := reading.begin_anew(self.history, ends):
                metrics.GAPS.inc()
                await connection.line.note(gap(reading.cursor(self.history), lost) | {"reset": True})

    def _take(self, batch: Batch) -> None:
        """What the tail read. No await in here: a stream is before or after all of it."""
        history, now_ms = self.history, self._clock() * 1000
        if batch.anew:
            history.clear()
            self._caught_up.clear()
            for connection in self._everybody():
                connection.end(End.ANEW)
        for (topic, partition), offset in batch.begun:
            history.begin(topic, partition, offset)
        caught_up = self._caught_up.is_set()
        woken: set[Connection] = set()
        for message in batch.messages:
            history.add(message, now_ms if caught_up else message.at_ms)
            if listening := self._by_merchant.get(message.merchant_id):
                message.cursor = history.cursor
                self._hot.append(message)
                self._hot_bytes += message.wire_size
                wanting = [each for each in listening if message.topic in each.reading.topics]
                for connection in wanting:
                    connection.incoming(message.seq)
                woken.update(wanting)
        for (topic, partition), offset in batch.ends:
            history.advance(topic, partition, offset)
        if batch.caught_up and not caught_up:
            log.info("devices can be served", in_memory=len(history), bytes=history.bytes)
            self._caught_up.set()
        self._advanced.set()
        for connection in woken:
            if connection.reading.offsets is None and connection.behind > self._limits.queue:
                connection.end(End.SLOW)
            else:
                connection.wake()
        self._let_go(now_ms)

    def _let_go(self, now_ms: float) -> None:
        self.history.evict(now_ms)
        while self._hot and (
            len(self._hot) > _HOT or self._hot_bytes > _HOT_BYTES or self._hot[0].kept_ms < now_ms - _HOT_MS
        ):
            message = self._hot.popleft()
            self._hot_bytes -= message.wire_size
            message.forget_written()

    async def _beat(self) -> None:
        """Signs of life, keys that were revoked, and memory that is let go; for ever."""
        while True:
            now = self._turn_at = time.monotonic()
            bad = {key_id for key_id in self._by_key if not self._keys.still_good(key_id)}
            for connection in self._everybody():
                if connection.key_id in bad:
                    connection.end(End.REVOKED)
                elif now - connection.sent_at >= self._limits.ping_s:
                    if connection.busy and now - connection.sent_at >= 4 * self._limits.ping_s:
                        connection.end(End.SLOW)  # it takes nothing, be it only a sign of life
                    connection.ping()
            self._let_go(self._clock() * 1000)
            metrics.HISTORY_MESSAGES.set(len(self.history))
            metrics.HISTORY_BYTES.set(self.history.bytes)
            await asyncio.sleep(_BEAT_S)

    def _everybody(self) -> list[Connection]:
        return [connection for mine in self._by_merchant.values() for connection in mine]

    def _refused(self, reason: str, problem: Problem) -> Problem:
        metrics.REFUSED.labels(reason).inc()
        return problem

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
