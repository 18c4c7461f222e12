"""Random data for any record, made from its schema."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from schemas.records import schema_json

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "uuid": st.uuids(),
    "timestamp-millis": st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    ),
    "decimal": st.decimals(min_value=0, max_value=10**12, places=2).map(lambda money: Decimal(money)),
    "string": _TEXT,
    "int": st.integers(1, 2**31 - 1),
    "long": st.integers(0, 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "bytes": st.binary(max_size=50),
}


def values(avro_type: Any) -> st.SearchStrategy[Any]:
    """Random values of an Avro type."""
    if isinstance(avro_type, list):
        return st.one_of(*(st.none() if member == "null" else values(member) for member in avro_type))
    if isinstance(avro_type, str):
        return _SCALARS[avro_type]
    kind = avro_type.get("logicalType") or avro_type["type"]
    if kind == "enum":
        return st.sampled_from(avro_type["symbols"])
    if kind == "array":
        return st.lists(values(avro_type["items"]), max_size=3)
    if kind == "map":
        return st.dictionaries(_TEXT, values(avro_type["values"]), max_size=3)
    if kind == "record":
        return st.fixed_dictionaries({field["name"]: values(field["type"]) for field in avro_type["fields"]})
    return _SCALARS[kind]


_PATTERNS = {"currency": st.sampled_from(["EUR", "CNY", "USD"]), "language": st.sampled_from(["en", "zh-CN"])}


def data_of(record: str) -> st.SearchStrategy[dict[str, Any]]:
    """Random data of a record that keep to the limits of its fields."""

    def of(field: dict[str, Any]) -> st.SearchStrategy[Any]:
        if "pattern" in field:
            return _PATTERNS[field["name"]]
        if field.get("minLength"):
            return st.text("abcdefgh-0123商品", min_size=1, max_size=20)
        return values(field["type"])

    return st.fixed_dictionaries({field["name"]: of(field) for field in schema_json(record)["fields"]})
