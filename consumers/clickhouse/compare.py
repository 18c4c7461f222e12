"""What one table of a topic has and another one lacks, and how it gets there.

Sets of offsets are roaring bitmaps, which hold runs in next to no memory: 50 million of them are compared by one query.
While a sink is at work a row may seem to be lacking that is just on its way into the second table. Whoever finds
something looks again, and copies rather once too often: copies of a row collapse.
"""

from __future__ import annotations

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

#: Rows that one statement copies.
_COPIED_ROWS = 1_000_000
#: Ids that one statement compares; a set of them takes about 64 bytes each.
_COMPARED_IDS = 4_000_000
_SHOWN_IDS = 1000
_COPY_SETTINGS: dict[str, int] = {
    "async_insert": 0,
    # A block that looks like an earlier one is lacking all the same.
    "insert_deduplicate": 0,
    # History was stored over years, and each month is a partition.
    "max_partitions_per_insert_block": 0,
}


@dataclass(frozen=True, slots=True)
class Lacking:
    """Positions of a Kafka partition that are lacking.

    Attributes:
        log: the identity of the Kafka log.
        partition: the partition.
        rows: how many positions.
        upto: the last offset of the first million of them.
    """

    log: str
    partition: int
    rows: int
    upto: int


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids of the events of a table.

    Attributes:
        distinct: how many different ones.
        lacking: some of those that the other table does not have.
    """

    distinct: int
    lacking: tuple[str, ...]


def lacking(client: Client, source: str, target: str, *, minutes: int | None = None) -> list[Lacking]:
    """Positions that the source has and the target lacks.

    Args:
        minutes: look only at rows that the source has stored in the last so many minutes.
    """
    recent, later = "1", "1"
    if minutes is not None:
        recent = f"_inserted_at >= now() - toIntervalMinute({minutes})"
        later = f"_offset >= (SELECT min(_offset) FROM {source} WHERE {recent})"
    places = "SELECT _log, _partition, groupBitmapState(_offset) AS offsets FROM {} WHERE {} GROUP BY _log, _partition"
    rows = client.query(
        f"SELECT _log, _partition, bitmapCardinality(gone), bitmapMax(bitmapSubsetLimit(gone, 0, {_COPIED_ROWS})) "
        "FROM (SELECT _log, _partition, bitmapAndnot(there.offsets, here.offsets) AS gone "
        f"FROM ({places.format(source, recent)}) AS there LEFT JOIN ({places.format(target, later)}) AS here "
        "USING (_log, _partition)) WHERE bitmapCardinality(gone) > 0 ORDER BY _log, _partition"
    ).result_rows
    return [Lacking(str(log), int(partition), int(count), int(upto)) for log, partition, count, upto in rows]


def copy(client: Client, source: str, target: str, what: Lacking) -> int:
    """Copy the first million of the rows; gives how many positions that were. Their `_inserted_at` stays."""
    names = ", ".join(_columns(client, source))
    there = "_log = {log:String} AND _partition = {partition:UInt32}"
    client.command(
        f"INSERT INTO {target} ({names}) SELECT {names} FROM {source} WHERE {there} AND _offset <= {{upto:UInt64}} "
        f"AND NOT bitmapContains((SELECT groupBitmapState(_offset) FROM {target} WHERE {there}), _offset)",
        parameters={"log": what.log, "partition": what.partition, "upto": what.upto},
        settings=_COPY_SETTINGS,
    )
    return min(what.rows, _COPIED_ROWS)


def ids(client: Client, source: str, target: str) -> Ids:
    """How many different events the source has, and which of them the target lacks."""
    rows = int(client.query(f"SELECT count() FROM {source}").result_rows[0][0])
    slices = rows // _COMPARED_IDS + 1
    distinct, gone = 0, []
    for number in range(slices):
        part = f"cityHash64(event_id) % {slices} = {number}"
        ((count, some),) = client.query(
            f"SELECT uniqExact(event_id), groupUniqArrayIf({_SHOWN_IDS})(event_id, event_id NOT IN "
            f"(SELECT event_id FROM {target} WHERE {part})) FROM {source} WHERE {part}"
        ).result_rows
        distinct += int(count)
        gone += [str(each) for each in some]
    return Ids(distinct, _still_lacking(client, target, gone[:_SHOWN_IDS]))


def _still_lacking(client: Client, target: str, some: list[str]) -> tuple[str, ...]:
    """Those that are not there on a second look either."""
    if not some:
        return ()
    found = client.query(
        f"SELECT DISTINCT event_id FROM {target} WHERE event_id IN {{ids:Array(UUID)}}", parameters={"ids": some}
    ).result_rows
    return tuple(sorted(set(some) - {str(row[0]) for row in found}))


def _columns(client: Client, table: str) -> list[str]:
    """What is stored as it was inserted: neither computed nor made up at reading."""
    rows = client.query(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
        "AND default_kind IN ('', 'DEFAULT') ORDER BY position",
        parameters={"table": table},
    ).result_rows
    return [str(row[0]) for row in rows]
