"""`tradewind sink --from-beginning`: what it refuses, what it would do, and that it does it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from consumers.clickhouse.client import open_client
from tests.consumers.events import order
from tests.tradewind.cli.conftest import Cli
from tradewind.assembly import make_publisher
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from-beginning",), "--from-beginning and --table go together"),
        (("--table", "orders"), "--from-beginning and --table go together"),
        (("--dry-run",), "go with --from-beginning"),
        (("--drop-old",), "go with --from-beginning"),
        (("--from-beginning", "--table", "orders", "--accept-gap"), "copies what Kafka no longer has"),
        (("--from-beginning", "--table", "order"), "expected one of listings, questions, orders,"),
    ],
)
def test_what_does_not_go_together(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    result = cli("sink", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_services_that_are_away(cli: Cli, nothing_listens: None) -> None:
    result = cli("sink", "--from-beginning", "--table", "orders", "--dry-run")
    assert result.exit_code == 3
    assert "no answer from" in result.stderr or "Kafka: " in result.stderr


@pytest.mark.integration
def test_a_table_is_filled_anew(cli: Cli, stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_KAFKA_SESSION_TIMEOUT_MS", "6000")
    monkeypatch.setenv("TRADEWIND_METRICS_PORT", "-1")
    settings = Settings()
    with make_publisher(settings) as publisher:
        for number in range(20):
            publisher.publish(order(number))
    command = ("sink", "--from-beginning", "--table", "orders")
    result = subprocess.run(
        [sys.executable, "-m", "tradewind", *command], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "20 of 20 messages, 100.0 %" in result.stderr
    assert result.stdout == ""
    with open_client(settings) as client:
        assert client.query("SELECT count() FROM orders").result_rows == [(20,)]

    dry = cli(*command, "--dry-run", "--drop-old")
    assert dry.exit_code == 0, dry.output
    assert "would read 20 messages of orders.v1 into _fresh_orders" in dry.stdout
    assert "would copy what of the 20 rows of orders that lacks, among it 0" in dry.stdout
    assert "swap the two and drop the replaced table" in dry.stdout

    with open_client(settings) as client:
        client.command("CREATE OR REPLACE TABLE _fresh_orders (a UInt8) ENGINE = Memory")
    refused = cli(*command)
    assert refused.exit_code == 1
    assert "the table _fresh_orders was not made by a backfill" in " ".join(refused.stderr.split())
