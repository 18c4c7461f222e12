"""Migrations on a real database."""

from __future__ import annotations

import threading

import pytest

from consumers.clickhouse.client import open_client
from consumers.clickhouse.errors import MigrationDrift, MigrationLocked
from consumers.clickhouse.migrate import Migration, check, migrate, migrations
from consumers.clickhouse.migration_lock import migration_lock
from tests.consumers.harness import settings_for
from tests.support.stack import ClickHouseEndpoint
from tradewind.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(database: ClickHouseEndpoint) -> Settings:
    return settings_for("localhost:1", database, "no group")


def test_each_is_applied_once_and_a_changed_one_is_named(settings: Settings) -> None:
    assert check(settings) == list(migrations())
    assert migrate(settings) == list(migrations())
    assert migrate(settings) == []
    assert check(settings) == []
    with open_client(settings) as client:
        recorded = client.query("SELECT version, name, sha256 FROM _migrations ORDER BY version").result_rows
        assert [tuple(row) for row in recorded] == [(each.version, each.name, each.sha256) for each in migrations()]

    first, *rest = migrations()
    changed = [Migration(first.version, first.name, first.sql + "\n-- changed"), *rest]
    for find in (check, migrate):
        with pytest.raises(MigrationDrift, match=r"0001_events\.sql"):
            find(settings, changed)


def test_a_missing_database_is_made(settings: Settings) -> None:
    fresh = settings.model_copy(update={"clickhouse_database": f"{settings.clickhouse_database}_fresh"})
    assert migrate(fresh, [Migration(1, "one", "CREATE TABLE IF NOT EXISTS one (x UInt8) ENGINE = Memory;")])
    with open_client(settings) as client:
        client.command(f"DROP DATABASE {fresh.clickhouse_database}")


def test_a_file_that_failed_halfway_is_run_again(settings: Settings) -> None:
    good = "CREATE TABLE IF NOT EXISTS half (x UInt8) ENGINE = Memory;\n"
    with pytest.raises(Exception, match="SYNTAX_ERROR"):
        migrate(settings, [Migration(1, "half", good + "CREATE NONSENSE;")])
    assert check(settings, [Migration(1, "half", good)]) == [Migration(1, "half", good)]
    assert migrate(settings, [Migration(1, "half", good)])


def test_two_migrators_at_once_apply_each_once(settings: Settings) -> None:
    applied: list[list[Migration]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(settings))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied)) == [0, 0, len(migrations())]
    with open_client(settings) as client:
        assert client.query("SELECT count() FROM _migrations").result_rows == [(len(migrations()),)]
        assert client.query("SHOW TABLES LIKE '_migration_lock%'").result_rows == []


def test_a_lock_is_waited_for_and_then_told(settings: Settings) -> None:
    with (
        open_client(settings) as client,
        migration_lock(client),
        pytest.raises(MigrationLocked, match="drop the table _migration_lock_"),
        migration_lock(client, patience_s=0.0),
    ):
        pass


def test_a_lock_whose_holder_died_is_taken_over_at_its_deadline(settings: Settings) -> None:
    with open_client(settings) as client:
        client.command("CREATE TABLE _migration_lock_dead (nothing UInt8) ENGINE = Memory COMMENT '1'")
        with migration_lock(client, patience_s=0.0) as renew:
            renew()
        assert client.query("SHOW TABLES LIKE '_migration_lock%'").result_rows == []
