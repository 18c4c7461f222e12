"""The tables against the Avro records."""

from __future__ import annotations

import re
from typing import Any

import pytest

from consumers.clickhouse.tables import END, POSITION, TABLES, Table
from schemas.records import schema_json
from schemas.topics import ORDERS
from tests.consumers.harness import World

pytestmark = pytest.mark.integration

SCALARS = {
    "uuid": {"UUID"},
    "timestamp-millis": {"DateTime64(3, 'UTC')"},
    "decimal": {"Decimal(18, 2)"},
    "string": {"String", "LowCardinality(String)"},
    "enum": {"LowCardinality(String)"},
    "bytes": {"String"},
    "int": {"Int32"},
    "long": {"Int64"},
    "double": {"Float64"},
}


def types_of(avro: Any) -> set[str]:
    """The column types that hold the Avro type."""
    if isinstance(avro, list):
        inner = types_of(next(member for member in avro if member != "null"))
        nullable = {f"Nullable({each})" for each in inner if not each.startswith("LowCardinality")}
        return nullable | {f"LowCardinality(Nullable({each[15:-1]}))" for each in inner if each.startswith("Low")}
    kind = avro if isinstance(avro, str) else avro.get("logicalType") or avro["type"]
    if kind == "map":
        return {"Map(String, String)"}
    if kind == "array":
        return {f"Array({each})" for each in types_of(avro["items"])}
    if kind == "record":
        made = [""]
        for field in avro["fields"]:
            made = [f"{so_far}, {field['name']} {each}" for so_far in made for each in types_of(field["type"])]
        return {f"Tuple({each[2:]})" for each in made}
    return SCALARS[kind]


def default_of(field: dict[str, Any]) -> str:
    """The column default that equals the Avro default; empty where that is ClickHouse's own."""
    default = field.get("default")
    if default in (None, "", 0, 0.0, [], {}):
        return ""
    return f"'{default}'" if isinstance(default, str) else str(default)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_each_field_has_its_column(world: World, table: Table) -> None:
    found = world.rows(
        "SELECT name, type, default_kind, default_expression, comment FROM system.columns "
        f"WHERE database = currentDatabase() AND table = '{table.name}'"
    )
    columns = {name: rest for name, *rest in found}
    for field in schema_json(table.topic.record)["fields"]:
        if field["name"] not in table.columns:
            assert field["name"] not in columns
            continue
        type_, kind, expression, comment = columns[field["name"]]
        expected = types_of(field["type"])
        if table.topic is ORDERS:  # where a dictionary costs more than it saves (0008_plain_strings.sql)
            expected |= {re.sub(r"LowCardinality\((.*)\)", r"\1", each) for each in expected}
        assert type_ in expected, field["name"]
        assert comment
        if kind != "EPHEMERAL":
            assert expression.removeprefix("CAST(").split(",")[0].strip("_") == default_of(field), field["name"]
    assert {*POSITION, END} <= set(columns)
    assert all(comment for *_, comment in columns.values())


def test_the_text_of_a_question_has_no_column() -> None:
    questions = next(table for table in TABLES if table.name == "questions")
    assert "text" not in questions.columns
    assert "buyer_id" in questions.columns


def test_sorting_keys_end_in_the_event_id_and_derived_ones_do_not_depend_on_when_they_were_made(world: World) -> None:
    keys = dict(
        world.rows(
            "SELECT name, sorting_key FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Repl%' "
            "AND NOT startsWith(name, '_')"
        )
    )
    assert set(keys) == {table.name for table in TABLES}
    assert all(key.endswith(", event_id") for key in keys.values())
    for derived in ("listings_enriched", "answers_drafted", "insights", "dead_letters"):
        assert "occurred_at" not in keys[derived]
