"""The writers that are put together once for each record, against fastavro."""

from __future__ import annotations

import io
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from fastavro import schemaless_writer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.codec import Codec
from schemas.records import parsed_schema
from schemas.registry import CommittedRegistry
from schemas.topics import CATALOGUE, ORDERS
from schemas.validation import validate
from schemas.writing import Unfit, record_writer
from tests.schemas.strategies import data_of
from tests.schemas.test_validation import ORDER


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.record)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_the_bytes_are_those_of_fastavro(topic: Any, data: st.DataObject) -> None:
    datum = data.draw(data_of(topic.record))
    body = io.BytesIO()
    schemaless_writer(body, parsed_schema(topic.record), datum, strict=True)
    assert record_writer(topic.record)(datum) == body.getvalue()


@given(st.integers(0, 10**18 - 1), st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
@example(127, datetime(1970, 1, 1))
@example(128, datetime(2039, 9, 7, 15, 47, 35, 551000))
@example(32768, datetime(1969, 12, 31, 23, 59, 59, 999000))
def test_amounts_and_times_of_any_size_are_written_as_fastavro_does(cents: int, moment: datetime) -> None:
    at = moment.replace(tzinfo=timezone.utc)
    datum = validate("OrderEvent", {**ORDER, "amount": Decimal(cents).scaleb(-2), "occurred_at": at})
    assert isinstance(datum, dict)
    body = io.BytesIO()
    schemaless_writer(body, parsed_schema("OrderEvent"), datum, strict=True)
    assert record_writer("OrderEvent")(datum) == body.getvalue()


def test_what_the_fast_writer_does_not_know_fastavro_decides() -> None:
    datum = validate("OrderEvent", ORDER)
    assert isinstance(datum, dict)
    codec = Codec(CommittedRegistry())
    with pytest.raises(Unfit):
        record_writer("OrderEvent")({**datum, "colour": "red"})
    for wrong in ({**datum, "colour": "red"}, {**datum, "quantity": "2"}, {**datum, "amount": Decimal("1.234")}):
        with pytest.raises((ValueError, TypeError)):
            codec.encode(ORDERS, wrong)
    assert codec.encode(ORDERS, {**datum, "event_id": str(datum["event_id"])}) == codec.encode(ORDERS, datum)
