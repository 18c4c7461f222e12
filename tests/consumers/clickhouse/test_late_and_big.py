"""Events that come late, early, or are large: from the publisher through Kafka and the sink to what an analyst asks."""

from __future__ import annotations

import random
import string
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from confluent_kafka import KafkaException

from consumers.clickhouse.settle import TIERS, SettlePolicy, settle
from consumers.deadletters.browse import read_dead_letters
from schemas.events import ListingPublished, OrderEvent
from tests.consumers.events import FULL, order
from tests.consumers.harness import World, until

pytestmark = pytest.mark.integration

LISTING = next(event for event in FULL if isinstance(event, ListingPublished))
AT_ONCE = SettlePolicy(margin_s=0.0, pause_s=0.0)


def now() -> datetime:
    """The time, as precise as events have it."""
    moment = datetime.now(timezone.utc)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def store(world: World, *events: OrderEvent) -> None:
    """Send the events, and wait until all are stored."""
    before = world.number("SELECT count() FROM orders")
    for event in events:
        world.send_event("orders", event)
    world.flush()
    until(lambda: world.number("SELECT count() FROM orders") == before + len(events), "the events")


def sales(world: World, minute: datetime) -> list[tuple[int, int, Decimal]]:
    """Orders, lines and sales of the merchant in that minute."""
    start = minute.replace(second=0, microsecond=0)
    return world.rows(
        f"SELECT orders, lines, sales FROM merchant_sales WHERE merchant_id = 'm-1' "
        f"AND minute = toDateTime({int(start.timestamp())}, 'UTC')"
    )


def test_an_event_that_comes_30_days_late_counts_in_its_own_minute(world: World) -> None:
    """Also where that minute was settled long ago, and on the last second before the next one."""
    late = now().replace(second=59, microsecond=999000) - timedelta(days=30)
    with world.sink("orders"):
        store(world, order(1, occurred_at=late), order(8, occurred_at=now()))
        assert sales(world, late) == [(1, 1, Decimal("12.34"))]
        for tier in TIERS:
            settle(world.client, tier, AT_ONCE)
        store(world, order(15, occurred_at=late - timedelta(seconds=59)))
        assert sales(world, late) == [(2, 2, Decimal("24.68"))]
        # The same event again changes nothing, settled or not.
        store(world, order(15, occurred_at=late - timedelta(seconds=59)))
        for tier in TIERS:
            settle(world.client, tier, AT_ONCE)
        assert sales(world, late) == [(2, 2, Decimal("24.68"))]
        assert sales(world, late + timedelta(minutes=1)) == []
    assert world.number("SELECT sum(orders) FROM merchant_sales WHERE merchant_id = 'm-1'") == 3


def test_an_event_from_a_clock_that_is_ahead_is_kept_and_flagged(world: World) -> None:
    ahead = now() + timedelta(days=400)
    slightly = now() + timedelta(seconds=30)
    with world.sink("orders"):
        store(world, order(1, occurred_at=ahead), order(8, occurred_at=slightly), order(15, occurred_at=now()))
        # A row with a time to come keeps nobody from going on.
        store(world, order(22, occurred_at=now()))
    assert world.rows("SELECT toUInt128(event_id), occurred_at FROM orders WHERE _ahead") == [
        (1, ahead.replace(tzinfo=None))
    ]
    assert sales(world, ahead) == [(1, 1, Decimal("12.34"))]


@pytest.mark.parametrize(
    "when", [datetime(1970, 1, 1), datetime(2025, 2, 28, 23, 59, 59, 999000)], ids=["1970", "2025"]
)
def test_times_long_ago_come_out_as_they_went_in(world: World, when: datetime) -> None:
    with world.sink("orders"):
        store(world, order(1, occurred_at=when.replace(tzinfo=timezone.utc)))
    assert world.rows("SELECT occurred_at FROM orders") == [(when,)]


def text_of(size: int) -> str:
    """Text that no compression makes much smaller, with characters of two and three bytes in it."""
    rng = random.Random(size)
    letters = string.ascii_letters + string.digits + "äß羊毛"
    return "".join(rng.choices(letters, k=size * 10 // 11))


def test_a_record_of_1_mb_passes_among_small_ones(world: World) -> None:
    """Twelve of them are more than one fetch takes, and more than one insert's worth of bytes waits for."""
    large = [replace(LISTING, event_id=order(number).event_id, description=text_of(11 * 2**17)) for number in range(12)]
    sizes = [len(world.codec.encode_event(event)) for event in large]
    assert min(sizes) > 2**20
    for number, event in enumerate(large):
        world.send_event("listings", event)
        world.send_event("listings", replace(LISTING, event_id=order(100 + number).event_id))
    world.flush()
    with world.sink("listings"):
        until(lambda: world.number("SELECT count() FROM listings") == 24, "large and small ones")
    found = dict(world.rows("SELECT event_id, description FROM listings WHERE length(description) > 1000"))
    assert found == {event.event_id: event.description for event in large}


def test_a_message_past_the_limit_is_refused_where_it_is_published(world: World) -> None:
    """Our publisher's limit is 4 MiB, and no consumer's is lower: nothing gets in that can't get out."""
    event = replace(LISTING, description="x" * (5 * 2**20))
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        world.send_event("listings", event)
    world.flush()  # it is not left in the queue


def test_a_large_record_that_is_broken_is_a_dead_letter_with_all_its_bytes(world: World) -> None:
    broken = world.codec.encode_event(replace(LISTING, description=text_of(2**20)))[:-7]
    world.send("listings", broken)
    world.send_event("listings", LISTING)
    world.flush()
    with world.sink("listings"):
        until(lambda: world.number("SELECT count() FROM listings") == 1, "the good one")
    letters = [
        letter
        for letter in read_dead_letters(world.settings, world.codec)
        if letter.source_topic == world.topic("listings")
    ]
    assert [letter.source_value for letter in letters] == [broken]
