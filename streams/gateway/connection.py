"""One open stream: how far it has come, what it is sent, and how it ends. The transport is behind `Line`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

import structlog

from schemas.codec import Codec
from streams.gateway import metrics
from streams.gateway.cursor import PUSHED
from streams.gateway.history import History
from streams.gateway.message import NAMES, Pushed
from streams.gateway.reading import Missing, Piece, Place, Reading

log = structlog.get_logger("tradewind.streams")

#: Messages that are sent in one go, and written for it.
_AT_ONCE = 32
#: A device has so long to take what is sent in one go, when it is read from Kafka for several devices together.
_TAKES_S = 5.0


class End(Enum):
    """Why a stream ended."""

    GONE = "gone"  # the device went
    SLOW = "slow"  # it did not read
    REVOKED = "revoked"  # its key was revoked, or has expired
    STOPPING = "stopping"  # the gateway stops
    ANEW = "anew"  # the topics begin anew; the device comes back and is told what that means


class LineClosed(Exception):
    """The device has gone."""


class Line(Protocol):
    """The way to a device. All methods return when the transport has taken what is sent.

    Raises:
        LineClosed: the device has gone.
    """

    async def pieces(self, pieces: Sequence[Piece], now_ms: int) -> None:
        """Send messages."""
        ...

    async def note(self, body: Mapping[str, Any]) -> None:
        """Send something about the stream: it has an `id`, a cursor, and a `type`."""
        ...

    async def ping(self, cursor: str) -> None:
        """Send a sign of life, and where the stream is."""
        ...


class Connection:
    """A device that listens.

    Args:
        key_id: whose stream it is.
        line: the way to the device.
        codec: decodes what it is the first to want.

    Attributes:
        over: gets the reason when the stream is to end.
        behind: live messages that wait for the device to take those before.
        catching_up: whether it is not sent what is in memory yet.
        sent_at: when it last was sent something, by the monotonic clock.
    """

    __slots__ = (
        "_codec",
        "_history",
        "_idle",
        "_now_ms",
        "_pump",
        "_quiet",
        "behind",
        "catching_up",
        "key_id",
        "line",
        "over",
        "reading",
        "sent_at",
    )

    def __init__(
        self, key_id: str, reading: Reading, line: Line, history: History, codec: Codec, now_ms: Callable[[], int]
    ) -> None:
        self.key_id = key_id
        self.reading = reading
        self.line = line
        self.over: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.behind = 0
        self.catching_up = True
        self.sent_at = time.monotonic()
        self._history = history
        self._codec = codec
        self._now_ms = now_ms
        self._pump: asyncio.Task[None] | None = None
        self._idle = False
        # While it is not greeted, or what was read from Kafka is on its way, its place is ahead of what the device has:
        # a sign of life would name it, and a device that then breaks off would come back past what it never got.
        self._quiet = True

    @property
    def open(self) -> bool:
        """Whether it has not come to its end."""
        return not self.over.done()

    @property
    def busy(self) -> bool:
        """Whether something is being sent."""
        return self._pump is not None

    def end(self, why: End) -> None:
        """Come to the end. What is being sent is broken off; the device comes back with its cursor."""
        if not self.over.done():
            self.over.set_result(why)
        if self._pump is not None:
            self._pump.cancel()

    def begin_now(self) -> str:
        """Begin with whatever comes from now on; gives the cursor of now."""
        self.reading.seen = self._history.next_seq
        self.behind, self._idle = 0, True
        return self._history.cursor

    def incoming(self, seq: int) -> None:
        """The message of that number is for this stream; to be followed by `wake`."""
        if self._idle:
            # It has all that came before; what was another's may have left memory since it last looked.
            self.reading.seen = seq
            self._idle = False
        self.behind += 1

    def wake(self) -> None:
        """Send what memory has for it."""
        if self._pump is None and self.open and not self.catching_up:
            self._pump = asyncio.ensure_future(self._run())

    async def greet(self, body: Mapping[str, Any]) -> None:
        """Send the first message.

        Raises:
            LineClosed: the device has gone.
        """
        await self.line.note(body)
        self._quiet = False

    def ping(self) -> None:
        """Send a sign of life, unless something is being sent anyway."""
        if self._pump is None and self.open and not self._quiet:
            self._pump = asyncio.ensure_future(self._send_ping())

    async def push_scanned(self, found: Sequence[Pushed], reached: Mapping[Place, int]) -> None:
        """Send what it gets of messages that were read from Kafka; who does not take them in time is ended."""
        pieces = self.reading.scanned(found, reached)
        self._quiet = True
        for start in range(0, len(pieces), _AT_ONCE):
            if self.open:
                await self._in_time(self._send(pieces[start : start + _AT_ONCE], "kafka"))
        self._quiet = False

    async def push_gap(self, missing: Sequence[Missing]) -> None:
        """Tell what Kafka no longer has."""
        passed = self.reading.skip(missing)
        if not passed:
            return
        metrics.GAPS.inc()
        self._quiet = True
        await self._in_time(self.line.note(gap(self.reading.cursor(self._history), passed)))
        self._quiet = False

    async def _in_time(self, sending: Coroutine[Any, Any, None]) -> None:
        try:
            await asyncio.wait_for(sending, _TAKES_S)
        except asyncio.TimeoutError:
            self.end(End.SLOW)
        except LineClosed:
            self.end(End.GONE)

    async def _run(self) -> None:
        try:
            while self.open:
                if self.reading.left_behind(self._history):
                    self.end(End.SLOW)
                    return
                live = self.reading.offsets is None
                pieces = self.reading.take(self._history, _AT_ONCE)
                if not pieces:
                    self.behind, self._idle = 0, True
                    return
                await self._send(pieces, "live" if live else "memory")
        except LineClosed:
            self.end(End.GONE)
        except Exception as error:
            log.error("a stream ends, for it can't be served", error=type(error).__name__)
            self.end(End.ANEW)
        finally:
            self._pump = None

    async def _send(self, pieces: Sequence[Piece], source: str) -> None:
        good = [piece for piece in pieces if self._decoded(piece.message)]
        if good:
            now_ms = self._now_ms()
            await self.line.pieces(good, now_ms)
            self.sent_at = time.monotonic()
        self.behind = max(0, self.behind - len(pieces))
        for piece in good:
            metrics.PUSHES.labels(NAMES[piece.message.topic], source).inc()
            if source == "live":
                metrics.PUSH_SECONDS.observe(max(0.0, (self._now_ms() - piece.message.at_ms) / 1000))

    def _decoded(self, message: Pushed) -> bool:
        before = message.size
        rejected = message.decode(self._codec)
        if message.seq >= self._history.first_seq:
            self._history.grew(message.size - before)
        if rejected is None:
            return True
        metrics.UNDECODABLE.labels(PUSHED[message.topic].name, rejected.error_class).inc()
        place = f"{PUSHED[message.topic].name}, {message.partition}, {message.offset}"
        log.warning("can't be pushed", place=place, error_class=rejected.error_class, error=rejected.message)
        return False

    async def _send_ping(self) -> None:
        try:
            await self.line.ping(self.reading.cursor(self._history))
            self.sent_at = time.monotonic()
        except LineClosed:
            self.end(End.GONE)
        finally:
            self._pump = None
            if self.open and not self.catching_up:
                self.wake()  # for what came meanwhile


def hello(cursor: str, reading: Reading, *, resumed: bool) -> dict[str, Any]:
    """What a stream begins with."""
    found: dict[str, Any] = {"id": cursor, "type": "hello", "topics": [NAMES[topic] for topic in reading.topics]}
    return found | ({"resumed": True} if resumed else {})


def gap(cursor: str, missing: Sequence[Missing]) -> dict[str, Any]:
    """What a stream is told of messages that are no longer there."""
    places = [
        {
            "topic": PUSHED[each.topic].name,
            "partition": each.partition,
            "first_offset": each.first,
            "last_offset": each.last - 1,
        }
        for each in missing
    ]
    return {"id": cursor, "type": "gap", "missing": places}
