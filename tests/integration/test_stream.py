"""Streams from a real broker through Granian to devices: live, resumed, apart by merchant, ended in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import ANSWERS_DRAFTED
from streams.gateway import key_file, metrics
from streams.gateway.cursor import decode, encode
from streams.gateway.hub import HubLimits
from streams.gateway.keys import ApiKey, Scope
from tests.streams.gateway.ground import (
    DEADLINE_S,
    Gateway,
    Kafka,
    codec,
    device,
    draft,
    insight,
    make_topics,
    serving,
    until,
)
from tests.support.waiting import come_true
from tradewind.stack.local import LocalStack, StackConfig

pytestmark = pytest.mark.integration

KINDS = ("websocket", "sse")


@pytest.fixture(scope="module")
def kafka(module_kafka: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker whose pushed topics are this module's own."""
    if module_kafka:
        make_topics(module_kafka)
        yield Kafka(module_kafka)
        return
    with LocalStack(StackConfig(tmp_path_factory.mktemp("stack"))) as stack:
        make_topics(stack.endpoints.bootstrap_servers)
        yield Kafka(stack.endpoints.bootstrap_servers)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_device_gets_its_merchants_events_live(kafka: Kafka, path: Path, kind: str) -> None:
    async with serving(kafka.client, path) as gateway:
        key = await gateway.key("m-live")
        async with device(gateway, key, kind) as mine, device(gateway, key, kind, topics="insights") as numbers:
            wanted = kafka.publish(draft("m-live", "Yes, it fits."), insight("m-live"))
            kafka.publish(draft("m-other"), insight("m-other"))
            wanted += kafka.publish(draft("m-live", "Nö\n“quoted”"))
            await mine.has(*wanted)
            await numbers.has(wanted[1])
            first = next(message for message in mine.said if message["type"] == "answers-drafted")
            assert first["topic"] == "answers-drafted.v1"
            assert first["event"]["occurred_at"] == "2026-07-01T12:00:00.005Z"
            assert first["event"]["draft"] == "Yes, it fits."
            assert first["published_at"] <= first["pushed_at"]
            assert mine.kinds()[0] == "hello"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_device_that_comes_back_has_missed_nothing(kafka: Kafka, path: Path, kind: str) -> None:
    async with serving(kafka.client, path) as gateway:
        key = await gateway.key("m-back")
        async with device(gateway, key, kind) as before:
            seen = kafka.publish(*(draft("m-back", listing_id=f"l-{n}") for n in range(20)))
            await before.has(*seen)
        missed = kafka.publish(*(draft("m-back", listing_id=f"l-{n}") for n in range(50)))
        kafka.publish(*(draft("m-other", listing_id=f"l-{n}") for n in range(50)))
        async with device(gateway, key, kind, cursor=before.cursor) as after:
            assert after.said[0].get("resumed") is True, (before.cursor, after.said)
            await after.has(*missed)
            live = kafka.publish(draft("m-back"))
            await after.has(*missed, *live)
        middle = next(message for message in after.said if message.get("event", {}).get("event_id") == missed[24])
        done = {
            message["event"]["event_id"] for message in after.said[: after.said.index(middle) + 1] if "event" in message
        }
        async with device(gateway, key, kind, cursor=middle["id"]) as again:
            await again.has(*({*missed, *live} - done))


async def test_another_merchants_events_never_reach_a_key(kafka: Kafka, path: Path) -> None:
    """Live, from memory, from Kafka, and with cursors of another merchant: all that each device gets is its own."""
    merchants = ("m-a", "m-b", "m-a2")
    made: dict[str, list[str]] = {name: [] for name in merchants}

    def publish(count: int) -> None:
        for number in range(count):
            for name in merchants:  # the same listing, and so the same partition
                made[name] += kafka.publish(draft(name, listing_id=f"l-{number % 7}"), insight(name))

    async with serving(kafka.client, path) as gateway:
        keys = {name: await gateway.key(name) for name in merchants}
        async with device(gateway, keys["m-b"]) as other:
            beginning = other.cursor
            publish(15)
            await other.has(*made["m-b"])
        async with AsyncExitStack() as stack:
            for name in merchants:
                for kind in KINDS:
                    mine = await stack.enter_async_context(device(gateway, keys[name], kind, cursor=beginning))
                    await mine.has(*made[name])
    publish(5)
    async with serving(kafka.client, path, HubLimits(replay_s=0.0)) as gateway, AsyncExitStack() as stack:
        for name in merchants:
            mine = await stack.enter_async_context(device(gateway, keys[name], cursor=beginning))
            await mine.has(*made[name])
        publish(1)
        for name in merchants:
            async with device(gateway, keys[name], cursor=beginning) as mine:
                await mine.has(*made[name])


async def test_what_memory_has_not_comes_from_kafka_while_events_go_on(kafka: Kafka, path: Path) -> None:
    async with serving(kafka.client, path, HubLimits(replay_s=0.0)) as gateway:
        key = await gateway.key("m-long")
        async with device(gateway, key) as before:
            pass
    made: list[str] = []
    for number in range(30):
        made += kafka.publish(*(draft("m-long", listing_id=f"l-{number}-{n}") for n in range(10)))
    async with serving(kafka.client, path, HubLimits(replay_s=0.0)) as gateway:
        gateway.hub.history.evict(1e18)  # but for the newest, which is kept
        scanned = metrics.REPLAYS.labels("kafka")._value.get()
        async with AsyncExitStack() as stack:
            line = [
                await stack.enter_async_context(device(gateway, key, KINDS[n % 2], cursor=before.cursor))
                for n in range(6)
            ]
            for number in range(20):
                made += await asyncio.to_thread(kafka.publish, draft("m-long", listing_id=f"l-{number}"))
            for each in line:
                await each.has(*made)
                assert "gap" not in each.kinds()
        # A device may have all before its stream has seen that there is no more to catch up with.
        replays = metrics.REPLAYS.labels("kafka")._value
        await come_true(lambda: replays.get() >= scanned + 6, "all six have caught up")
        assert replays.get() == scanned + 6


async def test_what_kafka_no_longer_has_is_told(kafka: Kafka, path: Path) -> None:
    async with serving(kafka.client, path, HubLimits(replay_s=0.0)) as gateway:
        key = await gateway.key("m-gap")
        made = kafka.publish(*(draft("m-gap") for _ in range(5)))
        async with device(gateway, key) as now:
            offsets = decode(now.cursor or "")
        far = [[at + 1_000_000 for at in topic] for topic in offsets]
        async with device(gateway, key, cursor=encode(far), topics="answers-drafted") as beyond:
            await beyond.until(lambda: len(beyond.events) >= len(made), "it begins anew")
            assert beyond.kinds()[:2] == ["hello", "gap"]
            assert beyond.said[1]["reset"] is True
            assert {each["topic"] for each in beyond.said[1]["missing"]} == {ANSWERS_DRAFTED.name}
            assert set(made) <= set(beyond.events)


async def test_what_retention_took_is_told_with_its_offsets(kafka: Kafka, path: Path) -> None:
    async with serving(kafka.client, path, HubLimits(replay_s=0.0)) as gateway:
        key = await gateway.key("m-kept")
        async with device(gateway, key) as before:
            made = kafka.publish(*(draft("m-kept") for _ in range(6)))
            await before.has(*made)
            places = [message for message in before.said if "event" in message]
    first, fourth = places[0], places[3]
    if not delete_below(kafka, first["topic"], first["partition"], fourth["offset"]):
        pytest.skip("the embedded broker deletes no records")
    kafka.publish(draft("m-kept"))
    async with serving(kafka.client, path, HubLimits(replay_s=0.0)) as gateway:
        gateway.hub.history.evict(1e18)
        async with device(gateway, key, cursor=before.said[0]["id"]) as after:
            await after.until(lambda: len(after.events) >= 4, "what is left")
            assert after.kinds()[:2] == ["hello", "gap"]
            (missing,) = after.said[1]["missing"]
            assert missing == {
                "topic": first["topic"],
                "partition": first["partition"],
                "first_offset": first["offset"],
                "last_offset": fourth["offset"] - 1,
            }
            assert after.events[:3] == made[3:]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_revoked_keys_streams_end_and_others_go_on(kafka: Kafka, path: Path, kind: str) -> None:
    async with serving(kafka.client, path) as gateway, serving(kafka.client, path) as other:
        key, kept = await gateway.key("m-key"), await gateway.key("m-key")
        await until(lambda: isinstance(other.keys.admit(key, Scope.READ), ApiKey), "the other gateway knows it")
        async with (
            device(gateway, key, kind) as one,
            device(other, key, kind) as two,
            device(other, kept, kind) as three,
        ):
            key_file.revoke(path, key_file.id_in(key))
            for each in (one, two):
                await asyncio.wait_for(each.ended.wait(), DEADLINE_S)
                assert each.code == (1008 if kind == "websocket" else None)
            wanted = kafka.publish(draft("m-key"))
            await three.has(*wanted)
            assert not three.ended.is_set()
        with pytest.raises(aiohttp.ClientResponseError) as refused:
            async with device(gateway, key, kind):
                pass
        assert refused.value.status == 401


@pytest.mark.parametrize("kind", KINDS)
async def test_devices_that_vanish_leave_nothing_behind(kafka: Kafka, path: Path, kind: str) -> None:
    async with serving(kafka.client, path) as gateway:
        key = await gateway.key("m-gone")
        async with AsyncExitStack() as stack:
            for _ in range(20):
                await stack.enter_async_context(device(gateway, key, kind))
            assert gateway.hub.connections == 20
        await until(lambda: gateway.hub.connections == 0, "all are gone")
        assert gateway.hub._by_merchant == gateway.hub._by_key == {}


async def test_a_device_over_http2_is_served_and_noticed_when_it_goes(kafka: Kafka, path: Path) -> None:
    async with serving(kafka.client, path) as gateway:
        headers = {"Authorization": f"Bearer {await gateway.key('m-h2')}"}
        async with (
            httpx.AsyncClient(http1=False, http2=True, headers=headers) as client,
            client.stream("GET", gateway.url) as answer,
        ):
            assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)
            lines = answer.aiter_lines()
            while not (await anext(lines)).startswith("data: "):
                pass
            (wanted,) = kafka.publish(draft("m-h2"))
            while wanted not in await anext(lines):
                pass
        await until(lambda: gateway.hub.connections == 0, "it is gone")


async def test_a_device_that_does_not_read_is_ended_and_others_are_served(kafka: Kafka, path: Path) -> None:
    limits = HubLimits(queue=20)
    async with serving(kafka.client, path, limits) as gateway:
        key = await gateway.key("m-slow")
        slow = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
        slow[1].write(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        await slow[0].readuntil(b"event: hello")
        slow[1].transport.pause_reading()  # type: ignore[attr-defined]
        async with device(gateway, key) as quick:
            made: list[str] = []
            while gateway.hub.connections > 1:
                assert len(made) < 2_000, "it was never ended"
                made += await asyncio.to_thread(kafka.publish, *(draft("m-slow", "x" * 15_000) for _ in range(10)))
                await quick.has(*made)
        slow[1].close()


async def test_streams_are_bounded_for_all_and_for_a_key(kafka: Kafka, path: Path) -> None:
    async with serving(kafka.client, path, HubLimits(connections=3, per_key=2)) as gateway:
        key, other = await gateway.key("m-many"), await gateway.key("m-many")
        async with device(gateway, key), device(gateway, key, "sse"):
            for kind in KINDS:
                assert await refused(gateway, key, kind) == (429, "10")
            async with device(gateway, other):
                for kind in KINDS:
                    assert await refused(gateway, other, kind) == (503, "10")
        await until(lambda: gateway.hub.connections == 0, "all are gone")
        async with device(gateway, key):
            pass


async def test_streams_end_in_order_when_the_gateway_stops(kafka: Kafka, path: Path) -> None:
    async with serving(kafka.client, path) as gateway:
        key = await gateway.key("m-stop")
        async with device(gateway, key) as frames, device(gateway, key, "sse") as events:
            await gateway.hub.close()
            await asyncio.wait_for(frames.ended.wait(), DEADLINE_S)
            await asyncio.wait_for(events.ended.wait(), DEADLINE_S)
            assert frames.code == 1012
            assert await refused(gateway, key, "sse") == (503, "2")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_idle_stream_is_told_where_it_is(kafka: Kafka, path: Path, kind: str) -> None:
    """So a device whose merchant has had nothing for days comes back without a search of days."""
    async with serving(kafka.client, path, HubLimits(ping_s=0.1)) as gateway:
        key = await gateway.key("m-idle")
        async with device(gateway, key, kind) as idle, device(gateway, await gateway.key("m-busy")) as busy:
            wanted = kafka.publish(draft("m-busy"))
            await busy.has(*wanted)
            now = gateway.hub.history.cursor
            await idle.until(lambda: idle.said[-1] == {"id": now, "type": "ping"}, "it is told")
            assert idle.events == []


async def test_a_device_s_own_pings_are_answered(kafka: Kafka, path: Path) -> None:
    async with serving(kafka.client, path) as gateway, aiohttp.ClientSession() as session:
        key = await gateway.key("m-ping")
        protocols = ("tradewind.v1", f"bearer.{key}")
        async with session.ws_connect(gateway.url, protocols=protocols) as line:
            assert line.protocol == "tradewind.v1"
            assert (await line.receive_json())["type"] == "hello"
            for nothing in ("no json", "[]", '{"other": 1}', "x" * 10_000):
                await line.send_str(nothing)
            await line.send_json({"ping": {"n": [1]}})
            assert await line.receive_json() == {"pong": {"n": [1]}}


async def test_what_can_not_be_decoded_is_passed_over(kafka: Kafka, path: Path) -> None:
    async with serving(kafka.client, path) as gateway, device(gateway, await gateway.key("m-bad")) as mine:
        good = codec().encode_event(draft("m-bad"))
        for value in (None, b"", b"nonsense", good[:-3], good + b"x"):
            kafka.raw(ANSWERS_DRAFTED.name, value)
        wanted = kafka.publish(draft("m-bad"), partition=0)
        await mine.has(*wanted)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_wrong_with_a_request_is_told(kafka: Kafka, path: Path, kind: str) -> None:
    async with serving(kafka.client, path) as gateway:
        key, writer = await gateway.key("m-ask"), await gateway.key("m-ask", Scope.PUBLISH)
        assert await refused(gateway, "tw_no_body", kind) == (401, None)
        assert await refused(gateway, writer, kind) == (403, None)
        for query in (
            {"topics": "orders"},
            {"topics": ""},
            {"last_event_id": "garbage"},
            {"key": key},
            [("topics", "insights"), ("topics", "insights")],
        ):
            assert await refused(gateway, key, kind, query) == (400, None)
        async with aiohttp.ClientSession() as session, session.get(gateway.url) as answer:
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.content_type == "application/problem+json"
            assert (await answer.json())["type"] == "urn:tradewind:problem:no_key"


async def refused(gateway: Gateway, key: str, kind: str, query: Any = None) -> tuple[int, str | None]:
    """Status, and Retry-After, of a stream that is not opened."""
    headers = {"Authorization": f"Bearer {key}"}
    if kind == "websocket":
        headers |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
    async with aiohttp.ClientSession() as session, session.get(gateway.url, headers=headers, params=query) as answer:
        return answer.status, answer.headers.get("retry-after")


def delete_below(kafka: Kafka, topic: str, partition: int, offset: int) -> bool:
    """Take records from a partition's beginning, as retention does; False where the broker can't."""
    admin = AdminClient(kafka.client)
    try:
        for deleted in admin.delete_records([TopicPartition(topic, partition, offset)], request_timeout=5).values():
            deleted.result()
    except KafkaException:
        return False
    return True
