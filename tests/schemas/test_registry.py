"""The committed ids, and which changes of a schema may go out."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from schemas.compatibility import incompatibilities
from schemas.records import schema_json, schema_text
from schemas.registry import CommittedRegistry, NotRegistered, UnknownSchemaId, same_schema
from schemas.topics import CATALOGUE, ORDERS, UnknownTopic, topic_named


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.record)
def test_every_present_schema_is_committed_and_readable_by_its_id(topic: Any) -> None:
    registry = CommittedRegistry()
    assert same_schema(registry.by_id(registry.id_of(topic)), schema_text(topic.record))
    assert incompatibilities(schema_text(topic.record), registry.versions(topic.subject)) == []


def test_an_unknown_id_says_which_are_known() -> None:
    with pytest.raises(UnknownSchemaId, match="99999; the committed ids are 1, 2"):
        CommittedRegistry().by_id(99999)


def test_a_new_version_gets_the_next_id_and_changes_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "committed"
    shutil.copytree(str(files("schemas") / "committed"), folder)
    before = {path.name: path.read_bytes() for path in folder.glob("*.avsc")}
    (folder / "3.avsc").write_text(json.dumps({**schema_json("OrderEvent"), "doc": "as it was once"}))
    registry = CommittedRegistry(folder)
    with pytest.raises(NotRegistered, match="tradewind schemas push"):
        registry.id_of(ORDERS)
    entry = registry.commit(ORDERS)
    assert (entry.id, entry.version) == (9, 2)
    again = CommittedRegistry(folder)
    assert again.commit(ORDERS) == entry
    assert again.latest(ORDERS.subject) == entry
    assert [version.id for version in again.versions(ORDERS.subject)] == [3, 9]
    assert (folder / "1.avsc").read_bytes() == before["1.avsc"]


def test_topics_may_be_named_without_their_version() -> None:
    assert topic_named("orders") is topic_named("orders.v1") is ORDERS
    with pytest.raises(UnknownTopic, match=r"no topic named 'order'; there are listings\.v1"):
        topic_named("order")


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def change(schema: dict[str, Any]) -> None:
        schema["fields"] = [field for field in schema["fields"] if field["name"] != name]

    return change


def added(**field: Any) -> Callable[[dict[str, Any]], None]:
    return lambda schema: schema["fields"].append({"name": "gift", **field})


def retyped(name: str, **change: Any) -> Callable[[dict[str, Any]], None]:
    def apply(schema: dict[str, Any]) -> None:
        field = next(field for field in schema["fields"] if field["name"] == name)
        if "type" in change:
            field["type"] = change["type"]
        else:
            field["type"].update(change)

    return apply


@pytest.mark.parametrize(
    "change",
    [without("store"), added(type="boolean", default=False), retyped("quantity", type="long")],
    ids=["a field removed", "a field added with a default", "int widened to long"],
)
def test_a_compatible_change_may_go_out(change: Callable[[dict[str, Any]], None]) -> None:
    assert changed(change) == []


@pytest.mark.parametrize(
    ("change", "where", "why"),
    [
        (added(type="boolean"), "/fields", "gift"),
        (retyped("quantity", type="string"), "/fields/7", "string not compatible with writer type: int"),
        (retyped("amount", scale=3), "/amount", "decimal 18 2, is decimal 18 3"),
        (retyped("amount", precision=9), "/amount", "decimal 18 2, is decimal 9 2"),
        (retyped("occurred_at", logicalType="timestamp-micros"), "/occurred_at", "timestamp-millis"),
    ],
    ids=["added without a default", "type changed", "scale changed", "precision cut", "unit of time changed"],
)
def test_an_incompatible_change_is_named(change: Callable[[dict[str, Any]], None], where: str, why: str) -> None:
    (found,) = changed(change)
    assert where in found.field
    assert why in found.why
    assert found.version == 1


def changed(change: Callable[[dict[str, Any]], None]) -> list[Any]:
    schema = copy.deepcopy(schema_json("OrderEvent"))
    change(schema)
    return incompatibilities(json.dumps(schema), CommittedRegistry().versions(ORDERS.subject))
