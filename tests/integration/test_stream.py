"""Streams from a real broker through Granian to devices: live, resumed, apart by merchant, ended in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streams.gateway.ground import Kafka, device, draft, insight, make_topics, serving
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
