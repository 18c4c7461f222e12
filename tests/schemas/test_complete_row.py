from __future__ import annotations

import uuid
from datetime import datetime, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from schemas.complete_row import canonical, complete
from schemas.topics import LISTINGS, ORDERS, QUESTIONS

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)
LATER = datetime(2026, 3, 2, tzinfo=timezone.utc)
ROW = {"merchant_id": "m-1", "listing_id": "l-1", "title": "Scarf", "price": Decimal("19.90"), "tags": ["a"]}


def test_same_row_gets_the_same_id_at_any_time_and_in_any_format() -> None:
    from_csv = {"title": "Scarf", "price": "19.90", "tags": ["a"], "listing_id": "l-1", "merchant_id": "m-1"}
    ids = {complete(LISTINGS, row, now)["event_id"] for row in (ROW, from_csv) for now in (NOW, LATER)}
    assert len(ids) == 1
    assert ids.pop().version == 5


def test_another_row_or_topic_gets_another_id() -> None:
    rows = (ROW, {**ROW, "title": "x"})
    ids = {complete(topic, row, NOW)["event_id"] for topic in (LISTINGS, ORDERS) for row in rows}
    assert len(ids) == 4


def test_given_id_and_time_stay() -> None:
    given_row = {**ROW, "event_id": str(uuid.UUID(int=7)), "occurred_at": "2026-01-01T00:00:00Z"}
    assert complete(LISTINGS, given_row, NOW) == given_row


def test_time_is_filled_in_for_listings_and_questions_only() -> None:
    assert complete(LISTINGS, ROW, NOW)["occurred_at"] == NOW
    assert complete(QUESTIONS, {"occurred_at": None}, NOW)["occurred_at"] == NOW
    assert "occurred_at" not in complete(ORDERS, ROW, NOW)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _json, max_size=5))
def test_canonical_form_does_not_depend_on_the_order_of_fields(row: dict[str, object]) -> None:
    assert canonical(row) == canonical(dict(reversed(row.items())))


@given(st.dictionaries(st.text(), st.text(min_size=1)), st.dictionaries(st.text(), st.text(min_size=1)))
def test_canonical_form_of_different_rows_differs(a: dict[str, str], b: dict[str, str]) -> None:
    assert (canonical(a) == canonical(b)) == (a == b)
