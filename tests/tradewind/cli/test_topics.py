from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.topics import CATALOGUE
from tests.tradewind.cli.conftest import Cli

pytestmark = pytest.mark.integration


def test_create_and_list(cli: Cli, module_broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_BOOTSTRAP_SERVERS", module_broker)
    monkeypatch.setenv("TRADEWIND_PARTITIONS", "3")
    names = [topic.name for topic in CATALOGUE]

    before = json.loads(cli("topics", "list", "--json").stdout)
    assert [row["name"] for row in before] == names
    assert {row["partitions_in_kafka"] for row in before} == {0}
    assert cli("topics", "list").stdout.count("missing, wants 3 partitions") == len(names)

    created = cli("topics", "create", "--json")
    assert created.exit_code == 0, created.output
    assert json.loads(created.stdout) == names
    assert json.loads(cli("topics", "create", "--json").stdout) == []
    assert "there already" in cli("topics", "create").stdout

    after = json.loads(cli("topics", "list", "--json").stdout)
    assert {row["partitions_in_kafka"] for row in after} == {3}
    first = after[0]
    assert (first["record"], first["key"], first["written_by"]) == ("ListingPublished", "listing_id", "platform")

    monkeypatch.setenv("TRADEWIND_PARTITIONS", "4")
    assert "3 partitions, wants 4" in cli("topics", "list").stdout
    refused = cli("topics", "create")
    assert refused.exit_code == 1
    assert "TRADEWIND_PARTITIONS" in refused.stderr


def test_the_catalogue_is_shown_without_kafka(cli: Cli, nothing_listens: None) -> None:
    result = cli("topics", "list")
    assert result.exit_code == 3
    assert all(topic.name in result.stdout for topic in CATALOGUE)
    assert "no answer from Kafka" in result.stderr
    as_json = cli("topics", "list", "--json")
    assert as_json.exit_code == 3
    assert {row["partitions_in_kafka"] for row in json.loads(as_json.stdout)} == {None}
    assert cli("topics", "create").exit_code == 3
    assert not Path(".tradewind").exists()
