"""A table that is filled beside another one of the same structure, and then takes its place: the statements.

How far that has come is written on the tables themselves, so that any process can go on with it:

- `_fresh_T` is there, its comment ends in the mark: it is being filled.
- `_mirror_T` is there as well: what is inserted into `T` goes into `_fresh_T` too.
- the comment of `T` ends in the mark: the two have changed places, and only clearing up is left.
"""

from __future__ import annotations

import time
from enum import Enum

from clickhouse_connect.driver.client import Client

from consumers.clickhouse.errors import SinkError

MARK = " (Filled by tradewind sink --from-beginning.)"

_DROP_SETTINGS: dict[str, int] = {"max_table_size_to_drop": 0}
_INSERTS_END_S = 180.0
_PAUSE_S = 0.1


class BackfillRefused(SinkError):
    """The backfill can't go on; what is in the table was not touched."""


class Stage(Enum):
    """How far a backfill has come."""

    NONE = "none"
    FILLING = "filling"
    MIRRORED = "mirrored"
    SWAPPED = "swapped"


class FreshTable:
    """The tables of a backfill.

    Args:
        client: of the database that has them.
        name: the table that is filled anew.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name
        self.fresh = f"_fresh_{name}"
        self.mirror = f"_mirror_{name}"
        self.before = f"_before_{name}"

    def stage(self) -> Stage:
        """How far a backfill has come, whoever began it.

        Raises:
            BackfillRefused: the table is not there, or one stands in the way that no backfill has made.
        """
        comments = self._comments()
        if self.name not in comments:
            raise BackfillRefused(f"there is no table {self.name}; start the sink once, which makes it: tradewind sink")
        if comments[self.name].endswith(MARK):
            return Stage.SWAPPED
        if self.fresh not in comments:
            return Stage.NONE
        if not comments[self.fresh].endswith(MARK):
            raise BackfillRefused(f"the table {self.fresh} was not made by a backfill; rename it, or drop it")
        return Stage.MIRRORED if self.mirror in comments else Stage.FILLING

    def identity(self) -> str:
        """What no other fresh table has."""
        found = self._client.query(
            "SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
            parameters={"name": self.fresh},
        ).result_rows
        return str(found[0][0])

    def create(self) -> None:
        """Make the fresh table, empty. What an earlier backfill left behind goes."""
        # The mirror first: an insert into a table whose mirror has no target fails.
        self._command(f"DROP VIEW IF EXISTS {self.mirror}")
        self._command(f"DROP TABLE IF EXISTS {self.before}", _DROP_SETTINGS)
        comment = _quoted(self._comments()[self.name] + MARK)
        self._command(f"CREATE TABLE IF NOT EXISTS {self.fresh} AS {self.name} COMMENT {comment}")

    def discard(self) -> None:
        """Drop what was filled and not yet swapped."""
        self._command(f"DROP VIEW IF EXISTS {self.mirror}")
        self.wait_for_inserts()
        self._command(f"DROP TABLE IF EXISTS {self.fresh}", _DROP_SETTINGS)

    def has_same_structure(self) -> bool:
        """Whether the table is still as it was when the fresh one was made like it."""
        found = self._client.query(
            "SELECT uniqExact(engine_full), uniqExact(columns) FROM (SELECT name, engine_full FROM system.tables "
            "WHERE database = currentDatabase() AND name IN {tables:Array(String)}) AS t JOIN (SELECT table, "
            "arraySort(groupArray((position, name, type, default_kind, default_expression, compression_codec))) "
            "AS columns FROM system.columns WHERE database = currentDatabase() AND table IN {tables:Array(String)} "
            "GROUP BY table) AS c ON c.table = t.name",
            parameters={"tables": [self.name, self.fresh]},
        ).result_rows
        return tuple(found[0]) == (1, 1)

    def add_mirror(self) -> None:
        """From now on inserts into the table go into the fresh one too; returns once no older insert is under way."""
        self._command(
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {self.mirror} TO {self.fresh} AS SELECT * FROM {self.name}"
        )
        self.wait_for_inserts()

    def wait_for_inserts(self) -> None:
        """Wait until every insert that is under way now has ended.

        Raises:
            BackfillRefused: one does not end.
        """
        since = int(self._client.query("SELECT toUnixTimestamp64Micro(now64(6))").result_rows[0][0])
        give_up = time.monotonic() + _INSERTS_END_S
        while self._inserts_before(since):
            if time.monotonic() > give_up:
                raise BackfillRefused(
                    f"an insert has been running for {_INSERTS_END_S:g} s; see system.processes, then run this again"
                )
            time.sleep(_PAUSE_S)

    def _inserts_before(self, since: int) -> int:
        found = self._client.query(
            # Ages are a little too low: rather wait for one too many.
            "SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND current_database = currentDatabase() "
            "AND toUnixTimestamp64Micro(now64(6)) - (elapsed + 0.2) * 1e6 <= {since:Int64}",
            parameters={"since": since},
        ).result_rows
        return int(found[0][0])

    def keep_only_since(self, days: int) -> None:
        """Drop events from the fresh table that happened longer ago."""
        self._command(
            f"ALTER TABLE {self.fresh} DELETE WHERE occurred_at < now() - toIntervalDay({days})", {"mutations_sync": 1}
        )

    def exchange(self) -> None:
        """Let the two change places, in one moment."""
        self._command(f"EXCHANGE TABLES {self.name} AND {self.fresh}")

    def replaced(self) -> str | None:
        """Once they have changed places, the name under which the replaced table still is to be compared."""
        return self.fresh if self.fresh in self._comments() else None

    def clear_up(self, *, drop_replaced: bool) -> None:
        """Once they have changed places: no mirror any more, and the replaced table under its last name, or dropped."""
        self._command(f"DROP VIEW IF EXISTS {self.mirror}")
        if self.replaced() is not None:
            # An insert that still knows the mirror looks for its target.
            self.wait_for_inserts()
            self._command(f"DROP TABLE IF EXISTS {self.before}", _DROP_SETTINGS)
            self._command(f"RENAME TABLE {self.fresh} TO {self.before}")
        if drop_replaced:
            self._command(f"DROP TABLE IF EXISTS {self.before}", _DROP_SETTINGS)
        comment = _quoted(self._comments()[self.name].removesuffix(MARK))
        self._command(f"ALTER TABLE {self.name} MODIFY COMMENT {comment}")

    def _comments(self) -> dict[str, str]:
        """Comments of those of the tables that there are."""
        found = self._client.query(
            "SELECT name, comment FROM system.tables "
            "WHERE database = currentDatabase() AND name IN {names:Array(String)}",
            parameters={"names": [self.name, self.fresh, self.mirror, self.before]},
        ).result_rows
        return {str(name): str(comment) for name, comment in found}

    def _command(self, sql: str, settings: dict[str, int] | None = None) -> None:
        self._client.command(sql, settings=settings)


def _quoted(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
