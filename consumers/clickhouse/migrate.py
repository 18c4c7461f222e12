"""Migrations: numbered SQL files, each applied once, in order, by one migrator at a time.

A file has statements that end with a semicolon at the end of a line. Each must do nothing when it is run a second
time (IF NOT EXISTS, OR REPLACE): ClickHouse has no transaction around them, so after a crash in the middle of a
file the whole file is run again. The SQL names no database; the connection has one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from consumers.clickhouse.client import open_client
from consumers.clickhouse.errors import MigrationDrift
from consumers.clickhouse.migration_lock import migration_lock
from consumers.clickhouse.retention import retain, wanted
from tradewind.settings import Settings

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_ACCESS_DENIED = 497
_STATEMENT_END = re.compile(r";[ \t]*(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file.

    Attributes:
        version: the number at the start of its name.
        name: the rest of its name.
        sql: its text.
    """

    version: int
    name: str
    sql: str

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"{self.version:04d}_{self.name}.sql"

    @property
    def sha256(self) -> str:
        """Checksum of the text, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration as the database remembers it."""

    version: int
    name: str
    sha256: str


def migrations() -> tuple[Migration, ...]:
    """The files that this package has, in order."""
    found = []
    for entry in (files("consumers.clickhouse") / "migrations").iterdir():
        if match := _FILE_NAME.fullmatch(entry.name):
            found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.version))


def statements(sql: str) -> list[str]:
    """The statements of a file: each ends with a semicolon at the end of a line. Lines of comment are left out."""
    code = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return [statement.strip() for statement in _STATEMENT_END.split(code) if statement.strip()]


def pending(known: Sequence[Migration], applied: Mapping[int, Applied]) -> list[Migration]:
    """The migrations that are still to be applied.

    Raises:
        MigrationDrift: a file was changed after it was applied, or the database has one that we do not have.
    """
    for migration in known:
        done = applied.get(migration.version)
        if done is not None and done.sha256 != migration.sha256:
            raise MigrationDrift(
                f"{migration.file} was changed after it was applied (SHA-256 {migration.sha256[:12]}, applied as "
                f"{done.sha256[:12]}); restore the file, and put the change into a new one with the next number"
            )
    versions = {migration.version for migration in known}
    for version, done in sorted(applied.items()):
        if version not in versions:
            raise MigrationDrift(
                f"the database has the migration {version:04d}_{done.name}, which this version of Tradewind does not "
                "know; run a version that does"
            )
    return [migration for migration in known if migration.version not in applied]


def applied_migrations(client: Client) -> dict[int, Applied]:
    """What the database remembers, by version; empty for a new database."""
    if not client.query("EXISTS TABLE _migrations").result_rows[0][0]:
        return {}
    rows = client.query("SELECT version, name, sha256 FROM _migrations FINAL").result_rows
    return {int(version): Applied(int(version), name, sha256) for version, name, sha256 in rows}


def apply(client: Client, known: Sequence[Migration], renew: Callable[[], None]) -> list[Migration]:
    """Apply what is pending; the caller holds the lock.

    Args:
        renew: called before each statement, to keep the lock.
    """
    client.command(
        "CREATE TABLE IF NOT EXISTS _migrations (version UInt32 COMMENT 'Number of the file', name String COMMENT "
        "'Rest of its name', sha256 String COMMENT 'Checksum of its text', applied_at DateTime64(3, 'UTC') DEFAULT "
        "now64(3) COMMENT 'When it was applied') ENGINE = ReplacingMergeTree ORDER BY version "
        "COMMENT 'Migrations that were applied to this database'"
    )
    todo = pending(known, applied_migrations(client))
    for migration in todo:
        for statement in statements(migration.sql):
            renew()
            client.command(statement)
        client.insert(
            "_migrations",
            [[migration.version, migration.name, migration.sha256]],
            column_names=["version", "name", "sha256"],
        )
    return todo


def migrate(settings: Settings, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Bring the settings' database up to date, and make it where there is none; gives what was applied.

    Our own migrations are followed by the times to live that the settings ask for.

    Raises:
        MigrationDrift: see `pending`.
        MigrationLocked: another migrator is at it and does not come to an end.
        clickhouse_connect.driver.exceptions.Error: ClickHouse refused, or can't be reached.
    """
    with open_client(settings, database="default") as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS {settings.clickhouse_database}")
    with open_client(settings) as client, migration_lock(client) as renew:
        done = apply(client, migrations() if known is None else known, renew)
        if known is None:
            renew()
            retain(client, wanted(settings))
        return done


def migrate_if_allowed(settings: Settings) -> list[Migration]:
    """Bring the database up to date; an account that may not is let be where nothing is left to do.

    Raises:
        as `migrate`.
    """
    try:
        return migrate(settings)
    except DatabaseError as error:
        if error.code != _ACCESS_DENIED or check(settings):
            raise
        return []


def check(settings: Settings, known: Sequence[Migration] | None = None) -> list[Migration]:
    """The migrations that the settings' database still lacks; changes nothing.

    Raises:
        MigrationDrift: see `pending`.
        clickhouse_connect.driver.exceptions.Error: ClickHouse refused, has no such database, or can't be reached.
    """
    with open_client(settings) as client:
        return pending(migrations() if known is None else known, applied_migrations(client))
