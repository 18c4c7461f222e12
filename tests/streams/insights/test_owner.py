"""Who speaks, on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from schemas.topics import INSIGHTS, Topic
from streams.insights.owner import Ownership
from tests.support.topics import make_topic

pytestmark = pytest.mark.integration

SESSION_MS = 6_000


@asynccontextmanager
async def member(broker: str, topic: Topic, group: str) -> AsyncIterator[Ownership]:
    owner = Ownership({"bootstrap.servers": broker}, SESSION_MS, group=group, topic=topic.name)
    running = asyncio.ensure_future(owner.run())
    try:
        yield owner
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_one_of_two_is_the_owner_and_the_other_follows_it(broker: str, unique_name: Callable[[str], str]) -> None:
    topic, group = make_topic(broker, INSIGHTS, unique_name), unique_name("tellers")
    async with member(broker, topic, group) as second:
        async with member(broker, topic, group) as first:
            waits = {asyncio.ensure_future(each.wait()) for each in (first, second)}
            await asyncio.wait(waits, timeout=60, return_when=asyncio.FIRST_COMPLETED)
            assert first.held or second.held
            for wait in waits:
                wait.cancel()
        assert not first.held
        await asyncio.wait_for(second.wait(), 60)
        assert second.held
        assert second.term >= 1
    assert not second.held
