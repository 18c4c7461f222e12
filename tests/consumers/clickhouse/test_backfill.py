"""A table filled anew from the beginning of its topic, and swapped in while others go on."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.httpclient import HttpClient
from prometheus_client import CollectorRegistry

from consumers.clickhouse import backfill as module
from consumers.clickhouse.backfill import backfill, outlook
from consumers.clickhouse.client import open_client
from consumers.clickhouse.fresh_table import BackfillRefused, FreshTable, Stage
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.refill import Extent, extents
from consumers.clickhouse.settle import TIERS, SettlePolicy, settle
from consumers.deadletters.browse import read_dead_letters
from schemas.events import DeadLetter
from schemas.registry import CommittedRegistry
from tests.consumers.events import order
from tests.consumers.harness import DEADLINE_S, World, create_topics, delete_topics, until

pytestmark = pytest.mark.integration

LEFT_BEHIND = {"_before_orders"}


def run(world: World, *, drop_old: bool = False) -> list[str]:
    """A backfill of the orders, from its start to its end; gives what it told."""
    told: list[str] = []
    assert backfill(
        world.settings,
        world.tables["orders"],
        threading.Event(),
        registry=CommittedRegistry(),
        metrics=SinkMetrics(CollectorRegistry()),
        drop_old=drop_old,
        tell=told.append,
    )
    return told


def send(world: World, numbers: range) -> None:
    """Send orders, safely."""
    for number in numbers:
        world.send_event("orders", order(number), str(number).encode())
    world.flush()


def store(world: World, numbers: range) -> None:
    """Send orders and have a sink store them."""
    send(world, numbers)
    with world.sink("orders"):
        until(lambda: distinct(world) == numbers.stop, f"{numbers.stop} orders")


def distinct(world: World) -> int:
    """Different events in the table."""
    return world.number("SELECT uniqExact(event_id) FROM orders")


def counts(world: World, table: str = "orders") -> tuple[int, int]:
    """Rows and different events, as an analyst counts them."""
    return world.rows(f"SELECT count(), uniqExact(event_id) FROM {table} FINAL")[0]  # type: ignore[no-any-return]


def helpers(world: World) -> set[str]:
    """Tables of a backfill that there are."""
    names = {str(row[0]) for row in world.rows("SHOW TABLES")}
    return {name for name in names if name in ("_fresh_orders", "_mirror_orders", "_before_orders")}


def about(world: World, what: str) -> Any:
    """What the database says of the table."""
    ours = "database = currentDatabase() AND name = 'orders'"
    return world.rows(f"SELECT {what} FROM system.tables WHERE {ours}")[0][0]


@contextmanager
def never_fewer(world: World) -> Iterator[None]:
    """Look all the time: the events in the table never get fewer."""
    stop, seen, wrong = threading.Event(), [0], list[tuple[int, int]]()

    def look(client: Client) -> None:
        while not stop.is_set():
            now = int(client.query("SELECT uniqExact(event_id) FROM orders").result_rows[0][0])
            if now < seen[0]:
                wrong.append((seen[0], now))
            seen[0] = now

    with open_client(world.settings) as client:
        thread = threading.Thread(target=look, args=[client])
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(DEADLINE_S)
    assert wrong == []


def test_a_table_is_filled_anew_swapped_in_and_goes_on(world: World) -> None:
    store(world, range(1000))
    comment, first = about(world, "comment"), about(world, "uuid")
    told = run(world)
    assert "1,000 of 1,000 messages, 100.0 %" in " ".join(told)
    assert "orders has 1,000 events, _fresh_orders 1,000; no id of 1,000 is lacking" in told
    assert (about(world, "comment"), helpers(world)) == (comment, LEFT_BEHIND)
    assert about(world, "uuid") != first
    # Without FINAL: no row was stored twice.
    for table in ("orders", "_before_orders"):
        assert world.rows(f"SELECT count(), uniqExact(event_id) FROM {table}") == [(1000, 1000)]
    store(world, range(1000, 1500))
    assert world.rows("SELECT count(), uniqExact(event_id) FROM orders") == [(1500, 1500)]
    run(world, drop_old=True)
    assert (counts(world), helpers(world)) == ((1500, 1500), set())


def test_nothing_is_lost_or_seen_missing_while_a_producer_and_the_live_sink_go_on(world: World) -> None:
    store(world, range(500))
    stop, sent = threading.Event(), [500]

    def produce() -> None:
        while not stop.wait(0.02):  # a pace that leaves the machine to the others
            send(world, range(sent[0], sent[0] + 50))
            sent[0] += 50

    producer = threading.Thread(target=produce)
    with world.sink("orders"), never_fewer(world):
        producer.start()
        try:
            run(world)
            at_swap = sent[0]
            until(lambda: sent[0] > at_swap + 200, "orders after the swap")
        finally:
            stop.set()
            producer.join(DEADLINE_S)
        until(lambda: distinct(world) == sent[0], "all orders")
    assert counts(world) == (sent[0], sent[0])
    assert world.number("SELECT uniqExact(_partition, _offset) FROM orders") == sent[0]


def test_history_that_kafka_no_longer_has_is_copied_with_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = world.topic("orders")
    store(world, range(300))
    delete_topics(world.settings, [topic])
    create_topics(world.settings, [topic])
    store(world, range(300, 600))
    times = world.rows("SELECT event_id, _inserted_at FROM orders ORDER BY event_id")
    found = outlook(world.settings, world.tables["orders"])
    assert (found.stage, found.stored, found.messages, found.older) == (Stage.NONE, 600, 300, 300)
    with monkeypatch.context() as patch:
        # As after a retention, which the embedded broker does not have.
        later = {number: Extent(each.end, each.end) for number, each in extents(world.settings, topic).items()}
        patch.setattr(module, "extents", lambda *_: later)
        assert outlook(world.settings, world.tables["orders"]).older == 600
    run(world)
    assert counts(world) == (600, 600)
    again = dict(world.rows("SELECT event_id, _inserted_at FROM orders"))
    assert [again[event_id] == at for event_id, at in times] == [True] * 300 + [False] * 300


def _is_of_the_lock_or_reads(statement: str) -> bool:
    return "_migration_lock_" in statement or statement.startswith("SELECT")


class Died(Exception):
    """What a test lets a backfill die of."""


def test_it_can_die_after_every_statement_and_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run dies after the first statement that no run before has got to; the live sink goes on all the time."""
    store(world, range(300))
    command, done, ours = HttpClient.command, list[str](), threading.current_thread()

    def command_and_die(client: HttpClient, cmd: str, *args: Any, **more: Any) -> Any:
        result = command(client, cmd, *args, **more)
        kind = " ".join(cmd.split()[:4])
        if threading.current_thread() is ours and kind not in done and not _is_of_the_lock_or_reads(cmd):
            done.append(kind)
            raise Died(cmd)
        return result

    monkeypatch.setattr(HttpClient, "command", command_and_die)
    sent = 300
    with world.sink("orders"), never_fewer(world):
        for _ in range(40):
            send(world, range(sent, sent + 10))
            sent += 10
            try:
                run(world)
                break
            except Died:
                pass
        else:
            pytest.fail("it never comes to an end")
        until(lambda: distinct(world) == sent, "all orders")
    assert {"CREATE TABLE IF NOT", "CREATE MATERIALIZED VIEW IF", "EXCHANGE TABLES orders AND"} <= set(done)
    assert {"TRUNCATE TABLE _settled_through", "RENAME TABLE _fresh_orders TO", "ALTER TABLE orders MODIFY"} <= set(
        done
    )
    assert (counts(world), helpers(world)) == ((sent, sent), LEFT_BEHIND)
    assert "Filled by" not in about(world, "comment")


@pytest.mark.slow
def test_it_can_be_killed_at_any_time_and_go_on(world: World) -> None:
    store(world, range(2000))
    settings = world.settings.model_copy(update={"kafka_session_timeout_ms": 6000, "sink_batch_rows": 100})
    rng, sent, ended = random.Random(5), 2000, False
    with world.sink("orders"), never_fewer(world):
        for attempt in range(20):
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.consumers.clickhouse.backfill_process",
                    f"orders={world.topic('orders')}",
                ],
                env={**os.environ, **settings.environment()},
                stdout=subprocess.DEVNULL,
            )
            try:
                ended = process.wait(rng.uniform(1.0, 6.0) if attempt < 2 else 120.0) == 0
                assert ended, "it ends with an error"
                break
            except subprocess.TimeoutExpired:
                pass
            finally:
                process.kill()
                process.wait(DEADLINE_S)
            send(world, range(sent, sent + 100))
            sent += 100
        assert ended
        until(lambda: distinct(world) == sent, "all orders")
    assert (counts(world), helpers(world)) == ((sent, sent), LEFT_BEHIND)


def test_rows_that_only_the_replaced_table_has_are_copied_after_the_swap(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when ClickHouse failed between the two parts of an insert, and another process has swapped since."""
    store(world, range(100))
    die_after(monkeypatch, "EXCHANGE TABLES")
    with pytest.raises(Died):
        run(world)
    world.client.command("ALTER TABLE orders DELETE WHERE toUInt128(event_id) = 7 SETTINGS mutations_sync = 1")
    assert distinct(world) == 99
    run(world)
    assert (counts(world), helpers(world)) == ((100, 100), LEFT_BEHIND)


def die_after(monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    """Let a backfill die after the first statement that begins like this."""
    command, died = HttpClient.command, list[str]()

    def command_and_die(client: HttpClient, cmd: str, *args: Any, **more: Any) -> Any:
        result = command(client, cmd, *args, **more)
        if cmd.startswith(start) and not died:
            died.append(cmd)
            raise Died(cmd)
        return result

    monkeypatch.setattr(HttpClient, "command", command_and_die)


def test_a_table_that_was_changed_meanwhile_is_begun_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store(world, range(100))
    die_after(monkeypatch, "CREATE MATERIALIZED VIEW")
    with pytest.raises(Died):
        run(world)
    world.client.command("ALTER TABLE orders ADD COLUMN gift Nullable(String) COMMENT 'A ribbon.'")
    told = run(world)
    assert "orders was changed since _fresh_orders was made like it: beginning anew" in told
    assert world.number("SELECT count() FROM orders WHERE gift IS NULL") == 100


def test_bad_messages_count_once_and_do_not_keep_it_from_ending(world: World) -> None:
    """The last message of a partition is one that is put aside, so no row says that the partition is through."""
    send(world, range(50))
    world.send("orders", b"broken")
    world.flush()
    with world.sink("orders"):
        until(lambda: distinct(world) == 50, "the orders")
        until(lambda: len(letters(world)) == 1, "the dead letter")
        run(world)
    first, again = letters(world)
    assert first.event_id == again.event_id
    assert counts(world) == (50, 50)


def letters(world: World) -> list[DeadLetter]:
    """The dead letters of the orders, as often as they were written."""
    found = read_dead_letters(world.settings, world.codec)
    return [letter for letter in found if letter.source_topic == world.topic("orders")]


def test_nothing_to_read_is_nothing_to_do(world: World) -> None:
    first = about(world, "uuid")
    assert run(world) == [f"Kafka has no message of {world.topic('orders')}: nothing to do"]
    assert (about(world, "uuid"), helpers(world)) == (first, set())


def test_what_is_in_the_way_is_not_touched(world: World) -> None:
    store(world, range(10))
    world.client.command("CREATE TABLE _fresh_orders (a UInt8) ENGINE = Memory")
    with pytest.raises(BackfillRefused, match="_fresh_orders was not made by a backfill"):
        run(world)
    world.client.command("DROP TABLE _fresh_orders")
    world.client.command("DROP TABLE orders")
    with pytest.raises(BackfillRefused, match="no table orders"):
        run(world)


def test_it_refuses_to_lose_an_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two events at the same position, as on a broker without topic ids whose topic was made anew."""
    store(world, range(10))
    others = "occurred_at, merchant_id, order_id, listing_id, kind, amount, currency, _log, _partition, _offset"
    world.client.command(
        f"INSERT INTO orders (event_id, {others}) SELECT toUUID('00000000-0000-0000-0000-0000000000ff'), {others} "
        "FROM orders LIMIT 1"
    )
    with pytest.raises(BackfillRefused, match=r"lacks events that orders has, such as 0{8}-.*00ff"):
        run(world)
    assert distinct(world) == 11


def test_events_past_the_days_that_are_kept_are_not_stored_as_new(world: World) -> None:
    """They would count as too late for the roll-ups; the live table's rows are taken, with their times."""
    store(world, range(10))
    world.client.command("INSERT INTO _kept_days (source, days) VALUES ('orders', 30)")
    times = world.rows("SELECT event_id, _inserted_at FROM orders ORDER BY event_id")
    run(world)
    assert world.rows("SELECT event_id, _inserted_at FROM orders ORDER BY event_id") == times


def test_stopping_ends_the_filling_early(world: World) -> None:
    store(world, range(10))
    stop = threading.Event()
    stop.set()
    options: dict[str, Any] = {"registry": CommittedRegistry(), "metrics": SinkMetrics(CollectorRegistry())}
    assert not backfill(world.settings, world.tables["orders"], stop, **options)
    assert helpers(world) == {"_fresh_orders"}
    assert outlook(world.settings, world.tables["orders"]).stage is Stage.FILLING
    run(world)
    assert (counts(world), helpers(world)) == ((10, 10), LEFT_BEHIND)


def test_roll_ups_are_counted_anew_though_they_were_settled_while_it_ran(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live table has wrong amounts, which are settled after the fresh table was filled with the right ones."""
    store(world, range(50))
    world.client.command("ALTER TABLE orders UPDATE amount = 1 WHERE 1 SETTINGS mutations_sync = 1")
    add_mirror = FreshTable.add_mirror

    def settle_and_add_mirror(tables: FreshTable) -> None:
        for tier in TIERS:
            settle(world.client, tier, SettlePolicy(margin_s=0.0, pause_s=0.0))
        add_mirror(tables)

    monkeypatch.setattr(FreshTable, "add_mirror", settle_and_add_mirror)
    run(world)
    assert world.rows("SELECT sum(sales), sum(lines) FROM merchant_sales") == [(Decimal("617.00"), 50)]
    for tier in TIERS:
        settle(world.client, tier, SettlePolicy(margin_s=0.0, pause_s=0.0))
    assert world.rows("SELECT sum(sales), sum(lines) FROM merchant_sales") == [(Decimal("617.00"), 50)]
    assert world.rows("SELECT sum(sales) FROM merchant_days") == [(Decimal("617.00"),)]
