"""Choosing among dead letters, and showing their bytes."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from consumers.deadletters.browse import NoSuchDeadLetter, Wanted, find, hexdump, select
from schemas.events import DeadLetter
from tests.consumers.events import AT, FULL

LETTER = next(event for event in FULL if isinstance(event, DeadLetter))


def letter(number: int, **more: object) -> DeadLetter:
    values = {"event_id": uuid.UUID(int=number), "occurred_at": AT + timedelta(seconds=number), "replays": 0, **more}
    return replace(LETTER, **values)  # type: ignore[arg-type]


def test_the_newest_come_first_and_no_more_than_asked_for() -> None:
    letters = [letter(2), letter(3), letter(1)]
    assert [each.event_id.int for each in select(letters, Wanted())] == [3, 2, 1]
    assert [each.event_id.int for each in select(letters, Wanted(), newest=2)] == [3, 2]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(topic="orders.v1"), [2]),
        (Wanted(stage="sink"), [3]),
        (Wanted(error_class="BadFraming"), [4]),
        (Wanted(since=AT + timedelta(seconds=3)), [4, 3]),
        (Wanted(until=AT + timedelta(seconds=3)), [2, 1]),
        (Wanted(stage="sink", topic="orders.v1"), []),
    ],
)
def test_filters(wanted: Wanted, ids: list[int]) -> None:
    letters = [
        letter(1),
        letter(2, source_topic="orders.v1"),
        letter(3, stage="sink"),
        letter(4, error_class="BadFraming"),
    ]
    assert [each.event_id.int for each in select(letters, wanted)] == ids


def test_a_letter_that_was_written_down_twice_counts_once_with_its_highest_replays() -> None:
    (one,) = select([letter(1, stage="answer"), letter(1, replays=2), letter(1, stage="sink")], Wanted())
    assert (one.stage, one.replays) == ("sink", 2)


def test_finding_one_by_its_id() -> None:
    assert find([letter(1), letter(2)], uuid.UUID(int=2)) == letter(2)
    with pytest.raises(NoSuchDeadLetter, match="tradewind deadletters ls"):
        find([letter(1)], uuid.UUID(int=2))


def test_hexdump() -> None:
    assert list(hexdump(b"\x00Hello, |\xff\n" + b"z" * 8)) == [
        "00000000  00 48 65 6c 6c 6f 2c 20 7c ff 0a 7a 7a 7a 7a 7a  |.Hello, |..zzzzz|",
        "00000010  7a 7a 7a                                         |zzz|",
    ]
    assert list(hexdump(b"")) == []
