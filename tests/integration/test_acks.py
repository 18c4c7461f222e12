"""The gateway's way to Kafka: a word on each event, in order and in time, whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.reader import read_all
from schemas.topics import ORDERS
from streams.gateway.acks import NOT_ACKNOWLEDGED, REFUSED, TOO_LARGE, TOO_MANY, Acked, Acks, AcksPolicy, Outgoing
from tests.support.waiting import come_true
from tradewind.settings import Settings
from tradewind.stack.ports import choose_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

#: Long enough for what is sent to be still on its way when the test looks at it.
SLOWLY = AcksPolicy(in_hand=10, linger_ms=300.0)


@asynccontextmanager
async def sending(client: dict[str, Any], policy: AcksPolicy = AcksPolicy()) -> AsyncIterator[Acks]:
    acks = Acks(client, policy)
    try:
        yield acks
    finally:
        await acks.close(1.0)


def events(count: int, what: str, topic: str = ORDERS.name) -> list[Outgoing]:
    return [Outgoing(topic, b"key-%d" % number, f"{what} {number}".encode()) for number in range(count)]


def in_kafka(settings: Settings, what: str) -> dict[tuple[int, int], bytes]:
    """What was sent under that name, by partition and offset."""
    read = read_all(settings.kafka_client(), ORDERS.name)
    found = {(message.partition() or 0, message.offset() or 0): message.value() or b"" for message in read}
    return {place: value for place, value in found.items() if value.startswith(what.encode())}


async def test_each_event_is_where_its_word_says(settings: Settings) -> None:
    async with sending(settings.kafka_client()) as acks:
        few, many = events(3, "few"), events(2_000, "many")
        told = await asyncio.gather(acks.send(few), acks.send(many), acks.send([]))
        assert acks.in_hand == 0
        assert acks.ready() is None
    assert told[2] == []
    for sent, words, what in ((few, told[0], "few"), (many, told[1], "many")):
        places = [(word.partition, word.offset) for word in words if isinstance(word, Acked)]
        found = in_kafka(settings, what)
        assert [found[place] for place in places] == [event.value for event in sent]
        assert len(found) == len(sent)


async def test_more_than_may_wait_is_refused_whole_and_not_sent(settings: Settings) -> None:
    async with sending(settings.kafka_client(), SLOWLY) as acks:
        assert await acks.send(events(11, "eleven")) == [TOO_MANY] * 11
        first = asyncio.ensure_future(acks.send(events(8, "first")))
        await come_true(lambda: acks.in_hand == 8, "the first are on their way")
        assert await acks.send(events(3, "second")) == [TOO_MANY] * 3
        assert all(isinstance(word, Acked) for word in await first)
        assert all(isinstance(word, Acked) for word in await acks.send(events(3, "third")))
    assert (in_kafka(settings, "eleven"), in_kafka(settings, "second")) == ({}, {})


async def test_an_event_that_is_too_large_holds_up_no_other(settings: Settings) -> None:
    first, last = events(2, "beside")
    async with sending(settings.kafka_client()) as acks:
        words = await acks.send([first, Outgoing(ORDERS.name, b"key", bytes(5 * 1024 * 1024)), last])
    assert isinstance(words[0], Acked)
    assert words[1] == TOO_LARGE
    assert isinstance(words[2], Acked)


async def test_who_asked_may_go_and_what_was_sent_is_still_counted(settings: Settings) -> None:
    async with sending(settings.kafka_client(), SLOWLY) as acks:
        asking = asyncio.ensure_future(acks.send(events(4, "gone")))
        await come_true(lambda: acks.in_hand == 4, "they are on their way")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await come_true(lambda: acks.in_hand == 0, "Kafka has said its words on them", 20)
    assert len(in_kafka(settings, "gone")) == 4


async def test_without_a_broker_it_is_said_in_time_and_readiness_says_why() -> None:
    nobody = {"bootstrap.servers": f"127.0.0.1:{choose_port(0)}"}
    async with sending(nobody, AcksPolicy(within_s=1.0)) as acks:
        assert await acks.send(events(2, "lost")) == [NOT_ACKNOWLEDGED] * 2
        await come_true(lambda: acks.ready() is not None, "it says that it is not ready", 20)
        assert "Kafka does not answer" in str(acks.ready())
        await come_true(lambda: acks.in_hand == 0, "nothing waits for ever", 20)


async def test_a_topic_that_is_not_there_is_the_operators_matter(settings: Settings) -> None:
    client = settings.kafka_client(**{"allow.auto.create.topics": False, "topic.metadata.propagation.max.ms": 500})
    async with sending(client) as acks:
        words = await acks.send([*events(1, "nowhere", "no-such-topic.v1"), *events(1, "somewhere")])
    assert words[0] == REFUSED
    assert isinstance(words[1], Acked)
