"""Whether the roll-ups say what a recount of the events says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from consumers.clickhouse.portions import Portion
from consumers.clickhouse.settle import FOR_EVER_MS, TIERS, Tier, columns_of, kept_from, stored_between


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of a roll-up that is not as counted.

    Attributes:
        roll_up: name of the view.
        key: its row.
        told: what the view says; None where it has no such row.
        counted: what the recount says; None where it has no such row.
    """

    roll_up: str
    key: dict[str, Any]
    told: dict[str, Any] | None
    counted: dict[str, Any] | None


def differences(
    client: Client, tiers: Sequence[Tier] = TIERS, *, limit: int = 10, portion_rows: int = 2_000_000
) -> Iterator[Difference]:
    """Compare each roll-up with its recount, row by row, where the events of a day are all kept.

    Each statement reads both from one state of the tables, so this may run while the sink does.

    Args:
        limit: tell so many of one roll-up at most.
        portion_rows: compare the rows of so many events at once, about.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse refused, or can't be reached.
    """
    todo = stored_between(client, 0, FOR_EVER_MS, portion_rows) or [Portion()]
    since = kept_from(client)
    for tier in tiers:
        for name in tier.roll_ups:
            keys, values = columns_of(client, name)
            found = 0
            for portion in todo:
                where = f"toDate({tier.chunk}) >= {{kept_from:Date}} AND {portion.condition(tier.chunk)}"
                rows = client.query(
                    _comparison(name, keys, values, where, limit - found),
                    parameters={**portion.parameters(), "kept_from": since},
                ).result_rows
                found += len(rows)
                for *key, told, counted in rows:
                    yield Difference(
                        name, dict(zip(keys, key, strict=True)), _named(values, told), _named(values, counted)
                    )
                if found == limit:
                    break


def _comparison(name: str, keys: Sequence[str], values: Sequence[str], where: str, limit: int) -> str:
    key, value = ", ".join(keys), ", ".join(values)
    return (
        f"SELECT {key}, groupArrayIf(said, is_told) AS told, groupArrayIf(said, NOT is_told) AS counted FROM ("
        f"SELECT {key}, tuple({value}) AS said, true AS is_told FROM {name} WHERE {where} UNION ALL "
        f"SELECT {key}, tuple({value}), false FROM _recount_{name} WHERE {where}"
        f") GROUP BY {key} HAVING told != counted ORDER BY {key} LIMIT {limit}"
    )


def _named(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any] | None:
    """The one row there is, by column. A view that has a key twice shows its first row."""
    return dict(zip(names, rows[0], strict=True)) if rows else None
