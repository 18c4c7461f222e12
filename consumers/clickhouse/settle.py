"""Settling: what the roll-ups say of a minute, an hour or a day is kept once nothing comes in for a while.

`0003_roll_ups.sql` has the tables and views. A roll-up `X` is `_settled_X` for what nothing has touched since it was
settled, and `_recount_X` for the rest. Settling a kind of chunk (minutes, hours or days of a merchant):

1. `through` is the server's clock less a margin that no insert outlives, so that all rows dated before it are visible.
2. The chunks that rows up to `through` have touched are recounted and inserted as rows of the version `through`. What
   was settled before and has no more rows is inserted as gone.
3. A moment later `_settled_through` moves. Until then the chunks were counted from their events, so a crash anywhere
   before costs nothing but the work. The moment is for a query that has looked at the settled table just before the
   insert: it must not learn of a later `through`.

Several settlers at once do no harm: each row that they write is right as of its version, and the latest counts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from consumers.clickhouse.insert import name_of
from consumers.clickhouse.portions import Portion, portions

#: Later than any insert, in ms.
FOR_EVER_MS = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: A block of late rows may go to any number of months.
_SETTINGS = {"max_partitions_per_insert_block": 0, "async_insert": 0}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tier:
    """Roll-ups that are settled together.

    Attributes:
        chunk: what is settled at a time: minute, hour or day of a merchant.
        roll_ups: their names.
        every_s: how often, in seconds. What was touched since is counted from the events by every query.
    """

    chunk: str
    roll_ups: tuple[str, ...]
    every_s: float


#: In this order: days are added up from minutes and hours.
TIERS = (
    Tier("minute", ("merchant_sales",), 15.0),
    Tier("hour", ("listing_hours",), 300.0),
    Tier("day", ("merchant_days", "listing_days"), 300.0),
)


@dataclass(frozen=True, slots=True)
class SettlePolicy:
    """How to settle.

    Attributes:
        margin_s: no insert takes longer from dating its rows to their being visible.
        pause_s: between the settled rows and `_settled_through`; no query takes longer to plan.
        portion_rows: touch so many rows with one statement, about; what it needs of memory and time goes with that.
    """

    margin_s: float = 120.0
    pause_s: float = 2.0
    portion_rows: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What was settled.

    Attributes:
        chunk: minute, hour or day.
        through: everything stored until then is settled.
        rows: rows that had come in since the last time.
        seconds: how long it took, the pause included.
    """

    chunk: str
    through: datetime
    rows: int
    seconds: float


def settle(
    client: Client,
    tier: Tier,
    policy: SettlePolicy = SettlePolicy(),
    *,
    everything: bool = False,
    wait: Callable[[float], object] = time.sleep,
) -> Settled:
    """Settle a tier.

    Args:
        everything: recount every chunk whose events are all kept, not just those that were touched.
        wait: lets the policy's pause pass.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse refused, or can't be reached; settle again.
    """
    began = time.monotonic()
    since, through = _span(client, tier, policy)
    if _is_being_replaced(client):
        return Settled(tier.chunk, _EPOCH + timedelta(milliseconds=since), 0, time.monotonic() - began)
    if everything:
        todo = stored_between(client, 0, FOR_EVER_MS, policy.portion_rows) or [Portion()]
    else:
        todo = stored_between(client, since, through, policy.portion_rows)
    rows = sum(portion.rows for portion in todo)
    if todo:
        recount(client, tier, todo, since, through, everything=everything)
        wait(policy.pause_s)
        publish(client, tier, since, through)
    return Settled(tier.chunk, _EPOCH + timedelta(milliseconds=through), rows, time.monotonic() - began)


def recount(
    client: Client, tier: Tier, todo: Sequence[Portion], since: int, through: int, *, everything: bool = False
) -> None:
    """Insert what the tier's recount views say of chunks touched after `since` and until `through`, both in ms."""
    span = {"since": since, "through": through, "kept_from": kept_from(client)}
    for name in tier.roll_ups:
        statement = _statement(client, tier.chunk, name, everything=everything)
        for portion in todo:
            client.command(
                statement.replace("{portion}", portion.condition(tier.chunk)),
                parameters={**span, **portion.parameters()},
                settings=_SETTINGS,
            )


def kept_from(client: Client) -> date:
    """The first day of which all orders that count are still stored."""
    rows = client.query(
        "SELECT if(min(days) = 0, toDate(0), today() - min(days) + 2) FROM _kept_days WHERE source = 'orders'"
    ).result_rows
    day: date = rows[0][0]
    return day


def publish(client: Client, tier: Tier, since: int, through: int) -> None:
    """Move from `since` to `through`, both in ms, where nobody has moved meanwhile: another settler, or a swap."""
    client.command(
        "INSERT INTO _settled_through SELECT {chunk:String}, fromUnixTimestamp64Milli({through:Int64}, 'UTC') "
        "FROM (SELECT max(through) AS now FROM _settled_through WHERE chunk = {chunk:String}) "
        "WHERE toUnixTimestamp64Milli(now) = {since:Int64}",
        parameters={"chunk": tier.chunk, "since": since, "through": through},
    )


class Settler:
    """Settles each tier when it is due."""

    def __init__(
        self,
        client: Client,
        *,
        policy: SettlePolicy = SettlePolicy(),
        tiers: Sequence[Tier] = TIERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._policy = policy
        self._tiers = tiers
        self._clock = clock
        self._due = {tier.chunk: clock() for tier in tiers}

    def step(self, wait: Callable[[float], object] = time.sleep) -> list[Settled]:
        """Settle what is due.

        Raises:
            clickhouse_connect.driver.exceptions.Error: as `settle`; what was not done stays due.
        """
        done = []
        for tier in self._tiers:
            if self._clock() >= self._due[tier.chunk]:
                done.append(settle(self._client, tier, self._policy, wait=wait))
                self._due[tier.chunk] = self._clock() + tier.every_s
        return done

    def run(self, stop: threading.Event, tell: Callable[[Settled], None] = lambda settled: None) -> None:
        """Settle until `stop` is set. An error of ClickHouse is logged and met by trying again.

        Args:
            tell: called with what was settled, for metrics.
        """
        shortest = min(tier.every_s for tier in self._tiers)
        while not stop.is_set():
            try:
                for settled in self.step(stop.wait):
                    tell(settled)
            except Error as error:
                log.warning("roll-ups are not settled, and counted from their events: %s", name_of(error))
            stop.wait(min(shortest, max(0.1, min(self._due.values()) - self._clock())))


def _span(client: Client, tier: Tier, policy: SettlePolicy) -> tuple[int, int]:
    """From when and until when rows are to be settled, in ms by the server's clock."""
    rows = client.query(
        "SELECT toUnixTimestamp64Milli(max(through)), "
        "greatest(toUnixTimestamp64Milli(now64(3)) - {margin:Int64}, toUnixTimestamp64Milli(max(through))) "
        "FROM _settled_through WHERE chunk = {chunk:String}",
        parameters={"chunk": tier.chunk, "margin": round(policy.margin_s * 1000)},
    ).result_rows
    since, through = rows[0]
    return int(since), int(through)


def _is_being_replaced(client: Client) -> bool:
    """Whether a backfill is about to put another table in the place of `orders` (`fresh_table.py`).

    To be asked after `since` was read: a swap changes `since`, so what was counted in the table before it can't be
    published after it.
    """
    return bool(client.query("EXISTS TABLE _mirror_orders").result_rows[0][0])


def stored_between(client: Client, since: int, through: int, limit: int) -> list[Portion]:
    """What was stored after `since` and until `through`, in portions of `limit` rows or little more."""
    span = {"since": since, "through": through}
    where = (
        "FROM _arrivals WHERE _inserted_at > fromUnixTimestamp64Milli({since:Int64}, 'UTC') "
        "AND _inserted_at <= fromUnixTimestamp64Milli({through:Int64}, 'UTC')"
    )

    def days_of(merchant: str) -> list[tuple[date, int]]:
        sql = f"SELECT day, count() {where} AND merchant_id = {{merchant:String}} GROUP BY day ORDER BY day"
        return [(day, int(rows)) for day, rows in client.query(sql, {**span, "merchant": merchant}).result_rows]

    by_merchant = client.query(f"SELECT merchant_id, count() {where} GROUP BY merchant_id ORDER BY merchant_id", span)
    return portions([(merchant, int(rows)) for merchant, rows in by_merchant.result_rows], days_of, limit)


def columns_of(client: Client, roll_up: str) -> tuple[list[str], list[str]]:
    """The columns of a roll-up: its keys, and what is counted."""
    columns = client.query(
        "SELECT name, is_in_sorting_key FROM system.columns WHERE database = currentDatabase() "
        "AND table = {table:String} AND NOT startsWith(name, '_') ORDER BY position",
        parameters={"table": f"_settled_{roll_up}"},
    ).result_rows
    return [name for name, is_key in columns if is_key], [name for name, is_key in columns if not is_key]


def _statement(client: Client, chunk: str, name: str, *, everything: bool) -> str:
    """The INSERT of a roll-up; `{portion}` is still to be filled in. Names come from our own migrations."""
    keys, values = columns_of(client, name)
    touched = (
        f"(SELECT merchant_id, {chunk} FROM _arrivals "
        "WHERE _inserted_at > fromUnixTimestamp64Milli({since:Int64}, 'UTC') "
        "AND _inserted_at <= fromUnixTimestamp64Milli({through:Int64}, 'UTC') AND {portion})"
    )
    kept = f"toDate({chunk}) >= {{kept_from:Date}}"
    which = f"{kept if everything else f'(merchant_id, {chunk}) IN {touched}'} AND {{portion}}"
    key, both = ", ".join(keys), ", ".join(keys + values)
    return (
        f"INSERT INTO _settled_{name} ({both}, _through, _gone) "
        f"SELECT {key}, {', '.join(f'sum(each.{value})' for value in values)}, "
        "fromUnixTimestamp64Milli({through:Int64}, 'UTC'), min(each._gone) FROM ("
        f"SELECT {both}, 0 AS _gone FROM _recount_{name} WHERE {which} UNION ALL "
        f"SELECT {key}, {', '.join(f'0 AS {value}' for value in values)}, 1 FROM _settled_{name} FINAL WHERE {which}"
        f") AS each GROUP BY {key}"
    )
