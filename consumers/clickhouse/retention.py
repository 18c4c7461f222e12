"""How long events and texts are kept, as TTLs of the tables.

Whole parts are dropped, by the time of the insert: a part holds one month at most and nothing is rewritten. An event
can be stored up to 30 days late and Kafka keeps it as long, and where the sink goes on is read from the rows; so the
least that can be asked for is well above that (`Settings.raw_days`).

Before the first event of a settled minute can go, `_kept_days` tells the roll-ups to leave alone what comes later than
that (`0003_roll_ups.sql`). The least there ever was counts: days that are gone do not come back with a longer TTL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from tradewind.settings import Settings

#: Listings, their copy and insights are kept for ever: they describe what is, and hold nobody's data.
EVENTS = ("orders", "questions", "answers_drafted", "answers_reviewed", "dead_letters")
TEXTS = (
    ("answers_drafted", ("question", "draft", "evidence")),
    ("answers_reviewed", ("answer", "note")),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """How long something is kept.

    Attributes:
        table: name of the table.
        column: name of a column that is emptied, or None for whole rows.
        days: since they were stored; 0 is for ever.
    """

    table: str
    column: str | None
    days: int


def wanted(settings: Settings) -> list[Kept]:
    """What the settings ask for."""
    rows = [Kept(table, None, settings.raw_days) for table in EVENTS]
    texts = [Kept(table, column, settings.text_days) for table, columns in TEXTS for column in columns]
    return rows + texts


def differing(client: Client, those: Sequence[Kept]) -> list[Kept]:
    """Those that the tables do not have like this.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse refused, or can't be reached.
    """
    return [each for each in those if _days(client, each) != each.days]


def retain(client: Client, those: Sequence[Kept]) -> list[Kept]:
    """Change the TTLs that differ; gives what was changed.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse refused, or can't be reached; what is done is done.
    """
    changed = differing(client, those)
    for each in changed:
        if each.table == "orders" and each.column is None and each.days:
            # First: from here on nothing is recounted that the TTL could have made less.
            client.command(
                "INSERT INTO _kept_days (source, days) VALUES ('orders', {days:UInt32})", parameters={"days": each.days}
            )
        for statement in _statements(each):
            client.command(statement)
    return changed


def _expression(days: int) -> str:
    return f"toDateTime(_inserted_at) + toIntervalDay({days})"


def _statements(kept: Kept) -> list[str]:
    change = f"ALTER TABLE {kept.table} "
    if kept.column is not None:
        column = f"{change}MODIFY COLUMN {kept.column} "
        return [f"{column}TTL {_expression(kept.days)}" if kept.days else f"{column}REMOVE TTL"]
    if not kept.days:
        return [f"{change}REMOVE TTL"]
    return [f"{change}MODIFY SETTING ttl_only_drop_parts = 1", f"{change}MODIFY TTL {_expression(kept.days)}"]


def _days(client: Client, kept: Kept) -> int:
    """How long it is kept now; 0 is for ever, -1 a TTL that is not ours."""
    place = {"table": kept.table, "column": kept.column or ""}
    # ClickHouse tells TTLs only in the statement that makes the table.
    if kept.column is None:
        sql = "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}"
    else:
        sql = (
            "SELECT arrayFirst(column -> startsWith(column, concat({column:String}, '` ')), "
            "splitByString(', `', create_table_query)) FROM system.tables "
            "WHERE database = currentDatabase() AND name = {table:String}"
        )
    rows = client.query(
        "SELECT multiIf(position(text, ' TTL ') = 0, 0, found = '', -1, toInt64(found)) FROM (SELECT text, "
        f"extract(text, 'TTL toDateTime\\\\(_inserted_at\\\\) \\\\+ toIntervalDay\\\\(([0-9]+)\\\\)') AS found "
        f"FROM (SELECT ({sql}) AS text))",
        parameters=place,
    ).result_rows
    return int(rows[0][0])
