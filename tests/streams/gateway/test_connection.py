"""One stream with a device that takes what is sent when the test lets it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from streams.gateway import cursor
from streams.gateway.connection import Connection, End, LineClosed, hello
from streams.gateway.history import History
from streams.gateway.message import Pushed
from streams.gateway.reading import Missing, Piece, Reading
from tests.streams.gateway.ground import codec, draft, until

CODEC = codec()


class Line:
    """Notes what has been sent, once it may pass."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.open = asyncio.Event()
        self.open.set()
        self.gone = False

    async def pieces(self, pieces: Sequence[Piece], now_ms: int) -> None:
        await self._pass([message.offset for message, _ in pieces])

    async def note(self, body: Mapping[str, Any]) -> None:
        await self._pass([body["type"]])

    async def ping(self, at: str) -> None:
        await self._pass([("ping", cursor.decode(at)[0][0])])

    async def _pass(self, what: list[Any]) -> None:
        await self.open.wait()
        if self.gone:
            raise LineClosed
        self.sent += what


def message(offset: int, merchant_id: str = "m-1") -> Pushed:
    return Pushed(0, 0, offset, 0, merchant_id, CODEC.encode_event(draft(merchant_id)))


@pytest.fixture
def history() -> History:
    found = History(1e12, 1 << 30)
    for topic in range(3):
        found.begin(topic, 0, 0)
    return found


async def made(history: History, line: Line, offsets: list[list[int]] | None = None) -> Connection:
    """A stream that has been greeted."""
    connection = Connection("k", Reading(history, "m-1"), line, history, CODEC, lambda: 0)
    if offsets is None:
        await connection.greet(hello(connection.begin_now(), connection.reading, resumed=False))
        connection.catching_up = False
    else:
        connection.reading.resume(history, offsets)
        await connection.greet(hello("", connection.reading, resumed=True))
    return connection


def arrive(history: History, connection: Connection, *messages: Pushed) -> None:
    """As the hub does it."""
    for each in messages:
        history.add(each, 0)
        if each.merchant_id == "m-1":
            each.cursor = history.cursor
            connection.incoming(each.seq)
    connection.wake()


async def test_an_idle_stream_is_not_left_behind_by_what_is_others(history: History) -> None:
    line = Line()
    connection = await made(history, line)
    for offset in range(5):
        history.add(message(offset, "m-2"), 0)
    history.evict(1e18)
    arrive(history, connection, message(5))
    await until(lambda: line.sent == ["hello", 5], "it has its message")
    assert connection.open


async def test_a_stream_whose_next_message_has_left_memory_ends(history: History) -> None:
    line = Line()
    connection = await made(history, line)
    line.open.clear()
    arrive(history, connection, *(message(offset) for offset in range(100)))
    await until(lambda: connection.busy, "it is being sent to")
    await asyncio.sleep(0)
    arrive(history, connection, message(100))
    history.evict(1e18)
    line.open.set()
    assert await connection.over is End.SLOW
    assert line.sent == ["hello", *range(32)]


async def test_no_ping_names_a_place_that_the_device_has_not_come_to(history: History) -> None:
    """What was read from Kafka counts as sent when the device has taken it, and not before."""
    history.advance(0, 0, 50)
    line = Line()
    connection = await made(history, line, [[0], [0], [0]])
    line.open.clear()
    pushing = asyncio.ensure_future(connection.push_scanned([message(offset) for offset in range(40)], {(0, 0): 50}))
    await asyncio.sleep(0)
    connection.ping()
    line.open.set()
    await pushing
    connection.ping()
    await until(lambda: len(line.sent) == 42, "it is pinged")
    assert line.sent == ["hello", *range(40), ("ping", 50)]


async def test_no_ping_comes_before_the_greeting(history: History) -> None:
    line = Line()
    connection = Connection("k", Reading(history, "m-1"), line, history, CODEC, lambda: 0)
    connection.ping()
    assert not connection.busy


async def test_a_gap_is_told_once_and_to_whom_it_concerns(history: History) -> None:
    history.advance(0, 0, 50)
    line = Line()
    connection = await made(history, line, [[10], [0], [0]])
    await connection.push_gap([Missing(0, 0, 5, 20)])
    await connection.push_gap([Missing(0, 0, 5, 20), Missing(1, 0, 0, 0)])
    assert line.sent == ["hello", "gap"]
    assert connection.reading.offsets == [[20], [0], [0]]


async def test_a_device_that_goes_ends_its_stream(history: History) -> None:
    line = Line()
    connection = await made(history, line)
    line.gone = True
    arrive(history, connection, message(0))
    assert await connection.over is End.GONE
