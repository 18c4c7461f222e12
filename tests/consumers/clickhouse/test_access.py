"""Roles: the statements, and what they let a user see.

The embedded engine has no writable storage for roles, but reads users, grants and row policies from a file. So what a
role's statements say is put into such a file, for the engine's one user, and the engine enforces it. Not seen here is a
server that runs the statements themselves, beyond that it can read them; nor quotas and limits.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from consumers.clickhouse.access import (
    ROLES,
    access_statements,
    grant_access,
    grants,
    missing_roles,
    row_filters,
)
from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate, migrations, statements
from tests.consumers.harness import settings_for
from tests.support.stack import ClickHouseEndpoint

pytestmark = pytest.mark.integration

VIEWS = (
    *("merchant_sales", "merchant_days", "listing_hours", "listing_days", "listing_funnel", "refund_rates"),
    *("orders_by_merchant_minute", "answer_service_level", "answer_routes", "enrichment_coverage"),
)
DATABASE = "events"
USERS = """<clickhouse>
<profiles><default/></profiles><quotas><default/></quotas>
<users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    {grants}{filters}
</default></users></clickhouse>"""
FRESH = (f"CREATE DATABASE IF NOT EXISTS {DATABASE}", f"USE {DATABASE}")
NEW = "generateUUIDv4(), '2026-03-01 09:30:15'"

Run = Callable[..., list[Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs statements with the rights of a role, or with all of them where none is given."""

    def as_role(role: str | None, *sql: str) -> list[Any]:
        rights, filters = "", ""
        if role is not None:
            given = [statement.removesuffix(f" TO {role}") for statement in grants(role, DATABASE)]
            rights = f"<grants>{''.join(f'<query>{escape(each)}</query>' for each in given)}</grants>"
        if role == "merchant":
            tables = (
                f"<{table}><filter>{escape(rows)}</filter></{table}>" for table, rows in row_filters(DATABASE).items()
            )
            filters = f"<databases><{DATABASE}>{''.join(tables)}</{DATABASE}></databases>"
        (tmp_path / "users.xml").write_text(USERS.format(grants=rights, filters=filters))
        done = subprocess.run(
            (sys.executable, "-m", "tests.consumers.clickhouse.role_process", str(tmp_path)),
            input=json.dumps([f"USE {DATABASE}", *sql] if role else [*FRESH, *sql]),
            capture_output=True,
            text=True,
            check=True,
        )
        answers: list[Any] = json.loads(done.stdout)
        return answers[-len(sql) :]

    making = [statement for migration in migrations() for statement in statements(migration.sql)]
    for merchant in ("mine", "theirs"):
        own, listing = f"{NEW}, '{merchant}'", "(event_id, occurred_at, merchant_id, listing_id)"
        order = "(event_id, occurred_at, merchant_id, order_id, listing_id, kind, amount, currency)"
        making += [
            f"INSERT INTO orders {order} VALUES ({own}, 'o', 'l', 'PLACED', 2.5, 'EUR')",
            f"INSERT INTO questions {listing} VALUES ({own}, 'l')",
            f"INSERT INTO listings {listing} VALUES ({own}, 'l')",
            f"INSERT INTO answers_drafted (event_id, asked_at, merchant_id, listing_id) VALUES ({own}, 'l')",
        ]
    # One settled roll-up: a policy on orders alone would show it.
    making += [
        "INSERT INTO _settled_merchant_days (merchant_id, day, currency) VALUES ('theirs', '2020-01-01', 'EUR')",
        "INSERT INTO _merchant_users VALUES ('default', 'mine'), ('somebody', 'theirs')",
    ]
    assert [answer for answer in as_role(None, *making) if answer] == []
    return as_role


def test_a_merchant_sees_its_own_rows_in_every_table_and_view(run: Run) -> None:
    names = (*VIEWS, "orders", "questions")
    sellers = [f"SELECT DISTINCT merchant_id FROM {name} ORDER BY merchant_id" for name in names]
    all_of_them = run(None, *sellers)
    assert all(answer == [["mine"], ["theirs"]] for answer in all_of_them), all_of_them
    own = run("merchant", *sellers)
    assert all(answer == [["mine"]] for answer in own), own


def test_a_merchant_sees_nothing_of_others_and_changes_nothing(run: Run) -> None:
    users, *refused = run(
        "merchant",
        "SELECT user, merchant_id FROM _merchant_users",
        "SELECT * FROM dead_letters",
        "SELECT * FROM pipeline_health",
        "SELECT * FROM sink_progress",
        "INSERT INTO _merchant_users VALUES ('default', 'theirs')",
        "TRUNCATE TABLE orders",
        "DROP TABLE orders",
    )
    assert users == [["default", "mine"]]
    assert set(refused) == {"ACCESS_DENIED"}


def test_an_analyst_reads_everything_and_changes_nothing(run: Run) -> None:
    *read, inserted, altered = run(
        "analyst",
        *(f"SELECT count() > 0 FROM {name}" for name in (*VIEWS, "orders", "pipeline_health")),
        "INSERT INTO _merchant_users VALUES ('default', 'theirs')",
        "ALTER TABLE orders DELETE WHERE 1",
    )
    assert all(answer in ([[1]], [[True]]) for answer in read), read
    assert (inserted, altered) == ("ACCESS_DENIED", "ACCESS_DENIED")


def test_the_writer_can_do_what_the_sink_does(run: Run) -> None:
    again = [statement for migration in migrations() for statement in statements(migration.sql)]
    work = (
        "INSERT INTO sink_progress (topic, partition, lag) VALUES ('orders.v1', 0, 1)",
        "INSERT INTO _settled_merchant_days (merchant_id, day, currency) VALUES ('mine', '2020-01-01', 'EUR')",
        "TRUNCATE TABLE _settled_through",
        "ALTER TABLE orders MODIFY TTL toDateTime(_inserted_at) + toIntervalDay(90)",
        "CREATE TABLE _migration_lock_x (nothing UInt8) ENGINE = Memory COMMENT '1'",
        "ALTER TABLE _migration_lock_x MODIFY COMMENT '2'",
        "DROP TABLE _migration_lock_x",
        "CREATE TABLE orders_fresh AS orders",
        "CREATE TABLE another (x UInt8) ENGINE = MergeTree ORDER BY x",
        "EXCHANGE TABLES orders AND orders_fresh",
    )
    done = zip((*again, *work), run("tradewind_writer", *again, *work), strict=True)
    assert [(statement, answer) for statement, answer in done if answer] == []


def test_a_sink_inserts_and_settles_and_can_drop_or_change_nothing(run: Run) -> None:
    work = (
        "INSERT INTO sink_progress (topic, partition, lag) VALUES ('orders.v1', 0, 1)",
        "SELECT _partition, max(_offset) FROM orders GROUP BY _partition",
        "INSERT INTO _settled_merchant_days (merchant_id, day, currency) VALUES ('mine', '2020-01-01', 'EUR')",
        "INSERT INTO _settled_through SELECT 'day', now()",
        "SELECT name FROM system.tables WHERE database = currentDatabase()",
    )
    forbidden = (
        "DROP TABLE orders",
        "TRUNCATE TABLE orders",
        "ALTER TABLE orders DELETE WHERE 1",
        "ALTER TABLE orders MODIFY TTL toDateTime(_inserted_at) + toIntervalDay(1)",
        "CREATE TABLE another (x UInt8) ENGINE = MergeTree ORDER BY x",
        "EXCHANGE TABLES orders AND questions",
        "DROP DATABASE events",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "CREATE USER mallory",
        "GRANT SELECT ON *.* TO default",
    )
    answers = run("tradewind_sink", *work, *forbidden)
    assert [answer for answer in answers[: len(work)] if isinstance(answer, str)] == []
    refused = dict(zip(forbidden, answers[len(work) :], strict=True))
    assert {statement: answer for statement, answer in refused.items() if answer != "ACCESS_DENIED"} == {}


def test_no_role_reaches_outside_of_its_database(run: Run) -> None:
    """Files, addresses and other accounts are nobody's of ours, nor is another database."""
    outside = (
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "CREATE USER mallory",
        "CREATE TABLE default.another (x UInt8) ENGINE = MergeTree ORDER BY x",
        "SYSTEM SHUTDOWN",
    )
    for role in ROLES:
        assert dict(zip(outside, run(role, *outside), strict=True)) == dict.fromkeys(outside, "ACCESS_DENIED"), role


def test_every_statement_is_one_that_clickhouse_can_read_and_a_server_without_roles_is_told(
    database: ClickHouseEndpoint,
) -> None:
    settings = settings_for("localhost:1", database, "no group")
    migrate(settings)
    all_of_them = access_statements(settings.clickhouse_database)
    assert [each for each in all_of_them if each.startswith("CREATE ROLE")] == [
        f"CREATE ROLE IF NOT EXISTS {role}" for role in ROLES
    ]
    with open_client(settings) as client:
        for statement in all_of_them:
            assert client.query("SELECT formatQuery({sql:String})", parameters={"sql": statement}).result_rows
        refused = grant_access(client, settings.clickhouse_database)
        assert [each.statement for each in refused] == all_of_them
        assert {each.error for each in refused} == {"ACCESS_DENIED (497)"}
        assert missing_roles(client) is None


def test_a_policy_covers_every_table_that_has_a_merchant(database: ClickHouseEndpoint) -> None:
    settings = settings_for("localhost:1", database, "no group")
    migrate(settings)
    with open_client(settings) as client:
        found = client.query(
            "SELECT table FROM system.columns INNER JOIN system.tables ON system.tables.database = "
            "system.columns.database AND system.tables.name = table WHERE system.columns.database = currentDatabase() "
            "AND system.columns.name = 'merchant_id' AND engine != 'View'"
        ).result_rows
    assert {table for (table,) in found} - {"dead_letters"} == set(row_filters("any"))
