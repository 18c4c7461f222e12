"""The agent: what it says, when it keeps silent, and what it does while something that it needs is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from model.protocol import EngineClosed
from model.tasks.insight import InsightPolicy
from model.tasks.insight_facts import Driver
from schemas.events import InsightKind, Method, OpsInsight
from schemas.publisher import DeliveryFailed
from schemas.topics import INSIGHTS as TOPIC
from schemas.validation import validate
from streams.insights.agent import Insights, InsightsPolicy
from streams.insights.detect import Anomaly
from streams.insights.series import METRICS, SALES, Series, hour_of, hours_since_epoch
from streams.insights.source import SourceAway
from tests.support.scripted_engine import ScriptedEngine

NOW = datetime(2026, 3, 3, 12, 30, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
MERCHANTS = tuple(f"m-{n}" for n in range(6))
DROPPED = MERCHANTS[2]
DRIVERS = (Driver("l-1", 0, 60.5), Driver("l-2", 3, 20.0))


@dataclass
class Shop:
    """Merchants that sell 10 orders an hour, one of them nothing for a while; and ClickHouse's moods."""

    since: datetime = NOW - 30 * HOUR
    until: datetime = NOW + 1000 * HOUR
    away: bool = False
    spans: list[timedelta] = field(default_factory=list)
    merchants: tuple[str, ...] = MERCHANTS

    def counts(self, start: datetime, end: datetime) -> list[Series]:
        if self.away:
            raise SourceAway("OperationalError")
        self.spans.append(end - start)
        first = hour_of(start)
        counts = np.full((len(self.merchants), -(-(end - first) // HOUR)), 10)
        for hour in range(counts.shape[1]):
            if self.since <= first + hour * HOUR < self.until and self.merchants:
                counts[self.merchants.index(DROPPED), hour] = 0
        return [Series(name, self.merchants, first, counts + 10 * (name != SALES)) for name in METRICS]

    def drivers(self, anomaly: Anomaly, most: int) -> tuple[Driver, ...]:
        return DRIVERS[:most]


def find(series: Sequence[Series], now: datetime) -> list[Anomaly]:
    """A detector that knows how this shop sells: what fell below 10 an hour in the last 6 hours."""
    found = []
    for one in series:
        end = hours_since_epoch(now) - one.first_hour
        for merchant, counts in zip(one.merchants, one.counts, strict=True):
            observed = int(counts[end - 6 : end].sum())
            if observed < 60:
                start = hour_of(now) - 6 * HOUR
                found.append(
                    Anomaly(merchant, one.metric, InsightKind.DROP, start, now, observed, 60.0, -5.0, 1e-9, 1e-7)
                )
    return found


@dataclass
class Owner:
    """An ownership that a test gives and takes."""

    held: bool = True
    term: int = 1

    async def wait(self) -> None:
        if not self.held:
            await asyncio.get_running_loop().create_future()


@dataclass
class World:
    """An agent with everything around it."""

    shop: Shop = field(default_factory=Shop)
    owner: Owner = field(default_factory=Owner)
    now: datetime = NOW
    topic: list[OpsInsight] = field(default_factory=list)
    refuses: Exception | None = None
    engine: ScriptedEngine = field(default_factory=ScriptedEngine)
    attempts: int = 0

    def agent(self) -> Insights:
        policy = InsightsPolicy(writing=InsightPolicy(attempts=self.attempts))
        return Insights(
            self.engine, self.shop, self.owner, self.publish, self.recall, policy, lambda: self.now, find=find
        )

    def publish(self, insights: Iterable[OpsInsight]) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.topic.extend(insights)

    def recall(self) -> list[OpsInsight]:
        if self.refuses is not None:
            raise self.refuses
        return list(self.topic)


async def test_a_drop_is_said_in_full() -> None:
    world = World()
    assert await world.agent().look() == "told"
    [insight] = world.topic
    assert (insight.merchant_id, insight.metric, insight.kind) == (DROPPED, SALES, InsightKind.DROP)
    assert insight.window_end == insight.occurred_at == NOW
    assert insight.listing_ids == ("l-1", "l-2")
    assert insight.text.startswith(f"Sales fell to {insight.observed:.0f} orders since ")
    assert "Listing l-1 fell from its usual 60 to 0." in insight.text
    assert insight.suggestion == "Check that the listings named here are still live, in stock and priced as intended."
    assert insight.provenance.method is Method.TEMPLATE


async def test_what_is_said_fits_the_contract() -> None:
    from schemas.events import to_avro

    world = World()
    await world.agent().look()
    assert isinstance(validate(TOPIC.record, to_avro(world.topic[0])), dict)


async def test_it_is_said_once_for_as_long_as_it_lasts() -> None:
    world = World()
    agent = world.agent()
    outcomes = []
    for _ in range(30):
        outcomes.append(await agent.look())
        world.now += HOUR
    assert outcomes == ["told", *["quiet"] * 29]


async def test_whoever_speaks_next_does_not_repeat_it() -> None:
    world = World()
    await world.agent().look()
    for days in (0, 1, 2):
        world.now = NOW + timedelta(days=days)
        assert await world.agent().look() == "quiet"


async def test_what_ended_and_came_back_is_said_again() -> None:
    world = World(Shop(until=NOW))
    agent = world.agent()
    await agent.look()
    while world.now < NOW + timedelta(days=6):
        world.now += 6 * HOUR
        assert await agent.look() == "quiet"
    world.shop.since, world.shop.until = world.now - 30 * HOUR, world.now + HOUR
    assert await world.agent().look() == "told"
    assert len({insight.event_id for insight in world.topic}) == 2


async def test_two_that_speak_at_once_make_the_same_event() -> None:
    world, other = World(), World()
    await asyncio.gather(world.agent().look(), other.agent().look())
    assert world.topic[0].event_id == other.topic[0].event_id


async def test_the_whole_past_is_read_once_an_hour() -> None:
    world = World()
    agent = world.agent()
    for _ in range(3):
        await agent.look()
        world.now += timedelta(minutes=20)
    whole, again, next_hour = world.shop.spans
    assert whole > timedelta(days=84)
    assert again < timedelta(days=9)
    assert next_hour > timedelta(days=84)


async def test_without_merchants_there_is_nothing_to_say() -> None:
    assert await World(Shop(merchants=(), since=NOW, until=NOW)).agent().look() == "quiet"


async def test_while_clickhouse_is_away_it_looks_again() -> None:
    world = World(Shop(away=True))
    agent = world.agent()
    with capture_logs() as logs:
        assert await agent.look() == "away"
    assert logs == [
        {
            "event": "the counts can't be read, looking again soon",
            "error_class": "OperationalError",
            "log_level": "warning",
        }
    ]
    world.shop.away = False
    assert await agent.look() == "told"


@pytest.mark.parametrize("error", [DeliveryFailed((), 1), KafkaException(KafkaError(KafkaError._TIMED_OUT))])
async def test_while_kafka_is_away_it_looks_again(error: Exception) -> None:
    world = World(refuses=error)
    agent = world.agent()
    assert await agent.look() == "undelivered"
    world.refuses = None
    assert await agent.look() == "told"


async def test_what_arrived_although_it_was_not_confirmed_is_not_repeated() -> None:
    world = World()
    agent = world.agent()
    lost = DeliveryFailed((), 1)

    def publish(insights: Iterable[OpsInsight]) -> None:
        world.topic.extend(insights)
        raise lost

    agent._publish = publish
    assert await agent.look() == "undelivered"
    assert await agent.look() == "quiet"


async def test_who_lost_the_word_while_writing_keeps_silent() -> None:
    world = World()
    agent = world.agent()
    drivers = world.shop.drivers

    def lose(anomaly: Anomaly, most: int) -> tuple[Driver, ...]:
        world.owner.held = False
        return drivers(anomaly, most)

    world.shop.drivers = lose  # type: ignore[method-assign]
    assert await agent.look() == "quiet"
    assert world.topic == []


async def test_a_new_term_reads_the_topic_again() -> None:
    world = World()
    agent = world.agent()
    await agent.look()
    world.topic.clear()  # as if another had never heard it
    assert await agent.look() == "quiet"
    world.owner.term += 1
    assert await agent.look() == "told"


async def test_the_model_writes_where_it_is_true() -> None:
    silent = World()
    await silent.agent().look()
    first_sentence = silent.topic[0].text.split(" Listing")[0].replace("fell", "dropped")
    world = World(engine=ScriptedEngine(first_sentence), attempts=1)
    await world.agent().look()
    assert world.topic[0].provenance.method is Method.MODEL
    assert world.topic[0].text.startswith("Sales dropped to ")


async def test_without_an_engine_the_worker_stops() -> None:
    world = World(engine=ScriptedEngine(EngineClosed("closed")), attempts=1)
    with pytest.raises(EngineClosed):
        await world.agent().look()


async def test_it_looks_every_minute_while_it_is_the_owner() -> None:
    world = World()
    pauses: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            world.owner.held = False
            enough.set()

    agent = world.agent()
    agent._sleep = sleep
    running = asyncio.ensure_future(agent.run())
    await enough.wait()
    assert not running.done()
    assert all(0 < pause <= 60 for pause in pauses)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
