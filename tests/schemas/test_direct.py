"""Rows that are written in one step have the bytes that validation and fastavro give them; all others raise."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fastavro import schemaless_writer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.codec import Codec
from schemas.direct import encode_row, row_writer
from schemas.records import parsed_schema
from schemas.registry import CommittedRegistry
from schemas.topics import topic_of_record
from schemas.validation import validate
from tests.schemas.strategies import data_of
from tests.schemas.test_validation import ORDER

CODEC = Codec(CommittedRegistry())
#: What people and machines write where something else is meant, or the same in another way.
_ODD = (
    st.none() | st.booleans() | st.integers() | st.integers(-5, 5000) | st.floats() | st.text(max_size=20)
    | st.text("0123456789.+-eE_ ", max_size=22) | st.text("0123456789abcdefABCDEF-{}", min_size=32, max_size=38)
    | st.decimals(places=3, allow_nan=True) | st.binary(max_size=3) | st.uuids() | st.datetimes()
    | st.lists(st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=2)
    | st.sampled_from([
        "placed", "PLACED", " PAID", "EUR", "EUR\n", "eur", "ＥＵＲ", "zh-CN", "en\n", "", " ", "\ud800", "x" * 201,
        "é" * 200,
        "19.99", "19.9", "019.90", "-1.00", "١٩.٩٩", "1_0.00", "9999999999999999.99", "99999999999999999.99", "0.00",
        "2026-03-01T09:30:00Z", "2026-03-01T09:30:00.123Z", "2026-03-01T09:30:00.1234Z", "2026-03-01T09:30:00+01:00",
        "2026-03-01T09:30+01:00Z", "2026-03-01T09:30:00z", "2026-W10-1T09:30:00Z", "2026-02-30T09:30:00Z",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2026-03-01 09:30:00Z", "20260301T093000.123456Z",
        "7F2C4F0E-4D7B-4F3E-9A55-0C1F6F3A2B11", "{7f2c4f0e-4d7b-4f3e-9a55-0c1f6f3a2b11}",
        "7f2c4f0e4-d7b-4f3e-9a55-0c1f6f3a2b11", 2**31 - 1, 2**31, 2**63, 4095, 4096, 1.0, 1.5, True,
    ])
)  # fmt: skip


def as_json(value: Any) -> Any:
    """As JSON has it; what it has no word for is left."""
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


def fastavro_bytes(record: str, datum: Mapping[str, Any]) -> bytes:
    body = io.BytesIO()
    schemaless_writer(body, parsed_schema(record), datum, strict=True)
    return body.getvalue()


def assert_same(record: str, row: Mapping[str, Any]) -> None:
    """The one step and the two come to the same."""
    topic = topic_of_record(record)
    datum = validate(record, row)
    if isinstance(datum, tuple):
        assert encode_row(CODEC, topic, row) == datum
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever an odd value leads to
            row_writer(record)(row)
    else:
        body = fastavro_bytes(record, datum)
        assert encode_row(CODEC, topic, row) == (datum[topic.key].encode(), CODEC.framed(topic, body))
        assert row_writer(record)(row) == body


@pytest.mark.parametrize("record", ["OrderEvent", "ListingPublished", "QuestionAsked", "AnswerDrafted"])
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_any_row_comes_to_the_same(record: str, data: st.DataObject) -> None:
    row = {name: as_json(value) for name, value in data.draw(data_of(record)).items()}
    for name in data.draw(st.lists(st.sampled_from([*row, "colour"]), max_size=3, unique=True)):
        if data.draw(st.booleans()):
            row.pop(name, None)
        else:
            row[name] = data.draw(_ODD)
    assert_same(record, row)


@settings(max_examples=600, deadline=None)
@given(name=st.sampled_from([*ORDER, "discount", "buyer_id"]), value=_ODD)
@example("amount", "999999999999999999.99")
@example("occurred_at", "2026-03-01T00:00:00,5Z")
def test_any_value_in_any_field_of_an_order_comes_to_the_same(name: str, value: Any) -> None:
    assert_same("OrderEvent", {**ORDER, name: value})


@given(st.integers(0, 10**18 - 1))
@example(127)
@example(128)
@example(32768)
def test_amounts_of_any_size(cents: int) -> None:
    assert_same("OrderEvent", {**ORDER, "amount": f"{cents // 100}.{cents % 100:02}"})


@given(st.datetimes(), st.booleans())
@example(datetime(1969, 12, 31, 23, 59, 59, 999000), True)
def test_times_of_any_year(moment: datetime, milliseconds: bool) -> None:
    assert_same(
        "OrderEvent",
        {**ORDER, "occurred_at": moment.isoformat(timespec="milliseconds" if milliseconds else "seconds") + "Z"},
    )


def test_a_field_that_is_left_out_has_its_default_or_raises() -> None:
    for name in ORDER:
        assert_same("OrderEvent", {key: value for key, value in ORDER.items() if key != name})
