"""The stream of what comes back: each message once, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from streams.edge import EdgeClient, EdgePolicy, KeyRefused, Message, WrongAddress
from streams.edge.message import read_message
from tests.support.edge_server import KEY, EdgeServer
from tests.support.waiting import come_true

Transport = Literal["websocket", "sse"]
QUICK = EdgePolicy(backoff_first_s=0.0025, backoff_most_s=0.05, silent_s=0.3)
both = pytest.mark.parametrize("transport", ["websocket", "sse"])


async def read(client: EdgeClient, count: int, *topics: str) -> list[Message]:
    """So many messages."""

    async def reading() -> list[Message]:
        found: list[Message] = []
        async for message in client.stream(topics):
            found.append(message)
            if len(found) == count:
                await client.confirm(message)
                break
        return found

    return await asyncio.wait_for(reading(), 10)


def events(messages: list[Message]) -> list[int]:
    """Which ones."""
    return [message.event["n"] for message in messages]


@both
async def test_messages_come_as_they_are_said(tmp_path: Path, transport: Transport) -> None:
    policy = replace(QUICK, transport=transport)
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", policy) as client:
        reading = asyncio.ensure_future(read(client, 3))
        await come_true(lambda: bool(server.resumed_from), "the stream is open")
        await server.say({"n": 0}, {"n": 1})
        await server.say({"n": 2}, kind="insights")
        first, _, last = await reading
        assert (first.type, first.place, first.event) == ("answers-drafted", ("answers-drafted.v1", 0, 0), {"n": 0})
        assert (last.type, last.published_at) == ("insights", 1_700_000_000_002)


@both
async def test_a_broken_connection_loses_nothing_and_repeats_nothing(tmp_path: Path, transport: Transport) -> None:
    policy = replace(QUICK, transport=transport)
    script = ["cut:0", "cut:3", "503", "cut:1", "cut:0", "cut:2"]
    async with EdgeServer(stream_script=script) as server:
        async with EdgeClient(server.url, KEY, tmp_path / "q", policy) as client:
            reading = asyncio.ensure_future(read(client, 20))
            await come_true(lambda: bool(server.resumed_from), "the stream is open")
            await server.say(*({"n": number} for number in range(20)))
            assert events(await reading) == list(range(20))
        assert server.resumed_from[:2] == [None, "c0"]  # a hello is enough to come back to


async def test_what_comes_again_is_dropped(tmp_path: Path) -> None:
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        reading = asyncio.ensure_future(read(client, 3))
        await come_true(lambda: bool(server.resumed_from), "the stream is open")
        await server.say({"n": 0})
        await server.say({"n": 0}, offset=0, published_at=1_700_000_000_000)
        await server.say({"n": 1})
        # The same offset at another time is another message: the topic was made anew.
        await server.say({"n": 2}, offset=0)
        assert events(await reading) == [0, 1, 2]


async def test_the_next_client_goes_on_where_this_one_was(tmp_path: Path) -> None:
    async with EdgeServer() as server:
        await server.say(*({"n": number} for number in range(5)))
        async with EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(read_one(client), 0.1)  # it begins now, and says so in its file
            await server.say(*({"n": number} for number in range(5, 9)))
        async with EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
            assert events(await read(client, 3)) == [5, 6, 7]
        async with EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
            # It died with this one in its hands: it comes again.
            assert (await read_one(client)).event == {"n": 8}
        async with EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
            assert (await read_one(client)).event == {"n": 8}


async def read_one(client: EdgeClient) -> Message:
    """One message, without a word that it was read."""
    stream = client.stream()
    try:
        return await anext(stream)
    finally:
        await stream.aclose()


@both
async def test_a_silent_connection_is_given_up(tmp_path: Path, transport: Transport) -> None:
    policy = replace(QUICK, transport=transport)
    async with EdgeServer(stream_script=["silent"] if transport == "websocket" else []) as server:
        await server.say({"n": 0})
        async with EdgeClient(server.url, KEY, tmp_path / "q", policy) as client:
            reading = asyncio.ensure_future(read(client, 1))
            await come_true(lambda: len(server.resumed_from) > 1, "it connects again")
            await server.say({"n": 1})
            assert events(await reading) == [1]


async def test_a_ping_goes_out_only_while_a_draft_is_expected(tmp_path: Path) -> None:
    policy = replace(QUICK, keep_awake_s=0.01, silent_s=10.0)
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", policy) as client:
        reading = asyncio.ensure_future(read(client, 2))
        question = await client.put("questions", {"listing_id": "l", "question_id": "q", "text": "Blue?"})
        await come_true(lambda: server.pings >= 3, "pings come")
        await server.say({"n": 0, "source_event_id": question})
        await come_true(lambda: not client._expected.any(0.0), "the draft came")
        pings = client._receiver.pings
        await server.say({"n": 1})
        await reading
        assert client._receiver.pings <= pings + 1  # one may have been on its way


@both
async def test_a_sign_of_life_moves_the_place_and_nothing_else(tmp_path: Path, transport: Transport) -> None:
    policy = replace(QUICK, transport=transport, silent_s=10.0)
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", policy) as client:
        reading = asyncio.ensure_future(read(client, 1))
        await come_true(lambda: bool(server.resumed_from), "the stream is open")
        await server.sign_of_life("c9")
        await come_true(lambda: client._cursor == "c9", "the place has moved")
        assert client._queue.cursor() == "c9"
        await server.say({"n": 0})
        assert events(await reading) == [0]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"pong": 1}', None),
        ('{"id": "c", "type": "hello", "resumed": true}', (None, "hello")),
        ('{"id": "c", "type": "news", "topic": "news.v1", "partition": 1, "offset": 2}', (("news.v1", 1, 2), "news")),
    ],
)
def test_frames(text: str, place: tuple[object, str] | None) -> None:
    found = read_message(text)
    assert (found and (found.place, found.type)) == place


@pytest.mark.parametrize("text", ["[]", "{", '{"id": "c", "type": "x", "topic": "t", "offset": null}'])
def test_frames_that_are_broken(text: str) -> None:
    with pytest.raises(ValueError, match=r"message|Expecting"):
        read_message(text)


async def test_a_gap_is_told(tmp_path: Path) -> None:
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        reading = asyncio.ensure_future(read(client, 1))
        await come_true(lambda: bool(server.resumed_from), "the stream is open")
        await server.say({}, kind="gap", missing=[{"topic": "insights.v1", "partition": 0, "from": 3, "to": 9}])
        (gap,) = await reading
        assert (gap.type, gap.place, gap.data["missing"][0]["from"]) == ("gap", None, 3)


@both
async def test_a_refused_key_is_told(tmp_path: Path, transport: Transport) -> None:
    policy = replace(QUICK, transport=transport)
    async with EdgeServer() as server, EdgeClient(server.url, "tw_wrong_one", tmp_path / "q", policy) as client:
        with pytest.raises(KeyRefused, match="401 unknown_key"):
            await read(client, 1)


@both
async def test_no_stream_at_this_address(tmp_path: Path, transport: Transport) -> None:
    policy = replace(QUICK, transport=transport)
    server = EdgeServer(stream_script=["404"] * 2)
    async with server, EdgeClient(server.url, KEY, tmp_path / "q", policy) as client:
        with pytest.raises(WrongAddress, match="404 told_to"):
            await read(client, 1)


async def test_one_stream_at_a_time(tmp_path: Path) -> None:
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        reading = asyncio.ensure_future(read(client, 1))
        await come_true(lambda: bool(server.resumed_from), "the stream is open")
        with pytest.raises(RuntimeError, match="read already"):
            await read(client, 1)
        await server.say({"n": 0})
        await reading
