"""A lock in the database, so that two migrators do not run at once.

ClickHouse has no lock to ask for, but a table that one connection made is seen by all others at once. So a migrator
makes a table of its own, whose comment says until when it counts, and then looks who else has one (the idea of
Lamport's bakery). Only who finds itself alone goes on; the others take theirs away and come back. Of two that look
at the same moment both may step back, but never both go on. A migrator that dies leaves its table behind, which
stops counting at its deadline.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client

from consumers.clickhouse.errors import MigrationLocked

_PREFIX = "_migration_lock_"
_HOLD_S = 60
_PATIENCE_S = 90.0
#: Renewed once this share of its time has passed.
_RENEW_AT = 0.1
_PAUSE_S = (0.1, 0.5)


@contextmanager
def migration_lock(
    client: Client, *, hold_s: int = _HOLD_S, patience_s: float = _PATIENCE_S
) -> Iterator[Callable[[], None]]:
    """Hold the lock of the client's database; gives a function that renews it.

    Args:
        hold_s: how long a lock counts that is not renewed: no statement may take nine tenths of it. By ClickHouse's
            clock.
        patience_s: how long to wait for another migrator.

    Raises:
        MigrationLocked: the other one took longer.
    """
    ours = f"{_PREFIX}{uuid.uuid4().hex}"
    give_up = time.monotonic() + patience_s
    while True:
        client.command(f"CREATE TABLE {ours} (nothing UInt8) ENGINE = Memory COMMENT '{_until(client, hold_s)}'")
        others = _held(client, ours)
        if not others:
            break
        client.command(f"DROP TABLE {ours}")
        if time.monotonic() > give_up:
            raise MigrationLocked(
                f"another migration has been running for more than {patience_s:g} s; if none is, drop the table "
                f"{others[0]}"
            )
        time.sleep(random.uniform(*_PAUSE_S))

    renewed = time.monotonic()

    def renew() -> None:
        # Most statements take milliseconds; renewing before each would double them.
        nonlocal renewed
        if time.monotonic() - renewed < hold_s * _RENEW_AT:
            return
        renewed = time.monotonic()
        client.command(f"ALTER TABLE {ours} MODIFY COMMENT '{_until(client, hold_s)}'")

    try:
        yield renew
    finally:
        client.command(f"DROP TABLE {ours}")


def _until(client: Client, hold_s: int) -> int:
    """The deadline of a lock taken now, in seconds since 1970 by the server's clock."""
    return int(client.command("SELECT toUnixTimestamp(now())")) + hold_s  # type: ignore[arg-type]


def _held(client: Client, ours: str) -> list[str]:
    """Locks of others that still count; those that do not are cleared away."""
    rows = client.query(
        "SELECT name, toUInt64OrZero(comment) > toUnixTimestamp(now()) FROM system.tables "
        "WHERE database = currentDatabase() AND startsWith(name, {prefix:String}) AND name != {ours:String}",
        parameters={"prefix": _PREFIX, "ours": ours},
    ).result_rows
    for name, counts in rows:
        if not counts:
            client.command(f"DROP TABLE IF EXISTS {name}")
    return [name for name, counts in rows if counts]
