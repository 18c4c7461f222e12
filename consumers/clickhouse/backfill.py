"""A table anew from the beginning of its topic, beside the live one, and then in its place.

1. A fresh table is filled from Kafka by a sink of its own. Its rows say how far it is, so it can die at any time.
2. A materialized view mirrors every insert of the live sink into the fresh table, which is complete from there on.
3. What the live table has and the fresh one lacks is copied: what came while the mirror was put up, and what Kafka
   no longer has. Positions tell, so it does not matter why something is lacking, nor how often this is done.
4. The two change places in one moment (EXCHANGE TABLES), and the replaced one is kept under another name.

There is no hole at any moment. Before the swap the live table is as ever. The swap waits until the fresh one lacks
nothing, and from step 2 on an insert goes into both: one that fails halfway is tried again by its sink. A sink that
starts after the swap reads its positions from the new table. What two faults at once might still leave in the
replaced table alone (ClickHouse fails between two parts of one insert, and its sink is gone for good) is copied after
the swap. After any kind of end, the same command goes on where the last one stopped.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from clickhouse_connect.driver.client import Client
from confluent_kafka.admin import AdminClient

from consumers.clickhouse.client import open_client
from consumers.clickhouse.compare import copy, ids, lacking
from consumers.clickhouse.fresh_table import BackfillRefused, FreshTable, Stage
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.migration_lock import migration_lock
from consumers.clickhouse.positions import logs_of
from consumers.clickhouse.refill import Extent, extents, refill
from consumers.clickhouse.settle import TIERS
from consumers.clickhouse.tables import Table
from schemas.registry import Registry
from tradewind.settings import Settings

Tell = Callable[[str], None]

#: An insert takes a minute at most, and so does the last look but one.
_RECENT_MINUTES = 10
_LOOKS = 100
#: Which table says how far the roll-ups of a table are settled. Emptied with the swap, everything is counted anew.
_SETTLED = {"orders": "_settled_through"}
#: Roll-ups leave out what is stored so late that events of its time may be gone by then (`_counted_orders`).
_SLACK_DAYS = 3


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a backfill would do.

    Attributes:
        stage: how far an earlier one has come.
        stored: rows of the table.
        messages: messages that Kafka has.
        older: rows that Kafka no longer has the message of, so that they would be copied.
        size: bytes of the table on disk; the fresh one takes about as much.
    """

    stage: Stage
    stored: int
    messages: int
    older: int
    size: int


def outlook(settings: Settings, table: Table) -> Outlook:
    """Look, and change nothing.

    Raises:
        as `backfill`.
    """
    of = logs_of(AdminClient(settings.kafka_client()), [table.topic.name])[table.topic.name]
    there = extents(settings, table.topic.name)
    with open_client(settings) as client:
        stage = FreshTable(client, table.name).stage()
        firsts = sorted((number, extent.first) for number, extent in there.items())
        ((stored, older),) = client.query(
            f"SELECT count(), countIf(_log != {{log:String}} OR _offset < transform(_partition, "
            f"{{partitions:Array(UInt32)}}, {{firsts:Array(UInt64)}}, toUInt64(0))) FROM {table.name}",
            parameters={
                "log": of.identity,
                "partitions": [number for number, _ in firsts],
                "firsts": [first for _, first in firsts],
            },
        ).result_rows
        ((size,),) = client.query(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() "
            "AND table = {table:String}",
            parameters={"table": table.name},
        ).result_rows
    return Outlook(stage, int(stored), _messages(there), int(older), int(size))


def backfill(
    settings: Settings,
    table: Table,
    stop: threading.Event,
    *,
    registry: Registry,
    metrics: SinkMetrics | None = None,
    drop_old: bool = False,
    tell: Tell = lambda line: None,
) -> bool:
    """Fill the table anew and swap it in; or go on with what an earlier call left.

    Args:
        metrics: what the filling tells Prometheus; its default registry when left out.
        stop: ends the filling early; the next call goes on.
        drop_old: drop the replaced table instead of keeping it as `_before_...`.
        tell: gets a line whenever there is something to say.

    Returns:
        Whether it came to its end; False where `stop` was set.

    Raises:
        BackfillRefused: the fresh table can't take the place of the other one.
        SinkError, KafkaException, clickhouse_connect.driver.exceptions.Error: as `run_sink`.
    """
    with open_client(settings) as client:
        tables = FreshTable(client, table.name)
        if tables.stage() in (Stage.FILLING, Stage.MIRRORED) and not tables.has_same_structure():
            tell(f"{table.name} was changed since {tables.fresh} was made like it: beginning anew")
            tables.discard()
        stage = tables.stage()
        if stage in (Stage.NONE, Stage.FILLING):
            if not _fill(settings, table, client, tables, stop, registry=registry, metrics=metrics, tell=tell):
                return False
            if tables.stage() is Stage.NONE:
                return True
        if stage is not Stage.SWAPPED:
            tables.add_mirror()
            _make_complete(client, tables, stop, tell)
            if stop.is_set():
                return False
            _compare(client, tables, tell)
        _swap(client, tables, drop_old, tell)
    return True


def _fill(
    settings: Settings,
    table: Table,
    client: Client,
    tables: FreshTable,
    stop: threading.Event,
    *,
    registry: Registry,
    metrics: SinkMetrics | None,
    tell: Tell,
) -> bool:
    """Step 1. False where it was stopped."""
    of = logs_of(AdminClient(settings.kafka_client()), [table.topic.name])[table.topic.name]
    ends = extents(settings, table.topic.name)
    if tables.stage() is Stage.NONE:
        if _messages(ends) == 0:
            tell(f"Kafka has no message of {table.topic.name}: nothing to do")
            return True
        tables.create()
    tell(f"reading {_messages(ends):,} messages of {table.topic.name} into {tables.fresh}")
    # No other table's and no other log's: what the group has committed is true of this one.
    name = hashlib.sha256(f"{tables.identity()}{of.identity}".encode()).hexdigest()[:12]
    filled = refill(
        settings,
        replace(table, name=tables.fresh),
        of,
        ends,
        stop,
        registry=registry,
        metrics=metrics,
        group=f"{settings.sink_group}-backfill-{name}",
        tell=lambda progress: tell(str(progress)),
    )
    if filled and (days := _kept_days(client, table.name)):
        # Stored now they would count as too late for the roll-ups; the live table's rows are copied instead.
        tables.keep_only_since(max(days - _SLACK_DAYS, 0))
    return filled


def _make_complete(client: Client, tables: FreshTable, stop: threading.Event, tell: Tell) -> None:
    """Step 3, as often as something is lacking."""
    copied = 0
    while not stop.is_set() and (found := lacking(client, tables.name, tables.fresh)):
        copied += sum(copy(client, tables.name, tables.fresh, each) for each in found)
        tell(f"copied {copied:,} rows that {tables.fresh} lacked, {sum(each.rows for each in found):,} were to do")


def _compare(client: Client, tables: FreshTable, tell: Tell) -> None:
    """Refuse a fresh table that lacks an event."""
    found = ids(client, tables.name, tables.fresh)
    if found.lacking:
        raise BackfillRefused(
            f"{tables.fresh} lacks events that {tables.name} has, such as {found.lacking[0]}, though it has their "
            "positions: the topic was made anew on a broker without topic ids; nothing was swapped. To give up: DROP "
            f"VIEW {tables.mirror}, then DROP TABLE {tables.fresh}"
        )
    live, anew = (
        int(client.query(f"SELECT count() FROM {name} FINAL").result_rows[0][0]) for name in (tables.name, tables.fresh)
    )
    tell(f"{tables.name} has {live:,} events, {tables.fresh} {anew:,}; no id of {found.distinct:,} is lacking")


def _swap(client: Client, tables: FreshTable, drop_old: bool, tell: Tell) -> None:
    """Step 4. Under the migrations' lock: no second backfill swaps them back, and no migration changes one of them."""
    with migration_lock(client) as renew:
        if tables.stage() is Stage.MIRRORED:
            if not tables.has_same_structure():
                raise BackfillRefused(
                    f"{tables.name} was changed by a migration meanwhile; run this again to begin anew"
                )
            _copy_until_nothing_lacks(client, tables.name, tables.fresh, renew)
            _forget_settled(client, tables)
            tables.exchange()
            tell(f"{tables.name} is the fresh table now")
        elif tables.stage() is not Stage.SWAPPED:
            raise BackfillRefused(f"another process has ended the backfill of {tables.name}; nothing is left to do")
        replaced = tables.replaced()
        if replaced is not None:
            tables.wait_for_inserts()
            renew()
            if _copy_until_nothing_lacks(client, replaced, tables.name, renew):
                _forget_settled(client, tables)
        tables.clear_up(drop_replaced=drop_old)
        tell("the replaced table was dropped" if drop_old else f"the replaced table is kept as {tables.before}")


def _copy_until_nothing_lacks(client: Client, source: str, target: str, renew: Callable[[], None]) -> int:
    """Copy what is lacking until a look finds nothing; gives how many rows that were.

    The first looks are at everything, the last ones at what came of late, for they take a moment only.
    """
    copied = 0
    minutes = None
    for _ in range(_LOOKS):
        renew()
        found = lacking(client, source, target, minutes=minutes)
        copied += sum(copy(client, source, target, each) for each in found)
        if not found and minutes is not None:
            return copied
        if not found:
            minutes = _RECENT_MINUTES
    raise BackfillRefused(
        f"{target} never has all that {source} has; is something else than a sink of ours inserting into {source}?"
    )


def _forget_settled(client: Client, tables: FreshTable) -> None:
    """Have the roll-ups counted live until they are settled anew.

    A settler does not begin while the mirror stands, and one that began before moves `through` on only from where it
    found it. So a mark that it can't have found, a time long ago, keeps it from ending.
    """
    settled = _SETTLED.get(tables.name)
    if settled is None:
        return
    for _ in range(_LOOKS):
        mark = int(client.query("SELECT toUnixTimestamp(now())").result_rows[0][0])  # as ms it is in January 1970
        client.command(f"TRUNCATE TABLE {settled}")
        client.command(
            f"INSERT INTO {settled} SELECT arrayJoin({{chunks:Array(String)}}), "
            "fromUnixTimestamp64Milli({mark:Int64}, 'UTC')",
            parameters={"chunks": [tier.chunk for tier in TIERS], "mark": mark},
        )
        tables.wait_for_inserts()
        found = client.query(f"SELECT max(toUnixTimestamp64Milli(through)) FROM {settled}").result_rows
        if int(found[0][0]) == mark:
            return
    raise BackfillRefused(f"the roll-ups of {tables.name} are being settled all the time; nothing was swapped")


def _kept_days(client: Client, name: str) -> int:
    found = client.query("SELECT min(days) FROM _kept_days WHERE source = {name:String}", parameters={"name": name})
    return int(found.result_rows[0][0])


def _messages(there: dict[int, Extent]) -> int:
    return sum(extent.end - extent.first for extent in there.values())
