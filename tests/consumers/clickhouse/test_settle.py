"""Roll-ups equal a recount of the events at every moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.recount import differences
from consumers.clickhouse.settle import (
    TIERS,
    Settled,
    SettlePolicy,
    Settler,
    recount,
    settle,
    stored_between,
)
from tests.consumers.harness import settings_for, until
from tests.support.stack import ClickHouseEndpoint
from tradewind.settings import Settings

pytestmark = pytest.mark.integration

#: An insert of these tests is over before the next statement: its rows are dated before a later `through`.
QUICK = SettlePolicy(margin_s=0.002, pause_s=0.0, portion_rows=20)
AT = datetime(2026, 3, 1, 9, 30, 15, tzinfo=timezone.utc)
COLUMNS = (
    *("event_id", "occurred_at", "merchant_id", "order_id", "line"),
    *("listing_id", "kind", "quantity", "amount", "currency"),
)


@dataclass(frozen=True)
class Order:
    number: int
    occurred_at: datetime = AT
    merchant_id: str = "m"
    order_id: str = "o"
    line: int = 1
    listing_id: str = "l"
    kind: str = "PLACED"
    quantity: int = 1
    amount: Decimal = Decimal("2.50")
    currency: str = "EUR"

    def row(self) -> list[Any]:
        return [
            f"00000000-0000-0000-0000-{self.number:012d}",
            int(self.occurred_at.timestamp() * 1000),
            *(getattr(self, name) for name in COLUMNS[2:]),
        ]


class Database:
    """Fresh tables."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self.settings = settings
        self.client = client

    def insert(self, *orders: Order, inserted_at: datetime | None = None) -> None:
        """Store orders as one insert."""
        values = []
        for order in orders:
            event_id, at, *rest = order.row()
            when = "now64(3)" if inserted_at is None else f"toDateTime64({inserted_at.timestamp():.3f}, 3)"
            quoted = ", ".join(str(each) if isinstance(each, int) else f"'{each}'" for each in rest)
            values.append(f"('{event_id}', fromUnixTimestamp64Milli({at}, 'UTC'), {quoted}, {when})")
        self.client.command(f"INSERT INTO orders ({', '.join(COLUMNS)}, _inserted_at) VALUES {', '.join(values)}")

    def rows(self, sql: str) -> list[Any]:
        return [tuple(row) for row in self.client.query(sql).result_rows]

    def settle(self, policy: SettlePolicy = QUICK) -> None:
        for tier in TIERS:
            settle(self.client, tier, policy)

    def check(self) -> None:
        """Every roll-up equals its recount."""
        assert list(differences(self.client, portion_rows=1000)) == []

    def settled(self, roll_up: str = "merchant_sales") -> int:
        return int(self.rows(f"SELECT count() FROM _settled_{roll_up} FINAL")[0][0])


@pytest.fixture
def db(database: ClickHouseEndpoint) -> Iterator[Database]:
    settings = settings_for("localhost:1", database, "no group")
    migrate(settings)
    with open_client(settings) as client:
        yield Database(settings, client)


def test_an_event_counts_before_it_is_settled_and_after(db: Database) -> None:
    db.insert(Order(1), Order(2, kind="REFUNDED", amount=Decimal("1.25")))
    sales = "SELECT minute, orders, lines, units, sales, refunded_lines, refunds FROM merchant_sales"
    expected = [(datetime(2026, 3, 1, 9, 30), 1, 1, 1, Decimal("2.50"), 1, Decimal("1.25"))]
    assert (db.rows(sales), db.settled()) == (expected, 0)
    db.settle(SettlePolicy(margin_s=120.0, pause_s=0.0))
    assert (db.rows(sales), db.settled()) == (expected, 0)
    db.settle()
    assert (db.rows(sales), db.settled()) == (expected, 1)
    db.client.command("TRUNCATE TABLE orders")
    assert db.rows(sales) == expected


def test_copies_count_once_whenever_they_come(db: Database) -> None:
    total = "SELECT sum(lines), sum(units) FROM merchant_sales"
    db.insert(Order(1), Order(1))
    db.insert(Order(1))
    assert db.rows(total) == [(1, 1)]
    db.settle()
    assert db.rows(total) == [(1, 1)]
    db.insert(Order(1))
    assert db.rows(total) == [(1, 1)]
    db.settle()
    assert (db.rows(total), db.settled()) == ([(1, 1)], 1)
    db.check()


def test_a_late_event_lands_in_its_settled_minute(db: Database) -> None:
    db.insert(Order(1), Order(2, occurred_at=AT + timedelta(days=30)))
    db.settle()
    db.insert(Order(3, order_id="late"))
    sums = "SELECT toDate(minute), orders FROM merchant_sales ORDER BY minute"
    days = "SELECT day, orders FROM listing_days ORDER BY day"
    expected = [(AT.date(), 2), ((AT + timedelta(days=30)).date(), 1)]
    assert (db.rows(sums), db.rows(days)) == (expected, expected)
    db.settle()
    assert (db.rows(sums), db.rows(days)) == (expected, expected)
    db.check()


def test_a_copy_under_another_key_leaves_nothing_behind(db: Database) -> None:
    """A producer that changes an event and keeps its id: the last one counts, in the roll-ups too."""
    db.insert(Order(1, currency="EUR", listing_id="a"))
    db.settle()
    db.insert(Order(1, currency="USD", listing_id="b"))
    for _ in range(2):
        assert db.rows("SELECT currency, lines FROM merchant_sales") == [("USD", 1)]
        assert db.rows("SELECT currency, lines FROM merchant_days") == [("USD", 1)]
        assert db.rows("SELECT listing_id, orders FROM listing_days") == [("b", 1)]
        db.settle()


def test_a_crash_before_through_moves_costs_nothing(db: Database) -> None:
    db.insert(Order(1))
    for tier in TIERS:
        now = 2**45
        recount(db.client, tier, stored_between(db.client, 0, now, 10), 0, now)
    assert db.settled() == 1
    db.insert(Order(2))
    db.check()
    assert db.rows("SELECT sum(lines) FROM merchant_sales") == [(2,)]
    assert db.rows("SELECT count() FROM _settled_through") == [(0,)]


def test_an_insert_that_lands_while_settling_counts(db: Database) -> None:
    """Between the settled rows and `through`, and dated before both: what the margin is for does not happen here."""
    db.insert(Order(1))
    (tier, *_) = TIERS
    settle(db.client, tier, QUICK, wait=lambda pause: db.insert(Order(2, order_id="meanwhile")))
    assert db.rows("SELECT orders FROM merchant_sales") == [(2,)]
    db.check()


def test_times_that_the_type_does_not_have_are_in_its_first_and_last_minute(db: Database) -> None:
    early, late = AT.replace(year=1960), AT.replace(year=2110)
    db.insert(Order(1, occurred_at=early), Order(2, occurred_at=late), Order(3, occurred_at=AT.replace(year=1999)))
    for _ in range(2):
        assert db.rows("SELECT minute FROM merchant_sales ORDER BY minute") == [
            (datetime(1970, 1, 1),),
            (datetime(1999, 3, 1, 9, 30),),
            (datetime(2106, 2, 7, 6, 28, 15),),
        ]
        assert [str(day) for (day,) in db.rows("SELECT day FROM listing_days ORDER BY day")] == [
            "1970-01-01",
            "1999-03-01",
            "2106-02-07",
        ]
        assert db.rows("SELECT orders FROM merchant_sales WHERE minute > '2100-01-01 00:00:00'") == [(1,)]
        db.settle()
        db.check()


def test_two_settlers_at_once_do_no_harm(db: Database) -> None:
    for each in range(5):
        db.insert(*(Order(each * 100 + n, AT + timedelta(minutes=n), order_id=str(n)) for n in range(60)))
        with open_client(db.settings) as other:
            threads = [
                threading.Thread(target=lambda c=client: [settle(c, tier, QUICK) for tier in TIERS])
                for client in (db.client, other)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        db.check()
    assert db.rows("SELECT sum(lines) FROM merchant_sales") == [(300,)]


def test_months_without_number_in_one_insert(db: Database) -> None:
    """More of them than ClickHouse lets an insert have by itself."""
    db.insert(*(Order(n, AT - timedelta(days=31 * n)) for n in range(150)))
    db.settle(replace(QUICK, portion_rows=1000))
    assert db.settled() == 150
    db.check()


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_in_whatever_order(db: Database, seed: int) -> None:
    rng = random.Random(seed)
    sent: list[Order] = []
    times = [AT, AT + timedelta(seconds=50), AT - timedelta(days=30), AT - timedelta(days=40), AT.replace(year=1960)]

    def new() -> Order:
        order = Order(
            len(sent),
            rng.choice(times) + timedelta(minutes=rng.randrange(3)),
            f"m-{rng.randrange(3)}",
            f"o-{rng.randrange(20)}",
            listing_id=f"l-{rng.randrange(4)}",
            kind=rng.choice(["PLACED", "PLACED", "PLACED", "CANCELLED", "RETURNED", "REFUNDED"]),
            quantity=rng.randrange(4),
            currency=rng.choice(["EUR", "USD"]),
        )
        sent.append(order)
        return order

    def crash() -> None:
        tier = rng.choice(TIERS)
        now = int(db.rows("SELECT toUnixTimestamp64Milli(now64(3))")[0][0]) - 2
        recount(db.client, tier, stored_between(db.client, 0, now, 20), 0, now)

    def some() -> list[Order]:
        return rng.sample(sent, min(len(sent), rng.randrange(1, 9))) or [new()]

    steps: list[Callable[[], object]] = [
        lambda: db.insert(*(new() for _ in range(rng.randrange(1, 9)))),
        lambda: db.insert(*some()),
        lambda: db.insert(*(replace(each, listing_id="moved", currency="GBP", quantity=9) for each in some())),
        lambda: settle(db.client, rng.choice(TIERS), QUICK),
        db.settle,
        crash,
        lambda: db.client.command("OPTIMIZE TABLE orders FINAL"),
        lambda: db.client.command("OPTIMIZE TABLE _settled_merchant_sales FINAL"),
    ]
    for _ in range(30):
        rng.choice(steps)()
        db.check()
    db.settle()
    db.check()
    assert db.settled() > 0


def test_readers_never_see_a_count_twice_or_not_at_all(db: Database) -> None:
    """While events come late, minute by minute, into what is settled, and a settler runs."""
    minutes = 400
    db.insert(*(Order(n, AT + timedelta(minutes=n)) for n in range(minutes)))
    stop = threading.Event()
    inserted = 0

    def late() -> None:
        nonlocal inserted
        with open_client(db.settings) as client:
            writer = Database(db.settings, client)
            while not stop.is_set() and inserted < minutes:
                first = 1000 + inserted
                writer.insert(*(Order(first + n, AT + timedelta(minutes=inserted + n)) for n in range(10)))
                inserted += 10

    def settling() -> None:
        with open_client(db.settings) as client:
            while not stop.is_set():
                # Inserts take milliseconds here, and date their rows when they begin.
                settle(client, TIERS[0], SettlePolicy(margin_s=1.0, pause_s=0.5, portion_rows=100), wait=stop.wait)

    threads = [threading.Thread(target=each) for each in (late, settling)]
    for thread in threads:
        thread.start()
    seen = []
    while inserted < minutes:
        least = minutes + inserted
        (count,) = db.rows("SELECT sum(lines) FROM merchant_sales")[0]
        seen.append((least, count, minutes + inserted + 10))
    stop.set()
    for thread in threads:
        thread.join()
    assert [each for each in seen if not each[0] <= each[1] <= each[2]] == []
    db.check()


def test_a_settler_settles_what_is_due_and_goes_on_after_an_error(db: Database) -> None:
    now = 0.0
    settler = Settler(db.client, policy=QUICK, clock=lambda: now)
    db.insert(Order(1))
    assert [(each.chunk, each.rows) for each in settler.step()] == [("minute", 1), ("hour", 1), ("day", 1)]
    assert settler.step() == []
    now = 15.0
    assert [(each.chunk, each.rows) for each in settler.step()] == [("minute", 0)]
    now = 300.0
    assert len(settler.step()) == 3

    db.client.command("RENAME TABLE _arrivals TO _hidden")
    stop = threading.Event()
    told: list[Settled] = []
    fast = [replace(tier, every_s=0.01) for tier in TIERS]
    thread = threading.Thread(target=Settler(db.client, policy=QUICK, tiers=fast).run, args=(stop, told.append))
    thread.start()
    try:
        db.client.command("RENAME TABLE _hidden TO _arrivals")
        db.insert(Order(2))
        until(lambda: any(each.chunk == "day" and each.rows for each in told), "days are settled again")
    finally:
        stop.set()
        thread.join()
    db.check()


def test_settling_everything_mends_what_is_wrong(db: Database) -> None:
    db.insert(Order(1), Order(2, AT + timedelta(minutes=5), merchant_id="z"))
    db.settle()
    db.client.command("DELETE FROM _settled_merchant_sales WHERE merchant_id = 'm'")
    db.client.command(
        "INSERT INTO _settled_listing_hours VALUES ('ghost', '2026-03-01 09:00:00', 'l', 7, 7, "
        "(SELECT max(through) FROM _settled_through), 0)"
    )
    found = {(each.roll_up, each.key["merchant_id"]): each for each in differences(db.client)}
    damaged = {("merchant_sales", "m"), ("listing_hours", "ghost")}
    assert set(found) == damaged | {("merchant_days", "m"), ("listing_days", "ghost")}  # days are added up
    assert found["merchant_sales", "m"].told is None
    assert found["merchant_sales", "m"].counted["lines"] == 1  # type: ignore[index]
    assert found["listing_hours", "ghost"].told == {"orders": 7, "units": 7}
    assert found["listing_hours", "ghost"].counted is None
    for tier in TIERS:
        settle(db.client, tier, QUICK, everything=True)
    db.check()


def test_settling_that_began_before_is_not_published(db: Database) -> None:
    db.insert(Order(1))
    db.settle()
    db.insert(Order(2, order_id="new"))
    settle(db.client, TIERS[0], QUICK, wait=lambda pause: db.client.command("TRUNCATE TABLE _settled_through"))
    assert db.rows("SELECT count() FROM _settled_through") == [(0,)]
    db.check()


def test_nothing_is_settled_while_another_table_is_about_to_take_the_place_of_orders(db: Database) -> None:
    db.insert(Order(1))
    db.client.command("CREATE VIEW _mirror_orders AS SELECT 1")
    db.settle()
    assert db.rows("SELECT count() FROM _settled_merchant_sales") == [(0,)]
    db.client.command("DROP VIEW _mirror_orders")
    db.settle()
    assert db.rows("SELECT count() FROM _settled_merchant_sales") == [(1,)]
    db.check()


def test_a_predicate_reaches_the_keys_of_all_that_a_view_reads(db: Database) -> None:
    """Else a question about one merchant's hour reads everything."""
    many = [Order(n, AT + timedelta(minutes=n % 500), f"m-{n % 50:02d}") for n in range(2000)]
    db.client.command("ALTER TABLE orders MODIFY SETTING index_granularity = 8192")
    db.insert(*many)
    db.settle(replace(QUICK, portion_rows=10_000))
    db.insert(*(replace(each, number=each.number + 5000) for each in many[:100]))
    for view, chunk in (("merchant_sales", "minute"), ("refund_rates", "day"), ("listing_funnel", "day")):
        plan = db.rows(
            f"EXPLAIN indexes = 1 SELECT * FROM {view} WHERE merchant_id = 'm-07' AND {chunk} = '2026-03-01'"
        )
        lines = [line.strip(" │├└─") for (line,) in plan]
        reads = [n for n, line in enumerate(lines) if line.startswith("ReadFromMergeTree") and "orders)" in line]
        reads += [n for n, line in enumerate(lines) if line.startswith("ReadFromMergeTree") and "_settled_" in line]
        assert reads
        for start in reads:
            conditions = [line for line in lines[start : start + 30] if line.startswith("Condition: ")][:3]
            assert "merchant_id in ['m-07', 'm-07']" in conditions[-1], (view, lines[start])
            assert " in [" in conditions[-1].replace("merchant_id in [", ""), (view, lines[start])
