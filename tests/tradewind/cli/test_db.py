from __future__ import annotations

import json

import pytest

from consumers.clickhouse.access import access_statements
from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrations
from tests.tradewind.cli.conftest import Cli
from tradewind.cli.shared import load_settings
from tradewind.stack.local import LocalStack

pytestmark = pytest.mark.integration

FILES = [migration.file for migration in migrations()]
ORDER = (
    "INSERT INTO orders (event_id, occurred_at, merchant_id, order_id, listing_id, kind, amount, currency) "
    "VALUES (generateUUIDv4(), '2026-03-01 09:30:15', 'm', 'o', 'l', 'PLACED', 2.5, 'EUR')"
)


def test_migrate_check_and_settle(cli: Cli, stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cli("db", "check", "--json")
    assert before.exit_code == 1
    assert json.loads(before.stdout)["pending"] == FILES
    assert "0001_events.sql is not applied; apply it: tradewind db migrate" in cli("db", "check").stdout

    migrated = cli("db", "migrate", "--json")
    assert migrated.exit_code == 0, migrated.output
    told = json.loads(migrated.stdout)
    assert told["applied"] == FILES
    assert len(told["refused"]) == len(access_statements("tradewind"))
    again = cli("db", "migrate")
    assert "applied already" in again.stdout
    assert "an administrator can run them: tradewind db access" in " ".join(again.stderr.split())

    with open_client(load_settings()) as client:
        client.command(ORDER)
        checked = cli("db", "check", "--recount")
        assert checked.exit_code == 0, checked.output
        assert "roll-ups are as counted" in checked.stdout
        assert "events are kept for ever, texts for ever" in checked.stdout
        assert "roles: ClickHouse does not show them to this user" in checked.stdout

        assert json.loads(cli("db", "settle", "--all", "--json").stdout)[0]["chunk"] == "minute"
        client.command(
            "INSERT INTO _settled_merchant_sales (merchant_id, minute, currency, lines) "
            "VALUES ('ghost', '2026-03-01 09:30:00', 'EUR', 7)"
        )
        wrong = cli("db", "check", "--recount")
        assert wrong.exit_code == 1
        place = "merchant_id ghost, minute 2026-03-01 09:30:00, currency EUR"
        assert f"merchant_sales: {place}: there is no such event; mend it" in wrong.stdout
        assert json.loads(cli("db", "check", "--recount", "--json").stdout)["differences"][0]["told"]["lines"] == 7
        assert cli("db", "check").exit_code == 0
        settled = cli("db", "settle", "--all")
        assert settled.exit_code == 0, settled.output
        assert "minutes are settled through" in settled.stdout
        assert cli("db", "check", "--recount").exit_code == 0

    monkeypatch.setenv("TRADEWIND_RAW_DAYS", "60")
    monkeypatch.setenv("TRADEWIND_TEXT_DAYS", "90")
    longer = cli("db", "check")
    assert longer.exit_code == 1
    assert "orders: kept for 60 days is asked for, and not so in ClickHouse" in longer.stdout
    assert "events are kept for 60 days, texts for 60 days" in cli("db", "migrate").stdout
    assert cli("db", "check").exit_code == 0


def test_the_statements_for_an_administrator(cli: Cli) -> None:
    printed = cli("db", "access").stdout.splitlines()
    assert printed[0] == "CREATE ROLE IF NOT EXISTS tradewind_writer;"
    assert len(printed) == len(access_statements("tradewind"))


def test_without_clickhouse(cli: Cli, nothing_listens: None) -> None:
    for command in ("check", "migrate", "settle"):
        result = cli("db", command)
        assert result.exit_code == 3
        assert "no answer from ClickHouse" in result.stderr
