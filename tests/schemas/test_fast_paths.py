"""What was put together once for each record says the same as what looks at the schema every time."""

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
from tests.schemas import plain_validation
from tests.schemas.strategies import data_of
from tests.schemas.test_validation import ORDER

_DIRT = (
    st.none() | st.booleans() | st.text(max_size=20) | st.integers() | st.decimals(places=3) | st.binary(max_size=3)
    | st.lists(st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none() | st.integers(), max_size=2)
    | st.sampled_from(["placed", " 2 ", "19.99", "1e3", "2026-03-01T09:30:00.5Z", "EUR", "en\n", "", " ", "zh-CN"])
)  # fmt: skip


def outcome(found: dict[str, Any] | tuple[Any, ...]) -> Any:
    """Problems in any order: those of unknown fields stand first in one, and last in none."""
    return set(found) if isinstance(found, tuple) else found


@pytest.mark.parametrize("record", ["OrderEvent", "ListingPublished", "QuestionAsked", "AnswerDrafted"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_validation_says_what_it_said_before(record: str, data: st.DataObject) -> None:
    row = data.draw(data_of(record))
    for name in data.draw(st.lists(st.sampled_from([*row, "colour"]), max_size=3, unique=True)):
        if data.draw(st.booleans()):
            row.pop(name, None)
        else:
            row[name] = data.draw(_DIRT)
    assert outcome(validate(record, row)) == outcome(plain_validation.validate(record, row))


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


@pytest.mark.parametrize(("amount", "taken"), [(0.1 + 0.2, "0.30"), (19.99, "19.99"), (3.3 * 3, "9.90")])
def test_a_float_that_misses_the_cent_by_its_last_bits_is_taken(amount: float, taken: str) -> None:
    datum = validate("OrderEvent", {**ORDER, "amount": amount})
    assert isinstance(datum, dict)
    assert datum["amount"] == Decimal(taken)


@pytest.mark.parametrize("amount", [0.305, 1.001, 1e13 + 0.004, float("nan"), float("inf"), 1e-9])
def test_a_float_that_misses_it_by_more_is_not(amount: float) -> None:
    assert isinstance(validate("OrderEvent", {**ORDER, "amount": amount}), tuple)


def test_a_time_outside_of_the_calendar_in_utc_is_a_problem() -> None:
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert isinstance(validate("OrderEvent", {**ORDER, "occurred_at": text}), tuple)


def test_a_million_unknown_fields_are_told_in_few_words() -> None:
    found = validate("OrderEvent", ORDER | {f"f{number}": 1 for number in range(100_000)})
    assert isinstance(found, tuple)
    assert len(found) == 51
    assert "99950" in found[-1].found
