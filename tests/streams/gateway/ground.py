"""What the tests of streams stand on: events to push, a hub with Granian before it, and devices that listen."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from granian.constants import Interfaces
from granian.server.embed import Server

from schemas.codec import Codec
from schemas.events import AnswerDrafted, AnswerRoute, Event, InsightKind, OpsInsight, Provenance, Timings
from schemas.registry import CommittedRegistry
from schemas.topics import topic_of_record
from streams.gateway import key_file
from streams.gateway.cursor import PUSHED
from streams.gateway.hub import Hub, HubLimits
from streams.gateway.key_store import KeyStore
from streams.gateway.keys import Scope
from streams.gateway.stream import Stream
from tests.support.waiting import come_true
from tradewind.stack.ports import choose_port

DEADLINE_S = 20.0
AT = datetime(2026, 7, 1, 12, 0, 0, 5000, tzinfo=timezone.utc)
_numbers = itertools.count()


def draft(merchant_id: str, text: str = "", listing_id: str = "l-1") -> AnswerDrafted:
    """A draft of its own."""
    return AnswerDrafted(
        event_id=uuid4(),
        occurred_at=AT,
        merchant_id=merchant_id,
        listing_id=listing_id,
        question_id=f"q-{next(_numbers)}",
        source_event_id=uuid4(),
        asked_at=AT,
        provenance=Provenance(),
        timings=Timings(),
        draft=text,
        route=AnswerRoute.REVIEW,
    )


def insight(merchant_id: str) -> OpsInsight:
    """An insight of its own."""
    return OpsInsight(uuid4(), AT, merchant_id, "orders", AT, AT, 2.0, 1.0, 5.0, Provenance(), InsightKind.SPIKE)


def codec() -> Codec:
    """Over the committed schemas."""
    return Codec(CommittedRegistry())


def make_topics(broker: str, partitions: int = 3) -> None:
    """Those that are pushed, where they are not there yet."""
    admin = AdminClient({"bootstrap.servers": broker})
    there = admin.list_topics(timeout=10).topics
    wanted = [NewTopic(topic.name, num_partitions=partitions) for topic in PUSHED if topic.name not in there]
    for made in admin.create_topics(wanted).values() if wanted else ():
        made.result()


class Kafka:
    """Events onto the topics, and waiting until Kafka has them."""

    def __init__(self, broker: str) -> None:
        self.client = {"bootstrap.servers": broker}
        self._producer = Producer({**self.client, "linger.ms": 0})
        self._codec = codec()

    def publish(self, *events: Event, partition: int | None = None) -> list[str]:
        """Gives their ids. On a partition of their key where none is given."""
        for event in events:
            topic = topic_of_record(type(event).__name__)
            more = {} if partition is None else {"partition": partition}
            key = str(getattr(event, topic.key)).encode()
            self._producer.produce(topic.name, self._codec.encode_event(event), key, **more)
        assert self._producer.flush(DEADLINE_S) == 0
        return [str(event.event_id) for event in events]

    def raw(self, topic: str, value: bytes | None, partition: int = 0) -> None:
        """Any bytes."""
        self._producer.produce(topic, value, partition=partition)
        assert self._producer.flush(DEADLINE_S) == 0


@dataclass
class Gateway:
    """A hub that is served.

    Attributes:
        path: of the file of the keys.
    """

    hub: Hub
    keys: KeyStore
    port: int
    path: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/stream"

    async def key(self, merchant_id: str, *scopes: Scope) -> str:
        """A new key of that merchant, which the gateway knows."""
        key, text = key_file.create(self.path, merchant_id=merchant_id, scopes=scopes or (Scope.READ,))
        await until(lambda: self.keys.still_good(key.id), "the gateway knows the key")
        return text


@asynccontextmanager
async def serving(
    client: dict[str, Any], path: Path, limits: HubLimits = HubLimits(), port: int = 0, **more: Any
) -> AsyncIterator[Gateway]:
    """A gateway of streams alone, in this event loop, that has read its topics."""
    keys = KeyStore(path, look_s=0.02)
    hub = Hub(client, codec(), keys, limits, **more)
    port = choose_port(port, "127.0.0.1")
    stream = Stream(hub, keys)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await stream(scope, receive, send)

    server = Server(application, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
    hub.start()
    serve = asyncio.ensure_future(server.serve())
    try:
        await until(lambda: all(why is None for why in hub.ready().values()), "the hub is ready")
        await until_listening(port)
        yield Gateway(hub, keys, port, path)
    finally:
        await hub.close()
        server.stop()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(serve, DEADLINE_S)
        keys.close()


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for the condition, while the event loop turns."""
    await come_true(condition, what, DEADLINE_S)


async def until_listening(port: int) -> None:
    """Wait until somebody accepts connections there."""
    give_up = asyncio.get_running_loop().time() + DEADLINE_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert asyncio.get_running_loop().time() < give_up
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


@dataclass
class Device:
    """One that listens: what it was sent, and how it ended.

    Attributes:
        said: all messages, hello and pings too.
        code: of WebSocket, when it is closed.
    """

    said: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, message: dict[str, Any]) -> None:
        """A message has come."""
        self.said.append(message)

    @property
    def cursor(self) -> str | None:
        """From where it would go on."""
        return next((str(message["id"]) for message in reversed(self.said) if "id" in message), None)

    @property
    def events(self) -> list[str]:
        """Ids of the events that it was sent."""
        return [message["event"]["event_id"] for message in self.said if "event" in message]

    def kinds(self) -> list[str]:
        """Types of all messages but pings."""
        return [message["type"] for message in self.said if message["type"] != "ping"]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something about it."""
        await until(lambda: condition(), f"{what}; it has {self.kinds()}")

    async def has(self, *event_ids: str) -> None:
        """Wait until it has these events, in whatever order; it must have no others, and none twice."""
        await self.until(lambda: len(self.events) >= len(event_ids), f"{len(event_ids)} events")
        assert sorted(self.events) == sorted(event_ids)


@asynccontextmanager
async def device(
    gateway: Gateway, key: str, kind: str = "websocket", *, cursor: str | None = None, topics: str | None = None
) -> AsyncIterator[Device]:
    """A device on the line, which has been greeted."""
    query = {name: value for name, value in (("last_event_id", cursor), ("topics", topics)) if value is not None}
    headers = {"Authorization": f"Bearer {key}"}
    found = Device()
    async with aiohttp.ClientSession(headers=headers) as session:
        listen = _websocket if kind == "websocket" else _events
        listening = asyncio.ensure_future(listen(session, gateway.url, query, found))
        try:
            await found.until(lambda: bool(found.said) or listening.done(), "it is greeted")
            if listening.done():
                listening.result()
            yield found
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


async def _websocket(session: aiohttp.ClientSession, url: str, query: dict[str, str], found: Device) -> None:
    async with session.ws_connect(url, params=query) as line:
        async for message in line:
            found.take(json.loads(message.data))
        found.code = line.close_code
        found.ended.set()


async def _events(session: aiohttp.ClientSession, url: str, query: dict[str, str], found: Device) -> None:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
    async with session.get(url, params=query, timeout=timeout) as answer:
        answer.raise_for_status()
        assert answer.headers["content-type"].startswith("text/event-stream")
        block: dict[str, str] = {}
        async for raw in answer.content:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                block[name] = value
                continue
            if "data" in block:
                message = json.loads(block["data"])
                assert (message["id"], message["type"]) == (block["id"], block["event"])
                found.take(message)
            elif "id" in block:
                found.take({"id": block["id"], "type": "ping"})
            block = {}
        found.ended.set()
