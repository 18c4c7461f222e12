from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.records import schema_json, schema_text
from schemas.registry import CommittedRegistry
from schemas.topics import CATALOGUE, ORDERS
from tests.tradewind.cli.conftest import Cli
from tests.tradewind.cli.registries import committed_folder, read_only, writable
from tradewind.cli.schemas import type_words
from tradewind.schema_versions import Target, findings, register_all

PRESENT = {topic.subject: [schema_text(topic.record)] for topic in CATALOGUE}


def _older_order(**amount: Any) -> str:
    """An OrderEvent whose amount was something else."""
    schema = json.loads(schema_text("OrderEvent"))
    for field in schema["fields"]:
        if field["name"] == "amount":
            field["type"] = amount
    return json.dumps(schema)


INCOMPATIBLE = PRESENT | {ORDERS.subject: [_older_order(type="string"), schema_text("OrderEvent")]}


def test_show_all(cli: Cli) -> None:
    result = cli("schemas", "show")
    assert result.exit_code == 0
    assert all(topic.record in result.stdout for topic in CATALOGUE)
    rows = json.loads(cli("schemas", "show", "--json").stdout)
    assert [row["topic"] for row in rows] == [topic.name for topic in CATALOGUE]
    assert rows[0]["versions"][0] == {"version": 1, "id": 1}
    committed = CommittedRegistry()
    assert [row["id"] for row in rows] == [committed.id_of(topic) for topic in CATALOGUE]


@pytest.mark.parametrize("name", ["OrderEvent", "orderevent", "orders", "orders.v1"])
def test_show_one_by_record_or_topic(cli: Cli, name: str) -> None:
    assert cli("schemas", "show", name, "--json").stdout == schema_text("OrderEvent")
    shown = cli("schemas", "show", name).stdout
    for field in schema_json("OrderEvent")["fields"]:
        assert field["name"] in shown
        assert field["doc"] in shown
    assert "decimal(18,2)?" in shown


def test_show_of_an_unknown_name(cli: Cli) -> None:
    result = cli("schemas", "show", "Nothing")
    assert result.exit_code == 2
    assert "OrderEvent (orders.v1)" in result.stderr


@pytest.mark.parametrize(
    ("avro", "words"),
    [
        ("string", "string"),
        (["null", {"type": "long", "logicalType": "timestamp-millis"}], "timestamp-millis?"),
        ({"type": "map", "values": "bytes"}, "map of bytes"),
        ({"type": "array", "items": {"type": "record", "name": "Check", "fields": []}}, "array of Check"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "A | B"),
    ],
)
def test_type_words(avro: Any, words: str) -> None:
    assert type_words(avro) == words


def test_check_of_the_committed_versions(cli: Cli) -> None:
    result = cli("schemas", "check")
    assert result.exit_code == 0, result.output
    assert "committed" in result.stdout
    assert json.loads(cli("schemas", "check", "--json").stdout) == []


def test_check_names_the_field_that_a_registered_version_makes_incompatible(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with read_only(committed_folder(tmp_path, INCOMPATIBLE)) as url:
        monkeypatch.setenv("TRADEWIND_SCHEMA_REGISTRY_URL", url)
        result = cli("schemas", "check")
        as_json = cli("schemas", "check", "--json")
    assert result.exit_code == as_json.exit_code == 1
    assert "orders.v1-value version 1" in result.stderr
    assert "amount" in result.stderr
    found = json.loads(as_json.stdout)
    assert {(each["subject"], each["version"]) for each in found} == {("orders.v1-value", 1)}
    assert set(found[0]) == {"subject", "version", "field", "why"}


def test_push_registers_what_is_new(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    held: dict[str, list[str]] = {"listings.v1-value": [schema_text("ListingPublished")]}
    with writable(held) as url:
        monkeypatch.setenv("TRADEWIND_SCHEMA_REGISTRY_URL", url)
        result = cli("schemas", "push", "--json")
        again = cli("schemas", "push")
    assert result.exit_code == 0, result.output
    assert held == PRESENT
    outcome = json.loads(result.stdout)
    assert outcome["where"] == "registry 127.0.0.1"
    new = {each["subject"]: each["new"] for each in outcome["schemas"]}
    assert [subject for subject, is_new in new.items() if not is_new] == ["listings.v1-value"]
    assert {each["id"] for each in outcome["schemas"]} == set(range(101, 109))
    assert again.exit_code == 0
    assert "there already" in again.stdout


def test_push_refuses_an_incompatible_change_and_registers_nothing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    older = _older_order(type="bytes", logicalType="decimal", precision=18, scale=4)
    held = {ORDERS.subject: [older]}
    with writable(held) as url:
        monkeypatch.setenv("TRADEWIND_SCHEMA_REGISTRY_URL", url)
        result = cli("schemas", "push")
    assert result.exit_code == 1
    assert "amount" in result.stderr
    assert "nothing was registered" in result.stderr
    assert held == {ORDERS.subject: [older]}


def test_push_with_a_registry_that_only_reads_goes_to_the_committed_ids(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with read_only(committed_folder(tmp_path, PRESENT)) as url:
        monkeypatch.setenv("TRADEWIND_SCHEMA_REGISTRY_URL", url)
        result = cli("schemas", "push")
    assert result.exit_code == 0, result.output
    assert "all 8 records were there already; the committed id file" in result.stdout


def test_a_new_version_is_committed_under_the_next_id(tmp_path: Path) -> None:
    before = json.loads(schema_text("OrderEvent"))
    before["fields"] = [field for field in before["fields"] if field["name"] != "store"]
    registry = CommittedRegistry(committed_folder(tmp_path, PRESENT | {ORDERS.subject: [json.dumps(before)]}))
    assert findings(registry) == []
    done = register_all(Target(registry, lambda topic: registry.commit(topic).id, "here"))
    assert [(each.subject, each.id) for each in done if each.new] == [(ORDERS.subject, 9)]
    assert [each.version for each in CommittedRegistry(tmp_path).versions(ORDERS.subject)] == [1, 2]


@pytest.mark.parametrize("command", ["show", "check", "push"])
def test_a_registry_that_is_away(cli: Cli, nothing_listens: None, command: str) -> None:
    result = cli("schemas", command)
    assert result.exit_code == 3
    assert "no answer from the schema registry at http://127.0.0.1:1" in result.stderr
