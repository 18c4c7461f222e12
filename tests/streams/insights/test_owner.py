"""Who speaks, on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from schemas.topics import INSIGHTS, Topic
from streams.insights.owner import Ownership
from tests.kafka.cluster import KafkaCluster
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


async def until(reached: Callable[[], bool], what: str, deadline_s: float = 60.0) -> None:
    give_up = asyncio.get_running_loop().time() + deadline_s
    while not reached():
        assert asyncio.get_running_loop().time() < give_up, f"not within {deadline_s:g} s: {what}"
        await asyncio.sleep(0.05)


async def test_members_that_come_and_go_at_once_leave_one_owner(
    apache_kafka: KafkaCluster, unique_name: Callable[[str], str]
) -> None:
    """On Apache Kafka only: the embedded broker may go on naming a leader that has left, and assign nothing more."""
    broker = apache_kafka.bootstrap_servers
    topic, group = make_topic(broker, INSIGHTS, unique_name), unique_name("tellers")
    async with member(broker, topic, group) as first, member(broker, topic, group) as second:
        await until(lambda: first.held != second.held, "one of two speaks")
        for _ in range(3):
            async with member(broker, topic, group) as third:
                await rebalanced(first, second, third)
            await until(lambda: first.held != second.held, "one of the two that stay speaks")


async def rebalanced(*members: Ownership) -> None:
    """Return when one of them has become the owner once more."""
    before = sum(each.term for each in members)
    await until(lambda: sum(each.term for each in members) > before, "a rebalance")
