"""What comes from outside: made into an event, or told what is wrong with it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.topics import CATALOGUE
from schemas.validation import Problem, validate
from tests.schemas.strategies import data_of

ORDER = {
    "event_id": "7f2c4f0e-4d7b-4f3e-9a55-0c1f6f3a2b11",
    "occurred_at": "2026-03-01T09:30:00Z",
    "merchant_id": "m-1",
    "order_id": "o-1",
    "listing_id": "l-1",
    "kind": "PLACED",
    "amount": "19.99",
    "currency": "EUR",
}
QUESTION = {
    "event_id": ORDER["event_id"],
    "occurred_at": ORDER["occurred_at"],
    "merchant_id": "m-1",
    "listing_id": "l-1",
    "question_id": "q-1",
    "text": "Is it oak?",
}


def problems(record: str, row: dict[str, Any]) -> tuple[Problem, ...]:
    found = validate(record, row)
    assert isinstance(found, tuple)
    return found


def only(record: str, row: dict[str, Any]) -> Problem:
    (problem,) = problems(record, row)
    return problem


def test_a_row_as_csv_gives_it_becomes_a_datum() -> None:
    datum = validate("OrderEvent", {**ORDER, "kind": "placed", "quantity": "2", "discount": None})
    assert datum == {
        **ORDER,
        "event_id": uuid.UUID(ORDER["event_id"]),
        "occurred_at": datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc),
        "line": 1,
        "kind": "PLACED",
        "quantity": 2,
        "amount": Decimal("19.99"),
        "discount": None,
        "buyer_id": None,
        "store": None,
    }


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.record)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_good_datum_stays_as_it_is(topic: Any, data: st.DataObject) -> None:
    datum = data.draw(data_of(topic.record))
    assert validate(topic.record, datum) == datum


@pytest.mark.parametrize(
    ("field", "value", "expected", "found"),
    [
        ("event_id", "x", "a UUID", "'x'"),
        ("occurred_at", "2026-03-01", "a time with its zone", "'2026-03-01'"),
        ("occurred_at", "yesterday", "a time with its zone", "'yesterday'"),
        ("merchant_id", " ", "text that is not empty", "' '"),
        ("merchant_id", 3.5, "text", "3.5"),
        ("kind", "GONE", "one of UNKNOWN, PLACED", "'GONE'"),
        ("quantity", "2.5", "a whole number", "'2.5'"),
        ("quantity", 2**31, "a whole number", "2147483648"),
        ("quantity", True, "a whole number", "True"),
        ("quantity", -1, "at least 0", "-1"),
        ("amount", "1.234", "at most 2 decimals", "'1.234'"),
        ("amount", "1,99", "at most 2 decimals", "'1,99'"),
        ("amount", "NaN", "at most 2 decimals", "'NaN'"),
        ("amount", "1e30", "at most 2 decimals", "'1e30'"),
        ("amount", "99999999999999999.00", "at most 18 digits", "'99999999999999999.00'"),
        ("amount", "-1", "at least 0", "'-1'"),
        ("currency", "eur", "ISO 4217", "'eur'"),
        ("currency", None, "ISO 4217", "null"),
        ("colour", "red", "one of event_id", "another name"),
    ],
)
def test_a_problem_names_field_expectation_and_finding(field: str, value: Any, expected: str, found: str) -> None:
    problem = only("OrderEvent", {**ORDER, field: value})
    assert problem.field == field
    assert expected in problem.expected
    assert found in problem.found
    assert problem.mend


def test_a_missing_field_is_named() -> None:
    row = {name: value for name, value in ORDER.items() if name != "order_id"}
    problem = only("OrderEvent", row)
    assert (problem.field, problem.found, problem.mend) == ("order_id", "nothing", "add the field order_id")


def test_every_problem_of_a_row_is_told() -> None:
    assert {problem.field for problem in problems("OrderEvent", {"amount": "x"})} == {
        "event_id", "occurred_at", "merchant_id", "order_id", "listing_id", "kind", "amount", "currency",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "field", "found"),
    [({"material": None}, "attributes.material", "null"), ({"size": ["S"]}, "attributes.size", "a list")],
)
def test_a_problem_inside_a_map_names_its_key(attributes: dict[str, Any], field: str, found: str) -> None:
    listing = {name: ORDER[name] for name in ("event_id", "occurred_at", "merchant_id", "listing_id")}
    problem = only("ListingPublished", {**listing, "title": "t", "attributes": attributes})
    assert (problem.field, problem.found) == (field, found)


@pytest.mark.parametrize("text", ["x" * 20_001, ["call 555-0100"], 5.5])
def test_what_may_be_personal_is_not_shown(text: Any) -> None:
    problem = only("QuestionAsked", {**QUESTION, "text": text})
    assert "555" not in str(problem)
    assert "xxx" not in str(problem)
    assert "not shown" in problem.found


def test_a_lone_surrogate_is_refused() -> None:
    assert "UTF-8" in only("QuestionAsked", {**QUESTION, "text": "a\ud800"}).expected


def test_times_are_brought_to_utc_and_milliseconds() -> None:
    east = timezone(timedelta(hours=8))
    datum = validate("OrderEvent", {**ORDER, "occurred_at": datetime(2026, 3, 1, 8, 0, 0, 1999, tzinfo=east)})
    assert isinstance(datum, dict)
    assert datum["occurred_at"] == datetime(2026, 3, 1, 0, 0, 0, 1000, tzinfo=timezone.utc)


def test_a_default_is_not_shared_between_rows() -> None:
    listing = {name: ORDER[name] for name in ("event_id", "occurred_at", "merchant_id", "listing_id")}
    first, second = (validate("ListingPublished", {**listing, "title": "t"}) for _ in range(2))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    first["attributes"]["a"] = "b"
    assert second["attributes"] == {}


@given(st.dictionaries(st.text(max_size=10), st.none() | st.text() | st.integers() | st.floats() | st.lists(st.text())))
def test_no_row_raises(row: dict[str, Any]) -> None:
    assert isinstance(validate("ListingPublished", row), tuple)


@given(
    st.sampled_from(sorted(ORDER)), st.none() | st.booleans() | st.text() | st.integers() | st.floats() | st.binary()
)
def test_no_value_raises(field: str, value: Any) -> None:
    found = validate("OrderEvent", {**ORDER, field: value})
    if isinstance(found, tuple):
        assert [problem.field for problem in found] == [field]


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


def test_what_belongs_in_a_field_that_is_missing_is_said_for_each_kind() -> None:
    found = validate("OrderEvent", {})
    assert isinstance(found, tuple)
    expected = {problem.field: problem.expected for problem in found}
    assert expected["kind"] == "one of UNKNOWN, PLACED, PAID, SHIPPED, DELIVERED, CANCELLED, RETURNED, REFUNDED"
    assert (expected["order_id"], expected["occurred_at"]) == ("text", "a time with its zone")
    assert {problem.mend for problem in found if problem.field == "kind"} == {"add the field kind"}
