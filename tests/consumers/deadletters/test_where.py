"""The language of `--where`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.deadletters.browse import Wanted, select
from consumers.deadletters.where import Condition, WhereError, parse_where
from schemas.events import DeadLetter
from tests.consumers.events import AT, FULL

LETTER = replace(
    next(event for event in FULL if isinstance(event, DeadLetter)),
    source_topic="questions.v1",
    source_partition=3,
    source_offset=150,
    stage="answer",
    error_class="BadBody",
    message='2 bytes are left over: a "Rest"',
    merchant_id="m-1",
    attempts=3,
    replays=1,
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("topic=questions", True),
        ("topic=questions.v1", True),
        ("topic=question", False),
        ("topic!=questions", False),
        ("topic!=orders", True),
        ("topic ~ quest", True),
        ("stage=answer and error=BadBody", True),
        ("stage=answer and error=BadFraming", False),
        ("stage = 'answer' AND error = \"BadBody\"", True),
        ("offset>=150 and offset<151", True),
        ("offset>150", False),
        ("partition!=3", False),
        ("replays<=1 and attempts>2", True),
        ("message~'LEFT over'", True),
        ("message~'a \"rest\"'", True),
        ("merchant=m-1", True),
        ("merchant=''", False),
        ("since>=2026-03-01", True),
        ("since=2026-03-01T09:30:15.123Z", True),
        ("since=2026-03-02", False),
        ("until=2026-03-01T09:30:15.123+00:00", False),
        ("until<2026-03-02", True),
        ("at>2026-03-01T10:00:00+01:00", True),
    ],
)
def test_what_holds(text: str, holds: bool) -> None:
    assert select([LETTER], Wanted(conditions=parse_where(text))) == ([LETTER] if holds else [])


def test_all_conditions_and_all_filters_must_hold() -> None:
    conditions = (*parse_where("offset=150"), *parse_where("stage=answer"))
    assert select([LETTER], Wanted(topic="questions.v1", conditions=conditions)) == [LETTER]
    assert select([LETTER], Wanted(topic="orders.v1", conditions=conditions)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at the end: expected a field: topic, partition,"),
        ("colour=red", "at character 1: expected a field: .*; found 'colour=red'"),
        ("topic", "at the end: expected != or = or ~ after topic"),
        ("topic>questions", "at character 6: expected != or = or ~ after topic; found '>questions'"),
        ("offset~1", "at character 7: expected .*<=.* after offset"),
        ("since<2026-01-01", "at character 6: expected = or >= after since"),
        ("topic=", "at the end: expected a value after topic="),
        ("topic=orders stage=sink", "at character 14: expected and, or the end; there is no or.*; found 'stage=sink'"),
        ("topic=orders or stage=sink", "at character 14: .* once for each case; found 'or stage=sink'"),
        ("topic=orders and", "at the end: expected a field"),
        ("message~'left over", "at character 9: expected a quoted text to end; found|at character 9: .*same quote"),
        ("offset=ten", "at character 8: expected a whole number; found 'ten'"),
        ("offset=-1", "at character 8: expected a whole number"),
        ("at>=yesterday", "at character 5: expected a date or time such as 2026-01-31"),
        ("__class__=x", "at character 1: expected a field"),
        ("topic=a!b", "at character 8: "),
    ],
)
def test_what_does_not_read_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(WhereError, match=message):
        parse_where(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        conditions = parse_where(text)
    except WhereError:
        return
    assert conditions
    for condition in conditions:
        condition.holds(LETTER)


@given(st.text(st.characters(exclude_characters='"'), max_size=20), st.integers(0, 10**17), st.datetimes())
def test_values_come_out_as_they_went_in(text: str, number: int, time: datetime) -> None:
    moment = time.replace(tzinfo=timezone(timedelta(hours=2)))
    assert parse_where(f'message="{text}" and offset<={number} and at!={moment.isoformat()}') == (
        Condition("message", "=", text),
        Condition("offset", "<=", number),
        Condition("at", "!=", moment),
    )


def test_a_time_without_a_zone_is_utc() -> None:
    assert parse_where("at=2026-03-01T09:30:15.123") == (Condition("at", "=", AT),)
